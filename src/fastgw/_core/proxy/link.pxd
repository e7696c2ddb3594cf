"""A link: one transport and the HTTP/2 connection on it; filled, fed, flushed, buried."""
from libc.stdint cimport uint32_t, uint64_t

from fastgw._core.h2.conn cimport Conn
from fastgw._core.proxy.desk cimport Desk, Link, Listener, Pool, SnapshotUse
from fastgw._core.proxy.route cimport EndpointRow

cdef enum:
    LINGER_MS = 2000                # after our last octet, for the peer to read it
    HURRY_MS = 1000                 # for what is left of a TLS handshake when the worker drains
    PLAIN_HEADROOM = 32             # octets before the plaintext that conn_feed may write to

cdef bint link_accept(Desk *desk, int fd, const Listener *listener, const unsigned char *peer) noexcept nogil
cdef Link *link_connect(Desk *desk, Pool *pool, SnapshotUse *use, const EndpointRow *endpoint) noexcept nogil
cdef bint desk_is_full(const Desk *desk) noexcept nogil
cdef void link_dirty(Conn *conn) noexcept nogil
cdef void link_look_in(Link *self, uint64_t delay_ms) noexcept nogil
cdef void link_flush_all(Desk *desk) noexcept nogil
cdef void link_bury(Link *self) noexcept nogil
cdef void link_sweep(Desk *desk) noexcept nogil
cdef void link_drain(Link *self) noexcept nogil
cdef void link_drain_within(Link *self, uint32_t spread_ms) noexcept nogil
cdef void link_drained(Conn *conn) noexcept nogil
cdef void use_release(Desk *desk, SnapshotUse *use) noexcept nogil
