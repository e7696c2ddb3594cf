"""What a snapshot is put together from: certificates, and one block of rows for each zone."""
from libc.stdint cimport uint32_t

from fastgw._core.inspect.policies cimport AccessTable
from fastgw._core.inspect.rows cimport Inspection, InspectionRow
from fastgw._core.proxy.endpoints cimport Endpoints
from fastgw._core.proxy.route cimport (
    CertificateName,
    CertificateRow,
    EndpointRow,
    FieldMatch,
    HostRow,
    OriginRow,
    RouteMatch,
    RouteRow,
    ZoneRow,
)

cdef class Certificate:
    cdef CertificateRow row
    cdef CertificateName *names     # those that can stand in an index
    cdef uint32_t name_count
    cdef readonly bytes identity
    cdef bytes listed           # what `row.names` points to
    cdef object context         # kept for row.context
    cdef bytes staple           # what row.staple points to

ctypedef struct BlockData:
    # The rows of one zone, in one piece of memory with their texts.
    ZoneRow zone
    HostRow *hosts
    uint32_t host_count
    uint32_t origin_count
    OriginRow *origins
    EndpointRow *endpoints
    uint32_t endpoint_count
    uint32_t warm_count         # origins with connections that are kept ready
    RouteRow *routes
    RouteMatch *matches
    FieldMatch *fields
    InspectionRow inspection
    uint32_t *slots             # of its rules
    uint32_t slot_count         # the largest of them, and one

cdef class ZoneBlock:
    cdef BlockData *data
    cdef size_t size            # octets of `data`
    cdef readonly str name
    cdef tuple certificates     # the zone's
    cdef tuple special          # those of single hostnames
    cdef Endpoints endpoints
    cdef AccessTable access     # None: anybody may call
    cdef Inspection inspection  # None: nothing is asked
    cdef object keep
