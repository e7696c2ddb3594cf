"""Is a value one of many? Texts by keyed hash, numbers and addresses by search in sorted spans.

Spans instead of a trie: ranges and networks are one thing, 16 octets of memory per span, and the search has no
branch that depends on the data (docs/decisions/010 has the figures).
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memcpy

import os


cdef extern from "keyed_hash.h" nogil:
    uint64_t keyed_hash(const uint64_t *key, const uint8_t *at, size_t length)

cdef enum:
    _FREE = 0xffffffff
    _INDEX_BITS = 12
    _INDEX_FROM = 64    # spans from which the index pays its 16 KiB


cdef inline uint64_t _length_bit(uint32_t length) noexcept nogil:
    return <uint64_t>1 << (length if length < 63 else 63)


cdef bint text_set_has(const TextSet *self, const uint8_t *at, uint32_t length) noexcept nogil:
    cdef uint64_t digest
    cdef uint32_t place
    cdef const TextSlot *slot
    if not self.lengths & _length_bit(length):
        return False
    digest = keyed_hash(self.key, at, length)
    place = <uint32_t>digest & self.mask
    while True:
        slot = &self.slots[place]
        if slot.length == <uint32_t>_FREE:
            return False
        if slot.hash == digest and slot.length == length and memcmp(self.pool + slot.at, at, length) == 0:
            return True
        place = (place + 1) & self.mask


cdef bint number_set_has(const NumberSet *self, int64_t number) noexcept nogil:
    """The last span that begins at or before the number, found by halving."""
    cdef uint32_t low = 0
    cdef uint32_t count = self.count
    cdef uint32_t half
    if count == 0:
        return False
    while count > 1:
        half = count >> 1
        low += half if self.first[low + half] <= number else 0
        count -= half
    return self.first[low] <= number and number <= self.last[low]


cdef inline uint32_t _word4(const uint8_t *at) noexcept nogil:
    return (<uint32_t>at[0] << 24) | (<uint32_t>at[1] << 16) | (<uint32_t>at[2] << 8) | at[3]


cdef inline uint64_t _word8(const uint8_t *at) noexcept nogil:
    return (<uint64_t>_word4(at) << 32) | _word4(at + 4)


cdef inline bint _at_most(uint64_t high, uint64_t low, uint64_t other_high, uint64_t other_low) noexcept nogil:
    return high < other_high or (high == other_high and low <= other_low)


cdef bint address_set_has(const AddressSet *self, const uint8_t *address, uint8_t family) noexcept nogil:
    """`address` has 4 or 16 octets, in network order."""
    cdef uint32_t number, half, count
    cdef uint32_t low = 0
    cdef uint64_t high, rest
    if family == 4:
        count = self.count4
        if count == 0:
            return False
        number = _word4(address)
        if self.index4 != NULL:
            # Spans that begin with these bits, and the one before them, which may reach in here.
            low = self.index4[number >> (32 - _INDEX_BITS)]
            count = self.index4[(number >> (32 - _INDEX_BITS)) + 1] - low
            if low > 0:
                low -= 1
                count += 1
            if count == 0:
                return False
        while count > 1:
            half = count >> 1
            low += half if self.first4[low + half] <= number else 0
            count -= half
        return self.first4[low] <= number and number <= self.last4[low]
    count = self.count6
    if count == 0:
        return False
    high, rest = _word8(address), _word8(address + 8)
    while count > 1:
        half = count >> 1
        if _at_most(self.first6[2 * (low + half)], self.first6[2 * (low + half) + 1], high, rest):
            low += half
        count -= half
    return (_at_most(self.first6[2 * low], self.first6[2 * low + 1], high, rest)
            and _at_most(high, rest, self.last6[2 * low], self.last6[2 * low + 1]))


cdef void *_new(size_t count, size_t size) except NULL:
    cdef void *block = calloc(count if count > 0 else 1, size)
    if block == NULL:
        raise MemoryError
    return block


cdef void text_set_open(TextSet *self, tuple members) except *:
    """Slots are at most half full, so that a search ends soon."""
    cdef uint32_t slots = 4
    cdef uint32_t place, at
    cdef uint64_t digest
    cdef bytes octets, pool = b"".join(members)
    cdef bytes key = os.urandom(16)
    cdef uint8_t *kept
    while slots < 2 * len(members):
        slots *= 2
    memcpy(self.key, <const char *>key, 16)
    self.mask = slots - 1
    self.slots = <TextSlot *>_new(slots, sizeof(TextSlot))
    kept = <uint8_t *>_new(len(pool), 1)
    memcpy(kept, <const char *>pool, len(pool))
    self.pool = kept
    for place in range(slots):
        self.slots[place].length = <uint32_t>_FREE
    at = 0
    for octets in members:
        digest = keyed_hash(self.key, self.pool + at, len(octets))
        place = <uint32_t>digest & self.mask
        while self.slots[place].length != <uint32_t>_FREE:
            place = (place + 1) & self.mask
        self.slots[place].hash = digest
        self.slots[place].at = at
        self.slots[place].length = len(octets)
        self.lengths |= _length_bit(len(octets))
        at += len(octets)


cdef void number_set_open(NumberSet *self, tuple spans) except *:
    self.first = <int64_t *>_new(len(spans), sizeof(int64_t))
    self.last = <int64_t *>_new(len(spans), sizeof(int64_t))
    for first, last in spans:
        self.first[self.count] = first
        self.last[self.count] = last
        self.count += 1


cdef void address_set_open(AddressSet *self, tuple both) except *:
    cdef uint32_t bucket, at
    spans4, spans6 = both
    self.first4 = <uint32_t *>_new(len(spans4), sizeof(uint32_t))
    self.last4 = <uint32_t *>_new(len(spans4), sizeof(uint32_t))
    for first, last in spans4:
        self.first4[self.count4] = first
        self.last4[self.count4] = last
        self.count4 += 1
    if self.count4 >= _INDEX_FROM:
        self.index4 = <uint32_t *>_new((1 << _INDEX_BITS) + 1, sizeof(uint32_t))
        at = 0
        for bucket in range((1 << _INDEX_BITS) + 1):
            while at < self.count4 and self.first4[at] >> (32 - _INDEX_BITS) < bucket:
                at += 1
            self.index4[bucket] = at
    self.first6 = <uint64_t *>_new(len(spans6), 16)
    self.last6 = <uint64_t *>_new(len(spans6), 16)
    for first, last in spans6:
        self.first6[2 * self.count6] = first >> 64
        self.first6[2 * self.count6 + 1] = first & 0xffffffffffffffff
        self.last6[2 * self.count6] = last >> 64
        self.last6[2 * self.count6 + 1] = last & 0xffffffffffffffff
        self.count6 += 1


cdef void text_set_close(TextSet *self) noexcept:
    free(self.slots)
    free(<void *>self.pool)


cdef void number_set_close(NumberSet *self) noexcept:
    free(self.first)
    free(self.last)


cdef void address_set_close(AddressSet *self) noexcept:
    free(self.first4)
    free(self.last4)
    free(self.index4)
    free(self.first6)
    free(self.last6)
