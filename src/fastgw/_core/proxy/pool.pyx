"""Open connections per origin endpoint, and leases of stream slots on them.

One connection carries calls of all clients of the worker; another is opened only when the first is full. A call that
finds no free slot waits in its origin's queue, in order.
"""
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcmp, memcpy

from fastgw._core.h2.conn cimport OUTBOX_HIGH
from fastgw._core.io.loop cimport Timer, timer_start, timer_stop
from fastgw._core.io.transport cimport TRANSPORT_FINE
from fastgw._core.proxy.link cimport link_bury, link_connect, link_dirty
from fastgw._core.proxy.route cimport OriginRow
from fastgw._core.wire.frame cimport STREAM_ID_LARGEST


cdef Origin *_origin(Desk *desk, const OriginRow *row) noexcept nogil:
    """The origin this row means, made on first use; equal identities share connections across snapshots."""
    cdef Origin *self = desk.origins
    while self != NULL:
        if (self.identity_length == row.identity_length
                and memcmp(self.identity, row.identity, row.identity_length) == 0):
            return self
        self = self.next
    self = <Origin *>calloc(1, sizeof(Origin))
    if self == NULL:
        return NULL
    self.identity = <unsigned char *>malloc(row.identity_length + 1)
    if self.identity == NULL:
        free(self)
        return NULL
    memcpy(self.identity, row.identity, row.identity_length)
    self.identity_length = row.identity_length
    self.desk = desk
    self.again.fire = _again
    self.again.owner = self
    self.next = desk.origins
    desk.origins = self
    return self


cdef inline uint32_t _capacity(const Link *link) noexcept nogil:
    """Streams this link may carry at once (RFC 9113 section 5.1.2)."""
    cdef uint32_t most = link.conn.theirs.max_concurrent_streams
    return most if most < STREAMS_PER_LINK else <uint32_t>STREAMS_PER_LINK


cdef inline bint _takes_calls(const Link *link) noexcept nogil:
    """An origin that does not read is given no more heads, and numbers of streams end (RFC 9113 section 5.1.1)."""
    return (link.conn.settings_seen and not link.draining and not link.dead and not link.conn.broken
            and link.conn.next_id <= STREAM_ID_LARGEST - 2
            and link.conn.out.length + link.conn.backlog < 4 * OUTBOX_HIGH)


cdef Link *_free_link(const Origin *self) noexcept nogil:
    cdef Link *link = self.links
    while link != NULL:
        if _takes_calls(link) and link.conn.streams.count < _capacity(link):
            return link
        link = link.next
    return NULL


cdef Link *pool_lease(Desk *desk, Exchange *exchange) noexcept nogil:
    """A link with a free stream slot for this exchange; NULL: it waits, or desk.lease_failed was called."""
    cdef Origin *self = NULL
    cdef Link *link
    if exchange.row.address_length == 0:
        desk.lease_failed(exchange, NULL, FAILURE_NO_ADDRESS)
        return NULL
    self = _origin(desk, exchange.row)
    if self == NULL:
        desk.lease_failed(exchange, NULL, FAILURE_NO_MEMORY)
        return NULL
    if self.waiting == 0:
        link = _free_link(self)
        if link != NULL:
            return link
    _wait(self, exchange)
    if self.connecting == 0 and self.open < LINKS_PER_ORIGIN and not _connect(desk, self, exchange):
        pool_leave(exchange)
        desk.lease_failed(exchange, NULL, FAILURE_NO_MEMORY)
    return NULL


cdef bint _connect(Desk *desk, Origin *self, Exchange *exchange) noexcept nogil:
    """Begin one connection. One that fails at once is buried at once, and takes the queue with it."""
    cdef Link *link = link_connect(desk, self, exchange)
    if link == NULL:
        return False
    if link.transport.failure != TRANSPORT_FINE:
        link_bury(link)
    return True


cdef void _wait(Origin *self, Exchange *exchange) noexcept nogil:
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
    cdef Origin *self = exchange.waits_for
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


cdef void _serve(Desk *desk, Origin *self) noexcept nogil:
    """Hand free slots to those that wait; open one more connection if some still do."""
    cdef Exchange *exchange
    cdef Link *link
    while self.waiting > 0:
        link = _free_link(self)
        if link == NULL:
            break
        exchange = self.waiting_first
        pool_leave(exchange)
        desk.lease_ready(exchange, link)
    if self.waiting == 0 or self.connecting > 0 or self.open >= LINKS_PER_ORIGIN:
        return
    if desk.loop.now < self.again_at:
        if self.again.prev == NULL:
            timer_start(&desk.loop, &self.again, AGAIN_MS)
    elif not _connect(desk, self, self.waiting_first):
        _fail_waiting(desk, self, NULL, FAILURE_NO_MEMORY)


cdef void _again(Timer *timer) noexcept nogil:
    """Some may still wait, and the last connection that served nobody is long ago."""
    cdef Origin *self = <Origin *>timer.owner
    if self.waiting > 0:
        _serve(self.desk, self)


cdef void _fail_waiting(Desk *desk, Origin *self, Link *link, int failure) noexcept nogil:
    cdef Exchange *exchange
    while self.waiting > 0:
        exchange = self.waiting_first
        pool_leave(exchange)
        desk.lease_failed(exchange, link, failure)


cdef void pool_settled(Conn *conn) noexcept nogil:
    """SETTINGS or GOAWAY came from an origin, or one of its streams ended."""
    cdef Link *link = <Link *>conn.owner
    cdef Origin *self = link.origin
    if link.dead:
        return
    if not link.counted and conn.settings_seen:
        link.counted = True
        self.connecting -= 1
        self.open += 1
        if conn.theirs.max_concurrent_streams == 0:
            self.again_at = link.desk.loop.now + AGAIN_MS * <uint64_t>1000000
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
    cdef Origin *self = link.origin
    cdef int failure = link.transport.failure
    if link.draining:
        return
    link.draining = True
    if link.conn.next_id == 1:
        self.again_at = link.desk.loop.now + AGAIN_MS * <uint64_t>1000000
    if link.counted:
        self.open -= 1
        return
    link.counted = True
    self.connecting -= 1
    link.desk.meter.origin_connections_failed += 1
    if failure == TRANSPORT_FINE:
        failure = FAILURE_BAD_SETTINGS if link.conn.broken else FAILURE_SETTINGS_TIMEOUT
    if self.open == 0:
        _fail_waiting(link.desk, self, link, failure)


cdef void pool_link_lost(Link *link) noexcept nogil:
    """A link is being buried; calls that wait for its slots get them elsewhere."""
    pool_link_shut(link)
    if link.origin.waiting > 0:
        _serve(link.desk, link.origin)


cdef void pool_close(Desk *desk) noexcept nogil:
    """The worker ends: all links, then the origins themselves."""
    cdef Origin *self
    while desk.origins != NULL:
        self = desk.origins
        while self.links != NULL:
            link_bury(self.links)
        desk.origins = self.next
        timer_stop(&desk.loop, &self.again)
        free(self.identity)
        free(self)
