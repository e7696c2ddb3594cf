"""One request and its response: decided, carried both ways, ended; the credit of both sides is kept here.

Both directions are one relay: a ledger per direction, octets from a source stream to a target stream. Credit goes
back to the sender when its octets have gone into the other side's outbox, which is bounded (h2.conn, OUTBOX_HIGH).
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdio cimport snprintf
from libc.string cimport memcmp, memcpy, memset

from fastgw._core.buf cimport chain_open, octets_open, slots_return, slots_take
from fastgw._core.clock cimport clock_now, clock_wall
from fastgw._core.h2.conn cimport (
    CAUSE_GOAWAY, CAUSE_LOST, CAUSE_REFUSED, CAUSE_RESET, OUTBOX_HIGH, Cause, Conn)
from fastgw._core.h2.outbox cimport (
    outbox_abort, outbox_credit_connection, outbox_credit_stream, outbox_data, outbox_trailers)
from fastgw._core.h2.stream cimport CLOSED, HALF_CLOSED_LOCAL, Stream
from fastgw._core.proxy.admit cimport admit, admit_forget
from fastgw._core.proxy.attempt cimport (
    AGAIN_BY_POLICY,
    AGAIN_UNPROCESSED,
    PUSHBACK_NONE,
    attempt_again,
    attempt_drop_rival,
    attempt_lose_one,
    attempt_note,
    attempt_over,
    attempt_settle,
    attempt_unpaid,
)
from fastgw._core.proxy.decide cimport TEXT_SIZE, exchange_decide
from fastgw._core.proxy.desk cimport (
    BROKEN_HALF,
    ENDED_HALF,
    OPEN_HALF,
    PHASE_POLICY,
    PHASE_STREAM,
    SIDE_CLIENT,
    SIDE_GATEWAY,
    SIDE_ORIGIN,
    Desk,
    Ledger,
    Link,
    Phase,
    Side,
    desk_snapshot,
)
from fastgw._core.proxy.endpoints cimport endpoint_answered, endpoint_failed, endpoint_served
from fastgw._core.proxy.guard cimport guard_clean, guard_leave
from fastgw._core.proxy.head cimport head_response_put
from fastgw._core.proxy.link cimport link_dirty, use_release
from fastgw._core.proxy.meter cimport (
    SMART_ROUTING, Finished, Tallies, meter_call, meter_ring_commit, meter_ring_next, meter_zone)
from fastgw._core.proxy.pace cimport pace_begin, pace_credit, pace_relay
from fastgw._core.proxy.pool cimport pool_leave, pool_settled
from fastgw._core.proxy.reply cimport (
    HEAD_TOO_LARGE,
    NO_REPLY,
    ORIGIN_BAD_RESPONSE,
    ORIGIN_RESET,
    OVERLOADED,
    Answer,
    LocalReply,
    answer_grpc_status,
    answer_http_status,
    reply_send,
)
from fastgw._core.proxy.resets cimport reset_by_client, reset_by_origin, reset_toward_origin
from fastgw._core.proxy.route cimport PEAK_EWMA, EndpointRow
from fastgw._core.proxy.timing cimport timing_begin, timing_end, timing_look_in
from fastgw._core.reasons cimport (
    ACCEPTED,
    CANCEL,
    ENHANCE_YOUR_CALM,
    INTERNAL_ERROR,
    NO_ERROR,
    REFUSED_STREAM,
    reason_name,
)
from fastgw._core.wire.fields cimport Field, FieldSection, RequestHead, ResponseHead
from fastgw._core.wire.grpc cimport (
    GRPC_CANCELLED,
    GRPC_INTERNAL,
    GRPC_RESOURCE_EXHAUSTED,
    GRPC_UNAVAILABLE,
    media_type_is_grpc,
    message_scan,
)
from fastgw._core.wire.stash cimport stash_get, stash_section

cdef enum:
    _PUSHBACK_MOST_MS = 86400000
    _HEAD_HELD_MS = 100         # how long a response head waits for what follows it


# ---- credit


cdef void _hold(Exchange *self, Conn *sender, uint32_t size) noexcept nogil:
    """`size` octets wait here. Only their stream pays for that, not its neighbours on the sender's connection.

    When the worker holds too much, a client that has more than its share of it loses the call. So nobody's credit
    is withheld for somebody else's idleness, and at most twice the limit waiting_octets is held.
    """
    cdef Desk *desk = self.desk
    cdef uint64_t most
    self.held += size
    self.client_link.held += size
    outbox_credit_connection(sender, size)
    most = desk.room.limits.waiting_octets
    if desk.room.waiting > most and self.client_link.held > most // (desk.meter.connections_open + 1):
        _shed(self)


cdef void _unhold(Exchange *self, uint64_t size) noexcept nogil:
    """`size` octets have gone; those of local replies were never counted. While the client's stream is there."""
    if size > self.held:
        size = self.held
    self.held -= size
    self.client_link.held -= size


cdef inline void _pay(Exchange *self, Stream *source, uint32_t size) noexcept nogil:
    """`size` octets that waited have gone: their sender may send as many again."""
    if size == 0:
        return
    if self.client != NULL:
        _unhold(self, size)
    if source != NULL and source.conn != NULL:
        _credit_stream(self, <Conn *>source.conn, source, size)


cdef inline void _credit_stream(Exchange *self, Conn *sender, Stream *source, uint32_t size) noexcept nogil:
    """At once, or in time where the client's pace is limited."""
    if self.paced and source == self.client:
        pace_credit(self, source, size)
    else:
        outbox_credit_stream(sender, source, size)


cdef void _shed(Exchange *self) noexcept nogil:
    """Break off a call of a client that takes too little of what it asked for."""
    self.error = <uint8_t>OVERLOADED
    self.blamed = True
    self.side = <uint8_t>SIDE_CLIENT
    self.phase = <uint8_t>PHASE_STREAM
    self.grpc_status = <short>GRPC_RESOURCE_EXHAUSTED
    self.desk.meter.replies[<int>OVERLOADED] += 1
    _drop_origin(self, <uint32_t>CANCEL)
    _drop_client(self, <uint32_t>ENHANCE_YOUR_CALM)
    _finish(self)


# ---- life


cdef void _count(Exchange *self) noexcept nogil:
    """Add the call to what its zone has used."""
    cdef Tallies call
    call.calls = 1
    call.denied = self.error != NO_REPLY and self.phase == PHASE_POLICY
    call.failed = call.denied == 0 and (self.error != NO_REPLY or self.grpc_status > 0)
    call.request_octets = self.request.octets
    call.response_octets = self.response.octets
    call.request_messages = self.request.scan.messages
    call.response_messages = self.response.scan.messages
    if self.attempts > 0 and self.row.policy.balance == PEAK_EWMA and self.row.count > 1:
        self.products |= <int>SMART_ROUTING
    meter_call(meter_zone(&self.desk.meter, self.zone.number), &call, self.products)


cdef void _finish(Exchange *self) noexcept nogil:
    """Both streams are gone: count, log, let go. The memory goes when the turn ends."""
    cdef Desk *desk = self.desk
    if self.finished or self.client != NULL or self.origin != NULL:
        return
    self.finished = True
    pool_leave(self)
    desk.meter.exchanges_finished += 1
    desk.meter.exchanges_open -= 1
    if self.zone != NULL:
        _count(self)
    if desk.log:
        _log(self)
    attempt_settle(self)
    attempt_over(self)
    admit_forget(self)
    guard_leave(self)
    timing_end(self)
    use_release(desk, self.use)
    self.next = desk.dead_exchanges
    desk.dead_exchanges = self


cdef void _log(Exchange *self) noexcept nogil:
    """Put the exchange into the ring other threads read."""
    cdef Finished *row = meter_ring_next(&self.desk.meter)
    cdef unsigned long long now
    if row == NULL:
        return
    now = clock_now()
    row.wall = clock_wall()
    row.duration = now - self.started_at
    row.first = self.answered_at - self.started_at if self.answered_at > 0 else 0
    row.lease = <int64_t>(self.attempt_at - self.started_at) if self.attempt_at > 0 else -1
    row.ray = self.ray
    row.request_octets = self.request.octets
    row.response_octets = self.response.octets
    row.request_messages = self.request.scan.messages
    row.response_messages = self.response.scan.messages
    row.zone = 0xffffffff if self.zone == NULL else self.zone.number
    row.status = self.status
    row.grpc_status = self.grpc_status
    row.error = self.error
    row.rule = self.rule_slot
    row.bot_score = self.bot_score
    row.bot_reasons = self.bot_reasons
    row.blamed = self.blamed
    row.side = self.side
    row.phase = self.phase
    row.grpc = self.grpc
    row.attempts = self.attempts
    if self.endpoint != NULL:
        snprintf(<char *>row.endpoint, sizeof(row.endpoint), b"%s", self.endpoint.label)
    else:
        row.endpoint[0] = 0
    memcpy(row.peer, self.peer, sizeof(row.peer))
    row.path_length = self.path_length
    memcpy(row.path, self.path, self.path_length)
    row.authority_length = self.authority_length
    memcpy(row.authority, self.authority, self.authority_length)
    meter_ring_commit(&self.desk.meter)


cdef void exchange_sweep(Desk *desk) noexcept nogil:
    """The turn is over: finished exchanges give their slots back."""
    cdef Exchange *self
    while desk.dead_exchanges != NULL:
        self = desk.dead_exchanges
        desk.dead_exchanges = self.next
        slots_return(&desk.exchanges, self)


cdef void _drop_client(Exchange *self, uint32_t code) noexcept nogil:
    """Reset what is left of the client's stream, if anything is."""
    cdef Stream *stream = self.client
    if stream != NULL:
        _unhold(self, self.held)
    self.client = NULL
    if stream != NULL and stream.conn != NULL:
        outbox_abort(<Conn *>stream.conn, stream, code)


cdef void _drop_origin(Exchange *self, uint32_t code) noexcept nogil:
    """The same for the origin's."""
    cdef Stream *stream = self.origin
    self.origin = NULL
    attempt_over(self)
    attempt_drop_rival(self)
    if stream != NULL and stream.conn != NULL:
        outbox_abort(<Conn *>stream.conn, stream, code)


cdef void _close_client(Exchange *self) noexcept nogil:
    """The answer is complete: a client that is still sending is told to stop, without an error (RFC 9113 8.1)."""
    cdef Stream *stream = self.client
    if stream != NULL and stream.conn != NULL and stream.state == HALF_CLOSED_LOCAL:
        _drop_client(self, <uint32_t>NO_ERROR)


cdef void _reply(Exchange *self, LocalReply reply, Side side, int phase, int grpc_status,
                 const char *text) noexcept nogil:
    """Answer here, in place of the origin; what is left of the origin's stream is cancelled."""
    cdef Answer answer
    cdef Stream *stream = self.client
    self.error = <uint8_t>reply
    self.blamed = True
    self.side = <uint8_t>side
    self.phase = <uint8_t>phase
    self.response.half = <uint8_t>BROKEN_HALF
    pool_leave(self)
    attempt_settle(self)
    _drop_origin(self, <uint32_t>CANCEL)
    if stream != NULL and stream.conn != NULL:
        self.desk.meter.replies[<int>reply] += 1
        answer.reply = reply
        answer.side = side
        answer.phase = <Phase>phase
        answer.grpc_status = grpc_status
        answer.ray = self.ray
        answer.grpc = self.grpc
        answer.html = self.wants_html
        answer.bodyless = self.is_head
        answer.text = text
        answer.endpoint = NULL
        if self.endpoint != NULL:
            answer.endpoint = self.endpoint.label
        answer.attempt = self.attempts
        answer.rule = self.rule
        answer.retry_ms = self.retry_ms
        if not stream.head_sent:
            self.status = <unsigned short>(200 if self.grpc else answer_http_status(&answer))
        if self.grpc:
            self.grpc_status = <short>answer_grpc_status(&answer)
        if stream.head_sent and not self.grpc:
            _drop_client(self, <uint32_t>INTERNAL_ERROR)
        else:
            reply_send(<Conn *>stream.conn, stream, &answer)
            _close_client(self)
    _finish(self)


cdef void exchange_fail(Exchange *self, LocalReply reply, Side side, int phase, const char *text) noexcept nogil:
    """Answer in place of the origin, with the table's gRPC status."""
    _reply(self, reply, side, phase, -1, text)


cdef void exchange_deny(Exchange *self, LocalReply reply, int grpc_status, const char *text) noexcept nogil:
    """Answer what a policy has decided; `grpc_status` -1: the table's."""
    _reply(self, reply, SIDE_GATEWAY, <int>PHASE_POLICY, grpc_status, text)


cdef void exchange_lose_client(Exchange *self, uint32_t code) noexcept nogil:
    """There is no memory for an answer, or nobody takes it."""
    if self.error == NO_REPLY:
        self.blamed = True
        self.side = <uint8_t>(SIDE_CLIENT if code == <uint32_t>CANCEL else SIDE_GATEWAY)
        self.phase = <uint8_t>PHASE_STREAM
    _drop_origin(self, <uint32_t>CANCEL)
    _drop_client(self, code)
    _finish(self)


# ---- the request arrives


cdef void _on_request_head(Conn *conn, Stream *stream, FieldSection *section, const RequestHead *head,
                           bint end) noexcept nogil:
    cdef Link *link = <Link *>conn.owner
    cdef Desk *desk = link.desk
    cdef char text[TEXT_SIZE]
    cdef LocalReply reply
    cdef Exchange *self = <Exchange *>slots_take(&desk.exchanges)
    if self == NULL:
        outbox_abort(conn, stream, <uint32_t>REFUSED_STREAM)
        return
    stream.owner = self
    self.desk = desk
    self.use = desk_snapshot(desk)
    self.use.uses += 1
    self.client = stream
    self.client_link = link
    self.grpc_status = -1
    self.started_at = desk.loop.now
    desk.ray += 1
    self.ray = desk.ray
    self.request.half = <uint8_t>(ENDED_HALF if end else OPEN_HALF)
    octets_open(&self.head, &desk.memory)
    octets_open(&self.answer, &desk.memory)
    chain_open(&self.kept, &desk.memory)
    desk.meter.exchanges_started += 1
    desk.meter.exchanges_open += 1
    if desk.log:
        memcpy(self.peer, link.peer, sizeof(self.peer))
    reply = exchange_decide(self, link, section, head, text)
    if reply != NO_REPLY:
        _reply(self, reply, SIDE_CLIENT if reply == HEAD_TOO_LARGE else SIDE_GATEWAY, <int>PHASE_POLICY, -1, text)
        return
    timing_begin(self, head)
    pace_begin(self)
    admit(self, section, head)


# ---- octets, both ways


cdef void _relay(Exchange *self, Ledger *ledger, Conn *sender, Stream *source, Stream *target, uint8_t *payload,
                 uint32_t length, bint end) noexcept nogil:
    """One piece of DATA from `source` to `target`; the same for both directions."""
    ledger.octets += length
    self.active_at = self.desk.loop.now
    if self.grpc:
        message_scan(&ledger.scan, payload, length)
    if self.paced and not pace_relay(self, ledger, sender, length):
        return
    if end:
        ledger.half = <uint8_t>ENDED_HALF
    if ledger == &self.request and attempt_note(self, payload, length):
        _hold(self, sender, length)
    elif target != NULL and target.conn != NULL:
        if outbox_data(<Conn *>target.conn, target, payload, length, end):
            if self.keeping:
                self.paid += length
            outbox_credit_connection(sender, length)
            _credit_stream(self, sender, source, length)
        else:
            _hold(self, sender, length)
    else:
        outbox_credit_connection(sender, length)    # nobody wants it any more
        outbox_credit_stream(sender, source, length)


cdef void _on_request_data(Conn *conn, Stream *stream, uint8_t *payload, uint32_t length, bint end) noexcept nogil:
    cdef Exchange *self = <Exchange *>stream.owner
    if self == NULL:
        outbox_credit_connection(conn, length)
        return
    _relay(self, &self.request, conn, stream, self.origin, payload, length, end)


cdef void _on_response_data(Conn *conn, Stream *stream, uint8_t *payload, uint32_t length, bint end) noexcept nogil:
    cdef Exchange *self = <Exchange *>stream.owner
    if self == NULL:
        outbox_credit_connection(conn, length)
        return
    if self.keeping:
        exchange_commit(self)
    if end:
        _judge(self, -1)        # trailers are the rule in gRPC, not in HTTP
    _relay(self, &self.response, conn, stream, self.client, payload, length, end)


cdef void _on_origin_sent(Conn *conn, Stream *stream, uint32_t length) noexcept nogil:
    cdef Exchange *self = <Exchange *>stream.owner
    if stream == self.origin:
        self.active_at = self.desk.loop.now
        _pay(self, self.client, attempt_unpaid(self, length))


cdef void _on_client_sent(Conn *conn, Stream *stream, uint32_t length) noexcept nogil:
    cdef Exchange *self = <Exchange *>stream.owner
    self.active_at = self.desk.loop.now
    _pay(self, self.origin, length)
    if self.origin == NULL and self.response.half != OPEN_HALF:
        _close_client(self)     # the end of the answer had to wait
        _finish(self)


# ---- the response arrives


cdef void _on_response_head(Conn *conn, Stream *stream, FieldSection *section, const ResponseHead *head,
                            bint end) noexcept nogil:
    cdef Exchange *self = <Exchange *>stream.owner
    cdef char text[TEXT_SIZE]
    if self == NULL:
        return
    if section.too_large:
        snprintf(text, TEXT_SIZE, b"origin %s: its response head has %u octets, limit %u", self.endpoint.label,
                 section.list_size, section.list_limit)
        _reply(self, ORIGIN_BAD_RESPONSE, SIDE_ORIGIN, <int>PHASE_STREAM, -1, text)
        return
    if head.status >= 200:
        self.active_at = self.desk.loop.now
        if self.rival != NULL:
            if end and _is_to_be_retried(self, head.grpc_status):
                attempt_lose_one(self, stream)      # the other one may do better
                return
            attempt_lose_one(self, self.origin if stream == self.rival else self.rival)
        endpoint_answered(self.endpoint.state, self.active_at - self.attempt_at, self.active_at)
        if end:
            _judge(self, head.grpc_status)
        if end and _again_by_status(self, section, head.grpc_status):
            return
        self.status = head.status
        self.answered_at = self.desk.loop.now
        self.grpc_status = <short>head.grpc_status
        if self.grpc and (head.content_type == NULL
                          or not media_type_is_grpc(head.content_type.value, head.content_type.value_length)):
            self.desk.meter.foreign_answers += 1
            self.pace.foreign = True
        if not end and self.keeping and self.route.retry_on != 0 and stash_section(&self.answer, section):
            # The status that decides comes in the trailers, if no message comes before. A client may wait for the
            # head before it sends what the origin waits for: so not for long.
            self.release_at = self.desk.loop.now + <uint64_t>_HEAD_HELD_MS * 1000000
            timing_look_in(self, _HEAD_HELD_MS)
            return
        attempt_settle(self)
    elif self.rival != NULL:
        return
    if end:
        self.response.half = <uint8_t>ENDED_HALF
    if self.client == NULL or self.client.conn == NULL:
        return
    conn = <Conn *>self.client.conn
    if head.status >= 200:
        head_response_put(conn, self.client, section, end)
    elif conn.out.length < OUTBOX_HIGH:
        # Any number of informational heads may come (RFC 9110 section 15.2); the answer itself is still to be sent.
        head_response_put(conn, self.client, section, False)
        self.client.head_sent = False


cdef void _blame(const EndpointRow *endpoint, const Exchange *self) noexcept nogil:
    """This endpoint has failed the call."""
    cdef uint64_t now = self.desk.loop.now
    endpoint_failed(endpoint.state, now - self.attempt_at, now, self.row.policy.eject_failures,
                    self.row.policy.eject_ms)


cdef void _judge(Exchange *self, int grpc_status) noexcept nogil:
    """The endpoint's answer is complete: what does it say about the endpoint?"""
    cdef uint64_t now = self.desk.loop.now
    if grpc_status == GRPC_UNAVAILABLE:
        _blame(self.endpoint, self)
    else:
        endpoint_served(self.endpoint.state, now)


cdef void exchange_commit(Exchange *self) noexcept nogil:
    """The answer is this one: a head that was held back goes to the client, and there will be no other attempt."""
    cdef FieldSection *section = &self.desk.room.stashed
    if self.answer.length > 0 and self.client != NULL and self.client.conn != NULL:
        stash_get(&self.answer, section)
        head_response_put(<Conn *>self.client.conn, self.client, section, False)
    attempt_settle(self)


cdef int64_t _pushback_ms(const FieldSection *section) noexcept nogil:
    """grpc-retry-pushback-ms (gRFC A6): PUSHBACK_NONE if it is not there; negative or no number: never again."""
    cdef uint32_t number, at
    cdef int64_t value
    cdef const Field *field
    for number in range(section.count):
        field = &section.fields[number]
        if field.name_length != 22 or memcmp(field.name, b"grpc-retry-pushback-ms", 22) != 0:
            continue
        value = 0
        for at in range(field.value_length):
            if not c"0" <= field.value[at] <= c"9" or value > _PUSHBACK_MOST_MS:
                return -1
            value = 10 * value + field.value[at] - c"0"
        return value if field.value_length > 0 else -1
    return PUSHBACK_NONE


cdef inline bint _is_to_be_retried(const Exchange *self, int grpc_status) noexcept nogil:
    """Does the route say so for this status?"""
    return 0 < grpc_status < 32 and self.route.retry_on & (<uint32_t>1 << <uint32_t>grpc_status) != 0


cdef bint _again_by_status(Exchange *self, const FieldSection *section, int grpc_status) noexcept nogil:
    """The call has ended with this status: is it tried again? Then what is left of this attempt goes."""
    cdef Stream *stream = self.origin
    if not self.keeping or not _is_to_be_retried(self, grpc_status):
        return False
    self.origin = NULL      # the next attempt's takes its place
    if not attempt_again(self, AGAIN_BY_POLICY, _pushback_ms(section)):
        self.origin = stream
        return False
    if stream != NULL and stream.conn != NULL:
        outbox_abort(<Conn *>stream.conn, stream, <uint32_t>CANCEL)
    elif stream != NULL:
        stream.owner = NULL
    return True


cdef void _on_response_trailers(Conn *conn, Stream *stream, FieldSection *section, int grpc_status) noexcept nogil:
    cdef Exchange *self = <Exchange *>stream.owner
    cdef char text[TEXT_SIZE]
    if self == NULL:
        return
    if section.too_large:
        snprintf(text, TEXT_SIZE, b"origin %s: its trailers have %u octets, limit %u", self.endpoint.label,
                 section.list_size, section.list_limit)
        _reply(self, ORIGIN_BAD_RESPONSE, SIDE_ORIGIN, <int>PHASE_STREAM, -1, text)
        return
    _judge(self, grpc_status)
    if self.keeping:
        if _again_by_status(self, section, grpc_status):
            return
        exchange_commit(self)
    self.response.half = <uint8_t>ENDED_HALF
    self.grpc_status = <short>grpc_status
    if self.client != NULL and self.client.conn != NULL:
        outbox_trailers(<Conn *>self.client.conn, self.client, section)


cdef void _on_request_trailers(Conn *conn, Stream *stream, FieldSection *section, int grpc_status) noexcept nogil:
    """Rare, and legal for what is not gRPC. While no lease is there they are dropped: END_STREAM is what counts."""
    cdef Exchange *self = <Exchange *>stream.owner
    if self == NULL:
        return
    self.request.half = <uint8_t>ENDED_HALF
    if self.zone != NULL:
        guard_clean(self, section)
    if self.origin != NULL and self.origin.conn != NULL:
        outbox_trailers(<Conn *>self.origin.conn, self.origin, section)


# ---- endings


cdef void _on_client_ended(Conn *conn, Stream *stream) noexcept nogil:
    cdef Exchange *self = <Exchange *>stream.owner
    _unhold(self, self.held)
    self.client = NULL
    if self.origin != NULL and self.origin.state != CLOSED:
        _drop_origin(self, <uint32_t>CANCEL)    # it has answered without taking all of the request, and nobody is left
    _finish(self)


cdef void _on_origin_ended(Conn *conn, Stream *stream) noexcept nogil:
    cdef Exchange *self = <Exchange *>stream.owner
    self.origin = NULL
    attempt_over(self)
    _finish(self)


cdef void _on_client_reset(Conn *conn, Stream *stream, uint32_t code, Cause cause) noexcept nogil:
    """The client cancelled, broke a rule or vanished: the origin hears of it in the same turn."""
    cdef Exchange *self = <Exchange *>stream.owner
    _unhold(self, self.held)
    self.client = NULL
    self.request.half = <uint8_t>BROKEN_HALF
    if self.response.half != ENDED_HALF and self.error == NO_REPLY:
        self.blamed = True
        self.side = <uint8_t>SIDE_CLIENT
        self.phase = <uint8_t>PHASE_STREAM
        self.grpc_status = <short>(reset_by_client(code) if cause == CAUSE_RESET else <int>GRPC_CANCELLED)
    attempt_settle(self)
    _drop_origin(self, reset_toward_origin(code) if cause == CAUSE_RESET else <uint32_t>CANCEL)
    pool_leave(self)
    _finish(self)


cdef void _on_origin_reset(Conn *conn, Stream *stream, uint32_t code, Cause cause) noexcept nogil:
    """The origin reset the stream, broke a rule or vanished. After a complete response that is no failure."""
    cdef Exchange *self = <Exchange *>stream.owner
    cdef char text[TEXT_SIZE]
    cdef LocalReply reply = ORIGIN_RESET
    cdef int grpc_status = GRPC_UNAVAILABLE
    if self.rival != NULL:
        _blame(self.rival_endpoint if stream == self.rival else self.endpoint, self)
        attempt_lose_one(self, stream)
        return
    self.origin = NULL
    if self.response.half == ENDED_HALF:
        attempt_over(self)
        _close_client(self)
        _finish(self)
        return
    if cause == CAUSE_RESET:
        grpc_status = reset_by_origin(code, self.answered_at > 0)
        snprintf(text, TEXT_SIZE, b"origin %s reset the stream with error code %u", self.endpoint.label, code)
    elif cause == CAUSE_REFUSED:
        reply = ORIGIN_BAD_RESPONSE
        grpc_status = GRPC_INTERNAL
        if conn.reason == ACCEPTED:
            snprintf(text, TEXT_SIZE, b"origin %s sent an invalid response", self.endpoint.label)
        else:
            snprintf(text, TEXT_SIZE, b"origin %s sent what is not valid HTTP/2 (%s), its connection was ended",
                     self.endpoint.label, reason_name(conn.reason))
    elif cause == CAUSE_GOAWAY:
        snprintf(text, TEXT_SIZE, b"origin %s went away (GOAWAY) before it took the call", self.endpoint.label)
    else:
        snprintf(text, TEXT_SIZE, b"origin %s closed the connection before the call ended", self.endpoint.label)
    if not _again_after_reset(self, conn, stream, code, cause, grpc_status):
        _reply(self, reply, SIDE_ORIGIN, <int>PHASE_STREAM, grpc_status, text)


cdef bint _again_after_reset(Exchange *self, const Conn *conn, const Stream *stream, uint32_t code, Cause cause,
                             int grpc_status) noexcept nogil:
    """The origin's stream broke: is the call tried again? The endpoint is to blame, but for a GOAWAY."""
    if cause != CAUSE_GOAWAY and grpc_status != GRPC_CANCELLED:
        _blame(self.endpoint, self)
    if (cause == CAUSE_GOAWAY or (cause == CAUSE_RESET and code == <uint32_t>REFUSED_STREAM)
            or (cause == CAUSE_LOST and stream.id >= conn.unsent_id)):
        return attempt_again(self, AGAIN_UNPROCESSED, PUSHBACK_NONE)
    if _is_to_be_retried(self, grpc_status):
        return attempt_again(self, AGAIN_BY_POLICY, PUSHBACK_NONE)
    return False


cdef void _nothing(Conn *conn) noexcept nogil:
    pass


cdef void exchange_events(ConnEvents *toward_client, ConnEvents *toward_origin) noexcept nogil:
    """Fill in what exchanges want to hear from connections of both roles."""
    memset(toward_client, 0, sizeof(ConnEvents))
    memset(toward_origin, 0, sizeof(ConnEvents))
    toward_client.request_head = _on_request_head
    toward_client.data = _on_request_data
    toward_client.trailers = _on_request_trailers
    toward_client.sent = _on_client_sent
    toward_client.ended = _on_client_ended
    toward_client.reset = _on_client_reset
    toward_client.settled = _nothing
    toward_client.dirty = link_dirty
    toward_origin.response_head = _on_response_head
    toward_origin.data = _on_response_data
    toward_origin.trailers = _on_response_trailers
    toward_origin.sent = _on_origin_sent
    toward_origin.ended = _on_origin_ended
    toward_origin.reset = _on_origin_reset
    toward_origin.settled = pool_settled
    toward_origin.drained = _nothing
    toward_origin.dirty = link_dirty
