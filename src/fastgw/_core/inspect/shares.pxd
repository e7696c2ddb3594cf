"""What several gateways admit together: for each key that calls now, how many calls this one may still let pass."""
from libc.stdint cimport int64_t, uint32_t, uint64_t

from fastgw._core.inspect.counters cimport CounterTable, CounterTerms

cpdef enum ShareMode:
    SHARED = 0                  # leases are in force
    ALONE                       # each gateway judges by its own counters
    CLOSED                      # no call passes
    OPEN                        # each call passes, and none is counted

ctypedef struct ShareRecord:
    # 128 octets, two cache lines. `state` is the window (16 bits, the lower ones), calls that passed since the
    # thread has looked (24 bits), calls that may still pass (24 bits).
    uint64_t tag                # of the key; 0: free; the lowest bit: it is being made
    uint64_t key                # the other word
    uint64_t state
    uint64_t late               # what passed in the window before and was not told: window (16 bits), calls
    uint64_t name[2]            # the same in all gateways
    uint32_t period_ms
    uint32_t most
    uint32_t queued             # the thread will look at it
    # the thread's
    uint32_t own                # calls of the window that it has told
    uint64_t window
    uint64_t others             # calls of the window elsewhere
    uint64_t _rest[6]

ctypedef struct ShareTable:
    ShareRecord *records
    uint64_t size               # of them; so many numbers has the ring too
    uint32_t *ring              # records that were touched: number + 1
    uint64_t *names             # by number of zone and rule: the same in all gateways; 0: not shared
    uint64_t names_most
    uint64_t fleet_key[2]
    int64_t ahead_ms            # what the common clock is ahead of ours
    uint32_t gateways
    uint32_t mode               # ShareMode
    uint32_t turn_ms
    uint64_t drained            # numbers of the ring that the thread has seen
    # changed by all workers, so on a cache line of their own
    uint64_t _apart[8]
    uint32_t making             # somebody makes a record
    uint64_t pushed
    uint64_t displaced          # keys that lost their record to another one
    uint64_t unshared           # calls that were judged alone: there was no record for their key

cdef uint64_t share_owner(const ShareTable *self, uint32_t owner) noexcept nogil
cdef ShareRecord *share_find(ShareTable *self, const uint64_t *key) noexcept nogil
cdef ShareRecord *share_make(ShareTable *self, const uint64_t *key, const uint64_t *name, const CounterTerms *terms,
                             uint64_t now_ns) noexcept nogil
cdef bint share_spend(ShareTable *self, ShareRecord *record, bint peek, uint64_t now_ns) noexcept nogil
cdef void share_unspend(ShareRecord *record) noexcept nogil
cdef void share_count(ShareTable *self, ShareRecord *record, uint64_t now_ns) noexcept nogil
cdef void share_alone(ShareTable *self) noexcept nogil
cdef uint64_t share_first_ms(const ShareTable *self, uint32_t period_ms, uint64_t now_ns) noexcept nogil

cdef class Shares:
    cdef ShareTable *table
    cdef uint32_t *pending      # records that were touched and not yet told
    cdef uint64_t waiting
    cdef uint32_t batch
    cdef uint32_t *taken
    cdef uint64_t *tags
    cdef uint64_t *spent
    cdef uint32_t count
    cdef uint64_t leases
