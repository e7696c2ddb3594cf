"""Who calls, in the way of a call: judged before anybody else is asked, and again while its stream is open."""
from libc.stdint cimport uint8_t, uint32_t

from fastgw._core.inspect.access cimport AccessCall
from fastgw._core.proxy.desk cimport Exchange, Link
from fastgw._core.wire.fields cimport FieldSection, RequestHead

cdef enum:
    GUARD_WAIT_MS = 5000        # how long a call waits for its token to be judged
    GUARD_AGAIN_MS = 5000       # how often a stream is looked at whose zone has `recheck`
    GUARD_ROUNDS = 4            # questions about one call

cdef enum Guarded:
    LET_IN = 0
    TURNED_AWAY                 # it has been answered
    HAS_TO_WAIT                 # there is a question to be asked

cdef Guarded guard_judge(Exchange *self, FieldSection *section, RequestHead *head, FieldSection *question,
                         AccessCall *call, uint8_t *room) noexcept nogil
cdef bint guard_look_again(Exchange *self) noexcept nogil
cdef void guard_leave(Exchange *self) noexcept nogil
cdef void guard_clean(const Exchange *self, FieldSection *section) noexcept nogil
cdef void guard_unanswered(Exchange *self) noexcept nogil
