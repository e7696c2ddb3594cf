"""gRPC over HTTP/2: which requests are gRPC, where messages end, timeouts, statuses, percent-encoding.

Knows octets of one direction of one call: neither frames nor streams, and never what a message says.
"""
from libc.stdint cimport INT64_MAX
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memset

from fastgw._core.clock cimport clock_now


cdef extern from "octets.h" nogil:
    uint32_t octets_get32(const uint8_t *at)


cdef enum:
    _PREFIX = 5                 # octets: compressed flag, length
    _TIMEOUT_DIGITS = 8

cdef const char *_HEX = "0123456789ABCDEF"


cdef void message_scan(MessageScan *self, const uint8_t *data, uint32_t length) noexcept nogil:
    """Follow message boundaries through `length` more octets of one direction of a call.

    Pieces may be cut anywhere, inside a prefix too. Nothing is copied but a prefix that is cut. Begin zeroed.
    """
    cdef const uint8_t *prefix
    cdef uint32_t size
    while length > 0:
        if self.prefix_length == _PREFIX:
            if self.left > length:
                self.left -= length
                return
            data += self.left
            length -= self.left
            self.left = 0
            self.prefix_length = 0
            self.messages += 1
            continue
        if self.prefix_length == 0 and length >= _PREFIX:
            prefix = data
            data += _PREFIX
            length -= _PREFIX
        else:
            self.prefix[self.prefix_length] = data[0]
            self.prefix_length += 1
            data += 1
            length -= 1
            if self.prefix_length < _PREFIX:
                continue
            prefix = self.prefix
        size = octets_get32(prefix + 1)
        if prefix[0] > 1:
            self.flag_invalid = True
        if size > self.largest:
            self.largest = size
        if size <= length:
            data += size
            length -= size
            self.prefix_length = 0
            self.messages += 1
        else:
            self.left = size
            self.prefix_length = _PREFIX


cdef bint message_scan_at_boundary(const MessageScan *self) noexcept nogil:
    """Does no message stand open? A direction that ends when one does was cut off."""
    return self.prefix_length == 0


cdef inline bint _is_space(uint8_t octet) noexcept nogil:
    return octet == c" " or octet == c"\t"


cdef bint media_type_is_grpc(const uint8_t *value, uint32_t length) noexcept nogil:
    """Is this content-type `application/grpc` or `application/grpc+` and something behind?

    Letters in either case; parameters do not matter. gRPC-Web is another tongue and none of these.
    """
    cdef const char *wanted = "application/grpc"
    cdef uint32_t at, end
    cdef uint8_t octet
    if length == 16 and memcmp(value, wanted, 16) == 0:
        return True         # what nearly everybody sends
    for end in range(length):
        if value[end] == c";":
            length = end
            break
    while length > 0 and _is_space(value[length - 1]):
        length -= 1
    if length < 16:
        return False
    for at in range(16):
        octet = value[at]
        if c"A" <= octet <= c"Z":
            octet |= 0x20
        if octet != <uint8_t>wanted[at]:
            return False
    return length == 16 or (value[16] == c"+" and length > 17)


cdef uint32_t percent_encode(const uint8_t *text, uint32_t length, uint8_t *out,
                             uint32_t room) noexcept nogil:
    """Write `text` as a grpc-message value into at most `room` octets; returns how many were written.

    What does not fit is left off, without cutting an escape or a UTF-8 sequence in two.
    """
    cdef uint32_t at
    cdef uint32_t used = 0
    cdef uint32_t whole = 0     # `used` where the current UTF-8 sequence began
    cdef uint8_t octet
    for at in range(length):
        octet = text[at]
        if octet & 0xc0 != 0x80:
            whole = used
        if 0x20 <= octet <= 0x7e and octet != c"%":
            if used == room:
                return whole
            out[used] = octet
            used += 1
        else:
            if room - used < 3:
                return whole
            out[used] = c"%"
            out[used + 1] = <uint8_t>_HEX[octet >> 4]
            out[used + 2] = <uint8_t>_HEX[octet & 15]
            used += 3
    return used


cdef int64_t timeout_get(const uint8_t *value, uint32_t length) noexcept nogil:
    """A grpc-timeout in nanoseconds, -1 if it is none; what does not fit becomes the largest number."""
    cdef int64_t number = 0
    cdef int64_t unit
    cdef uint32_t at
    if length < 2 or length > _TIMEOUT_DIGITS + 1:
        return -1
    for at in range(length - 1):
        if value[at] < c"0" or value[at] > c"9":
            return -1
        number = number * 10 + (value[at] - c"0")
    if value[length - 1] == c"n":
        unit = 1
    elif value[length - 1] == c"u":
        unit = 1000
    elif value[length - 1] == c"m":
        unit = 1000000
    elif value[length - 1] == c"S":
        unit = 1000000000
    elif value[length - 1] == c"M":
        unit = 60000000000
    elif value[length - 1] == c"H":
        unit = 3600000000000
    else:
        return -1
    return INT64_MAX if number > INT64_MAX // unit else number * unit


# For tests and tools.

cdef class Messages:
    """A message scan, fed piece by piece."""
    cdef MessageScan scan

    def __cinit__(self):
        memset(&self.scan, 0, sizeof(MessageScan))

    def feed(self, const uint8_t[::1] octets not None):
        if octets.shape[0] > 0:
            message_scan(&self.scan, &octets[0], <uint32_t>octets.shape[0])

    def state(self):
        """What the C side knows, by name."""
        inside = self.scan.prefix_length == _PREFIX
        return {
            "messages": self.scan.messages,
            "left": self.scan.left if inside else 0,
            "largest": self.scan.largest,
            "prefix": None if inside else bytes(self.scan.prefix[:self.scan.prefix_length]),
            "flag_invalid": bool(self.scan.flag_invalid),
            "at_boundary": bool(message_scan_at_boundary(&self.scan)),
        }

    def cost(self, const uint8_t[::1] octets not None, uint32_t rounds):
        """Nanoseconds for scanning `octets` once."""
        cdef uint32_t _
        cdef uint64_t begun = clock_now()
        for _ in range(rounds):
            message_scan(&self.scan, &octets[0], <uint32_t>octets.shape[0])
        return (clock_now() - begun) / <double>rounds


def is_grpc(bytes value):
    return bool(media_type_is_grpc(value, <uint32_t>len(value)))


def timeout(bytes value):
    return timeout_get(value, <uint32_t>len(value))


def percent_encoded(bytes text, uint32_t room):
    """The grpc-message value of `text`, and whether anything was written past `room`."""
    cdef uint8_t *out = <uint8_t *>malloc(room + 8)
    if out == NULL:
        raise MemoryError
    try:
        memset(out, 0xaa, room + 8)
        used = percent_encode(text, <uint32_t>len(text), out, room)
        return out[:used], memcmp(out + room, b"\xaa" * 8, 8) != 0
    finally:
        free(out)
