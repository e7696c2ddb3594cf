"""The streams of a connection: opened, found, finished, and remembered for a while."""
from libc.stdint cimport uint32_t

from fastgw._core.h2.conn cimport Cause, Conn, Ending
from fastgw._core.h2.stream cimport Stream

cdef Stream *conn_stream_open(Conn *self, uint32_t stream_id) noexcept nogil
cdef void conn_stream_finish(Conn *self, Stream *stream, Ending ending) noexcept nogil
cdef void conn_stream_lose(Conn *self, Stream *stream, Ending ending, uint32_t code, Cause cause) noexcept nogil
cdef int conn_stream_ending(const Conn *self, uint32_t stream_id) noexcept nogil
cdef bint conn_stream_is_idle(const Conn *self, uint32_t stream_id) noexcept nogil
cdef void ready_put(Conn *self, Stream *stream) noexcept nogil
cdef void ready_remove(Conn *self, Stream *stream) noexcept nogil
cdef void conn_remember(Conn *self, uint32_t stream_id, Ending ending) noexcept nogil
