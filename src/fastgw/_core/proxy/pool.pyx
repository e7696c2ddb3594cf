"""Open connections per origin endpoint, and leases of stream slots on them.

One connection carries calls of all clients of the worker; another is opened shortly before the first is full.
A call that finds no free slot waits in its endpoint's queue, in order.

A pool is of one address, one server name and one way to judge the certificate: whoever made the snapshot gives any
other combination another number. So a TLS session of one connection may be taken up by the next.
"""
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memset

from fastgw._core.h2.conn cimport OUTBOX_HIGH
from fastgw._core.h2.outbox cimport outbox_ping
from fastgw._core.io.loop cimport Timer, timer_start, timer_stop
from fastgw._core.io.tls cimport tls_ticket, tls_ticket_free
from fastgw._core.io.transport cimport TRANSPORT_FINE
from fastgw._core.proxy.desk cimport SnapshotUse, desk_dice
from fastgw._core.proxy.endpoints cimport endpoint_pool_gone, endpoint_pool_made, endpoint_unreachable
from fastgw._core.proxy.link cimport link_bury, link_connect, link_dirty, link_look_in, use_release
from fastgw._core.reasons cimport ENHANCE_YOUR_CALM
from fastgw._core.wire.frame cimport STREAM_ID_LARGEST


cdef Pool *pool_of(Desk *desk, const SnapshotData *data, const OriginRow *origin,
                   const EndpointRow *endpoint) noexcept nogil:
    """The pool of this endpoint, made on first use; it outlives snapshots and follows their policy. NULL: no memory."""
    cdef uint32_t number = endpoint.state.number
    cdef Pool *self = NULL
    if number >= desk.pools_room and not _widen(desk, number):
        return NULL
    self = desk.pools[number]
    if self == NULL:
        self = <Pool *>calloc(1, sizeof(Pool))
        if self == NULL:
            return NULL
        self.desk = desk
        self.state = endpoint.state
        endpoint_pool_made(self.state)
        self.again.fire = _again
        self.again.owner = self
        self.retry_tokens = RETRY_TOKENS_FIRST
        desk.pools[number] = self
    if self.revision != data.revision:
        self.revision = data.revision
        self.policy = origin.policy
    return self


cdef bint _widen(Desk *desk, uint32_t number) noexcept nogil:
    cdef uint32_t room = 2 * number + 16
    cdef Pool **wider = <Pool **>realloc(desk.pools, room * sizeof(Pool *))
    if wider == NULL:
        return False
    memset(wider + desk.pools_room, 0, (room - desk.pools_room) * sizeof(Pool *))
    desk.pools = wider
    desk.pools_room = room
    return True


cdef inline uint32_t _capacity(const Link *link) noexcept nogil:
    """Streams this link may carry at once (RFC 9113 section 5.1.2)."""
    cdef uint32_t most = link.conn.theirs.max_concurrent_streams
    return most if most < STREAMS_PER_LINK else <uint32_t>STREAMS_PER_LINK


cdef inline bint _takes_calls(const Link *link) noexcept nogil:
    """An origin that does not read is given no more heads, and numbers of streams end (RFC 9113 section 5.1.1)."""
    return (link.conn.settings_seen and not link.draining and not link.dead and not link.conn.broken
            and link.conn.next_id <= STREAM_ID_LARGEST - 2
            and link.conn.out.length + link.conn.backlog < 4 * OUTBOX_HIGH)


cdef Link *_free_link(const Pool *self) noexcept nogil:
    cdef Link *link = self.links
    while link != NULL:
        if _takes_calls(link) and link.conn.streams.count < _capacity(link):
            return link
        link = link.next
    return NULL


cdef Link *pool_free_link(Desk *desk, const SnapshotData *data, const OriginRow *origin,
                          const EndpointRow *endpoint) noexcept nogil:
    """A link to this endpoint with a free stream slot, NULL if a call would have to wait for one."""
    cdef Pool *self = pool_of(desk, data, origin, endpoint)
    return _free_link(self) if self != NULL and self.waiting == 0 else NULL


cdef Link *pool_lease(Desk *desk, Exchange *exchange) noexcept nogil:
    """A link with a free stream slot for this exchange; NULL: it waits, or desk.lease_failed was called."""
    cdef Pool *self = NULL
    cdef Link *link
    if exchange.endpoint.address_length == 0:
        desk.lease_failed(exchange, NULL, FAILURE_NO_ADDRESS)
        return NULL
    self = pool_of(desk, exchange.use.data, exchange.row, exchange.endpoint)
    if self == NULL:
        desk.lease_failed(exchange, NULL, FAILURE_NO_MEMORY)
        return NULL
    if exchange.attempts == 1 and self.retry_tokens < RETRY_TOKENS_MOST:
        self.retry_tokens += RETRY_TOKENS_PER_CALL
    if self.waiting == 0:
        link = _free_link(self)
        if link != NULL:
            _reach_ahead(desk, self, exchange.use, exchange.endpoint, 1)
            return link
    if self.waiting >= self.policy.waiting_most:
        desk.lease_failed(exchange, NULL, FAILURE_QUEUE_FULL)
        return NULL
    _wait(self, exchange)
    if self.connecting == 0 and self.open < self.policy.connections_most and not _connect(
            desk, self, exchange.use, exchange.endpoint):
        pool_leave(exchange)
        desk.lease_failed(exchange, NULL, FAILURE_NO_MEMORY)
    return NULL


cdef bint _is_nearly_full(const Pool *self, uint32_t taken) noexcept nogil:
    """Are fewer slots free than a tenth of a link has, or none? `taken`: those given away, not in use yet.

    A link of one stream is full or has none: where links are like that a call waits for its connection.
    """
    cdef const Link *link = self.links
    cdef uint32_t capacity
    cdef uint32_t most = 0
    cdef uint32_t slots = 0
    while link != NULL:
        if _takes_calls(link):
            capacity = _capacity(link)
            most = max(most, capacity)
            if link.conn.streams.count < capacity:
                slots += capacity - link.conn.streams.count
            if slots >= taken + max(most // 10, <uint32_t>1):
                return False
        link = link.next
    return most > 1


cdef void _reach_ahead(Desk *desk, Pool *self, SnapshotUse *use, const EndpointRow *endpoint,
                       uint32_t taken) noexcept nogil:
    """Open the next connection before a call has to wait for it. While none waits."""
    if (self.connecting == 0 and self.open > 0 and self.open < self.policy.connections_most
            and desk.loop.now >= self.again_at and not desk.draining and _is_nearly_full(self, taken)):
        _connect(desk, self, use, endpoint)


cdef bint _connect(Desk *desk, Pool *self, SnapshotUse *use, const EndpointRow *endpoint) noexcept nogil:
    """Begin one connection. One that fails at once is buried at once, and takes the queue with it."""
    cdef Link *link = link_connect(desk, self, use, endpoint)
    if link == NULL:
        return False
    if link.transport.failure != TRANSPORT_FINE:
        link_bury(link)
    return True


cdef void _wait(Pool *self, Exchange *exchange) noexcept nogil:
    exchange.waits_for = self
    exchange.next = NULL
    exchange.previous = self.waiting_last
    if self.waiting_last == NULL:
        self.waiting_first = exchange
    else:
        self.waiting_last.next = exchange
    self.waiting_last = exchange
    self.waiting += 1


cdef void pool_leave(Exchange *exchange) noexcept nogil:
    """Leave the queue; does nothing for an exchange that is in none."""
    cdef Pool *self = exchange.waits_for
    if self == NULL:
        return
    if exchange.previous == NULL:
        self.waiting_first = exchange.next
    else:
        exchange.previous.next = exchange.next
    if exchange.next == NULL:
        self.waiting_last = exchange.previous
    else:
        exchange.next.previous = exchange.previous
    exchange.next = exchange.previous = NULL
    exchange.waits_for = NULL
    self.waiting -= 1


cdef void _serve(Desk *desk, Pool *self) noexcept nogil:
    """Hand free slots to those that wait, of which there are some; open one more connection if one is called for."""
    cdef SnapshotUse *use = self.waiting_first.use
    cdef const EndpointRow *endpoint = self.waiting_first.endpoint
    use.uses += 1       # the exchange may end now
    _hand_out(desk, self)
    if self.waiting > 0:
        _go_on_waiting(desk, self)
    else:
        _reach_ahead(desk, self, use, endpoint, 0)
    use_release(desk, use)


cdef void _hand_out(Desk *desk, Pool *self) noexcept nogil:
    cdef Exchange *exchange
    cdef Link *link
    while self.waiting > 0:
        link = _free_link(self)
        if link == NULL:
            break
        exchange = self.waiting_first
        pool_leave(exchange)
        desk.lease_ready(exchange, link)


cdef void _go_on_waiting(Desk *desk, Pool *self) noexcept nogil:
    """Some wait and there is no slot: one more connection, if it is time for one."""
    if self.connecting > 0 or self.open >= self.policy.connections_most:
        return
    if desk.loop.now < self.again_at:
        if self.again.prev == NULL:
            timer_start(&desk.loop, &self.again, AGAIN_MS)
    elif not _connect(desk, self, self.waiting_first.use, self.waiting_first.endpoint):
        _fail_waiting(desk, self, NULL, FAILURE_NO_MEMORY)


cdef void _again(Timer *timer) noexcept nogil:
    """Some may still wait, or connections be wanted; and the last one that served nobody is long ago."""
    cdef Pool *self = <Pool *>timer.owner
    if self.waiting > 0:
        _serve(self.desk, self)
    if self.open + self.connecting < self.policy.ready_least:
        pool_warm(self.desk)


cdef void _replace(Pool *self) noexcept nogil:
    """A connection is gone: those that are to be kept ready will be opened."""
    if self.open + self.connecting < self.policy.ready_least and self.again.prev == NULL:
        timer_start(&self.desk.loop, &self.again, AGAIN_MS)


cdef void _fail_waiting(Desk *desk, Pool *self, Link *link, int failure) noexcept nogil:
    cdef Exchange *exchange
    while self.waiting > 0:
        exchange = self.waiting_first
        pool_leave(exchange)
        desk.lease_failed(exchange, link, failure)


cdef void pool_settled(Conn *conn) noexcept nogil:
    """SETTINGS or GOAWAY came from an origin, or one of its streams ended."""
    cdef Link *link = <Link *>conn.owner
    cdef Pool *self = link.pool
    if link.dead:
        return
    if not link.counted and conn.settings_seen:
        link.counted = True
        self.connecting -= 1
        self.open += 1
        _retire(link)
        _keep_session(link)
        if conn.theirs.max_concurrent_streams == 0:
            self.again_at = link.desk.loop.now + AGAIN_MS * <uint64_t>1000000
    if conn.goaway_seen and conn.goaway_code == <uint32_t>ENHANCE_YOUR_CALM and not link.draining:
        self.keepalive_least = 2 * max(self.keepalive_least, self.policy.keepalive_ms * <uint64_t>1000000)
    if conn.goaway_seen or conn.next_id > STREAM_ID_LARGEST - 2:
        pool_link_shut(link)
    if link.draining and conn.streams.count == 0:
        link_dirty(conn)        # flushed, it ends
    if self.waiting > 0:
        _serve(link.desk, self)


cdef void pool_link_shut(Link *link) noexcept nogil:
    """No new calls on this link; those on it go on.

    If it never served and no other can, those that wait fail with it.
    """
    cdef Pool *self = link.pool
    cdef int failure = link.transport.failure
    if link.draining:
        return
    link.draining = True
    if link.conn.next_id == 1:
        self.again_at = link.desk.loop.now + AGAIN_MS * <uint64_t>1000000
    if link.counted:
        self.open -= 1
        _replace(self)
        return
    link.counted = True
    self.connecting -= 1
    link.desk.meter.origin_connections_failed += 1
    if link.transport.tls.ssl != NULL:
        _forget_session(self)       # there are servers that an earlier session confuses
    endpoint_unreachable(self.state, link.desk.loop.now, self.policy.eject_failures, self.policy.eject_ms)
    if failure == TRANSPORT_FINE:
        failure = FAILURE_BAD_SETTINGS if link.conn.broken else FAILURE_SETTINGS_TIMEOUT
    if self.open == 0 and self.connecting == 0:
        _fail_waiting(link.desk, self, link, failure)


cdef void pool_link_lost(Link *link) noexcept nogil:
    """A link is being buried; calls that wait for its slots get them elsewhere."""
    if link.conn.settings_seen:
        _keep_session(link)
    pool_link_shut(link)
    if link.pool.waiting > 0:
        _serve(link.desk, link.pool)
    _replace(link.pool)


cdef SSL_SESSION **pool_earlier(Pool *self, const SSL_CTX *context) noexcept nogil:
    """Where the next connection, which is of `context`, finds a TLS session to take up, if there is one.

    Nobody judges a certificate again that is not shown again: so it is to be shown once in SESSION_MS.
    """
    if (self.session_context != context
            or self.desk.loop.now - self.session_verified_at >= SESSION_MS * <uint64_t>1000000):
        _forget_session(self)
    return &self.session


cdef void _keep_session(Link *link) noexcept nogil:
    """Keep the TLS session of this connection for the next, unless there is one whose certificate was seen later."""
    cdef Pool *self = link.pool
    cdef SSL_SESSION *ticket
    if self.session != NULL and link.verified_at < self.session_verified_at:
        return
    ticket = tls_ticket(&link.transport.tls)
    if ticket != NULL:
        tls_ticket_free(self.session)
        self.session = ticket
        self.session_context = link.endpoint.context
        self.session_verified_at = link.verified_at


cdef void _forget_session(Pool *self) noexcept nogil:
    tls_ticket_free(self.session)
    self.session = NULL


cdef void _retire(Link *link) noexcept nogil:
    """Give a connection its age, a tenth more or less so that those opened together do not end together."""
    cdef uint64_t age = link.pool.policy.age_ms * <uint64_t>1000000
    if age > 0:
        age += desk_dice(link.desk) % (age // 5 + 1) - age // 10
        link.retires_at = link.desk.loop.now + age
        link_look_in(link, age // 1000000)


cdef bint pool_keeps_idle(const Pool *self) noexcept nogil:
    """Are its connections kept although no call uses them? Not if the snapshot in force knows nothing of it."""
    return self.open <= self.policy.ready_least and self.revision == self.desk.current.data.revision


cdef bint pool_tend(Link *link, uint64_t *wait_ms) noexcept nogil:
    """What an origin's connection needs from time to time: retirement, keepalive. False: it was buried.

    `wait_ms` becomes at most what is left until it needs something again. PINGs are sent only while calls are open:
    servers take others for an attack.
    """
    cdef Pool *self = link.pool
    cdef uint64_t now = link.desk.loop.now
    cdef uint64_t every = max(self.policy.keepalive_ms * <uint64_t>1000000, self.keepalive_least)
    if link.retires_at > 0 and not link.draining:
        if now >= link.retires_at:
            pool_link_shut(link)
            link_dirty(&link.conn)
        else:
            wait_ms[0] = min(wait_ms[0], (link.retires_at - now) // 1000000 + 1)
    if self.policy.keepalive_ms == 0 or not link.counted:
        return True
    if link.active_at > link.asked_at or link.conn.streams.count == 0:
        link.asked_at = 0
    if link.asked_at > 0:
        if now - link.asked_at >= KEEPALIVE_ANSWER_MS * <uint64_t>1000000:
            link.desk.meter.keepalives_failed += 1
            link_bury(link)
            return False
    elif link.conn.streams.count > 0 and now - link.active_at >= every:
        link.asked_at = now
        outbox_ping(&link.conn, <const uint8_t *>b"still on", False)
        link_dirty(&link.conn)
    wait_ms[0] = min(wait_ms[0], min(every // 1000000, <uint64_t>KEEPALIVE_ANSWER_MS))
    return True


cdef void pool_warm(Desk *desk) noexcept nogil:
    """A snapshot came into force: connections that are to be kept ready are opened."""
    cdef const SnapshotData *data = desk.current.data
    cdef const OriginRow *origin
    cdef uint32_t number, place
    for number in range(data.warm_count):
        origin = data.warm[number]
        for place in range(origin.count):
            _warm(desk, data, origin, &origin.endpoints[place])


cdef void _warm(Desk *desk, const SnapshotData *data, const OriginRow *origin,
                const EndpointRow *endpoint) noexcept nogil:
    cdef Pool *self = pool_of(desk, data, origin, endpoint)
    cdef Link *link
    if self == NULL or endpoint.address_length == 0:
        return
    while self.open + self.connecting < origin.policy.ready_least:
        link = link_connect(desk, self, desk.current, endpoint)
        if link == NULL:
            return
        if link.transport.failure != TRANSPORT_FINE:
            link_bury(link)
            return


cdef void pool_sweep(Desk *desk) noexcept nogil:
    """Forget the pools of endpoints that are gone and that nobody uses. Between two turns: nobody holds one."""
    cdef const SnapshotData *data = desk.current.data
    cdef Pool *self
    cdef uint32_t at
    for at in range(data.gone_count):
        self = desk.pools[data.gone[at]] if data.gone[at] < desk.pools_room else NULL
        if self != NULL and self.links == NULL and self.waiting == 0:
            desk.pools[data.gone[at]] = NULL
            _free(desk, self)


cdef void _free(Desk *desk, Pool *self) noexcept nogil:
    timer_stop(&desk.loop, &self.again)
    _forget_session(self)
    endpoint_pool_gone(self.state)
    free(self)


cdef void pool_close(Desk *desk) noexcept nogil:
    """The worker ends: all links, then the pools themselves."""
    cdef Pool *self
    cdef uint32_t number
    for number in range(desk.pools_room):
        self = desk.pools[number]
        if self == NULL:
            continue
        while self.links != NULL:
            link_bury(self.links)
        _free(desk, self)
    free(desk.pools)
    desk.pools = NULL
    desk.pools_room = 0
