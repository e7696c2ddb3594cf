"""Rate limits: which calls share a counter, and whether one more of them is too many."""
from libc.stdint cimport uint32_t, uint64_t

from fastgw._core.inspect.counters cimport CounterTable, CounterTerms, Counters
from fastgw._core.inspect.shares cimport ShareTable
from fastgw._core.rules.run cimport RuleRun

cdef enum:
    LIMIT_VALUES_MOST = 16      # characteristics of one rule

ctypedef struct LimitRow:
    # Frozen, as all of its snapshot; the counters live on. Zones that ask the same share it.
    CounterTable *table         # of the process
    uint32_t values[LIMIT_VALUES_MOST]      # of the program, by number: what tells one counter from another
    uint32_t value_count
    CounterTerms terms          # `most` 0: calls are not counted
    bint apart                  # another condition says which calls count: limit_count is for these
    uint32_t messages_most      # of one stream in one period, toward the origin; 0: any number
    uint64_t octets_most        # likewise
    ShareTable *shares          # what other gateways admit counts too; NULL: it does not
    bint special                # calls are not counted, or elsewhere as well

ctypedef struct StreamLimit:
    # What several limits allow one stream, the slowest of them; 0: any number.
    uint32_t messages_most
    uint32_t messages_period_ms
    uint64_t octets_most
    uint32_t octets_period_ms

cdef bint limit_take(const LimitRow *self, uint32_t owner, RuleRun *run, uint64_t now_ns,
                     uint32_t *retry_ms) noexcept nogil
cdef void limit_count(const LimitRow *self, uint32_t owner, RuleRun *run, uint64_t now_ns) noexcept nogil
cdef void stream_limit_add(StreamLimit *self, const LimitRow *limit) noexcept nogil
cdef int limit_put(LimitRow *self, Counters counters, object values, object terms) except -1
