"""Names and values of a head one after the other: headers, metadata, cookies, parameters of the query."""
from libc.stdint cimport uint8_t, uint32_t

from fastgw._core.rules.facts cimport RuleFacts, Source
from fastgw._core.wire.fields cimport Field

ctypedef struct Pairs:
    const RuleFacts *facts
    Source source
    uint32_t number         # of the field that is looked at
    const uint8_t *rest     # of its value, or of the query, that is not yet taken; NULL: nothing begun
    uint32_t rest_length
    bint host_seen          # a Host field was there
    bint ended

ctypedef struct Pair:
    const uint8_t *name
    const uint8_t *value
    uint32_t name_length
    uint32_t value_length
    bint coded              # the value is base64

cdef void pairs_open(Pairs *self, const RuleFacts *facts, Source source) noexcept nogil
cdef bint pairs_next(Pairs *self, Pair *pair) noexcept nogil
cdef void query_get(const RuleFacts *facts, const uint8_t **at, uint32_t *length) noexcept nogil
