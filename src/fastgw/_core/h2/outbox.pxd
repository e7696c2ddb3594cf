"""What is to be written on a connection, in which order and in which pieces."""
from libc.stdint cimport uint8_t, uint32_t

from fastgw._core.h2.conn cimport Conn
from fastgw._core.h2.stream cimport Stream
from fastgw._core.reasons cimport Reason
from fastgw._core.wire.fields cimport Field, FieldSection

# connection
cdef void outbox_begin(Conn *self) noexcept nogil
cdef void outbox_settings_ack(Conn *self) noexcept nogil
cdef void outbox_ping(Conn *self, const uint8_t *payload, bint ack) noexcept nogil
cdef void outbox_goaway(Conn *self, uint32_t last_id, uint32_t code, const char *debug) noexcept nogil
cdef void outbox_credit_connection(Conn *self, uint32_t size) noexcept nogil
# streams
cdef void outbox_credit_stream(Conn *self, Stream *stream, uint32_t size) noexcept nogil
cdef void outbox_reset(Conn *self, uint32_t stream_id, uint32_t code) noexcept nogil
cdef void outbox_abort(Conn *self, Stream *stream, uint32_t code) noexcept nogil
cdef uint8_t *outbox_block_open(Conn *self, uint32_t bound) noexcept nogil
cdef void outbox_block_close(Conn *self, uint8_t *end, Stream *stream, bint ends) noexcept nogil
cdef bint outbox_data(Conn *self, Stream *stream, uint8_t *payload, uint32_t length, bint ends) noexcept nogil
cdef void outbox_trailers(Conn *self, Stream *stream, const FieldSection *section) noexcept nogil
cdef void outbox_pump(Conn *self) noexcept nogil
cdef void outbox_taken(Conn *self, uint32_t size) noexcept nogil
