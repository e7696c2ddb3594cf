"""How a field of the rules is read from what is known of a request."""
from libc.stdint cimport uint32_t

from fastgw._core.rules.facts cimport RuleFacts, Source
from fastgw._core.rules.values cimport Scratch, Value

cdef void fact_get(const RuleFacts *self, Scratch *scratch, Source source, uint32_t number, const Value *name,
                   Value *into) noexcept nogil
cdef void fact_keyed(const RuleFacts *self, Scratch *scratch, Source source, const Value *key,
                     Value *into) noexcept nogil
cdef void fact_grouped(const RuleFacts *self, Scratch *scratch, Source source, Value *into) noexcept nogil
