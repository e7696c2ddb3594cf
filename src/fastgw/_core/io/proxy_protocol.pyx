"""The PROXY protocol, versions 1 and 2: whom a load balancer speaks for; and who may say so.

The header stands before everything else, TLS too. Versions and addresses as in its specification
(haproxy.org, proxy-protocol.txt, sections 2.1 and 2.2); extensions of version 2 are passed over.
"""
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memchr, memcmp, memcpy, memset

from fastgw._core.io.sys cimport AF_INET, AF_INET6, inet_pton, sockaddr_in, sockaddr_in6

cdef enum:
    _TEXT_MAX = 107             # octets of version 1, line end included
    _BINARY_HEAD = 16
    _VERSION_LOCAL = 0x20
    _VERSION_PROXY = 0x21
    _TCP4 = 0x11
    _TCP6 = 0x21
    _ADDRESS_TEXT = 46


cdef inline bint _begins(const uint8_t *data, uint32_t length, const char *with_, uint32_t size) noexcept nogil:
    """Could `data` begin like this, as far as it goes?"""
    return memcmp(data, with_, length if length < size else size) == 0


cdef ProxyResult proxy_header(const uint8_t *data, uint32_t length, ProxyHeader *into) noexcept nogil:
    """Read the header `data` begins with; its octets past PROXY_HEADER_MAX need not be given."""
    memset(into, 0, sizeof(ProxyHeader))
    if length == 0:
        return PROXY_MORE
    if _begins(data, length, b"\r\n\r\n\0\r\nQUIT\n", 12):
        return _binary(data, length, into)
    if _begins(data, length, b"PROXY ", 6):
        return _text(data, length, into)
    return PROXY_BAD


cdef void _four(ProxyHeader *into, const uint8_t *address, uint16_t port) noexcept nogil:
    cdef sockaddr_in peer
    memset(&peer, 0, sizeof(sockaddr_in))
    peer.sin_family = AF_INET
    peer.sin_port = port
    memcpy(&peer.sin_addr, address, 4)
    memcpy(into.peer, &peer, sizeof(sockaddr_in))
    into.named = True


cdef void _six(ProxyHeader *into, const uint8_t *address, uint16_t port) noexcept nogil:
    cdef sockaddr_in6 peer
    memset(&peer, 0, sizeof(sockaddr_in6))
    peer.sin6_family = AF_INET6
    peer.sin6_port = port
    memcpy(&peer.sin6_addr, address, 16)
    memcpy(into.peer, &peer, sizeof(sockaddr_in6))
    into.named = True


cdef ProxyResult _binary(const uint8_t *data, uint32_t length, ProxyHeader *into) noexcept nogil:
    cdef uint32_t size
    cdef uint16_t port
    if length < _BINARY_HEAD:
        return PROXY_MORE
    size = <uint32_t>data[14] << 8 | data[15]
    if size > PROXY_HEADER_MAX - _BINARY_HEAD or (data[12] != _VERSION_LOCAL and data[12] != _VERSION_PROXY):
        return PROXY_BAD
    if length < _BINARY_HEAD + size:
        return PROXY_MORE
    into.length = _BINARY_HEAD + size
    if data[12] == _VERSION_LOCAL:
        return PROXY_DONE
    if data[13] == _TCP4:
        if size < 12:
            return PROXY_BAD
        memcpy(&port, data + 24, 2)
        _four(into, data + 16, port)
    elif data[13] == _TCP6:
        if size < 36:
            return PROXY_BAD
        memcpy(&port, data + 48, 2)
        _six(into, data + 16, port)
    return PROXY_DONE       # of another kind: as if nothing were said


cdef bint _word(const uint8_t **at, const uint8_t *end, char *into) noexcept nogil:
    """The octets up to the next space or the end; False if there are none or too many for an address."""
    cdef const uint8_t *stop = <const uint8_t *>memchr(at[0], c" ", <size_t>(end - at[0]))
    cdef size_t size
    if stop == NULL:
        stop = end
    size = <size_t>(stop - at[0])
    if size == 0 or size >= _ADDRESS_TEXT or memchr(at[0], 0, size) != NULL:
        return False
    memcpy(into, at[0], size)
    into[size] = 0
    at[0] = stop + 1 if stop < end else stop
    return True


cdef int _port(const char *text) noexcept nogil:
    """A port in decimal without leading zeros; -1: it is none."""
    cdef int port = 0
    cdef int at = 0
    if text[0] == c"0":
        return 0 if text[1] == 0 else -1
    while text[at] != 0:
        if at == 5 or text[at] < c"0" or text[at] > c"9":
            return -1
        port = port * 10 + (text[at] - c"0")
        at += 1
    return port if port <= 65535 else -1


cdef ProxyResult _text(const uint8_t *data, uint32_t length, ProxyHeader *into) noexcept nogil:
    """`PROXY TCP4 192.0.2.1 192.0.2.9 56324 443` and the end of a line."""
    cdef char word[_ADDRESS_TEXT]
    cdef uint8_t[16] client
    cdef uint8_t[16] other
    cdef int family, client_port
    cdef uint16_t port
    cdef uint32_t limit = length if length < _TEXT_MAX else <uint32_t>_TEXT_MAX
    cdef const uint8_t *end = <const uint8_t *>memchr(data, c"\n", limit)
    cdef const uint8_t *at = data + 6
    if end == NULL:
        return PROXY_BAD if length >= _TEXT_MAX else PROXY_MORE
    into.length = <uint32_t>(end - data) + 1
    end -= 1
    if end <= at or end[0] != c"\r" or not _word(&at, end, word):
        return PROXY_BAD
    if memcmp(word, b"UNKNOWN", 8) == 0:
        return PROXY_DONE
    if memcmp(word, b"TCP4", 5) == 0:
        family = AF_INET
    elif memcmp(word, b"TCP6", 5) == 0:
        family = AF_INET6
    else:
        return PROXY_BAD
    if not _word(&at, end, word) or inet_pton(family, word, client) != 1:
        return PROXY_BAD
    if not _word(&at, end, word) or inet_pton(family, word, other) != 1 or not _word(&at, end, word):
        return PROXY_BAD
    client_port = _port(word)
    if client_port < 0 or not _word(&at, end, word) or _port(word) < 0 or at != end or end[-1] == c" ":
        return PROXY_BAD
    (<uint8_t *>&port)[0] = <uint8_t>(client_port >> 8)
    (<uint8_t *>&port)[1] = <uint8_t>(client_port & 0xff)
    if family == AF_INET:
        _four(into, client, port)
    else:
        _six(into, client, port)
    return PROXY_DONE


cdef bint networks_hold(const Network *networks, uint32_t count, const uint8_t *peer) noexcept nogil:
    """Does one of the networks hold the address of this struct sockaddr?"""
    cdef uint8_t[16] address
    cdef uint32_t number, whole, rest
    cdef const Network *network
    memset(address, 0, 16)
    if (<const sockaddr_in *>peer).sin_family == AF_INET:
        address[10] = address[11] = 0xff
        memcpy(&address[12], &(<const sockaddr_in *>peer).sin_addr, 4)
    elif (<const sockaddr_in *>peer).sin_family == AF_INET6:
        memcpy(address, &(<const sockaddr_in6 *>peer).sin6_addr, 16)
    else:
        return False
    for number in range(count):
        network = &networks[number]
        whole = network.bits // 8
        rest = network.bits % 8
        if memcmp(network.address, address, whole) != 0:
            continue
        if rest == 0 or (network.address[whole] ^ address[whole]) >> (8 - rest) == 0:
            return True
    return False


# For tests and tools.

def header_of(bytes data not None):
    """None: more octets are needed; False: no header; else its length and the client's struct sockaddr or None."""
    cdef ProxyHeader header
    cdef ProxyResult result = proxy_header(data, <uint32_t>len(data), &header)
    if result == PROXY_MORE:
        return None
    if result == PROXY_BAD:
        return False
    if not header.named:
        return header.length, None
    size = sizeof(sockaddr_in) if (<sockaddr_in *>header.peer).sin_family == AF_INET else sizeof(sockaddr_in6)
    return header.length, header.peer[:size]


def holds(networks, bytes peer not None):
    """Is the struct sockaddr `peer` in one of the networks, each 16 octets and a number of bits?"""
    cdef Network[8] rows
    cdef uint32_t count = 0
    cdef uint8_t[28] at
    memset(at, 0, 28)
    memcpy(at, <const uint8_t *>peer, min(len(peer), 28))
    for address, bits in networks:
        memcpy(rows[count].address, <const uint8_t *><bytes>address, 16)
        rows[count].bits = bits
        count += 1
    return bool(networks_hold(rows, count, at))
