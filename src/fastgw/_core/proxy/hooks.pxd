"""Which calls Python is asked about, and what it has said before."""
from libc.stdint cimport int16_t, uint8_t, uint32_t, uint64_t

from fastgw._core.proxy.ask cimport ASK_TEXT, Ask, Asks
from fastgw._core.proxy.route cimport RouteMatch
from fastgw._core.wire.fields cimport FieldSection, RequestHead

cdef enum:
    MEMOS = 1024                # answers that one worker remembers

ctypedef struct HookRow:
    RouteMatch match            # its fields are those the answer depends on: only names
    uint32_t budget_ms          # how long a call waits for the answer
    bint open                   # a call passes when there is no answer in time
    uint32_t remember_ms        # how long an answer is good for calls with the same fields; 0: not at all
    const char *name            # for messages

ctypedef struct HookMemo:
    uint64_t key[2]
    uint64_t until              # ns
    uint8_t answer              # proxy.ask: Answer
    int16_t grpc_status
    char text[ASK_TEXT]

cdef uint32_t hook_next(const HookRow *rows, uint32_t count, uint32_t begin, const FieldSection *section,
                        const RequestHead *head) noexcept nogil
cdef void hook_key(const HookRow *row, uint32_t number, const FieldSection *section, uint64_t *key) noexcept nogil
cdef const HookMemo *memo_find(const HookMemo *memos, const uint64_t *key, uint64_t now) noexcept nogil
cdef void memo_put(HookMemo **memos, const HookRow *row, const Ask *ask, uint64_t now) noexcept nogil

cdef class Hooks:
    cdef HookRow *rows
    cdef uint32_t count
    cdef readonly Asks asks
    cdef object texts
