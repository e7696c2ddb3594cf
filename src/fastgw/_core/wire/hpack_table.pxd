"""The dynamic table of RFC 7541 section 2.3.2, for either direction, and the encoder's way to an entry in it.

Inline, because both the decoder and the encoder come here for every field.
"""
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memcpy, memmove, memset

from fastgw._core.wire.fields cimport FIELD_OVERHEAD, Field

cdef enum:
    TABLE_SIZE_DEFAULT = 4096   # SETTINGS_HEADER_TABLE_SIZE, RFC 9113 section 6.5.2; the encoder's cap, too
    TABLE_ENTRIES_MAX = 128     # an entry counts 32 octets at least (RFC 7541 section 4.1); a power of two
    TABLE_ENTRIES_LEAST = 4     # of the first block
    TABLE_OCTETS = 8128         # why that many: see HpackTable
    TABLE_BUCKETS = 64

ctypedef struct HpackEntry:
    uint32_t hash               # as Field.hash, never 0
    uint16_t start              # the name's first octet, from the first entry; the value stands behind it
    uint16_t name_length
    uint16_t value_length
    uint8_t kind                # FieldKind
    uint8_t fault               # Reason
    uint8_t older_pair          # how many insertions earlier the next entry of the same bucket came; 0: none
    uint8_t older_name

ctypedef struct HpackIndex:
    # The encoder's way from a hash to an entry: the number of each bucket's newest entry, its low 16 bits.
    # Nothing is removed at eviction: a number that is no longer in the table ends the search.
    uint16_t by_pair[TABLE_BUCKETS]
    uint16_t by_name[TABLE_BUCKETS]

ctypedef struct HpackTable:
    # Two rings in one block. Entries are numbered by insertion; number n stands in entries[n & mask], so
    # eviction is a count that goes down. A name and its value stand together behind the entries. Octets of evicted
    # entries stay readable until the next insertion.
    # The block begins small, since most tables hold little, and each larger one is taken once: until it has
    # all of TABLE_OCTETS the ring of octets only fills up. Then an entry that does not fit before the end
    # begins at 0: with at most 4064 octets in use (4096 less 32 an entry), twice that always has room for the
    # next in one piece, whatever was left unused at the end.
    # Field sizes and the cost of an insertion: python bench/micro/hpack.py
    HpackEntry *entries         # NULL until the first insertion; before an encoder's stands its HpackIndex
    uint64_t inserted           # the number of the next insertion; the first is 1
    uint32_t count              # entries in the table: numbers inserted - count .. inserted - 1
    uint32_t size               # RFC 7541 section 4.1
    uint32_t max_size
    uint32_t head               # where the next name goes in the octets
    uint32_t mask               # how many entries the block has room for, less 1
    uint16_t room               # the same for octets
    uint8_t indexed             # there is an HpackIndex

# ---- hashes

cdef inline uint64_t _mix(uint64_t hash, uint64_t word) noexcept nogil:
    hash = (hash ^ word) * <uint64_t>0x9e3779b97f4a7c15
    return hash ^ (hash >> 29)


cdef inline uint64_t _octets_hash(uint64_t hash, const uint8_t *octets, uint32_t length) noexcept nogil:
    cdef uint64_t word
    cdef uint32_t low, high
    hash = _mix(hash, length)
    while length >= 8:
        memcpy(&word, octets, 8)
        hash = _mix(hash, word)
        octets += 8
        length -= 8
    if length >= 4:
        memcpy(&low, octets, 4)
        memcpy(&high, octets + length - 4, 4)
        hash = _mix(hash, <uint64_t>high << 32 | low)
    elif length > 0:
        low = octets[0] | <uint32_t>octets[length >> 1] << 8 | <uint32_t>octets[length - 1] << 16
        hash = _mix(hash, low)
    return hash


cdef inline uint64_t field_name_hash(const Field *field, uint64_t seed) noexcept nogil:
    return _octets_hash(seed, field.name, field.name_length)


cdef inline uint32_t field_pair_hash(const Field *field, uint64_t seed) noexcept nogil:
    """Of name and value, never 0; with a seed of its own in each process."""
    cdef uint64_t hash = _octets_hash(field_name_hash(field, seed), field.value, field.value_length)
    cdef uint32_t folded = <uint32_t>(hash ^ hash >> 32)
    return folded if folded != 0 else 1

# ---- the dynamic table

cdef inline uint32_t field_size(const Field *field) noexcept nogil:
    """RFC 7541 section 4.1. Names and values are parts of one block, so this does not overflow."""
    return field.name_length + field.value_length + FIELD_OVERHEAD


cdef inline void table_open(HpackTable *self) noexcept nogil:
    memset(self, 0, sizeof(HpackTable))
    self.inserted = 1
    self.max_size = TABLE_SIZE_DEFAULT


cdef inline HpackIndex *table_index(const HpackTable *self) noexcept nogil:
    return <HpackIndex *>self.entries - 1


cdef inline void *table_block(const HpackTable *self) noexcept nogil:
    """What the table has allocated, NULL if nothing."""
    return <void *>table_index(self) if self.indexed else <void *>self.entries


cdef inline void table_close(HpackTable *self) noexcept nogil:
    free(table_block(self))
    table_open(self)


cdef inline bint table_has_room(const HpackTable *self, uint32_t length) noexcept nogil:
    """Does the block take one more entry, with so many octets? If not, table_grow comes before table_put."""
    if self.room == TABLE_OCTETS:
        return True
    return self.count <= self.mask and length + (self.head if self.count > 0 else 0) < self.room


cdef inline HpackEntry *table_entry(const HpackTable *self, uint32_t age) noexcept nogil:
    return &self.entries[(<uint32_t>self.inserted - age) & self.mask]


cdef inline uint8_t *table_octets(const HpackTable *self) noexcept nogil:
    """Where the ring of octets begins."""
    return <uint8_t *>(self.entries + self.mask + 1)


cdef inline uint8_t *entry_octets(const HpackTable *self, const HpackEntry *entry) noexcept nogil:
    """The name of an entry, and behind it its value."""
    return <uint8_t *>self.entries + entry.start


cdef inline uint16_t _start_of(const HpackTable *self) noexcept nogil:
    """HpackEntry.start of an entry that begins at `head`."""
    return <uint16_t>((self.mask + 1) * sizeof(HpackEntry) + self.head)


cdef inline uint32_t _octets_of(uint32_t entries) noexcept nogil:
    """Octets in a block for so many entries."""
    return entries * 32 - 16 if entries < TABLE_ENTRIES_MAX else TABLE_OCTETS


cdef inline void table_shrink(HpackTable *self, uint32_t size) noexcept nogil:
    """Evict, oldest first, until the table's size is `size` at most (RFC 7541 section 4.3)."""
    cdef HpackEntry *entry
    while self.size > size:
        entry = table_entry(self, self.count)
        self.size -= <uint32_t>entry.name_length + entry.value_length + FIELD_OVERHEAD
        self.count -= 1


cdef inline bint table_grow(HpackTable *self, uint32_t length, bint indexed) noexcept nogil:
    """Move to a block that takes one more entry with so many octets; False if memory is out.

    The block so far (table_block, asked before) is the caller's to free: fields may point into it.
    """
    cdef HpackTable larger = self[0]
    cdef uint32_t entries = TABLE_ENTRIES_LEAST if self.entries == NULL else (self.mask + 1) * 2
    cdef uint32_t octets = _octets_of(entries)
    cdef uint32_t age, held
    cdef size_t before = sizeof(HpackIndex) if indexed else 0
    cdef uint8_t *block
    cdef HpackEntry *entry
    while octets < TABLE_OCTETS and self.size - FIELD_OVERHEAD * self.count + length >= octets:
        entries *= 2
        octets = _octets_of(entries)
    block = <uint8_t *>malloc(before + entries * sizeof(HpackEntry) + octets)
    if block == NULL:
        return False
    if indexed and self.entries == NULL:
        memset(block, 0, before)
    elif indexed:
        memcpy(block, table_index(self), before)
    larger.entries = <HpackEntry *>(block + before)
    larger.mask = entries - 1
    larger.room = <uint16_t>octets
    larger.head = 0
    larger.indexed = indexed
    for age in range(self.count, 0, -1):
        entry = table_entry(&larger, age)
        entry[0] = table_entry(self, age)[0]
        held = <uint32_t>entry.name_length + entry.value_length
        memcpy(table_octets(&larger) + larger.head, entry_octets(self, entry), held)
        entry.start = _start_of(&larger)
        larger.head += held
    self[0] = larger
    return True


cdef inline HpackEntry *table_put(HpackTable *self, const Field *field) noexcept nogil:
    """Add an entry for which table_has_room. Its name may point to an entry just evicted."""
    cdef uint32_t length = field.name_length + field.value_length
    cdef HpackEntry *entry = table_entry(self, 0)
    cdef uint8_t *octets
    if self.count == 0 or self.head + length > TABLE_OCTETS:
        self.head = 0
    octets = table_octets(self) + self.head
    memmove(octets, field.name, field.name_length)
    memcpy(octets + field.name_length, field.value, field.value_length)
    entry.hash = field.hash
    entry.start = _start_of(self)
    entry.name_length = <uint16_t>field.name_length
    entry.value_length = <uint16_t>field.value_length
    entry.kind = field.kind
    entry.fault = field.fault
    self.head += length
    self.inserted += 1
    self.count += 1
    self.size += length + FIELD_OVERHEAD
    return entry


cdef inline void table_field(HpackTable *self, uint32_t age, Field *field) noexcept nogil:
    """Make `field` a view of an entry."""
    cdef HpackEntry *entry = table_entry(self, age)
    field.name = entry_octets(self, entry)
    field.value = field.name + entry.name_length
    field.name_length = entry.name_length
    field.value_length = entry.value_length
    field.hash = entry.hash
    field.kind = entry.kind
    field.fault = entry.fault
    field.flags = 0

# ---- finding

cdef inline bint _same(const uint8_t *one, const uint8_t *other, uint32_t length) noexcept nogil:
    return memcmp(one, other, length) == 0


cdef inline bint _same_pair(const uint8_t *octets, const Field *field) noexcept nogil:
    """Are these the field's name and value, one behind the other? One lent by a table has them so, too."""
    if field.value == field.name + field.name_length:
        return _same(octets, field.name, field.name_length + field.value_length)
    return (_same(octets, field.name, field.name_length)
            and _same(octets + field.name_length, field.value, field.value_length))


cdef inline uint32_t table_pair_find(HpackTable *self, const Field *field, uint32_t hash) noexcept nogil:
    """The age of the entry with this name and value, 0 if there is none."""
    cdef uint32_t age
    cdef HpackEntry *entry
    if self.count == 0:
        return 0
    age = <uint16_t>(self.inserted - table_index(self).by_pair[hash % TABLE_BUCKETS])
    while age - 1 < self.count:
        entry = table_entry(self, age)
        if (entry.hash == hash and entry.name_length == field.name_length
                and entry.value_length == field.value_length):
            if _same_pair(entry_octets(self, entry), field):
                return age
        if entry.older_pair == 0:
            return 0
        age += entry.older_pair
    return 0


cdef inline uint32_t table_name_find(HpackTable *self, const Field *field, uint64_t hash) noexcept nogil:
    """The age of the newest entry with this name, 0 if there is none."""
    cdef uint32_t age
    cdef HpackEntry *entry
    if self.count == 0:
        return 0
    age = <uint16_t>(self.inserted - table_index(self).by_name[hash % TABLE_BUCKETS])
    while age - 1 < self.count:
        entry = table_entry(self, age)
        if (entry.name_length == field.name_length
                and _same(entry_octets(self, entry), field.name, field.name_length)):
            return age
        if entry.older_name == 0:
            return 0
        age += entry.older_name
    return 0


cdef inline uint8_t table_link(uint16_t *bucket, uint64_t number) noexcept nogil:
    """Make entry `number` a bucket's newest; returns how much earlier the last came, 0 if too long ago."""
    cdef uint16_t distance = <uint16_t>(number - bucket[0])
    bucket[0] = <uint16_t>number
    return <uint8_t>distance if distance < TABLE_ENTRIES_MAX else 0
