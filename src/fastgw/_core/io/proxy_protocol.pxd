"""The PROXY protocol, versions 1 and 2: whom a load balancer speaks for; and who may say so."""
from libc.stdint cimport uint8_t, uint32_t

cdef enum:
    PROXY_HEADER_MAX = 536      # octets of a header; version 1 has no more than 107
    PROXY_PEER_SIZE = 28        # octets of a struct sockaddr_in6

cdef enum ProxyResult:
    PROXY_MORE = 0              # what is there may become a header
    PROXY_DONE = 1
    PROXY_BAD = 2

ctypedef struct ProxyHeader:
    uint32_t length             # octets of the header; what follows is the connection's
    bint named                  # it names a client; without, the connection is the balancer's own
    uint8_t peer[28]            # struct sockaddr of the client

ctypedef struct Network:
    # Addresses that share their first bits; IPv4 stands as IPv4-mapped IPv6.
    uint8_t address[16]
    uint32_t bits

cdef ProxyResult proxy_header(const uint8_t *data, uint32_t length, ProxyHeader *into) noexcept nogil
cdef bint networks_hold(const Network *networks, uint32_t count, const uint8_t *peer) noexcept nogil
