"""Open connections per origin endpoint, and leases of stream slots on them."""
from fastgw._core.h2.conn cimport Conn
from fastgw._core.proxy.desk cimport Desk, Exchange, Link, Origin

cdef enum:
    STREAMS_PER_LINK = 10000        # streams on one origin connection, whatever the origin would allow
    LINKS_PER_ORIGIN = 256          # connections to one endpoint, however few streams it allows on each
    AGAIN_MS = 1000                 # after a connection that served nobody, until the next for those that wait
    FAILURE_SETTINGS_TIMEOUT = 100  # beyond TransportFailure: the origin never sent SETTINGS
    FAILURE_NO_ADDRESS = 101        # its name did not resolve
    FAILURE_NO_MEMORY = 102
    FAILURE_BAD_SETTINGS = 103      # what it sent first was not HTTP/2

cdef Link *pool_lease(Desk *desk, Exchange *exchange) noexcept nogil
cdef void pool_leave(Exchange *exchange) noexcept nogil
cdef void pool_settled(Conn *conn) noexcept nogil
cdef void pool_link_shut(Link *link) noexcept nogil
cdef void pool_link_lost(Link *link) noexcept nogil
cdef void pool_close(Desk *desk) noexcept nogil
