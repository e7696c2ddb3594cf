"""Attempts of a call: an endpoint chosen, a stream leased, the request sent, and what is kept of it for one more.

A request is kept from its head until its answer begins, or until it is larger than its route allows. As long as it
is kept nothing of any answer has gone to the client, so that the call may be tried again: always if no origin has
looked at it, and by the policy of its route after certain statuses.
"""
from libc.stdio cimport snprintf
from libc.string cimport memset, strlen

from fastgw._core.buf cimport chain_append, chain_close, chain_copy, chain_open, octets_close
from fastgw._core.h2.conn cimport Conn
from fastgw._core.h2.outbox cimport outbox_abort
from fastgw._core.h2.streams cimport conn_stream_open, ready_put
from fastgw._core.proxy.balance cimport balance_pick
from fastgw._core.proxy.decide cimport TEXT_SIZE, failure_reply
from fastgw._core.proxy.desk cimport (
    ENDED_HALF, PHASE_CONNECT, PHASE_POLICY, SIDE_GATEWAY, SIDE_ORIGIN, Desk, Pool, desk_dice)
from fastgw._core.proxy.endpoints cimport endpoint_begin, endpoint_end
from fastgw._core.proxy.exchange cimport exchange_fail, exchange_lose_client
from fastgw._core.proxy.head cimport head_request_put
from fastgw._core.proxy.link cimport link_dirty
from fastgw._core.proxy.pool cimport FAILURE_NO_MEMORY, pool_free_link, pool_lease
from fastgw._core.proxy.reply cimport ORIGIN_UNREACHABLE, OVERLOADED, LocalReply
from fastgw._core.proxy.route cimport EndpointRow
from fastgw._core.proxy.timing cimport timing_look_in
from fastgw._core.reasons cimport CANCEL, REFUSED_STREAM
from fastgw._core.wire.fields cimport GRPC_TIMEOUT, Field, request_head_check
from fastgw._core.wire.stash cimport stash_get, stash_section

cdef enum:
    _TOKENS_PER_RETRY = 10
    _TIMEOUT_SIZE = 16          # octets of a grpc-timeout we write


# ---- what is kept


cdef void attempt_settle(Exchange *self) noexcept nogil:
    """No more attempts: what was kept goes."""
    self.keeping = self.seeking = False
    self.again_at = self.release_at = 0
    octets_close(&self.head)
    octets_close(&self.answer)
    _kept_close(self)


cdef void _kept_close(Exchange *self) noexcept nogil:
    self.desk.kept -= self.kept.length
    self.desk.room.waiting -= self.kept_waiting
    self.kept_waiting = 0
    chain_close(&self.kept)


cdef bint attempt_note(Exchange *self, const uint8_t *payload, uint32_t length) noexcept nogil:
    """Keep request DATA that has come. True: it waits here, for a stream that is not there yet."""
    cdef Desk *desk = self.desk
    if not self.seeking:
        if self.keeping and (self.kept.length + length > self.route.replay_octets
                             or desk.kept > desk.room.limits.waiting_octets
                             or not chain_append(&self.kept, payload, length)):
            attempt_settle(self)
        elif self.keeping:
            desk.kept += length
        return False
    if not chain_append(&self.kept, payload, length):
        exchange_lose_client(self, <uint32_t>REFUSED_STREAM)
        return False
    desk.kept += length
    desk.room.waiting += length
    self.kept_waiting += length
    return True


cdef uint32_t attempt_unpaid(Exchange *self, uint32_t length) noexcept nogil:
    """Of `length` octets that have left the origin's stream, those for which the client has not got its credit yet.

    What an earlier attempt has sent already was paid for then.
    """
    cdef uint32_t before = length
    if self.replayed < before:
        before = <uint32_t>self.replayed
    self.replayed -= before
    length -= before
    if self.keeping:
        self.paid += length
    return length


# ---- choosing


cdef void attempt_first(Exchange *self, FieldSection *section, const RequestHead *head) noexcept nogil:
    """Keep the head, then the same as attempt_stashed."""
    self.keeping = stash_section(&self.head, section)
    if self.keeping:
        attempt_stashed(self, section, head)
    else:
        exchange_lose_client(self, <uint32_t>REFUSED_STREAM)


cdef void attempt_stashed(Exchange *self, FieldSection *section, const RequestHead *head) noexcept nogil:
    """Send the request to the endpoint whose turn it is, now or when a stream is free; or answer why not."""
    cdef Link *link
    cdef const EndpointRow *endpoint = balance_pick(self.desk, self.use.data, self.row, 0, False, self.key)
    if endpoint == NULL:
        _deny(self)
        return
    _choose(self, endpoint)
    link = pool_lease(self.desk, self)
    if link != NULL:
        _begin(self, link, section, head)


cdef void _deny(Exchange *self) noexcept nogil:
    """No endpoint may serve: those that are available have enough to do, or none is and that must be so."""
    cdef char text[TEXT_SIZE]
    if self.row.policy.calls_most > 0:
        snprintf(text, TEXT_SIZE, b"origin %s has %u running calls at each endpoint, which is its limit",
                 self.row.label, self.row.policy.calls_most)
        exchange_fail(self, OVERLOADED, SIDE_GATEWAY, <int>PHASE_POLICY, text)
    else:
        snprintf(text, TEXT_SIZE, b"origin %s has no endpoint that is available", self.row.label)
        exchange_fail(self, ORIGIN_UNREACHABLE, SIDE_ORIGIN, <int>PHASE_CONNECT, text)


cdef inline uint64_t _place(const Exchange *self) noexcept nogil:
    """The bit of the endpoint that was chosen last."""
    return <uint64_t>1 << <uint64_t>(self.endpoint - self.row.endpoints)


cdef void _choose(Exchange *self, const EndpointRow *endpoint) noexcept nogil:
    self.endpoint = endpoint
    self.tried |= _place(self)
    self.attempts += 1
    self.running = True
    self.seeking = True
    self.again_at = 0
    self.answered_at = 0
    endpoint_begin(endpoint.state)


cdef void attempt_over(Exchange *self) noexcept nogil:
    """This attempt does not run any more."""
    if self.running:
        self.running = False
        endpoint_end(self.endpoint.state)


cdef bint _may(Exchange *self, Again why) noexcept nogil:
    """Is one more attempt allowed?"""
    cdef uint32_t most = self.route.attempts_most
    cdef Pool *pool
    if not self.keeping or self.client == NULL or self.client.conn == NULL or self.finished:
        return False
    if why != AGAIN_BY_POLICY:
        return self.attempts < max(most, self.row.count + 1) and self.attempts < 255
    if self.attempts >= most:
        return False
    pool = self.desk.pools[self.endpoint.state.number]
    if pool.retry_tokens < _TOKENS_PER_RETRY:
        self.desk.meter.retries_over_budget += 1
        return False
    pool.retry_tokens -= _TOKENS_PER_RETRY
    return True


cdef bint _is_too_late(const Exchange *self, int64_t pushback_ms) noexcept nogil:
    """Would the call be over, by its deadline or for its silence, before the time the origin asks for has passed?"""
    cdef uint64_t now = self.desk.loop.now
    if pushback_ms <= 0:
        return False
    if self.deadline_at > 0 and now + <uint64_t>pushback_ms * 1000000 >= self.deadline_at:
        return True
    return self.route.idle_ms > 0 and pushback_ms >= self.route.idle_ms


cdef bint attempt_again(Exchange *self, Again why, int64_t pushback_ms) noexcept nogil:
    """Try the call once more, if that is allowed; False: it is not, and nothing has changed.

    pushback_ms  what the origin said about when: PUSHBACK_NONE nothing, below 0 never
    An attempt that found no connection is followed by one elsewhere, or by none if nobody could be reached. Nobody
    waits for an attempt that would come too late.
    """
    cdef Desk *desk = self.desk
    cdef const EndpointRow *endpoint
    cdef uint64_t wait_ms = 0
    if (pushback_ms < 0 and pushback_ms != PUSHBACK_NONE) or _is_too_late(self, pushback_ms) or not _may(self, why):
        return False
    endpoint = balance_pick(desk, self.use.data, self.row, self.tried, why == AGAIN_UNSENT, self.key)
    if why == AGAIN_UNSENT:
        self.gone |= _place(self)
        if endpoint == NULL and self.tried == self.gone:
            return False
    attempt_over(self)
    self.status = 0
    self.grpc_status = -1
    self.answered_at = 0
    octets_close(&self.answer)
    self.release_at = 0
    desk.meter.attempts_again += 1
    self.seeking = True
    if endpoint == NULL:
        self.tried = self.gone
        wait_ms = <uint64_t>BACKOFF_MS << min(self.attempts - 1, 10)
        wait_ms = min(wait_ms, <uint64_t>BACKOFF_MOST_MS)
        wait_ms = wait_ms // 2 + desk_dice(desk) % (wait_ms + 1)
    if pushback_ms > 0 and <uint64_t>pushback_ms > wait_ms:
        wait_ms = <uint64_t>pushback_ms
    if wait_ms > 0:
        self.again_at = desk.loop.now + wait_ms * 1000000
        timing_look_in(self, wait_ms)
        return True
    _try(self, endpoint)
    return True


cdef void attempt_due(Exchange *self) noexcept nogil:
    """The wait before the next attempt is over."""
    cdef const EndpointRow *endpoint = balance_pick(self.desk, self.use.data, self.row, self.tried, False, self.key)
    self.again_at = 0
    if endpoint == NULL:
        _deny(self)
    else:
        _try(self, endpoint)


cdef void _try(Exchange *self, const EndpointRow *endpoint) noexcept nogil:
    """Another attempt, with what was kept."""
    cdef Link *link
    _choose(self, endpoint)
    link = pool_lease(self.desk, self)
    if link != NULL:
        attempt_lease_ready(self, link)


cdef void attempt_lease_ready(Exchange *self, Link *link) noexcept nogil:
    """There is a stream for it: the kept request goes out, unless the client's connection is being lost just now."""
    cdef FieldSection *section = &self.desk.room.stashed
    cdef RequestHead head
    if self.client_link.dead or self.client_link.conn.broken:
        return
    stash_get(&self.head, section)
    request_head_check(section, &head)
    _begin(self, link, section, &head)


cdef void attempt_lease_failed(Exchange *self, Link *link, int failure) noexcept nogil:
    """The endpoint cannot be had. Another one may be; `link` is the connection that failed, or NULL."""
    cdef char text[TEXT_SIZE]
    cdef int phase = 0
    cdef LocalReply reply = failure_reply(self, link, failure, text, &phase)
    if failure == FAILURE_NO_MEMORY or not attempt_again(self, AGAIN_UNSENT, PUSHBACK_NONE):
        exchange_fail(self, reply, SIDE_ORIGIN, phase, text)


# ---- sending


cdef const Field *_timeout_field(Exchange *self, Field *field, char *text) noexcept nogil:
    """What is left of the deadline, as a grpc-timeout of at most 8 digits; NULL: it passes as it came."""
    cdef uint64_t left = 0
    if not self.grpc or self.deadline_at == 0 or (self.desk.loop.now == self.started_at and not self.clamped):
        return NULL
    if self.deadline_at > self.desk.loop.now:
        left = self.deadline_at - self.desk.loop.now
    if left < <uint64_t>100000000 * 1000:
        snprintf(text, _TIMEOUT_SIZE, b"%lluu", <unsigned long long>max(left // 1000, <uint64_t>1))
    elif left < <uint64_t>100000000 * 1000000:
        snprintf(text, _TIMEOUT_SIZE, b"%llum", <unsigned long long>(left // 1000000))
    else:
        snprintf(text, _TIMEOUT_SIZE, b"%lluS", <unsigned long long>min(left // 1000000000, <uint64_t>99999999))
    memset(field, 0, sizeof(Field))
    field.name = <const uint8_t *>b"grpc-timeout"
    field.name_length = 12
    field.value = <const uint8_t *>text
    field.value_length = <uint32_t>strlen(text)
    field.kind = <uint8_t>GRPC_TIMEOUT
    return field


cdef Stream *_ask(Exchange *self, Link *link, const EndpointRow *endpoint, FieldSection *section,
                  const RequestHead *head, bint ends) noexcept nogil:
    """Open a stream on this link and send the head; NULL: no memory."""
    cdef Field field, authority
    cdef const Field *other = NULL
    cdef char text[_TIMEOUT_SIZE]
    cdef Stream *stream = conn_stream_open(&link.conn, link.conn.next_id)
    if stream == NULL:
        return NULL
    link.conn.next_id += 2
    stream.owner = self
    stream.bodyless = self.is_head
    if self.asked_for != NULL or endpoint.authority != NULL:
        memset(&authority, 0, sizeof(Field))
        authority.value = <const uint8_t *>(endpoint.authority if self.asked_for == NULL else self.asked_for)
        authority.value_length = endpoint.authority_length if self.asked_for == NULL else self.asked_for_length
        other = &authority
    head_request_put(&link.conn, stream, section, head, _timeout_field(self, &field, text), other,
                     endpoint.context != NULL, ends)
    return stream


cdef void _begin(Exchange *self, Link *link, FieldSection *section, const RequestHead *head) noexcept nogil:
    """Open the origin's stream; send the head, at once and even without DATA, and what has come behind it."""
    cdef bint ended = self.request.half == ENDED_HALF
    cdef Stream *stream = _ask(self, link, self.endpoint, section, head, ended and self.kept.length == 0)
    self.seeking = False
    if stream == NULL:
        exchange_lose_client(self, <uint32_t>REFUSED_STREAM)
        return
    self.origin = stream
    self.attempt_at = self.desk.loop.now
    self.replayed = self.paid
    if self.kept.length > 0 and stream.conn != NULL:
        _send_kept(self, link, stream, ended)
    if self.route.hedge_ms > 0 and self.attempts == 1:
        self.hedge_at = self.desk.loop.now + self.route.hedge_ms * <uint64_t>1000000
        timing_look_in(self, self.route.hedge_ms)


cdef void _send_kept(Exchange *self, Link *link, Stream *stream, bint ended) noexcept nogil:
    """Let the stream have what has come of the request: a copy if there may be another attempt, else all there is."""
    cdef Desk *desk = self.desk
    desk.room.waiting += self.kept.length - self.kept_waiting
    self.kept_waiting = 0
    if self.kept.length > self.route.replay_octets or not chain_copy(&stream.waiting, &self.kept):
        chain_close(&stream.waiting)
        desk.kept -= self.kept.length
        stream.waiting = self.kept
        chain_open(&self.kept, &desk.memory)
        attempt_settle(self)
    stream.end_waiting = ended
    if stream.send_window.left > 0:
        ready_put(&link.conn, stream)
    link_dirty(&link.conn)


# ---- hedging: a rival beside the first attempt


cdef void attempt_hedge(Exchange *self) noexcept nogil:
    """The first attempt has not answered for a while: send the same to another endpoint, if one is ready for it.

    Only a request that has come whole has a rival: nothing more needs to be told to both.
    """
    cdef Desk *desk = self.desk
    cdef FieldSection *section = &desk.room.stashed
    cdef RequestHead head
    cdef const EndpointRow *endpoint
    cdef Link *link
    cdef Stream *stream
    self.hedge_at = 0
    if (self.seeking or self.origin == NULL or self.rival != NULL or self.request.half != ENDED_HALF
            or self.kept.length > self.route.replay_octets):
        return
    endpoint = balance_pick(desk, self.use.data, self.row, self.tried, False, self.key)
    if endpoint == NULL or endpoint.address_length == 0:
        return
    link = pool_free_link(desk, self.use.data, self.row, endpoint)
    if link == NULL or not _may(self, AGAIN_BY_POLICY):
        return
    stash_get(&self.head, section)
    request_head_check(section, &head)
    stream = _ask(self, link, endpoint, section, &head, self.kept.length == 0)
    if stream == NULL:
        return
    self.tried |= <uint64_t>1 << <uint64_t>(endpoint - self.row.endpoints)
    self.attempts += 1
    endpoint_begin(endpoint.state)
    self.rival = stream
    self.rival_endpoint = endpoint
    self.rival_began_at = desk.loop.now
    desk.meter.attempts_hedged += 1
    if self.kept.length > 0 and stream.conn != NULL:
        if not chain_copy(&stream.waiting, &self.kept):
            chain_close(&stream.waiting)
            attempt_drop_rival(self)
            return
        desk.room.waiting += self.kept.length
        stream.end_waiting = True
        if stream.send_window.left > 0:
            ready_put(&link.conn, stream)
        link_dirty(&link.conn)


cdef bint attempt_lose_one(Exchange *self, Stream *loser) noexcept nogil:
    """Of two attempts that run, `loser` is given up and the other one is the call's. False: there are no two."""
    cdef Stream *first = self.origin
    cdef const EndpointRow *endpoint = self.endpoint
    if self.rival == NULL:
        return False
    if loser == self.rival:
        attempt_drop_rival(self)
        return True
    self.origin = self.rival
    self.endpoint = self.rival_endpoint
    self.attempt_at = self.rival_began_at
    self.replayed = self.kept.length        # it pays nobody: the request had come whole
    self.rival = first
    self.rival_endpoint = endpoint
    attempt_drop_rival(self)
    return True


cdef void attempt_drop_rival(Exchange *self) noexcept nogil:
    """The attempt beside the call's own, if there is one, is cancelled."""
    cdef Stream *stream = self.rival
    if stream == NULL:
        return
    self.rival = NULL
    endpoint_end(self.rival_endpoint.state)
    if stream.conn != NULL:
        outbox_abort(<Conn *>stream.conn, stream, <uint32_t>CANCEL)
    else:
        stream.owner = NULL
