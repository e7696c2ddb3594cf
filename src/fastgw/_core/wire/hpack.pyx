"""HPACK, RFC 7541: field blocks to field sections and back; knows nothing of frames.

An entry's age is its place in the dynamic table, 1 for the newest; on the wire that is index 61 + age.
Names, values, kind, fault and hash of an entry are settled once, at insertion: an indexed field costs a look
and a copy of pointers.
"""
from libc.stdint cimport UINT32_MAX, UINT64_MAX, int64_t, uint8_t, uint32_t, uint64_t, uintptr_t
from libc.stdlib cimport free
from libc.string cimport memcpy, memset

import os

from fastgw._core.reasons cimport (ACCEPTED, FIELD_BLOCK_TOO_LARGE, HPACK_BLOCK_TRUNCATED,
                                   HPACK_HUFFMAN_INVALID, HPACK_INDEX_INVALID, HPACK_INTEGER_OVERFLOW,
                                   HPACK_TABLE_SIZE_LATE, HPACK_TABLE_SIZE_TOO_LARGE, OUT_OF_MEMORY, Reason)
from fastgw._core.wire.fields cimport (AUTHORITY, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE,
                                       FIELD_OVERHEAD, GRPC_ENCODING, GRPC_MESSAGE, GRPC_STATUS,
                                       GRPC_TIMEOUT, HOST, METHOD, NEVER_INDEXED, PATH, PROTOCOL, SCHEME,
                                       STATUS, TE, USER_AGENT, VOLATILE, Field, FieldSection, field_judge)
from fastgw._core.wire.hpack_table cimport (TABLE_BUCKETS, TABLE_SIZE_DEFAULT, HpackEntry,
                                            HpackTable, field_name_hash, field_pair_hash, field_size,
                                            table_block, table_close, table_field, table_grow,
                                            table_has_room, table_index, table_link, table_name_find,
                                            table_octets, table_open, table_pair_find, table_put, table_shrink)

cdef extern from "huffman.h" nogil:
    uint64_t HUFFMAN_DECODED_BOUND(uint32_t length)
    size_t huffman_encoded_length(const uint8_t *text, size_t length)
    uint8_t *huffman_encode(uint8_t *out, const uint8_t *text, size_t length)
    int64_t huffman_decode(uint8_t *out, const uint8_t *coded, size_t length)
    int64_t huffman_decoded_length(const uint8_t *coded, size_t length)

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

cdef enum:
    _INDEXED = 0x80             # RFC 7541 section 6: what the first bits of a representation say,
    _INDEXED_MASK = 0x7f        # and where its integer stands
    _INCREMENTAL = 0x40
    _INCREMENTAL_MASK = 0x3f
    _SIZE_UPDATE = 0x20
    _SIZE_UPDATE_BITS = 0xe0
    _SIZE_UPDATE_MASK = 0x1f
    _NEVER = 0x10
    _LITERAL = 0x00
    _LITERAL_MASK = 0x0f
    _CODED = 0x80               # of a string: Huffman (section 5.2)
    _LENGTH_MASK = 0x7f
    _CONTINUATIONS_MAX = 5      # octets of an integer behind its prefix
    _HARD_FACTOR = 4            # a section of more than so many times the limit ends the connection
    _SCRATCH = 4160             # more than any name and value that fit into a table
    _SEARCH = 255               # in _static_first: the kind does not tell the name
    _KINDS = 256

ctypedef struct Decoding:
    # One block being decoded.
    HpackTable *table
    FieldSection *out
    const uint8_t *at
    const uint8_t *end
    uint64_t lent               # number of the oldest entry that a stored field points to
    uint32_t copied             # fields before this one point to no entry any more
    uint32_t largest_at         # which stored field is the largest; UINT32_MAX: its name is copied already
    uint32_t scratch_used
    uint8_t scratch[_SCRATCH]   # for strings that are not stored but enter the table

# Constants from the end of the import on.
cdef Field _static_fields[STATIC_ENTRIES + 1]
cdef uint8_t _static_first[_KINDS]      # by FieldKind: the first static index of that name, 0, or _SEARCH
cdef uint8_t _unindexed[_KINDS]         # by FieldKind: is it kept out of our encoder's table?
cdef uint64_t _seed


# ---- decoding: integers and strings

cdef Reason _integer_rest_get(Decoding *run, uint32_t prefix, uint32_t *value) noexcept nogil:
    """The octets behind a full prefix (RFC 7541 section 5.1). More than 5 of them, or 2^31, are refused."""
    cdef uint64_t number = prefix
    cdef uint32_t shift
    cdef uint8_t octet
    for shift in range(0, 7 * _CONTINUATIONS_MAX, 7):
        if run.at == run.end:
            return HPACK_BLOCK_TRUNCATED
        octet = run.at[0]
        run.at += 1
        number += <uint64_t>(octet & 0x7f) << shift
        if octet < 0x80:
            if number >= <uint64_t>1 << 31:
                return HPACK_INTEGER_OVERFLOW
            value[0] = <uint32_t>number
            return ACCEPTED
    return HPACK_INTEGER_OVERFLOW


cdef inline Reason _integer_get(Decoding *run, uint32_t mask, uint32_t *value) noexcept nogil:
    """Read an integer whose prefix is `mask` of the next octet; there must be one."""
    value[0] = run.at[0] & mask
    run.at += 1
    if value[0] < mask:
        return ACCEPTED
    return _integer_rest_get(run, mask, value)


cdef Reason _coded_get_tight(Decoding *run, const uint8_t *coded, uint32_t coded_length,
                             const uint8_t **text, uint32_t *length) noexcept nogil:
    """As _coded_get, where the arena may be too small or fields are no longer stored: then into the scratch.

    A string that does not even fit there comes out as NULL: it fits into no table either.
    """
    cdef FieldSection *out = run.out
    cdef int64_t got = huffman_decoded_length(coded, coded_length)
    if got < 0:
        return HPACK_HUFFMAN_INVALID
    length[0] = <uint32_t>got
    if not out.too_large and got + 2 <= <int64_t>out.arena_size - out.arena_used:
        text[0] = out.arena + out.arena_used
        out.arena_used += <uint32_t>got
    else:
        out.too_large = True
        if got + 2 > <int64_t>_SCRATCH - run.scratch_used:
            text[0] = NULL
            return ACCEPTED
        text[0] = run.scratch + run.scratch_used
        run.scratch_used += <uint32_t>got
    huffman_decode(<uint8_t *>text[0], coded, coded_length)
    return ACCEPTED


cdef inline Reason _coded_get(Decoding *run, const uint8_t *coded, uint32_t coded_length,
                              const uint8_t **text, uint32_t *length) noexcept nogil:
    """Decode a Huffman-coded string into the arena."""
    cdef FieldSection *out = run.out
    cdef int64_t got
    if out.too_large or HUFFMAN_DECODED_BOUND(coded_length) > out.arena_size - out.arena_used:
        return _coded_get_tight(run, coded, coded_length, text, length)
    text[0] = out.arena + out.arena_used
    got = huffman_decode(out.arena + out.arena_used, coded, coded_length)
    if got < 0:
        return HPACK_HUFFMAN_INVALID
    length[0] = <uint32_t>got
    out.arena_used += <uint32_t>got
    return ACCEPTED


cdef inline Reason _string_get(Decoding *run, const uint8_t **text, uint32_t *length) noexcept nogil:
    """Read a string literal (RFC 7541 section 5.2): `text` is in block, arena or scratch, or NULL."""
    cdef Reason reason
    cdef const uint8_t *octets
    cdef bint coded
    if run.at == run.end:
        return HPACK_BLOCK_TRUNCATED
    coded = run.at[0] & _CODED != 0
    reason = _integer_get(run, _LENGTH_MASK, length)
    if reason != ACCEPTED:
        return reason
    if length[0] > <uint64_t>(run.end - run.at):
        return HPACK_BLOCK_TRUNCATED
    octets = run.at
    run.at += length[0]
    if coded:
        return _coded_get(run, octets, length[0], text, length)
    text[0] = octets
    return ACCEPTED

# ---- decoding: fields

cdef void _largest_name_put(FieldSection *out, const Field *field) noexcept nogil:
    cdef uint32_t length = field.name_length if field.name != NULL else 0
    if length > sizeof(out.largest_name):
        length = sizeof(out.largest_name)
    if length > 0:
        memcpy(out.largest_name, field.name, length)
    out.largest_name_length = <uint8_t>length


cdef Reason _field_count(Decoding *run, const Field *field) noexcept nogil:
    """Count a field that is not stored."""
    cdef FieldSection *out = run.out
    if field_size(field) - FIELD_OVERHEAD > out.largest:
        out.largest = field_size(field) - FIELD_OVERHEAD
        run.largest_at = UINT32_MAX
        _largest_name_put(out, field)
    return FIELD_BLOCK_TOO_LARGE if out.list_size > <uint64_t>_HARD_FACTOR * out.list_limit else ACCEPTED


cdef inline Reason _field_store(Decoding *run, const Field *field) noexcept nogil:
    """Append a field to the section, or only count it once the section is too large."""
    cdef FieldSection *out = run.out
    cdef uint32_t size = field_size(field)
    out.seen += 1
    # The hard limit ends the block before this sum could overflow, unless it is beyond 32 bits itself.
    out.list_size = size + out.list_size if size <= UINT32_MAX - out.list_size else UINT32_MAX
    if out.too_large or out.list_size > out.list_limit or out.count >= out.field_limit:
        out.too_large = True
        return _field_count(run, field)
    if size - FIELD_OVERHEAD > out.largest:
        out.largest = size - FIELD_OVERHEAD
        run.largest_at = out.count
    out.fields[out.count] = field[0]
    out.count += 1
    return ACCEPTED


cdef bint _lent_copy(Decoding *run, const uint8_t **text, uint32_t length) noexcept nogil:
    """Move one lent string to the arena if it stands in the table; False if the arena is full."""
    cdef FieldSection *out = run.out
    cdef uintptr_t offset = <uintptr_t>text[0] - <uintptr_t>table_octets(run.table)
    if offset >= run.table.room:
        return True
    if length > out.arena_size - out.arena_used:
        return False
    memcpy(out.arena + out.arena_used, text[0], length)
    text[0] = out.arena + out.arena_used
    out.arena_used += length
    return True


cdef void _lent_copy_all(Decoding *run) noexcept nogil:
    """Copy what stored fields borrow from the table to the arena: an entry they point to has left the table.

    Called before its octets can be overwritten. If the arena is full, the section ends before that field.
    """
    cdef FieldSection *out = run.out
    cdef Field *field
    cdef uint32_t at
    for at in range(run.copied, out.count):
        field = &out.fields[at]
        if not (_lent_copy(run, &field.name, field.name_length)
                and _lent_copy(run, &field.value, field.value_length)):
            if run.largest_at < out.count and run.largest_at >= at:
                _largest_name_put(out, &out.fields[run.largest_at])
                run.largest_at = UINT32_MAX
            out.too_large = True
            out.count = at
            break
    run.copied = out.count
    run.lent = UINT64_MAX


cdef inline Reason _table_insert(Decoding *run, const Field *field) noexcept nogil:
    """Incremental indexing (RFC 7541 section 4.4); what does not fit into the table at all empties it."""
    cdef HpackTable *table = run.table
    cdef uint32_t size = field_size(field)
    cdef bint fits = size <= table.max_size
    table_shrink(table, table.max_size - size if fits else 0)
    if run.lent < table.inserted - table.count:
        _lent_copy_all(run)
    if not fits:
        return ACCEPTED
    if not table_has_room(table, size - FIELD_OVERHEAD):
        return _table_insert_growing(run, field)
    table_put(table, field)
    return ACCEPTED


cdef Reason _table_insert_growing(Decoding *run, const Field *field) noexcept nogil:
    """The same where the table needs a larger block. Stored fields and `field` may point to the one it has."""
    cdef HpackTable *table = run.table
    cdef void *old = table_block(table)
    if run.lent != UINT64_MAX:
        _lent_copy_all(run)
    if not table_grow(table, field.name_length + field.value_length, False):
        return OUT_OF_MEMORY
    table_put(table, field)
    free(old)
    return ACCEPTED


cdef inline Reason _indexed_take(Decoding *run) noexcept nogil:
    """RFC 7541 section 6.1."""
    cdef uint32_t index
    cdef Field field
    cdef Reason reason = _integer_get(run, _INDEXED_MASK, &index)
    if reason != ACCEPTED:
        return reason
    if index <= STATIC_ENTRIES:
        return _field_store(run, &_static_fields[index]) if index > 0 else HPACK_INDEX_INVALID
    index -= STATIC_ENTRIES
    if index > run.table.count:
        return HPACK_INDEX_INVALID
    table_field(run.table, index, &field)
    if run.table.inserted - index < run.lent and not run.out.too_large:
        run.lent = run.table.inserted - index
    return _field_store(run, &field)


cdef inline Reason _name_get(Decoding *run, uint32_t index, Field *field) noexcept nogil:
    """The name of a literal: that of entry `index`, or spelled out where that is 0."""
    if index == 0:
        return _string_get(run, &field.name, &field.name_length)
    if index <= STATIC_ENTRIES:
        field.name = _static_fields[index].name
        field.name_length = _static_fields[index].name_length
        return ACCEPTED
    index -= STATIC_ENTRIES
    if index > run.table.count:
        return HPACK_INDEX_INVALID
    table_field(run.table, index, field)
    if run.table.inserted - index < run.lent and not run.out.too_large:
        run.lent = run.table.inserted - index
    return ACCEPTED


cdef Reason _literal_take(Decoding *run) noexcept nogil:
    """RFC 7541 section 6.2, the three kinds of literals."""
    cdef uint8_t first = run.at[0]
    cdef bint incremental = first & _INCREMENTAL != 0
    cdef uint32_t index
    cdef Field field
    cdef Reason reason = _integer_get(run, _INCREMENTAL_MASK if incremental else _LITERAL_MASK, &index)
    if reason != ACCEPTED:
        return reason
    run.scratch_used = 0
    reason = _name_get(run, index, &field)
    if reason != ACCEPTED:
        return reason
    reason = _string_get(run, &field.value, &field.value_length)
    if reason != ACCEPTED:
        return reason
    field.hash = 0
    field.flags = NEVER_INDEXED if not incremental and first & _NEVER else 0
    if field.name != NULL and field.value != NULL:
        field_judge(&field)
        if incremental:
            field.hash = field_pair_hash(&field, _seed)
    reason = _field_store(run, &field)
    if reason == ACCEPTED and incremental:
        reason = _table_insert(run, &field)
    return reason


cdef Reason _size_updates_take(Decoding *run) noexcept nogil:
    """The dynamic table size updates a block may begin with (RFC 7541 sections 4.2 and 6.3)."""
    cdef uint32_t size
    cdef Reason reason
    while run.at < run.end and run.at[0] & _SIZE_UPDATE_BITS == _SIZE_UPDATE:
        reason = _integer_get(run, _SIZE_UPDATE_MASK, &size)
        if reason != ACCEPTED:
            return reason
        if size > TABLE_SIZE_DEFAULT:
            return HPACK_TABLE_SIZE_TOO_LARGE
        run.table.max_size = size
        table_shrink(run.table, size)
    return ACCEPTED


cdef void hpack_decoder_open(HpackDecoder *self) noexcept nogil:
    table_open(&self.table)


cdef void hpack_decoder_close(HpackDecoder *self) noexcept nogil:
    """Give the table back; the decoder is as new."""
    table_close(&self.table)


cdef Reason hpack_decode(HpackDecoder *self, const uint8_t *block, uint32_t length,
                         FieldSection *out) noexcept nogil:
    """Decode a whole field block into `out`, whose arena, arena_size and list_limit the caller has set.

    Beyond list_limit, field_limit or the arena the block is still decoded, for the table's sake, but the
    section is `too_large` and fields are missing in it. Beyond four times list_limit it is refused. After a
    refusal the table is no longer the peer's: the connection has to end. Fields are good until the next call.
    """
    cdef Decoding run
    cdef Reason reason
    run.table = &self.table
    run.out = out
    run.at = block
    run.end = block + length
    run.lent = UINT64_MAX
    run.copied = 0
    run.largest_at = UINT32_MAX
    out.count = out.seen = out.list_size = out.arena_used = out.largest = 0
    out.largest_name_length = 0
    out.too_large = False
    reason = _size_updates_take(&run)
    while reason == ACCEPTED and run.at < run.end:
        if run.at[0] & _INDEXED:
            reason = _indexed_take(&run)
        elif run.at[0] & _SIZE_UPDATE_BITS == _SIZE_UPDATE:
            reason = HPACK_TABLE_SIZE_LATE
        else:
            reason = _literal_take(&run)
    if run.largest_at < out.count:
        _largest_name_put(out, &out.fields[run.largest_at])
    return reason

# ---- encoding

cdef inline uint8_t *_integer_put(uint8_t *out, uint8_t first, uint32_t mask,
                                  uint32_t value) noexcept nogil:
    """RFC 7541 section 5.1; `first` holds the bits before the prefix."""
    if value < mask:
        out[0] = first | <uint8_t>value
        return out + 1
    out[0] = first | <uint8_t>mask
    out += 1
    value -= mask
    while value >= 0x80:
        out[0] = <uint8_t>(value | 0x80)
        out += 1
        value >>= 7
    out[0] = <uint8_t>value
    return out + 1


cdef inline uint8_t *_string_put(uint8_t *out, const uint8_t *text, uint32_t length) noexcept nogil:
    """RFC 7541 section 5.2; Huffman-coded where that is shorter."""
    cdef uint32_t coded = <uint32_t>huffman_encoded_length(text, length)
    if coded < length:
        return huffman_encode(_integer_put(out, _CODED, _LENGTH_MASK, coded), text, length)
    out = _integer_put(out, 0, _LENGTH_MASK, length)
    memcpy(out, text, length)
    return out + length


cdef inline uint8_t *_literal_put(uint8_t *out, uint8_t first, uint32_t mask, uint32_t index,
                                  const Field *field) noexcept nogil:
    """A literal whose name is that of entry `index`, or spelled out if that is 0 (RFC 7541 section 6.2)."""
    out = _integer_put(out, first, mask, index)
    if index == 0:
        out = _string_put(out, field.name, field.name_length)
    return _string_put(out, field.value, field.value_length)


cdef uint8_t *_incremental_put(HpackEncoder *self, uint8_t *out, uint32_t index, const Field *field,
                               uint32_t hash) noexcept nogil:
    """A literal that enters the table. `index` is the static entry of the name, 0 if there is none."""
    cdef HpackTable *table = &self.table
    cdef Field kept = field[0]
    cdef uint64_t name_hash = field_name_hash(field, _seed)
    cdef uint32_t age
    cdef HpackEntry *entry
    cdef void *old
    if not table_has_room(table, field.name_length + field.value_length):
        old = table_block(table)
        if not table_grow(table, field.name_length + field.value_length, True):
            return _literal_put(out, _LITERAL, _LITERAL_MASK, index, field)
        free(old)
    if index == 0:
        age = table_name_find(table, field, name_hash)
        index = STATIC_ENTRIES + age if age > 0 else 0
    out = _literal_put(out, _INCREMENTAL, _INCREMENTAL_MASK, index, field)
    kept.hash = hash
    table_shrink(table, table.max_size - field_size(field))
    entry = table_put(table, &kept)
    entry.older_pair = table_link(&table_index(table).by_pair[hash % TABLE_BUCKETS], table.inserted - 1)
    entry.older_name = table_link(&table_index(table).by_name[name_hash % TABLE_BUCKETS], table.inserted - 1)
    return out


cdef void hpack_encoder_open(HpackEncoder *self) noexcept nogil:
    table_open(&self.table)
    self.announced = self.smallest = TABLE_SIZE_DEFAULT


cdef void hpack_encoder_close(HpackEncoder *self) noexcept nogil:
    """Give the table back; the encoder is as new."""
    table_close(&self.table)
    hpack_encoder_open(self)


cdef void hpack_encoder_resize(HpackEncoder *self, uint32_t size) noexcept nogil:
    """The peer's SETTINGS_HEADER_TABLE_SIZE is now `size`; used up to our cap, told in the next block."""
    if size > TABLE_SIZE_DEFAULT:
        size = TABLE_SIZE_DEFAULT
    if size < self.smallest:
        self.smallest = size
    if size == 0:
        table_close(&self.table)
    self.table.max_size = size
    table_shrink(&self.table, size)


cdef uint8_t *hpack_encode_begin(HpackEncoder *self, uint8_t *out) noexcept nogil:
    """Begin a block: write the size updates that are due (RFC 7541 section 4.2); returns where they end."""
    cdef uint32_t size = self.table.max_size
    if self.smallest < self.announced and self.smallest < size:
        out = _integer_put(out, _SIZE_UPDATE, _SIZE_UPDATE_MASK, self.smallest)
        self.announced = self.smallest
    if size != self.announced:
        out = _integer_put(out, _SIZE_UPDATE, _SIZE_UPDATE_MASK, size)
    self.announced = self.smallest = size
    return out


cdef uint8_t *hpack_encode_field(HpackEncoder *self, uint8_t *out, const Field *field) noexcept nogil:
    """Write one field, at most hpack_field_bound octets; returns where it ends.

    `kind` must be field_kind of the name; `hash` must be 0 or the decoder's. Names that come with a new value
    each time, secrets and fields that would take most of the table are literals that leave the table alone.
    """
    cdef HpackTable *table = &self.table
    cdef uint32_t first = _static_first[field.kind]
    cdef uint32_t index, hash
    if first == _SEARCH and (field.flags & NEVER_INDEXED or _unindexed[field.kind]):
        first = static_name_find(field.name, field.name_length)
    if field.flags & NEVER_INDEXED:
        return _literal_put(out, _NEVER, _LITERAL_MASK, first, field)
    if first != _SEARCH:
        index = static_value_find(first, field.value, field.value_length)
        if index > 0:
            return _integer_put(out, _INDEXED, _INDEXED_MASK, index)
        if _unindexed[field.kind]:
            return _literal_put(out, _LITERAL, _LITERAL_MASK, first, field)
    hash = field.hash if field.hash != 0 else field_pair_hash(field, _seed)
    index = table_pair_find(table, field, hash)
    if index > 0:
        return _integer_put(out, _INDEXED, _INDEXED_MASK, STATIC_ENTRIES + index)
    if first == _SEARCH:
        first = static_name_find(field.name, field.name_length)
        index = static_value_find(first, field.value, field.value_length)
        if index > 0:
            return _integer_put(out, _INDEXED, _INDEXED_MASK, index)
    if <uint64_t>4 * field_size(field) > <uint64_t>3 * table.max_size:
        return _literal_put(out, _LITERAL, _LITERAL_MASK, first, field)
    return _incremental_put(self, out, first, field, hash)

# ---- what is settled at import


def _fill() -> None:
    global _seed
    cdef int index, kind
    cdef Field *field
    _seed = int.from_bytes(os.urandom(8), "little")
    memset(_static_fields, 0, sizeof(_static_fields))
    memset(_static_first, _SEARCH, sizeof(_static_first))
    memset(_unindexed, 0, sizeof(_unindexed))
    for kind in (METHOD, SCHEME, PATH, AUTHORITY, PROTOCOL, STATUS, TE, HOST, CONTENT_TYPE, CONTENT_LENGTH,
                 COOKIE, USER_AGENT, GRPC_STATUS, GRPC_MESSAGE, GRPC_TIMEOUT, GRPC_ENCODING):
        _static_first[kind] = 0
    for kind in (CONTENT_LENGTH, AUTHORIZATION, GRPC_MESSAGE, GRPC_TIMEOUT, VOLATILE):
        _unindexed[kind] = 1
    for index in range(STATIC_ENTRIES, 0, -1):
        field = &_static_fields[index]
        field.name = <const uint8_t *>static_table[index].name
        field.value = <const uint8_t *>static_table[index].value
        field.name_length = static_table[index].name_length
        field.value_length = static_table[index].value_length
        field.hash = field_pair_hash(field, _seed)
        field_judge(field)
        if field.fault != ACCEPTED:
            raise ImportError(f"static entry {index} is judged faulty")
        if _static_first[field.kind] != _SEARCH:
            _static_first[field.kind] = <uint8_t>index


_fill()
