"""A door to wire.hpack and its tables for tests and tools: whole blocks in and out, as Python objects."""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from fastgw._core.reasons cimport ACCEPTED, Reason
from fastgw._core.wire.fields cimport FIELDS_MAX, NEVER_INDEXED, Field, FieldSection, field_kind
from fastgw._core.wire.hpack cimport (HpackDecoder, HpackEncoder, hpack_decode, hpack_decoder_close,
                                      hpack_decoder_open, hpack_encode_begin, hpack_encode_field,
                                      hpack_encoder_close, hpack_encoder_open, hpack_encoder_resize,
                                      hpack_field_bound)
from fastgw._core.wire.hpack_table cimport HpackTable, table_field

cdef extern from "huffman.h" nogil:
    uint64_t HUFFMAN_DECODED_BOUND(uint32_t length)
    size_t c_huffman_encoded_length "huffman_encoded_length"(const uint8_t *text, size_t length)
    uint8_t *c_huffman_encode "huffman_encode"(uint8_t *out, const uint8_t *text, size_t length)
    int64_t c_huffman_decode "huffman_decode"(uint8_t *out, const uint8_t *coded, size_t length)
    int64_t c_huffman_decoded_length "huffman_decoded_length"(const uint8_t *coded, size_t length)

cdef extern from "static_table.h" nogil:
    enum:
        STATIC_ENTRIES
    ctypedef struct StaticEntry:
        const char *name
        const char *value
        uint8_t name_length
        uint8_t value_length
    const StaticEntry static_table[]
    uint32_t static_name_find(const uint8_t *name, uint32_t length)
    uint32_t static_value_find(uint32_t first, const uint8_t *value, uint32_t length)


cdef list _table_list(HpackTable *table):
    """(name, value) of each entry, the newest first."""
    cdef uint32_t age
    cdef Field field
    rows = []
    for age in range(1, table.count + 1):
        table_field(table, age, &field)
        rows.append((field.name[:field.name_length], field.value[:field.value_length]))
    return rows


cdef tuple _table_room(const HpackTable *table):
    if table.entries == NULL:
        return 0, 0
    return table.mask + 1, table.room


cdef class Decoder:
    """A decoder with a section and an arena of its own. What it lends is looked at after the whole block."""

    cdef HpackDecoder decoder
    cdef FieldSection section
    cdef uint8_t *block

    def __cinit__(self, uint32_t list_limit=65536, uint32_t arena_size=65536):
        hpack_decoder_open(&self.decoder)
        memset(&self.section, 0, sizeof(FieldSection))
        self.section.list_limit = list_limit
        self.section.field_limit = FIELDS_MAX
        self.section.arena_size = arena_size
        self.section.arena = <uint8_t *>malloc(arena_size + 1)
        if self.section.arena == NULL:
            raise MemoryError

    def __dealloc__(self):
        hpack_decoder_close(&self.decoder)
        free(self.section.arena)
        free(self.block)

    def decode(self, bytes block) -> int:
        """Decode a block, from a copy that has not one octet more. Returns the Reason."""
        free(self.block)
        self.block = <uint8_t *>malloc(len(block))
        memcpy(self.block, <const uint8_t *>block, len(block))
        return hpack_decode(&self.decoder, self.block, <uint32_t>len(block), &self.section)

    def decode_many(self, list blocks, int rounds) -> int:
        """Decode all blocks with a new table, `rounds` times; returns how many fields that were."""
        return _many(&self.decoder, NULL, &self.section, blocks, rounds)

    @property
    def fields(self) -> list:
        """(name, value, kind, fault, flags) of each stored field."""
        cdef const Field *field
        cdef uint32_t at
        rows = []
        for at in range(self.section.count):
            field = &self.section.fields[at]
            rows.append((field.name[:field.name_length], field.value[:field.value_length],
                         field.kind, field.fault, field.flags))
        return rows

    @property
    def facts(self) -> dict:
        """What the section says beside its fields."""
        return {"seen": self.section.seen, "list_size": self.section.list_size,
                "too_large": self.section.too_large, "largest": self.section.largest,
                "arena_used": self.section.arena_used,
                "largest_name": self.section.largest_name[:self.section.largest_name_length]}

    @property
    def table(self) -> list:
        return _table_list(&self.decoder.table)

    @property
    def table_size(self) -> int:
        return self.decoder.table.size

    @property
    def table_allocated(self) -> bool:
        return self.decoder.table.entries != NULL

    @property
    def table_room(self) -> tuple:
        """How many entries and octets the block takes."""
        return _table_room(&self.decoder.table)


cdef class Encoder:
    """An encoder that makes whole blocks."""

    cdef HpackEncoder encoder

    def __cinit__(self):
        hpack_encoder_open(&self.encoder)

    def __dealloc__(self):
        hpack_encoder_close(&self.encoder)

    def resize(self, uint32_t size) -> None:
        hpack_encoder_resize(&self.encoder, size)

    def encode(self, list fields) -> bytes:
        """A block of (name, value) or (name, value, never indexed) rows."""
        cdef Field field
        cdef uint8_t room[16]
        cdef uint8_t *into
        cdef uint8_t *end
        cdef bytes name, value
        block = room[:hpack_encode_begin(&self.encoder, room) - room]
        for row in fields:
            name, value = row[:2]
            field.name, field.name_length = name, <uint32_t>len(name)
            field.value, field.value_length = value, <uint32_t>len(value)
            field.hash = 0
            field.kind = field_kind(field.name, field.name_length)
            field.fault = ACCEPTED
            field.flags = NEVER_INDEXED if len(row) > 2 and row[2] else 0
            into = <uint8_t *>malloc(hpack_field_bound(&field))
            end = hpack_encode_field(&self.encoder, into, &field)
            block += into[:end - into]
            free(into)
        return block

    def relay(self, Decoder decoder) -> bytes:
        """A block of the fields that `decoder` holds, as a gateway passes them on."""
        return _relay(&self.encoder, &decoder.section)

    def relay_many(self, Decoder decoder, list blocks, int rounds) -> int:
        """Decode and encode all blocks with new tables, `rounds` times; returns how many fields that were."""
        return _many(&decoder.decoder, &self.encoder, &decoder.section, blocks, rounds)

    @property
    def table(self) -> list:
        return _table_list(&self.encoder.table)

    @property
    def table_size(self) -> int:
        return self.encoder.table.size

    @property
    def table_allocated(self) -> bool:
        return self.encoder.table.entries != NULL

    @property
    def table_room(self) -> tuple:
        """How many entries and octets the block takes."""
        return _table_room(&self.encoder.table)


cdef uint8_t *_section_put(HpackEncoder *encoder, uint8_t *out, const FieldSection *section) noexcept nogil:
    cdef uint32_t at
    out = hpack_encode_begin(encoder, out)
    for at in range(section.count):
        out = hpack_encode_field(encoder, out, &section.fields[at])
    return out


cdef bytes _relay(HpackEncoder *encoder, const FieldSection *section):
    cdef size_t bound = 16
    cdef uint32_t at
    cdef uint8_t *out
    for at in range(section.count):
        bound += hpack_field_bound(&section.fields[at])
    out = <uint8_t *>malloc(bound)
    try:
        return out[:_section_put(encoder, out, section) - out]
    finally:
        free(out)


cdef uint64_t _many(HpackDecoder *decoder, HpackEncoder *encoder, FieldSection *section, list blocks,
                    int rounds) except? 0:
    """Decode, and encode unless `encoder` is NULL, all blocks; a refusal raises ValueError."""
    cdef uint64_t fields = 0
    cdef uint32_t number, count = <uint32_t>len(blocks)
    cdef int _
    cdef Reason reason = ACCEPTED
    cdef uint8_t *out = <uint8_t *>malloc(262144)
    cdef const uint8_t **octets = <const uint8_t **>malloc(count * sizeof(uint8_t *))
    cdef uint32_t *lengths = <uint32_t *>malloc(count * sizeof(uint32_t))
    for number in range(count):
        octets[number] = blocks[number]
        lengths[number] = <uint32_t>len(blocks[number])
    with nogil:
        for _ in range(rounds):
            hpack_decoder_close(decoder)
            if encoder != NULL:
                hpack_encoder_close(encoder)
            for number in range(count):
                reason = hpack_decode(decoder, octets[number], lengths[number], section)
                if reason != ACCEPTED:
                    break
                fields += section.count
                if encoder != NULL:
                    _section_put(encoder, out, section)
    free(out)
    free(octets)
    free(lengths)
    if reason != ACCEPTED:
        raise ValueError(f"reason {<int>reason}")
    return fields


def static_entries() -> list:
    """(name, value) of the static table, and the index that the search by name and value finds."""
    cdef const StaticEntry *entry
    cdef uint32_t index, first
    rows = []
    for index in range(1, STATIC_ENTRIES + 1):
        entry = &static_table[index]
        first = static_name_find(<const uint8_t *>entry.name, entry.name_length)
        rows.append((entry.name[:entry.name_length], entry.value[:entry.value_length],
                     static_value_find(first, <const uint8_t *>entry.value, entry.value_length)))
    return rows


def static_name_index(bytes name) -> int:
    """The index of the first static entry with this name, 0 if there is none."""
    return static_name_find(name, <uint32_t>len(name))


def table_idle_size() -> int:
    """Octets that a table nothing was inserted into costs."""
    return sizeof(HpackEncoder)


def huffman_encode(bytes text) -> bytes:
    cdef size_t length = c_huffman_encoded_length(text, len(text))
    cdef uint8_t *out = <uint8_t *>malloc(length + 1)
    try:
        if c_huffman_encode(out, text, len(text)) != out + length:
            raise AssertionError("the length was not what it was said to be")
        return out[:length]
    finally:
        free(out)


def huffman_decode(bytes coded) -> bytes | None:
    """What `coded` means, None if it means nothing."""
    cdef uint8_t *exact = <uint8_t *>malloc(len(coded))
    cdef int64_t length
    cdef uint8_t *out = NULL
    memcpy(exact, <const uint8_t *>coded, len(coded))
    try:
        length = c_huffman_decoded_length(exact, len(coded))
        out = <uint8_t *>malloc(HUFFMAN_DECODED_BOUND(<uint32_t>len(coded)) if length < 0 else length + 2)
        if c_huffman_decode(out, exact, len(coded)) != length:
            raise AssertionError("the length was not what it was said to be")
        return None if length < 0 else out[:length]
    finally:
        free(out)
        free(exact)
