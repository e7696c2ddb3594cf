"""Is a value one of many? Texts by keyed hash, numbers and addresses by search in sorted spans."""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

ctypedef struct TextSlot:
    uint64_t hash
    uint32_t at         # in the pool
    uint32_t length     # 0xffffffff: the slot is free

ctypedef struct TextSet:
    uint64_t key[2]
    uint64_t lengths    # bit n: there is a member of n octets; bit 63: of 63 and more
    uint32_t mask       # slots - 1, slots are a power of two
    TextSlot *slots
    const uint8_t *pool

ctypedef struct NumberSet:
    # Spans are disjoint and sorted: first[n] <= last[n] < first[n + 1].
    uint32_t count
    int64_t *first
    int64_t *last

ctypedef struct AddressSet:
    # The same for IPv4 as numbers, with an index by the first 12 bits where there are many, and for IPv6 in halves.
    uint32_t count4
    uint32_t *first4
    uint32_t *last4
    uint32_t *index4    # 4097 places in first4, or NULL
    uint32_t count6
    uint64_t *first6    # pairs: high half, low half
    uint64_t *last6

cdef bint text_set_has(const TextSet *self, const uint8_t *at, uint32_t length) noexcept nogil
cdef bint number_set_has(const NumberSet *self, int64_t number) noexcept nogil
cdef bint address_set_has(const AddressSet *self, const uint8_t *address, uint8_t family) noexcept nogil

cdef void text_set_open(TextSet *self, tuple members) except *
cdef void number_set_open(NumberSet *self, tuple spans) except *
cdef void address_set_open(AddressSet *self, tuple both) except *
cdef void text_set_close(TextSet *self) noexcept
cdef void number_set_close(NumberSet *self) noexcept
cdef void address_set_close(AddressSet *self) noexcept
