"""Questions about a call that only Python can answer, while the call waits; and what the answers say."""
from libc.stdint cimport int16_t, uint8_t, uint32_t, uint64_t

from fastgw._core.io.loop cimport Loop

cdef enum:
    ASK_TEXT = 320              # octets of a denial's sentence, its zero included
    ASK_CHANGES = 16384         # octets of changed fields, at most

cdef extern from *:
    """
    #define FASTGW_ABOUT_CALLERS UINT64_MAX
    """
    const uint64_t ABOUT_CALLERS "FASTGW_ABOUT_CALLERS"     # the fields are not a head but inspect.access's

cpdef enum Answer:
    ASK_WAITS = 0
    ASK_PASS
    ASK_DENY
    ASK_FAILED                  # nobody could say

cdef struct Ask:
    # One question. The worker that asks makes it and frees it; in between it is Python's, but for `exchange`.
    Ask *next                   # in the box, or among the answered
    void *exchange              # of that worker; NULL: the call has gone
    Ask **answered              # where the worker looks for answers
    Loop *loop
    uint64_t about              # what is asked: the number of a hook, or ABOUT_CALLERS
    uint64_t ray
    uint64_t asked_at           # ns
    uint64_t key[2]             # of what the answer may depend on; 0, 0: nothing is remembered
    uint8_t peer[28]            # struct sockaddr
    uint8_t answer              # Answer
    bint remember               # the answer is good for the next calls with this key
    int16_t grpc_status         # of a denial; -1: the usual one
    char text[ASK_TEXT]         # its sentence
    uint8_t *changes            # fields to set and to remove (no value octets: see `removals`), stashed; or NULL
    uint32_t changes_length
    uint32_t removals           # the first so many of them are removed
    uint32_t head_length
    uint8_t *head               # the fields of the request, stashed; behind the struct

ctypedef struct AskBox:
    # Where questions wait for Python. Shared by workers; lives as long as any of them or the reader does.
    Ask *first                  # newest first; changed atomically
    int wake                    # eventfd
    int users
    int closed                  # nobody reads any more

cdef AskBox *box_open() noexcept nogil
cdef void box_hold(AskBox *self) noexcept nogil
cdef void box_leave(AskBox *self) noexcept nogil

cdef Ask *ask_new(const uint8_t *head, uint32_t length) noexcept nogil
cdef void ask_free(Ask *self) noexcept nogil
cdef bint ask_put(AskBox *box, Ask *ask) noexcept nogil
cdef Ask *asks_take(Ask **answered) noexcept nogil

cdef class Asks:
    cdef AskBox *box
    cdef readonly list workers
