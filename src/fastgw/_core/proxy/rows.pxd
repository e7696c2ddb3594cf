"""Entries in Python become rows in C: certificates, zones with their routes, origins with their endpoints."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from fastgw._core.proxy.endpoints cimport Endpoints
from fastgw._core.proxy.route cimport NONE, SnapshotData

cdef void *rows_new(size_t count, size_t size) except NULL
cdef const char *rows_text(object text, list texts, bint zeros=*) except NULL
cdef uint32_t rows_number(object number, uint32_t count, str what) except? NONE
cdef void rows_certificates(SnapshotData *self, list entries, list texts) except *
cdef void rows_zones(SnapshotData *self, list entries, list texts) except *
cdef void rows_origins(SnapshotData *self, list entries, Endpoints endpoints, list texts) except *
cdef void rows_free(SnapshotData *self) noexcept
