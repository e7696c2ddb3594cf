"""The first message of a client: which server name it asks for."""
from libc.stdint cimport uint8_t, uint32_t

cdef const uint8_t *hello_server_name(const uint8_t *message, uint32_t length,
                                      uint32_t *name_length) noexcept nogil
