"""Counters of calls by key, in memory that does not grow: one table for all workers, without a lock."""
from libc.stdint cimport uint32_t, uint64_t

cdef enum:
    COUNTER_MOST = 0x0fffffff       # calls of one window; more of them are not told apart
    COUNTER_PERIOD_MOST_MS = 4095000

ctypedef struct Counter:
    # 32 octets. Four of them, next to each other, are a bucket: two cache lines that are fetched together. A window
    # is the millisecond in which it began (36 bits) and its calls (28 bits); 0 calls: there is none.
    uint64_t tag            # of the key; 0: free; the lowest bit: it is being made
    uint64_t windows[2]
    uint64_t terms          # blocked until (36 bits, ms; 0: not), period (12 bits, s), limit (16 bits, rounded down)

ctypedef struct CounterTable:
    Counter *counters       # zero where nothing was counted yet
    uint64_t size           # octets of them
    uint64_t buckets
    uint64_t hash_key[2]
    # changed by all workers, so on a cache line of their own
    uint64_t _apart[8]
    uint64_t used           # counters that have a key
    uint64_t displaced      # keys that lost their counter to another one while it still meant something
    uint64_t uncounted      # calls that passed uncounted: all counters of their bucket meant more

ctypedef struct CounterTerms:
    uint32_t period_ms      # whole seconds, at most COUNTER_PERIOD_MOST_MS
    uint32_t most           # calls in one period, 1 to COUNTER_MOST
    uint32_t mitigation_ms  # for so long all calls of a key are too many, once one was; 0: only those that are
    uint32_t code           # period and limit as a counter keeps them, by counter_code

cdef enum CounterUse:
    COUNT_AND_JUDGE = 0     # a call that passes is counted, one that is too many is not
    COUNT_ONLY
    JUDGE_ONLY

cdef uint32_t counter_code(uint32_t period_ms, uint32_t most) noexcept nogil
cdef bint counter_use(CounterTable *self, const uint64_t *key, const CounterTerms *terms, CounterUse use,
                      uint64_t now_ns, uint32_t *retry_ms) noexcept nogil

cdef void counter_add(CounterTable *self, const uint64_t *key, const CounterTerms *terms, uint64_t calls,
                      uint64_t first_ms, uint64_t now_ns) noexcept nogil

cdef class Counters:
    cdef CounterTable *table
    cdef public object shares   # how other gateways come to know of them; None: they do not
