"""A door to the rules' rooms for tests and tools: heads as Python objects, programs asked about them."""
from cpython.pycapsule cimport PyCapsule_New
from libc.stdint cimport INT64_MIN, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

from fastgw._core.rules.evaluate cimport rules_begin, rules_decide, rules_memory, rules_open
from fastgw._core.rules.facts cimport CALL_TEXTS, NUMBER_FACTS, TEXT_FACTS, RuleText
from fastgw._core.rules.program cimport Rules
from fastgw._core.rules.run cimport (
    HITS_KEPT,
    Matcher,
    RuleOutcome,
    RuleRun,
    node_value,
    rules_value,
    rules_value_text,
)
from fastgw._core.rules.values cimport BOOL, INT, IP, LIST, MISSING, TEXT, Value
from fastgw._core.wire.fields cimport FIELDS_MAX, Field, FieldSection, field_kind, request_head_check

from ipaddress import ip_address


cdef extern from "find.h" nogil:
    const uint8_t *find_octets(const uint8_t *at, size_t length, const uint8_t *part, size_t part_length)
    const uint8_t *find_octets_plain(const uint8_t *at, size_t length, const uint8_t *part, size_t part_length)

cdef extern from "sha256.h" nogil:
    void hmac_sha256(const uint8_t *key, size_t key_length, const uint8_t *first, size_t first_length,
                     const uint8_t *second, size_t second_length, uint8_t *digest)


cdef bint _contains(const void *regex, const uint8_t *at, size_t length) noexcept nogil:
    return find_octets(at, length, <const uint8_t *>regex + 4, (<const uint32_t *>regex)[0]) != NULL


cdef class Part:
    """Stands for a regular expression that is a plain text."""

    cdef Matcher matcher
    cdef bytes octets

    def __cinit__(self, bytes part):
        self.octets = len(part).to_bytes(4, "little") + part
        self.matcher.search = _contains
        self.matcher.regex = <const char *>self.octets

    def capsule(self):
        return PyCapsule_New(&self.matcher, b"fastgw.rules.Matcher", NULL)


cdef class Head:
    """A request head and all that is known with it, in memory of its own."""

    def __cinit__(self, fields, hostname=b"", client=None, server=None, secure=False, now_ms=0, texts=None,
                  numbers=None, call_texts=None, too_large=False):
        cdef Field *field
        cdef uint32_t number
        self.section = <FieldSection *>calloc(1, sizeof(FieldSection))
        if self.section == NULL:
            raise MemoryError
        self.kept = []
        self.section.too_large = too_large
        for name, value in fields[:FIELDS_MAX]:
            field = &self.section.fields[self.section.count]
            self.section.count += 1
            field.name = self._copy(name)
            field.name_length = len(name)
            field.value = self._copy(value)
            field.value_length = len(value)
            field.kind = field_kind(field.name, field.name_length)
        request_head_check(self.section, &self.head)
        self.facts.section = self.section
        self.facts.head = &self.head
        self._text(&self.facts.hostname, hostname)
        self._text(&self.facts.client, None if client is None else ip_address(client).packed)
        self._text(&self.facts.server, None if server is None else ip_address(server).packed)
        self.facts.secure = secure
        self.facts.now_ms = now_ms
        self.facts.texts = self.texts
        self.facts.numbers = self.numbers
        self.facts.call_texts = self.call_texts
        for number in range(TEXT_FACTS):
            self._text(&self.texts[number], (texts or {}).get(number))
        for number in range(CALL_TEXTS):
            self._text(&self.call_texts[number], (call_texts or {}).get(number))
        for number in range(NUMBER_FACTS):
            self.numbers[number] = (numbers or {}).get(number, INT64_MIN)

    def __dealloc__(self):
        free(self.section)

    cdef const uint8_t *_copy(self, bytes octets):
        """A copy that has not one octet more, for sanitizers to watch."""
        cdef bytearray copy = bytearray(octets)
        self.kept.append(copy)
        return <const uint8_t *><char *>copy

    cdef int _text(self, RuleText *into, octets) except -1:
        into.at = NULL
        into.length = 0
        if octets is not None:
            into.at = self._copy(octets)
            into.length = len(octets)
        return 0


cdef object _plain(const Value *value):
    """A value as a Python object; None if it is missing, ... if there was no room for it."""
    if value.kind == TEXT:
        return (<const char *>value.at)[:value.length]
    if value.kind == INT:
        return value.number
    if value.kind == BOOL:
        return value.number != 0
    if value.kind == IP:
        return str(ip_address((<const char *>value.at)[:4 if value.family == 4 else 16]))
    if value.kind == LIST:
        return [_plain(&(<const Value *>value.at)[at]) for at in range(value.length)]
    return None if value.kind == MISSING else ...


cdef class Asker:
    """One worker's memory: asks programs about heads."""

    cdef RuleRun run
    cdef void *memory
    cdef object program

    def __cinit__(self, uint32_t node_count=4096, uint32_t scratch_size=65536):
        cdef uint64_t size = rules_memory(node_count, scratch_size)
        self.memory = malloc(size)
        if self.memory == NULL:
            raise MemoryError
        memset(self.memory, 0xa5, size)
        rules_open(&self.run, self.memory, size, node_count)

    def __dealloc__(self):
        free(self.memory)

    def begin(self, Rules rules, Head head):
        self.program = (rules, head)
        return rules_begin(&self.run, &rules.program, &head.facts)

    def decide(self, uint32_t phase=0, hits=None):
        """(rule that ended the phase or None, rules that held before, how many of them)."""
        cdef RuleOutcome outcome
        cdef Rules rules = self.program[0]
        cdef uint64_t *counters = <uint64_t *>calloc(rules.program.rule_count + 1, sizeof(uint64_t))
        rules_decide(&self.run, phase, counters, &outcome)
        if hits is not None:
            for number in range(rules.program.rule_count):
                hits[number] += counters[number]
        free(counters)
        ended = None if outcome.ended_by == 0xffffffff else outcome.ended_by
        return ended, [outcome.hits[at] for at in range(min(outcome.hit_count, HITS_KEPT))], outcome.hit_count

    def value(self, uint32_t node):
        return _plain(node_value(&self.run, node))

    def asked(self, Rules rules not None, uint32_t number):
        """A value that the program was compiled with by itself, and as octets; None: it is missing."""
        cdef Value text
        if number >= rules.program.value_count:
            raise IndexError(f"the program has {rules.program.value_count} values")
        plain = _plain(rules_value(&self.run, number))
        if not rules_value_text(&self.run, number, &text):
            return plain, None
        return plain, (<const char *>text.at)[:text.length]

    def decide_many(self, Rules rules, Head head, uint32_t rounds):
        """Ask phase 0 again and again, for a clock or an instruction counter. Returns how often a rule ended it."""
        cdef RuleOutcome outcome
        cdef uint32_t ended = 0
        cdef uint32_t _round
        with nogil:
            for _round in range(rounds):
                rules_begin(&self.run, &rules.program, &head.facts)
                ended += rules_decide(&self.run, 0, NULL, &outcome) != <uint32_t>0xffffffff
        return ended

    @property
    def steps(self):
        return self.run.steps

    @property
    def exhausted(self):
        return self.run.exhausted

    @property
    def scratch_used(self):
        return self.run.scratch.used

    def generation(self, uint32_t number):
        """Set the count of heads, to see what happens when it is full."""
        self.run.generation = number


def find(bytes text, bytes part, plain=False):
    """Place of `part` in `text`, -1 if there is none; from copies that have not one octet more."""
    cdef uint8_t *copy = <uint8_t *>malloc(len(text))
    cdef const uint8_t *found
    memcpy(copy, <const char *>text, len(text))
    if plain:
        found = find_octets_plain(copy, len(text), <const uint8_t *><const char *>part, len(part))
    else:
        found = find_octets(copy, len(text), <const uint8_t *><const char *>part, len(part))
    place = -1 if found == NULL else found - copy if len(part) else 0
    free(copy)
    return place


def hmac(bytes key, bytes first, bytes second):
    cdef uint8_t digest[32]
    hmac_sha256(<const uint8_t *><const char *>key, len(key), <const uint8_t *><const char *>first, len(first),
                <const uint8_t *><const char *>second, len(second), digest)
    return (<const char *>digest)[:32]
