"""Regular expressions: does a value match one, and which of many does it match; without Python, in linear time."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from fastgw._core.rules.automaton cimport Automaton
from fastgw._core.rules.run cimport Matcher
from fastgw._core.rules.states cimport States

ctypedef struct Regex:
    # One of the two is not NULL: the table of all states, or the positions if there are too many states.
    States *states
    Automaton *automaton

ctypedef struct RegexGroup:
    Regex regex
    uint32_t patterns
    uint32_t number[64]   # of its patterns, in the set

ctypedef struct RegexSet:
    uint32_t patterns
    uint32_t groups
    RegexGroup *group     # patterns that are searched together

cdef bint regex_search(const Regex *self, const uint8_t *at, size_t length) noexcept nogil
cdef void regex_set_search(const RegexSet *self, const uint8_t *at, size_t length, uint64_t *found) noexcept nogil

# What Python holds; whoever keeps a pointer into one keeps the object too.
cdef class CompiledRegex:
    cdef Regex regex
    cdef Matcher matcher
    cdef object __weakref__

cdef class CompiledRegexSet:
    cdef RegexSet regexes
