"""Field sections: what a field is; what is a legal request head, response head, or trailers."""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t

from fastgw._core.reasons cimport Reason

cdef enum:
    FIELDS_MAX = 256            # fields stored of one section; more are decoded, counted, not stored
    FIELD_OVERHEAD = 32         # RFC 9113 section 6.5.2

cpdef enum FieldKind:
    ORDINARY = 0
    METHOD, SCHEME, PATH, AUTHORITY, PROTOCOL, STATUS   # pseudo-fields of RFC 9113 section 8.3
    PSEUDO_UNKNOWN
    CONNECTION_SPECIFIC         # connection, keep-alive, proxy-connection, transfer-encoding, upgrade
    TE
    HOST
    CONTENT_TYPE
    CONTENT_LENGTH
    COOKIE
    AUTHORIZATION               # and proxy-authorization: never enters a shared dynamic table
    USER_AGENT
    GRPC_STATUS
    GRPC_MESSAGE
    GRPC_TIMEOUT
    GRPC_ENCODING
    VOLATILE                    # traceparent, date, x-request-id ...: new each time, not worth indexing
    RESERVED                    # fastgw-error, fastgw-ray: ours to say

cdef enum FieldFlag:
    NEVER_INDEXED = 1           # arrived as such; RFC 7541 section 6.2.3 wants it passed on as such

ctypedef struct Field:
    const uint8_t *name
    const uint8_t *value
    uint32_t name_length
    uint32_t value_length
    uint32_t hash               # of name and value, as hpack computes it; 0: not computed yet
    uint8_t kind                # FieldKind
    uint8_t fault               # Reason: ACCEPTED, FIELD_NAME_INVALID or FIELD_VALUE_INVALID
    uint8_t flags               # FieldFlag

ctypedef struct FieldSection:
    # Decoded fields. Names and values are lent: they point into the block, the dynamic table or `arena`, and
    # are good until the next block is decoded on the same connection or the same section.
    Field fields[FIELDS_MAX]
    uint32_t count              # fields stored
    uint32_t seen               # fields decoded
    uint32_t list_size          # of all decoded fields: name + value + 32 each (RFC 9113 section 6.5.2)
    uint32_t list_limit         # soft limit on list_size; beyond it fields are decoded but not stored
    uint32_t field_limit        # soft limit on `count`, at most FIELDS_MAX
    uint32_t largest            # octets of the largest field's name and value
    uint8_t largest_name[64]    # its name, cut; for the message
    uint8_t largest_name_length
    bint too_large              # a soft limit was passed: fields are missing here
    uint8_t *arena
    uint32_t arena_used
    uint32_t arena_size

ctypedef struct RequestHead:
    const Field *method
    const Field *scheme
    const Field *path
    const Field *authority      # :authority, or Host where that is missing
    const Field *content_type   # NULL if absent
    const Field *grpc_timeout   # NULL if absent
    int64_t content_length      # -1 if absent
    bint te_trailers

ctypedef struct ResponseHead:
    const Field *content_type
    int64_t content_length      # -1 if absent
    uint16_t status             # 100..599
    int grpc_status             # -1 if absent or not a number

cdef uint8_t field_kind(const uint8_t *name, uint32_t length) noexcept nogil
cdef void field_judge(Field *field) noexcept nogil
cdef Reason request_head_check(const FieldSection *section, RequestHead *head) noexcept nogil
cdef Reason response_head_check(const FieldSection *section, ResponseHead *head) noexcept nogil
cdef Reason trailers_check(const FieldSection *section, int *grpc_status) noexcept nogil
cdef bint field_is(const Field *field, const char *value, uint32_t length) noexcept nogil
