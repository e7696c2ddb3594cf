"""Why TLS failed, in words."""
from libc.stdint cimport uint32_t

from fastgw._core.io.tls cimport TlsSession

cdef uint32_t tls_error_text(TlsSession *self, char *into, uint32_t room, bint *certificate) noexcept nogil
