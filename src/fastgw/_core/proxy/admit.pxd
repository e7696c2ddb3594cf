"""From the gate to the origin: who is asked before a call goes on, and the call that waits for the answer."""
from fastgw._core.proxy.desk cimport Desk, Exchange
from fastgw._core.wire.fields cimport FieldSection, RequestHead

cdef void admit(Exchange *self, FieldSection *section, const RequestHead *head) noexcept nogil
cdef void admit_unanswered(Exchange *self) noexcept nogil
cdef void admit_forget(Exchange *self) noexcept nogil
cdef void admit_answered(Desk *desk) noexcept nogil
