"""The table of all states of a regular expression: one look-up for each octet of a value."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from fastgw._core.rules.automaton cimport Automaton, OctetSet

cdef enum:
    MOST_ENTRIES = 262144   # of a table: 1 MiB
    MOST_STATES = 16384     # while it is made
    MOST_WORK = 33554432    # words looked at while it is made
    MOST_MENDING = 4194304  # entries looked at while it is made smaller
    MOST_SKIPS = 4

ctypedef struct Leave:
    # Two octets that may lead out of a row: all others lead back to it, one by one or both together.
    OctetSet first
    OctetSet second

ctypedef struct States:
    # A row has an entry for each class of octets (the row that follows), then two: what has been found when it is
    # reached, and what is found when the value ends there. Rows are named by their first entry, and in this order:
    # nothing can be found any more (at most one) | something has been found | few octets lead away for good | the rest.
    uint32_t *table
    uint64_t *found         # patterns, a bit for each, by the number in the table; number 0 is nothing
    uint32_t entries
    uint32_t columns        # entries of a row
    uint32_t start
    uint32_t finding        # the first row that has found something
    uint32_t skipping       # the first row that octets are skipped in
    uint32_t rest
    uint64_t all            # every pattern
    uint8_t class_of[256]
    Leave leave[MOST_SKIPS]   # of the rows that octets are skipped in

cdef States *states_new(const Automaton *automaton) noexcept nogil
cdef void states_free(States *self) noexcept nogil
cdef size_t states_memory(const States *self) noexcept nogil
cdef bint states_search(const States *self, const uint8_t *at, size_t length) noexcept nogil
cdef uint64_t states_search_all(const States *self, const uint8_t *at, size_t length) noexcept nogil
