"""A door to inspection for tests and tools: a head is asked about, and what came of each rule is told."""
from libc.stdint cimport uint32_t
from libc.stdlib cimport calloc, free

from fastgw._core.inspect.gate cimport (
    Inspector,
    Trace,
    Traced,
    Verdict,
    inspect_head,
    inspector_close,
    inspector_grow,
    inspector_open,
    inspector_tallies,
    verdict_text,
)
from fastgw._core.inspect.rows cimport Inspection, InspectionRow
from fastgw._core.rules.door cimport Head

from fastgw._core.inspect.gate import Came, Outcome

cdef enum:
    _TRACED = 65536


cdef class Trial:
    """One worker's memory and one zone's inspection; the Nth rule has the counter N + 1."""

    cdef Inspector inspector
    cdef Inspection inspection
    cdef InspectionRow row
    cdef Trace trace
    cdef Verdict verdict
    cdef bytes zone

    def __cinit__(self, Inspection inspection not None, str zone="zone.test", memory=True):
        cdef uint32_t number
        cdef uint32_t *slots
        cdef uint32_t managed = 0
        self.inspection = inspection
        self.zone = zone.encode()
        slots = <uint32_t *>calloc(inspection.rule_count + 1, sizeof(uint32_t))
        self.trace.rows = <Traced *>calloc(_TRACED, sizeof(Traced))
        if slots == NULL or self.trace.rows == NULL or not inspector_open(&self.inspector):
            free(slots)
            raise MemoryError
        self.trace.room = _TRACED
        for number in range(inspection.rule_count):
            slots[number] = number + 1
        self.row.data = &inspection.data
        self.row.slots = slots
        self.row.zone = <const char *>self.zone
        if inspection.data.managed != NULL:
            managed = inspection.data.managed.node_count
        if memory:
            inspector_grow(&self.inspector, max(1, inspection.data.program.node_count), managed,
                           inspection.rule_count + 1)

    def __dealloc__(self):
        inspector_close(&self.inspector)
        free(<void *>self.row.slots)
        free(self.trace.rows)

    def ask(self, Head head not None, unsigned long long now_ns=0):
        """(outcome, [(rule, is it managed, what came of it)] for each that held, verdict as a dict)."""
        cdef uint32_t at
        cdef char text[320]
        cdef const Traced *row
        self.trace.count = 0
        self.inspector.trace = &self.trace
        inspect_head(&self.inspector, &self.row, &head.facts, now_ns, &self.verdict)
        self.inspector.trace = NULL
        held = []
        for at in range(min(self.trace.count, self.trace.room)):
            row = &self.trace.rows[at]
            held.append((row.number, bool(row.managed), Came(row.came).name.lower()))
        verdict_text(&self.verdict, self.row.zone, text, sizeof(text))
        return Outcome(self.verdict.outcome).name.lower(), held, {
            "rule": None if self.verdict.rule == NULL else self.verdict.rule.id.decode(),
            "slot": self.verdict.slot,
            "skipped": self.verdict.skipped,
            "effects": [self.verdict.effects[at] for at in range(self.verdict.effect_count)],
            "text": "" if self.verdict.outcome == 0 else text.decode(),
        }

    def ask_many(self, Head head not None, uint32_t rounds):
        """Ask again and again, for a clock or an instruction counter. Returns how often the call passed."""
        cdef uint32_t passed = 0
        cdef uint32_t _round
        with nogil:
            for _round in range(rounds):
                passed += inspect_head(&self.inspector, &self.row, &head.facts, 0, &self.verdict)
        return passed

    def tallies(self):
        """By rule: how often it held, and how many calls it has ended."""
        return {slot - 1: counted for slot, counted in inspector_tallies(&self.inspector).items()}
