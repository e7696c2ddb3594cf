"""What a rule compares: a value of one of a few kinds, and the scratch arena that computed ones live in."""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef enum:
    LIST_MOST = 512     # elements of one array; more of them is NO_ROOM
    PAIRS_MOST = 128    # octets of a text up to which text_pairs tells something

cdef enum ValueKind:
    MISSING = 0         # every comparison is false but "not equal"
    NO_ROOM             # the scratch arena was too small: every comparison is false
    BOOL
    INT
    IP
    TEXT
    LIST

ctypedef struct Value:
    uint8_t kind        # ValueKind
    uint8_t family      # of IP: 4 or 6
    uint16_t _unused
    uint32_t length     # octets of a TEXT, elements of a LIST
    int64_t number      # of BOOL and INT; of a TEXT that is a node's own or a constant, its tag
    const void *at      # octets of a TEXT (any alignment), 4 or 16 octets of an IP, elements of a LIST

ctypedef struct Scratch:
    # An arena; what is in it is good until the next head.
    uint8_t *block
    uint32_t size
    uint32_t used

cdef inline void *scratch_take(Scratch *self, uint32_t size) noexcept nogil:
    """`size` octets, aligned for anything, or NULL."""
    cdef uint32_t at = (self.used + 7) & ~<uint32_t>7
    if at > self.size or size > self.size - at:
        return NULL
    self.used = at + size
    return self.block + at

cdef inline void value_none(Value *self, ValueKind kind) noexcept nogil:
    self.kind = <uint8_t>kind
    self.length = 0
    self.number = 0
    self.at = NULL

cdef inline void value_text(Value *self, const uint8_t *at, uint32_t length) noexcept nogil:
    self.kind = TEXT
    self.length = length
    self.number = 0
    self.at = at

cdef inline void value_number(Value *self, ValueKind kind, int64_t number) noexcept nogil:
    self.kind = <uint8_t>kind
    self.length = 0
    self.number = number
    self.at = NULL

cdef inline void value_address(Value *self, const uint8_t *at, uint8_t family) noexcept nogil:
    self.kind = IP
    self.family = family
    self.length = 0
    self.number = 0
    self.at = at

cdef void text_tag(Value *self) noexcept nogil
cdef uint64_t text_pairs(const uint8_t *at, uint32_t length) noexcept nogil
cdef Value *value_list(Value *self, Scratch *scratch, uint32_t most) noexcept nogil
cdef int text_compare(const Value *self, const Value *other) noexcept nogil
cdef bint text_find(const uint8_t *at, uint32_t length, const uint8_t *part, uint32_t part_length) noexcept nogil
cdef bint address_compare(const Value *self, const Value *other, int *order) noexcept nogil
