"""A door to the rules' rooms for tests and tools."""
from libc.stdint cimport int64_t, uint8_t

from fastgw._core.rules.facts cimport CALL_TEXTS, NUMBER_FACTS, TEXT_FACTS, RuleFacts, RuleText
from fastgw._core.wire.fields cimport FieldSection, RequestHead

cdef class Head:
    cdef FieldSection *section
    cdef RequestHead head
    cdef RuleFacts facts
    cdef RuleText texts[TEXT_FACTS]
    cdef RuleText call_texts[CALL_TEXTS]
    cdef int64_t numbers[NUMBER_FACTS]
    cdef list kept

    cdef const uint8_t *_copy(self, bytes octets)
    cdef int _text(self, RuleText *into, octets) except -1
