"""What rules change of a call that they let pass: its metadata, and what is asked of which origin."""
from libc.stdint cimport uint32_t

from fastgw._core.inspect.gate cimport Verdict
from fastgw._core.inspect.rows cimport InspectionData
from fastgw._core.rules.run cimport RuleRun
from fastgw._core.wire.fields cimport FieldSection

ctypedef struct Detour:
    # Where a call goes instead, by the last rule that says so. NULL and 0: as without rules.
    const char *authority       # what the origin is told it is asked for
    uint32_t authority_length
    uint32_t way                # to the origin; 0: as it is
    uint32_t mode               # of encryption; 0: as it is

cdef bint effects_rewrite(const Verdict *verdict, const InspectionData *data, RuleRun *run,
                          FieldSection *section) noexcept nogil
cdef void effects_detour(const Verdict *verdict, const InspectionData *data, Detour *into) noexcept nogil
