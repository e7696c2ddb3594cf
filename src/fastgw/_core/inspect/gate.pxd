"""The rules of a zone, asked of one head: phase by phase, until one of them denies it."""
from libc.stdint cimport uint16_t, uint32_t, uint64_t, uint8_t

from fastgw._core.inspect.limits cimport StreamLimit
from fastgw._core.inspect.rows cimport EFFECTS_MOST, InspectionRow, RuleRow
from fastgw._core.rules.facts cimport RuleFacts
from fastgw._core.rules.run cimport RuleProgram, RuleRun

cdef enum:
    ALL_PHASES = 0xffff
    SCRATCH_SIZE = 262144       # octets of values that are computed for one head; beyond it nothing is true of them
    TALLIES_OF_A_PAGE = 1024
    TALLY_PAGES = 1024
    TALLIES_MOST = 1048576      # rules with a counter of their own; those that come later share the last one

cpdef enum Outcome:
    PASSED = 0
    BLOCKED                     # by `rule`
    LIMITED                     # by `rule`, again in `retry_ms`
    TOO_LARGE                   # there was no room for what the rules ask about this head
    NO_MEMORY                   # the worker could not get what it needs to ask these rules

ctypedef struct Tally:
    # Of one rule, in one worker.
    uint64_t held
    uint64_t denied             # calls that it has ended

ctypedef struct Verdict:
    uint8_t outcome             # Outcome
    const RuleRow *rule         # that decided; if none did, the last one that is to be logged; NULL: there is none
    uint32_t slot               # its counter
    uint32_t retry_ms
    StreamLimit stream          # what rate limits allow the call's messages, if it passes
    uint16_t skipped            # phases that were left out, a bit each
    uint16_t effect_count
    uint16_t effects[EFFECTS_MOST]  # rules that change the call, in their order

ctypedef struct Traced:
    # A rule that held, and what came of it.
    uint32_t number
    bint managed
    uint8_t came                # Came

cpdef enum Came:
    WENT_ON = 0
    PHASE_ENDED
    DENIED
    LIFTED                      # a denial that a skip rule of the custom phase has lifted
    SPARED                      # a managed rule that is off, or was left out

ctypedef struct Trace:
    Traced *rows
    uint32_t room
    uint32_t count              # of rules that held, more than `room` maybe

ctypedef struct Inspector:
    # One worker's memory for asking, and its counters. Python may read the counters while it works.
    RuleRun run
    RuleRun managed_run
    void *memory
    void *managed_memory
    uint64_t memory_size
    uint32_t node_count
    uint32_t managed_node_count
    Tally **pages               # TALLY_PAGES; a page that is there stays there
    Trace *trace                # NULL: nobody looks on

cdef bint inspector_open(Inspector *self) noexcept nogil
cdef void inspector_close(Inspector *self) noexcept nogil
cdef bint inspector_grow(Inspector *self, uint32_t node_count, uint32_t managed_node_count,
                         uint32_t slot_count) noexcept nogil
cdef bint inspect_phases(Inspector *self, const InspectionRow *row, const RuleFacts *facts, uint64_t now_ns,
                         uint32_t phases, uint16_t skipped, Verdict *verdict) noexcept nogil
cdef bint inspect_head(Inspector *self, const InspectionRow *row, const RuleFacts *facts, uint64_t now_ns,
                       Verdict *verdict) noexcept nogil
cdef void verdict_text(const Verdict *self, const char *zone, char *text, size_t size) noexcept nogil
cdef dict inspector_tallies(const Inspector *self)
