"""What a rule compares: a value of one of a few kinds, and the scratch arena that computed ones live in."""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy


cdef extern from "find.h" nogil:
    const uint8_t *find_octets(const uint8_t *at, size_t length, const uint8_t *part, size_t part_length)


cdef void text_tag(Value *self) noexcept nogil:
    """Texts that are equal have equal tags: most that are not are told apart by them."""
    cdef uint64_t begin = 0
    cdef uint64_t end = 0
    cdef uint32_t at
    if self.length >= 8:
        memcpy(&begin, self.at, 8)
        memcpy(&end, <const uint8_t *>self.at + self.length - 8, 8)
    else:
        for at in range(self.length):
            begin = begin << 8 | (<const uint8_t *>self.at)[at]
    self.number = <int64_t>(begin + end * <uint64_t>0x9e3779b97f4a7c15 + self.length * <uint64_t>0xff51afd7ed558ccd)


cdef uint64_t text_pairs(const uint8_t *at, uint32_t length) noexcept nogil:
    """A bit for each two neighbours: a text whose bits are not all in another's is not in that text.

    Long texts have nearly all bits, so these get all at once.
    """
    cdef uint64_t pairs = 0
    cdef uint32_t number
    if length > PAIRS_MOST:
        return <uint64_t>0xffffffffffffffff
    for number in range(1, length):
        pairs |= <uint64_t>1 << ((at[number - 1] ^ (<uint32_t>at[number] << 2)) & 63)
    return pairs


cdef Value *value_list(Value *self, Scratch *scratch, uint32_t most) noexcept nogil:
    """Make this an empty list with room for `most` elements; NULL, and NO_ROOM in it, if there is none.

    The caller writes elements and counts them in `length`.
    """
    cdef Value *items = NULL
    if most <= LIST_MOST:
        items = <Value *>scratch_take(scratch, <uint32_t>(most * sizeof(Value)))
    if items == NULL:
        value_none(self, NO_ROOM)
        return NULL
    value_none(self, LIST)
    self.at = items
    return items


cdef int text_compare(const Value *self, const Value *other) noexcept nogil:
    """Below zero, zero or above it, octet by octet; the beginning of a text is less than the text."""
    cdef uint32_t length = min(self.length, other.length)
    cdef int order = 0
    if length > 0:
        order = memcmp(self.at, other.at, length)
    if order == 0:
        return (self.length > other.length) - (self.length < other.length)
    return order


cdef bint text_find(const uint8_t *at, uint32_t length, const uint8_t *part, uint32_t part_length) noexcept nogil:
    """Is `part` somewhere in it? Time grows with the sum of both, not with the product."""
    return find_octets(at, length, part, part_length) != NULL


cdef bint address_compare(const Value *self, const Value *other, int *order) noexcept nogil:
    """False if one is IPv4 and one IPv6: these have no order."""
    if self.family != other.family:
        return False
    order[0] = memcmp(self.at, other.at, 4 if self.family == 4 else 16)
    return True
