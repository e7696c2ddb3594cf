"""A link: one transport and the HTTP/2 connection on it; filled, fed, flushed, buried."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from fastgw._core.buf cimport octets_append, octets_close, octets_open, slots_return, slots_take
from fastgw._core.h2.conn cimport (
    CAUSE_LOST,
    CAUSE_REFUSED,
    TOWARD_CLIENT,
    TOWARD_ORIGIN,
    conn_abandon,
    conn_close,
    conn_feed,
    conn_open,
    conn_refuse,
    conn_rest,
    expect_continuation,
)
from fastgw._core.h2.limits cimport Limits
from fastgw._core.h2.outbox cimport outbox_goaway, outbox_ping, outbox_pump, outbox_taken
from fastgw._core.h2.stream cimport Stream
from fastgw._core.io.loop cimport Source, Timer, timer_start, timer_stop
from fastgw._core.io.openssl cimport SSL_CTX
from fastgw._core.io.tls cimport (
    TLS_DEMANDS_NOTHING,
    TLS_OWN,
    TLS_REQUESTS,
    TLS_REQUIRES,
    TlsTerms,
    tls_is_resumed,
)
from fastgw._core.io.proxy_protocol cimport networks_hold
from fastgw._core.io.transport cimport (
    FILL_SIZE,
    PROXY_HEADER_WRONG,
    TRANSPORT_FINE,
    TRANSPORT_OPEN,
    Endpoint,
    Transport,
    transport_accept,
    transport_close,
    transport_connect,
    transport_delivered,
    transport_end,
    transport_fill,
    transport_flush,
    transport_rest,
)
from fastgw._core.proxy.desk cimport Exchange, desk_dice, desk_snapshot
from fastgw._core.proxy.pool cimport pool_earlier, pool_keeps_idle, pool_link_lost, pool_link_shut, pool_tend
from fastgw._core.proxy.route cimport CertificateRow, snapshot_certificate
from fastgw._core.reasons cimport ACCEPTED, HEAD_TIMEOUT, NO_ERROR, SETTINGS_ACK_TIMEOUT, STALLED, Reason
from fastgw._core.wire.frame cimport STREAM_ID_LARGEST


cdef extern from *:
    """
    #define fastgw_count_out(at) __atomic_sub_fetch(at, 1, __ATOMIC_ACQ_REL)
    """
    int fastgw_count_out(int *at) nogil


cdef enum:
    _REST_AFTER_MS = 500    # without octets from the peer
    _LINK_COST = 24576      # octets of one connection beyond its struct: both HPACK tables and what is small


cdef bint desk_is_full(const Desk *desk) noexcept nogil:
    """Has the worker used up the memory it may have?"""
    cdef uint64_t used
    if desk.room.limits.worker_memory == 0:
        return False
    used = (desk.memory.lent + desk.memory.beside + desk.links.live * (sizeof(Link) + _LINK_COST)
            + desk.room.streams.live * sizeof(Stream) + desk.exchanges.live * sizeof(Exchange))
    return used > desk.room.limits.worker_memory


# ---- life


cdef Link *_new(Desk *desk) noexcept nogil:
    cdef Link *self = <Link *>slots_take(&desk.links)
    if self != NULL:
        self.desk = desk
        self.transport.source.fd = -1
        self.timer.fire = _timer
        self.timer.owner = self
        self.active_at = desk.loop.now
        octets_open(&self.rest, &desk.memory)
    return self


cdef void _select(void *arg, const uint8_t *name, uint32_t length, TlsTerms *into) noexcept nogil:
    """What the name a client asks for shows and demands; it is remembered for the misdirection rule."""
    cdef Link *self = <Link *>arg
    cdef SnapshotUse *use = desk_snapshot(self.desk)
    cdef const CertificateRow *row = snapshot_certificate(use.data, name, length)
    into.own_records = use.data.own_records
    if row == NULL:
        return
    self.certificate = row.key
    self.demand = row.demand
    into.context = row.context
    into.version_least = row.version_least
    into.version_most = row.version_most
    into.no_h2 = row.no_h2
    into.demand = TLS_DEMANDS_NOTHING
    if row.demand != 0:
        into.demand = TLS_REQUIRES if row.required else TLS_REQUESTS
    into.staple = row.staple
    into.staple_length = row.staple_length


cdef bint link_accept(Desk *desk, int fd, const Listener *listener, const unsigned char *peer) noexcept nogil:
    """A client has connected. False: the descriptor is still the caller's."""
    cdef SSL_CTX *context = NULL
    cdef uint8_t *told = NULL
    cdef SnapshotUse *use = desk.current
    cdef Link *self
    if use == NULL:
        return False        # nothing is published yet
    if desk.meter.connections_open >= desk.room.limits.connections or desk_is_full(desk):
        desk.meter.connections_refused += 1
        return False
    if listener.tls:
        if use.data.default_certificate == NULL:
            return False
        context = use.data.front
        if context == NULL:
            context = use.data.default_certificate.context
    self = _new(desk)
    if self == NULL:
        return False
    memcpy(self.peer, peer, sizeof(self.peer))
    if context != NULL:
        self.certificate = use.data.default_certificate.key
    conn_open(&self.conn, &desk.room, TOWARD_CLIENT, &desk.client_events, &desk.toward_client, self)
    self.transport.changed = _changed
    self.next = desk.clients
    if desk.clients != NULL:
        desk.clients.previous = self
    desk.clients = self
    desk.meter.connections_accepted += 1
    desk.meter.connections_open += 1
    if networks_hold(desk.balancers, desk.balancer_count, peer):
        told = self.peer
    if not transport_accept(&self.transport, &desk.loop, &desk.memory, desk.net, fd, context, _select, self, told,
                            desk.room.limits.handshake_timeout_ms):
        link_bury(self)
        return True
    self.transport.source.ready = _ready
    if self.transport.phase == TRANSPORT_OPEN:
        _opened(self)
    return True


cdef Link *link_connect(Desk *desk, Pool *pool, SnapshotUse *use, const EndpointRow *endpoint) noexcept nogil:
    """Begin a connection to an endpoint of the snapshot `use`. NULL if it cannot even begin."""
    cdef Link *self = _new(desk)
    if self == NULL:
        return NULL
    self.endpoint = <Endpoint *>slots_take(&desk.endpoints)
    if self.endpoint == NULL:
        slots_return(&desk.links, self)
        return NULL
    self.pool = pool
    self.use = use
    use.uses += 1
    memcpy(self.endpoint.address, endpoint.address, endpoint.address_length)
    self.endpoint.address_length = endpoint.address_length
    self.endpoint.context = endpoint.context
    self.endpoint.wanted.server_name = endpoint.server_name
    self.endpoint.wanted.names = endpoint.names
    self.endpoint.wanted.verify = endpoint.verify
    self.endpoint.wanted.common_name = endpoint.common_name
    self.endpoint.earlier = pool_earlier(pool, endpoint.context)
    self.endpoint.connect_timeout_ms = endpoint.connect_timeout_ms
    self.endpoint.handshake_timeout_ms = endpoint.handshake_timeout_ms
    conn_open(&self.conn, &desk.room, TOWARD_ORIGIN, &desk.origin_events, &desk.toward_origin, self)
    self.transport.changed = _changed
    self.next = pool.links
    if pool.links != NULL:
        pool.links.previous = self
    pool.links = self
    pool.connecting += 1
    desk.meter.origin_connections_opened += 1
    desk.meter.origin_connections_open += 1
    if transport_connect(&self.transport, &desk.loop, &desk.memory, desk.net, self.endpoint):
        self.transport.source.ready = _ready
        if self.transport.phase == TRANSPORT_OPEN:
            _opened(self)
    return self


cdef void use_release(Desk *desk, SnapshotUse *use) noexcept nogil:
    """One user less; the last one lets the snapshot go."""
    use.uses -= 1
    if use.uses == 0:
        fastgw_count_out(<int *>&use.data.users)
        slots_return(&desk.uses, use)


cdef inline uint32_t _idle_timeout_ms(const Link *self) noexcept nogil:
    cdef const Limits *limits = &self.desk.room.limits
    return limits.origin_idle_timeout_ms if self.pool != NULL else limits.client_idle_timeout_ms


cdef void _opened(Link *self) noexcept nogil:
    """TCP and TLS are done: HTTP/2 begins."""
    self.open = True
    self.opened_at = self.desk.loop.now
    link_look_in(self, self.desk.room.limits.begin_timeout_ms)
    link_look_in(self, _idle_timeout_ms(self))      # it may be the shorter one
    link_look_in(self, _REST_AFTER_MS)
    if self.use != NULL:
        use_release(self.desk, self.use)
        self.use = NULL
    if self.pool == NULL:
        self.tls_version = self.transport.tls.version
        if self.transport.tls.layer == TLS_OWN:
            self.desk.meter.connections_own_records += 1
        _give_age(self)
        if self.desk.draining:
            link_drain(self)
    else:
        _note_verified(self)
    self.conn.dirty = False
    link_dirty(&self.conn)


cdef inline void _note_verified(Link *self) noexcept nogil:
    """Write down when the origin showed its certificate: now, unless the session is an earlier one."""
    self.verified_at = self.opened_at
    if self.transport.tls.ssl != NULL and tls_is_resumed(&self.transport.tls):
        self.desk.meter.origin_handshakes_resumed += 1
        self.verified_at = self.pool.session_verified_at


cdef void link_bury(Link *self) noexcept nogil:
    """Close at once; all its streams are lost. The memory goes when the turn ends; burying twice does nothing."""
    cdef Desk *desk = self.desk
    if self.dead:
        return
    self.dead = True
    timer_stop(&desk.loop, &self.timer)
    if self.previous != NULL:
        self.previous.next = self.next
    elif self.pool != NULL:
        self.pool.links = self.next
    else:
        desk.clients = self.next
    if self.next != NULL:
        self.next.previous = self.previous
    if self.pool != NULL:
        desk.meter.origin_connections_open -= 1
        pool_link_lost(self)
    else:
        desk.meter.connections_open -= 1
        if self.transport.failure == PROXY_HEADER_WRONG:
            desk.meter.proxy_headers_wrong += 1
        elif not self.open:
            desk.meter.handshakes_failed += 1
    self.conn.dirty = True      # nothing puts it on the list again
    conn_close(&self.conn, CAUSE_LOST)
    transport_close(&self.transport)
    octets_close(&self.rest)
    if self.use != NULL:
        use_release(desk, self.use)
        self.use = NULL
    self.next_dead = desk.dead
    desk.dead = self


cdef void link_sweep(Desk *desk) noexcept nogil:
    """The turn is over: buried links give their slots back."""
    cdef Link *self
    while desk.dead != NULL:
        self = desk.dead
        desk.dead = self.next_dead
        if self.endpoint != NULL:
            slots_return(&desk.endpoints, self.endpoint)
        slots_return(&desk.links, self)


# ---- octets in


cdef void _ready(Source *source, uint32_t events) noexcept nogil:
    """The socket has something, or takes something again."""
    cdef Link *self = <Link *>source
    cdef Transport *transport = &self.transport
    cdef uint8_t *plain = self.desk.plain + PLAIN_HEADROOM
    cdef uint32_t rest = self.rest.length
    cdef uint32_t got
    cdef bint more = False
    if self.dead:
        return
    if rest > 0:
        memcpy(plain, self.rest.data, rest)
    got = transport_fill(transport, plain + rest, FILL_SIZE, &more)
    if transport.phase == TRANSPORT_OPEN and not self.open:
        _opened(self)
    if got > 0 and self.open and not self.conn.broken:
        self.active_at = self.desk.loop.now
        if self.resting:
            self.resting = False
            link_look_in(self, _REST_AFTER_MS)
        _feed(self, plain, rest + got)
    if transport.failure != TRANSPORT_FINE:
        link_bury(self)
    elif self.conn.out.length > 0 or transport.blocked or self.conn.broken or self.draining:
        link_dirty(&self.conn)


cdef void _feed(Link *self, uint8_t *plain, uint32_t length) noexcept nogil:
    """Hand octets to the connection; what it cannot use yet waits for the rest of its frame."""
    cdef size_t used = 0
    cdef bint begins = self.rest.length == 0
    self.desk.room.now = self.desk.loop.now     # the turn's reading, not that of the turn before
    conn_feed(&self.conn, plain, length, &used)
    if self.dead:
        return
    if used < length and (begins or used > 0):
        self.rest_at = self.desk.loop.now
        link_look_in(self, self.desk.room.limits.head_timeout_ms)
    if self.conn.expect == expect_continuation:
        link_look_in(self, self.desk.room.limits.head_timeout_ms)
    if self.conn.settings_seen and not self.conn.settings_acked:
        link_look_in(self, self.desk.room.limits.settings_timeout_ms)
    if self.rest.length > 0:
        octets_close(&self.rest)
    if used < length and not self.conn.broken:
        if not octets_append(&self.rest, plain + used, length - <uint32_t>used):
            self.conn.broken = True


# ---- octets out


cdef void link_dirty(Conn *conn) noexcept nogil:
    """Flush this connection when the turn ends."""
    cdef Link *self = <Link *>conn.owner
    cdef Desk *desk = self.desk
    if self.dead or not self.open or self.next_dirty != NULL or desk.dirty_last == self:
        return
    conn.dirty = True
    if desk.dirty_last == NULL:
        desk.dirty_first = self
    else:
        desk.dirty_last.next_dirty = self
    desk.dirty_last = self


cdef void _flush(Link *self) noexcept nogil:
    """Seal and send what there is, letting waiting DATA follow as room appears."""
    cdef Transport *transport = &self.transport
    cdef Conn *conn = &self.conn
    cdef uint32_t before
    if conn.broken and not self.ending and not self.abandoned:
        self.abandoned = True
        conn_abandon(conn, CAUSE_LOST if conn.reason == ACCEPTED else CAUSE_REFUSED)
        if self.pool != NULL:
            pool_link_shut(self)
        timer_start(&self.desk.loop, &self.timer, LINGER_MS)
    while True:
        outbox_pump(conn)
        before = conn.out.length
        transport_flush(transport, &conn.out)
        outbox_taken(conn, before - conn.out.length)
        conn.backlog = transport.sealed.length
        if transport.failure != TRANSPORT_FINE:
            link_bury(self)
            return
        if transport.blocked or before == 0 or self.ending:
            break       # blocked, or the pump found nothing more that may go
    _note_blocked(self)
    if conn.out.length == 0 and not transport.blocked and not self.ending and (conn.broken or _is_drained(self)):
        _end(self)


cdef inline void _note_blocked(Link *self) noexcept nogil:
    """Remember since when the socket takes nothing of what waits for it."""
    if not self.transport.blocked:
        self.blocked_at = 0
    elif self.blocked_at == 0:
        _note_delivered(self)
        link_look_in(self, self.desk.room.limits.stall_timeout_ms)


cdef bint _note_delivered(Link *self) noexcept nogil:
    """Has the peer taken anything since this was last asked? A slow one is no stalled one."""
    cdef uint64_t delivered = transport_delivered(&self.transport)
    cdef bint moved = self.blocked_at == 0 or delivered != self.delivered
    if moved:
        self.blocked_at = self.desk.loop.now
        self.delivered = delivered
    return moved


cdef inline bint _is_drained(const Link *self) noexcept nogil:
    return (self.draining and self.conn.streams.count == 0
            and (self.pool != NULL or (self.conn.goaway_sent and self.conn.goaway_last != STREAM_ID_LARGEST)))


cdef void _end(Link *self) noexcept nogil:
    """All is said: close our half, and wait a little for the peer's so that it can read what we said."""
    self.ending = True
    self.conn.broken = True
    transport_end(&self.transport)
    timer_start(&self.desk.loop, &self.timer, LINGER_MS)


cdef void link_flush_all(Desk *desk) noexcept nogil:
    """The end of a turn: each connection that has something to say says it, once."""
    cdef Link *self
    while desk.dirty_first != NULL:
        self = desk.dirty_first
        desk.dirty_first = self.next_dirty
        if desk.dirty_first == NULL:
            desk.dirty_last = NULL
        self.next_dirty = NULL
        if self.dead:
            continue
        self.conn.dirty = False
        _flush(self)


# ---- drain and time


cdef void _give_age(Link *self) noexcept nogil:
    """Decide when this connection is old: a tenth sooner or later, so that what came together goes apart."""
    cdef uint64_t age_ms = self.desk.room.limits.client_connection_age_ms
    if age_ms == 0:
        return
    age_ms = age_ms - age_ms // 10 + desk_dice(self.desk) % (age_ms // 5 + 1)
    self.leave_at = self.desk.loop.now + age_ms * 1000000
    link_look_in(self, age_ms)


cdef void link_drain_within(Link *self, uint32_t spread_ms) noexcept nogil:
    """The worker drains: tell the client to go, at some time within `spread_ms` from now.

    One that is not open yet may open, if it hurries: whoever was accepted is not refused.
    """
    cdef uint64_t delay_ms
    if self.dead:
        return
    if not self.open:
        link_look_in(self, HURRY_MS)
        return
    if spread_ms == 0:
        link_drain(self)
        return
    delay_ms = desk_dice(self.desk) % spread_ms
    if self.leave_at == 0 or self.leave_at > self.desk.loop.now + delay_ms * 1000000:
        self.leave_at = self.desk.loop.now + delay_ms * 1000000
        link_look_in(self, delay_ms)


cdef void _leave_in_time(Link *self, uint64_t *wait_ms) noexcept nogil:
    """Tell the client to go if its time has come; if not, `wait_ms` is at most what is left."""
    cdef uint64_t now = self.desk.loop.now
    if self.leave_at == 0 or self.draining:
        return
    if now < self.leave_at:
        wait_ms[0] = min(wait_ms[0], (self.leave_at - now + 999999) // 1000000)
        return
    if not self.desk.draining:
        self.desk.meter.connections_aged += 1
    link_drain(self)
    link_dirty(&self.conn)


cdef void link_drain(Link *self) noexcept nogil:
    """GOAWAY in two steps: first that no more is wanted, then, a round trip later, what was the last (RFC 9113 6.8)."""
    cdef uint8_t payload[8]
    if self.dead or not self.open or self.draining:
        return
    self.draining = True
    self.desk.meter.connections_drained += 1
    memcpy(payload, b"draining", 8)
    outbox_goaway(&self.conn, STREAM_ID_LARGEST, <uint32_t>NO_ERROR, NULL)
    outbox_ping(&self.conn, payload, False)
    self.drained_at = self.desk.loop.now
    link_look_in(self, self.desk.room.limits.begin_timeout_ms)


cdef void link_drained(Conn *conn) noexcept nogil:
    """The round trip is over: every stream the client opened before it knew has arrived."""
    cdef Link *self = <Link *>conn.owner
    if not self.draining:
        return
    outbox_goaway(conn, conn.last_peer_id, <uint32_t>NO_ERROR, NULL)
    link_dirty(conn)


cdef void _changed(Transport *transport) noexcept nogil:
    """A timer of the transport ended it."""
    link_bury(<Link *>transport)


cdef void link_look_in(Link *self, uint64_t delay_ms) noexcept nogil:
    """See to it that _timer looks at this link in at most `delay_ms`."""
    cdef Timer *timer = &self.timer
    if timer.prev == NULL or timer.deadline > self.desk.loop.now + delay_ms * 1000000:
        timer_stop(&self.desk.loop, timer)
        timer_start(&self.desk.loop, timer, delay_ms)


cdef inline bint _over(const Link *self, uint64_t since, uint32_t timeout_ms, uint64_t *wait_ms) noexcept nogil:
    """Has `timeout_ms` passed since then? If not, `wait_ms` is at most what is left of it."""
    cdef uint64_t passed_ms = (self.desk.loop.now - since) // 1000000
    if passed_ms >= timeout_ms:
        return True
    if timeout_ms - passed_ms < wait_ms[0]:
        wait_ms[0] = timeout_ms - passed_ms
    return False


cdef Reason _overdue(Link *self, uint64_t *wait_ms) noexcept nogil:
    """What of the peer's has lasted too long, ACCEPTED if nothing."""
    cdef const Limits *limits = &self.desk.room.limits
    cdef Conn *conn = &self.conn
    if conn.settings_seen and not conn.settings_acked:
        if _over(self, self.opened_at, limits.settings_timeout_ms, wait_ms):
            return SETTINGS_ACK_TIMEOUT
    if conn.expect == expect_continuation and _over(self, conn.block_at, limits.head_timeout_ms, wait_ms):
        return HEAD_TIMEOUT
    if self.rest.length > 0 and conn.settings_seen and _over(self, self.rest_at, limits.head_timeout_ms, wait_ms):
        return HEAD_TIMEOUT     # a frame that is not whole holds memory like a head that is not
    if self.blocked_at > 0 and _over(self, self.blocked_at, limits.stall_timeout_ms, wait_ms):
        if not _note_delivered(self):
            return STALLED
        _over(self, self.blocked_at, limits.stall_timeout_ms, wait_ms)
    return ACCEPTED


cdef void _timer(Timer *timer) noexcept nogil:
    """Has something lasted too long? Then it ends; if not, look again when the next thing would have."""
    cdef Link *self = <Link *>timer.owner
    cdef const Limits *limits = &self.desk.room.limits
    cdef uint32_t idle_ms = _idle_timeout_ms(self)
    cdef uint64_t wait_ms = idle_ms
    cdef Reason reason
    if self.conn.broken or not self.open:
        link_bury(self)         # it has had its time to read why, or to open
        return
    if not self.conn.settings_seen and _over(self, self.opened_at, limits.begin_timeout_ms, &wait_ms):
        self.desk.meter.begins_failed += 1
        link_bury(self)
        return
    reason = _overdue(self, &wait_ms)
    if reason != ACCEPTED:
        conn_refuse(&self.conn, reason)
        link_dirty(&self.conn)
        if reason == STALLED:
            link_bury(self)     # what it does not read need not be kept either
        return
    _leave_in_time(self, &wait_ms)
    if (self.draining and self.pool == NULL and self.conn.goaway_last == STREAM_ID_LARGEST
            and _over(self, self.drained_at, limits.begin_timeout_ms, &wait_ms)):
        link_drained(&self.conn)        # the client never answered the PING
    if self.pool != NULL and not pool_tend(self, &wait_ms):
        return
    if (self.conn.streams.count == 0 and _over(self, self.active_at, idle_ms, &wait_ms)
            and not (self.pool != NULL and pool_keeps_idle(self.pool))):
        outbox_goaway(&self.conn, self.conn.last_peer_id, <uint32_t>NO_ERROR, NULL)
        self.desk.meter.idle_closed += 1
        self.conn.broken = True
        link_dirty(&self.conn)
        return
    if not self.resting and _over(self, self.active_at, _REST_AFTER_MS, &wait_ms):
        self.resting = True
        conn_rest(&self.conn)
        transport_rest(&self.transport)
    timer_start(&self.desk.loop, &self.timer, wait_ms)
