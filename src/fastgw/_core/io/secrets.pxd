"""Secrets of a TLS 1.3 connection: how one comes from another, and how OpenSSL tells them."""
from libc.stdint cimport uint8_t, uint32_t

cdef enum:
    SECRET_SIZE = 32        # octets, of suites with SHA-256

cdef void secret_expand(const uint8_t *secret, const char *label, uint8_t *into, uint32_t length) noexcept nogil
cdef void secret_step(uint8_t *secret) noexcept nogil
cdef bint secret_told(const char *line, const char *label, uint8_t *into) noexcept nogil
cdef void secret_wipe(void *at, size_t length) noexcept nogil
