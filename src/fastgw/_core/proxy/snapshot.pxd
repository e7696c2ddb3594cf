"""A snapshot as Python holds it: blocks, and the indices over them."""
from fastgw._core.inspect.places cimport Places
from fastgw._core.proxy.route cimport SnapshotData
from fastgw._core.proxy.rows cimport Certificate, ZoneBlock

cdef class Snapshot:
    cdef SnapshotData *data
    # Never changed once the snapshot is made: its successor shares what does not differ.
    cdef dict blocks            # by the name of the zone
    cdef dict shown             # Certificate -> how many blocks show it under its names
    cdef dict held              # Certificate -> how many blocks know it
    cdef dict named             # name in certificates -> those that have it, the last of which is shown
    cdef dict keyed             # key of the identity -> Certificates of it
    cdef dict retired           # key of the identity -> a Certificate without a context, those first that go first
    cdef dict warm              # blocks whose origins want connections kept ready, by the name of the zone
    cdef Certificate default    # None: there is none
    cdef object front_keep      # what keeps data.front alive
    cdef Places places
    cdef tuple kept             # once released: the blocks

    cdef void _close(self) noexcept
    cdef void _inherit(self, Snapshot before) except *
    # hostnames
    cdef void _exchange_hosts(self, Snapshot before, list added, list dropped) except *
    cdef void _drop_hosts(self, ZoneBlock block) except *
    cdef void _put_hosts(self, ZoneBlock block) except *
    cdef void _keep_warm(self) except *
    # certificates
    cdef void _exchange_certificates(self, Snapshot before, list added, list dropped) except *
    cdef void _show(self, Certificate certificate) except *
    cdef void _hide(self, Certificate certificate) except *
    cdef void _hold(self, Certificate certificate) except *
    cdef void _retire(self, Certificate certificate) except *
