"""Which rules of a program hold for a request head."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from fastgw._core.rules.facts cimport RuleFacts
from fastgw._core.rules.run cimport RuleOutcome, RuleProgram, RuleRun, Step

cdef uint64_t rules_memory(uint32_t node_count, uint32_t scratch_size) noexcept nogil
cdef void rules_open(RuleRun *self, void *memory, uint64_t size, uint32_t node_count) noexcept nogil
cdef bint rules_begin(RuleRun *self, const RuleProgram *program, const RuleFacts *facts) noexcept nogil
cdef uint32_t rules_decide(RuleRun *self, uint32_t phase, uint64_t *hits, RuleOutcome *outcome) noexcept nogil
cdef const Step *rules_next(RuleRun *self, const Step *step) noexcept nogil

cdef inline const Step *rules_phase(const RuleRun *self, uint32_t phase) noexcept nogil:
    """Where a phase begins."""
    return &self.program.code[self.program.phases[phase]]

cdef inline const Step *rules_after(const RuleRun *self, const Step *match) noexcept nogil:
    """Where a phase goes on behind a rule that held."""
    return &self.program.code[match.then]
