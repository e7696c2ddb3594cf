"""The times of a call: its deadline, its silence, its age, its next attempt."""
from libc.stdint cimport uint64_t

from fastgw._core.proxy.desk cimport Exchange
from fastgw._core.wire.fields cimport RequestHead

cdef void timing_begin(Exchange *self, const RequestHead *head) noexcept nogil
cdef void timing_look_in(Exchange *self, uint64_t delay_ms) noexcept nogil
cdef void timing_end(Exchange *self) noexcept nogil
