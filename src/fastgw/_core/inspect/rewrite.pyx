"""Changes of a field section in place: fields set, added, removed.

Whoever holds a RequestHead of the section has to make it anew: its fields move.
"""
from libc.string cimport memcmp, memmove, memset

from fastgw._core.reasons cimport ACCEPTED
from fastgw._core.wire.fields cimport (
    FIELD_OVERHEAD,
    FIELDS_MAX,
    ORDINARY,
    USER_AGENT,
    AUTHORIZATION,
    COOKIE,
    VOLATILE,
    Field,
    field_judge,
    field_kind,
)


cdef inline bint _is(const Field *field, const Change *change) noexcept nogil:
    return field.name_length == change.name_length and memcmp(field.name, change.name, change.name_length) == 0


cdef void _take_out(FieldSection *self, uint32_t number) noexcept nogil:
    cdef Field *field = &self.fields[number]
    self.list_size -= field.name_length + field.value_length + FIELD_OVERHEAD
    self.count -= 1
    memmove(field, field + 1, (self.count - number) * sizeof(Field))


cdef bint _fill(Field *field, const Change *change) noexcept nogil:
    """False: the value has octets that no field may have (RFC 9113 section 8.2.1)."""
    memset(field, 0, sizeof(Field))
    field.name = change.name
    field.name_length = change.name_length
    field.value = change.value
    field.value_length = change.value_length
    field_judge(field)
    return field.fault == ACCEPTED


cdef bint rewrite_is_allowed(const uint8_t *name, uint32_t length) noexcept nogil:
    """May a field of this name be changed? Not those that say where a call goes, how it is read, and who we are."""
    cdef uint8_t kind
    if length == 0 or name[0] == c":" or (length >= 5 and memcmp(name, b"grpc-", 5) == 0):
        return False
    kind = field_kind(name, length)
    return kind == ORDINARY or kind == COOKIE or kind == AUTHORIZATION or kind == USER_AGENT or kind == VOLATILE


cdef bint rewrite(FieldSection *self, const Change *change) noexcept nogil:
    """Make one change. False: there is no room for another field, or its value may not be in one; nothing changed."""
    cdef Field field
    cdef Field *own
    cdef bint placed = change.operation != REWRITE_SET
    cdef uint32_t number = 0
    if change.operation != REWRITE_REMOVE and not _fill(&field, change):
        return False
    while number < self.count and change.operation != REWRITE_ADD:
        own = &self.fields[number]
        if not _is(own, change):
            number += 1
        elif placed:
            _take_out(self, number)
        else:
            self.list_size += field.value_length
            self.list_size -= own.value_length
            own[0] = field
            placed = True
            number += 1
    if change.operation == REWRITE_REMOVE or (change.operation == REWRITE_SET and placed):
        return True
    if self.count == FIELDS_MAX:
        return False
    self.fields[self.count] = field
    self.count += 1
    self.list_size += field.name_length + field.value_length + FIELD_OVERHEAD
    return True


def rewritten(fields, changes):
    """For tests and tools: (name, value) pairs after (operation, name, value) changes; which of these were made."""
    cdef FieldSection section
    cdef Change change
    cdef bytes name, value
    cdef list done = []
    memset(&section, 0, sizeof(FieldSection))
    for name, value in fields:
        change.name, change.name_length = name, <uint32_t>len(name)
        change.value, change.value_length = value, <uint32_t>len(value)
        change.operation = REWRITE_ADD
        rewrite(&section, &change)
    for operation, name, value in changes:
        change.operation = operation
        change.name, change.name_length = name, <uint32_t>len(name)
        change.value, change.value_length = value, <uint32_t>len(value)
        done.append(rewrite_is_allowed(name, <uint32_t>len(name)) and rewrite(&section, &change))
    cdef uint32_t number
    cdef list left = []
    for number in range(section.count):
        left.append((section.fields[number].name[:section.fields[number].name_length],
                     section.fields[number].value[:section.fields[number].value_length]))
    return left, done, section.list_size
