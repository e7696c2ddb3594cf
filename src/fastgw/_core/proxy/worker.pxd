"""One worker: a loop with its listeners, connections, pool and snapshot; the class Python holds."""
from fastgw._core.proxy.desk cimport Desk

cdef class Worker:
    cdef Desk *desk
    cdef object snapshots       # Snapshots this worker may still read, kept alive until it has let go
    cdef object keep
    cdef object hooks           # what desk.hooks points to
    cdef bint running
    cdef bint ended
