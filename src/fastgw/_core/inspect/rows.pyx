"""What a zone asks of a head: programs, what is done where a rule holds, and the counters of its rules.

Made with the GIL, once for all zones that ask the same; afterwards it is only read.
"""
from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from fastgw._core.inspect.rewrite cimport REWRITE_REMOVE, REWRITE_SET
from fastgw._core.inspect.counters cimport Counters
from fastgw._core.inspect.limits cimport limit_put
from fastgw._core.rules.program cimport Rules


cdef void *_rows(size_t count, size_t size) except NULL:
    cdef void *rows = calloc(count if count > 0 else 1, size)
    if rows == NULL:
        raise MemoryError
    return rows


cdef class Inspection:
    """Rules of one zone, and its choice of the managed ones.

    rules, entries      the program, a phase for each InspectPhase, and an entry for each of its rules
    managed, choices    the program of the managed set, which has one phase, with an entry for each of its rules that
                        says what this zone does; its rules numbered in `off` are off. None: the set is
    numbers             number facts, a bit each, that are found out though no rule asks for them
    """

    def __cinit__(self, Rules rules not None, entries, Rules managed=None, choices=(), off=(), uint64_t numbers=0):
        self.kept = [rules, managed]
        self.data.program = &rules.program
        self.data.rule_count = <uint32_t>len(entries)
        if rules.program.rule_count != self.data.rule_count or rules.program.phase_count != PHASE_COUNT:
            raise ValueError("the program is not that of these rules")
        self._check(entries)
        self.data.rules = <const RuleRow *>_rows(len(entries), sizeof(RuleRow))
        self._fill(<RuleRow *>self.data.rules, entries)
        self.data.texts = rules.program.texts
        self.data.integers = rules.program.integers | numbers
        self.data.sources = rules.program.sources
        if managed is None:
            return
        self.data.managed = &managed.program
        self.data.managed_count = <uint32_t>len(choices)
        if managed.program.rule_count != self.data.managed_count or managed.program.phase_count != 1:
            raise ValueError("the managed program is not that of these rules")
        if self.data.managed_count > MANAGED_MOST:
            raise OverflowError(f"{len(choices)} managed rules, at most are {MANAGED_MOST}")
        self.data.managed_rules = <const RuleRow *>_rows(len(choices), sizeof(RuleRow))
        self._fill(<RuleRow *>self.data.managed_rules, choices)
        _set_bits(self.data.managed_off, off, self.data.managed_count)
        self.data.phases |= 1 << <int>MANAGED
        self.data.texts |= managed.program.texts
        self.data.integers |= managed.program.integers
        self.data.sources |= managed.program.sources

    def __dealloc__(self):
        free(<void *>self.data.rules)
        free(<void *>self.data.managed_rules)

    @property
    def rule_count(self):
        """Rules that have a counter, those of the managed set included."""
        return self.data.rule_count + self.data.managed_count

    @property
    def phases(self):
        """Those that have rules, a bit each."""
        return self.data.phases

    cdef int _check(self, object entries) except -1:
        cdef uint32_t effects = 0
        for entry in entries:
            effects += entry.action == <int>EFFECT
        if effects > <uint32_t>EFFECTS_MOST:
            raise OverflowError(f"{effects} rules change calls, at most are {EFFECTS_MOST}")
        return 0

    cdef int _fill(self, RuleRow *rows, object entries) except -1:
        """The rows of these rules, and what follows from all of them together."""
        cdef RuleRow *row = rows
        for entry in entries:
            if not 0 <= entry.phase < <int>PHASE_COUNT or not 0 <= entry.action <= <int>LIMIT_LOG:
                raise ValueError(f"rule {entry.id} has no phase or no action")
            row.action = entry.action
            row.phase = entry.phase
            row.logging = bool(entry.logging)
            row.stops = bool(entry.stops)
            row.skips = entry.skips
            row.id = self._text(entry.id)
            row.label = self._text(entry.label)
            if entry.spares:
                row.spares = self._spared(entry.spares)
            if entry.response is not None:
                row.response = self._response(entry.response)
            if entry.changes:
                row.changes = self._changes(entry.changes)
                row.change_count = <uint32_t>len(entry.changes)
            row.authority = self._text(entry.authority)
            row.authority_length = <uint32_t>len(entry.authority)
            row.way = entry.way
            row.mode = entry.mode
            if entry.limit is not None:
                row.limit = self._limit(entry.limit)
            elif row.action >= COUNT:
                raise ValueError(f"rule {entry.id} has no limit")
            self.data.phases |= <uint16_t>(1 << row.phase)
            if row.phase == CUSTOM and row.action == SKIP:
                # What was denied before it may be lifted by it, see the gate.
                self.data.lifted |= row.skips & ((1 << <int>ZONE_LOCKDOWN) | (1 << <int>USER_AGENT))
            row += 1
        return 0

    cdef const char *_text(self, object text) except NULL:
        cdef bytes octets = text.encode()
        if 0 in octets:
            raise ValueError(f"a zero octet in {text!r}")
        self.kept.append(octets)
        return <const char *>octets

    cdef const uint64_t *_spared(self, object numbers) except NULL:
        cdef bytearray words = bytearray(MANAGED_WORDS * sizeof(uint64_t))
        self.kept.append(words)
        _set_bits(<uint64_t *><char *>words, numbers, MANAGED_MOST)
        return <const uint64_t *><char *>words

    cdef const ResponseRow *_response(self, object entry) except NULL:
        cdef bytearray memory = bytearray(sizeof(ResponseRow))
        cdef ResponseRow *row = <ResponseRow *><char *>memory
        if len(entry.content.encode()) > RESPONSE_MOST:
            raise OverflowError(f"a response of {len(entry.content.encode())} octets, at most are {RESPONSE_MOST}")
        self.kept.append(memory)
        row.http_status = entry.http_status
        row.grpc_status = entry.grpc_status
        row.content = self._text(entry.content)
        row.length = <uint32_t>len(entry.content.encode())
        row.content_type = self._text(entry.content_type)
        return row

    cdef const ChangeRow *_changes(self, object entries) except NULL:
        cdef bytearray memory = bytearray(len(entries) * sizeof(ChangeRow))
        cdef ChangeRow *row = <ChangeRow *><char *>memory
        self.kept.append(memory)
        for entry in entries:
            if not REWRITE_SET <= entry.operation <= REWRITE_REMOVE:
                raise ValueError(f"{entry.operation} is no change of metadata")
            if entry.number >= <int64_t>self.data.program.value_count:
                raise ValueError(f"the program has no value {entry.number}")
            row.operation = entry.operation
            row.name = self._text(entry.name)
            row.name_length = <uint32_t>len(entry.name.encode())
            row.value = self._text(entry.value)
            row.value_length = <uint32_t>len(entry.value.encode())
            row.value_number = <uint32_t>NO_VALUE if entry.number < 0 else entry.number
            row += 1
        return <const ChangeRow *><char *>memory

    cdef const LimitRow *_limit(self, object entry) except NULL:
        cdef bytearray memory = bytearray(sizeof(LimitRow))
        cdef LimitRow *row = <LimitRow *><char *>memory
        cdef Counters counters = entry.counters
        for number in entry.values:
            if not 0 <= number < self.data.program.value_count:
                raise ValueError(f"the program has no value {number}")
        self.kept += [memory, counters]
        limit_put(row, counters, entry.values, entry.terms)
        return row


cdef int _set_bits(uint64_t *words, object numbers, uint32_t count) except -1:
    cdef uint32_t number
    memset(words, 0, MANAGED_WORDS * sizeof(uint64_t))
    for number in numbers:
        if number >= count:
            raise ValueError(f"there is no managed rule {number}")
        words[number >> 6] |= <uint64_t>1 << (number & 63)
    return 0
