"""The first message of a client: which server name it asks for (RFC 8446 section 4.1.2, RFC 6066 section 3)."""
from libc.stdint cimport uint8_t, uint32_t

cdef enum:
    _HEAD = 4                   # type and length of a handshake message
    _FIXED = 2 + 32             # version and random
    _SERVER_NAME = 0
    _HOST_NAME = 0


cdef inline uint32_t _two(const uint8_t *at) noexcept nogil:
    return <uint32_t>at[0] << 8 | at[1]


cdef const uint8_t *hello_server_name(const uint8_t *message, uint32_t length,
                                      uint32_t *name_length) noexcept nogil:
    """The name in a whole ClientHello with its handshake header, a slice of it; NULL: it asks for none."""
    cdef uint32_t at = _HEAD + _FIXED
    cdef uint32_t end, size
    name_length[0] = 0
    if at + 1 > length:
        return NULL
    at += 1 + message[at]       # session id
    if at + 2 > length:
        return NULL
    at += 2 + _two(message + at)    # cipher suites
    if at + 1 > length:
        return NULL
    at += 1 + message[at]       # compression methods
    if at + 2 > length:
        return NULL
    end = at + 2 + _two(message + at)
    at += 2
    if end > length:
        return NULL
    while at + 4 <= end:
        size = _two(message + at + 2)
        if size > end - at - 4:
            return NULL
        if _two(message + at) == _SERVER_NAME:
            # A list of one name: its length, the kind of the name, the length of the name.
            if size < 5 or message[at + 6] != _HOST_NAME or _two(message + at + 7) > size - 5:
                return NULL
            name_length[0] = _two(message + at + 7)
            return message + at + 9
        at += 4 + size
    return NULL


# For tests and tools.

def server_name(bytes message not None):
    """The name a ClientHello asks for, None if it asks for none."""
    cdef uint32_t length
    cdef const uint8_t *name = hello_server_name(message, <uint32_t>len(message), &length)
    return name[:length] if name != NULL else None
