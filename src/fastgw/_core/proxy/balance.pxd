"""Which endpoint of an origin serves the next call."""
from libc.stdint cimport uint64_t

from fastgw._core.proxy.desk cimport Desk
from fastgw._core.proxy.route cimport EndpointRow, OriginRow, SnapshotData

cdef const EndpointRow *balance_pick(Desk *desk, const SnapshotData *data, const OriginRow *origin,
                                     uint64_t tried, bint last_resort, uint64_t key) noexcept nogil
