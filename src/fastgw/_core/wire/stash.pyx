"""Fields kept for later: a field section copied into octets, and read back."""
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcpy

from fastgw._core.buf cimport octets_commit, octets_reserve
from fastgw._core.wire.fields cimport FIELD_OVERHEAD, FIELDS_MAX


cdef bint stash_put(Octets *into, const Field *field) noexcept nogil:
    """Append a copy of `field`, octets included; False if memory is out."""
    cdef uint32_t size = <uint32_t>sizeof(Field) + field.name_length + field.value_length
    cdef uint8_t *at = octets_reserve(into, size)
    if at == NULL:
        return False
    memcpy(at, field, sizeof(Field))
    at += sizeof(Field)
    memcpy(at, field.name, field.name_length)
    if field.value_length > 0:
        memcpy(at + field.name_length, field.value, field.value_length)
    octets_commit(into, size)
    return True


cdef bint stash_section(Octets *into, const FieldSection *section) noexcept nogil:
    """Append a copy of all fields that were stored; False if memory is out."""
    cdef uint32_t number
    for number in range(section.count):
        if not stash_put(into, &section.fields[number]):
            return False
    return True


cdef const uint8_t *stash_next(const uint8_t *at, Field *field) noexcept nogil:
    """Read the field that stands at `at`; where the next one begins."""
    memcpy(field, at, sizeof(Field))
    field.name = at + sizeof(Field)
    field.value = field.name + field.name_length
    return field.value + field.value_length


cdef void stash_get(const Octets *stash, FieldSection *section) noexcept nogil:
    """Read the fields back, in order. They point into the stash and are good as long as it is."""
    cdef const uint8_t *at = stash.data
    cdef const uint8_t *end = at + stash.length
    cdef Field *field
    section.count = section.seen = section.list_size = 0
    section.too_large = False
    while at < end and section.count < FIELDS_MAX:
        field = &section.fields[section.count]
        at = stash_next(at, field)
        section.list_size += field.name_length + field.value_length + FIELD_OVERHEAD
        section.count += 1
    section.seen = section.count
