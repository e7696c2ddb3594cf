"""What rules change of a call that they let pass: its metadata, and what is asked of which origin."""
from libc.stdint cimport uint32_t

from fastgw._core.inspect.gate cimport Verdict
from fastgw._core.inspect.rows cimport InspectionData
from fastgw._core.rules.run cimport RuleRun
from fastgw._core.wire.fields cimport FieldSection

ctypedef struct Detour:
    # Where a call goes instead, by the last rule that says so. NULL: as without rules.
    const char *authority       # what the origin is told it is asked for
    uint32_t authority_length
    const char *origin          # a hostname whose origin serves
    uint32_t origin_length

cdef bint effects_rewrite(const Verdict *verdict, const InspectionData *data, RuleRun *run,
                          FieldSection *section) noexcept nogil
cdef void effects_detour(const Verdict *verdict, const InspectionData *data, Detour *into) noexcept nogil
