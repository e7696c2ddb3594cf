"""Regular expressions: does a value match one, and which of many does it match; without Python, in linear time."""
from cpython.pycapsule cimport PyCapsule_New
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memset

from fastgw._core.clock cimport clock_now
from fastgw._core.rules.automaton cimport (
    MOST_PATTERNS,
    MOST_WORDS,
    MOST_WORDS_TOGETHER,
    automaton_free,
    automaton_memory,
    automaton_new,
    automaton_search,
)
from fastgw._core.rules.states cimport (
    states_free,
    states_memory,
    states_new,
    states_search,
    states_search_all,
)

cdef bint regex_search(const Regex *self, const uint8_t *at, size_t length) noexcept nogil:
    """Does the pattern match somewhere in the value?"""
    if self.states != NULL:
        return states_search(self.states, at, length)
    return automaton_search(self.automaton, at, length)


cdef void regex_set_search(const RegexSet *self, const uint8_t *at, size_t length, uint64_t *found) noexcept nogil:
    """Set a bit in `found` for each pattern that matches somewhere; it has 64 for each 64 patterns begun."""
    cdef const RegexGroup *group
    cdef uint64_t hits
    cdef uint32_t number, place
    memset(found, 0, (self.patterns + 63) // 64 * 8)
    for number in range(self.groups):
        group = &self.group[number]
        if group.regex.states == NULL:
            hits = automaton_search(group.regex.automaton, at, length)
        else:
            hits = states_search_all(group.regex.states, at, length)
        place = 0
        while hits:
            if hits & 1:
                found[group.number[place] >> 6] |= <uint64_t>1 << (group.number[place] & 63)
            hits >>= 1
            place += 1


cdef int _compile(Regex *self, object tables, bint by_states) except -1:
    """Make what `tables` describe; 0 if that would be several patterns without a table of states, else 1."""
    cdef Automaton *automaton = automaton_new(tables)
    if automaton.patterns == 1 and automaton.words > MOST_WORDS:
        automaton_free(automaton)
        raise ValueError("not the tables of one regular expression")
    if by_states:
        with nogil:
            self.states = states_new(automaton)
    if self.states != NULL:
        automaton_free(automaton)
    elif automaton.patterns > 1:
        automaton_free(automaton)
        return 0
    else:
        self.automaton = automaton
    return 1


cdef void _free(Regex *self) noexcept:
    states_free(self.states)
    automaton_free(self.automaton)


cdef object _about(const Regex *self):
    if self.states == NULL:
        return {"by": "positions", "positions": 64 * self.automaton.words, "memory": automaton_memory(self.automaton)}
    return {
        "by": "states",
        "states": self.states.entries // self.states.columns,
        "classes": self.states.columns - 2,
        "skips": (self.states.rest - self.states.skipping) // self.states.columns,
        "memory": states_memory(self.states),
    }


cdef bint _search(const void *regex, const uint8_t *at, size_t length) noexcept nogil:
    return regex_search(<const Regex *>regex, at, length)


cdef class CompiledRegex:
    """One pattern, made from its `Tables` (fastgw.rules.regex.tables.compile_one); tests may do without states."""

    def __cinit__(self, tables, by_states=True):
        if tables.patterns != 1:
            raise ValueError("a regular expression is one pattern")
        _compile(&self.regex, tables, by_states)
        self.matcher.search = _search
        self.matcher.regex = &self.regex

    def __dealloc__(self):
        _free(&self.regex)

    def capsule(self):
        """What a program asks; good for as long as this object lives."""
        return PyCapsule_New(&self.matcher, b"fastgw.rules.Matcher", NULL)

    # For tests and tools

    def about(self):
        """How it is searched and what it takes up."""
        return _about(&self.regex)

    def search(self, const uint8_t[::1] value):
        cdef const uint8_t *at = &value[0] if value.shape[0] else NULL
        return bool(regex_search(&self.regex, at, value.shape[0]))

    def time(self, const uint8_t[::1] value, int rounds):
        """Nanoseconds per search, over so many."""
        cdef const uint8_t *at = &value[0] if value.shape[0] else NULL
        cdef size_t length = value.shape[0]
        cdef uint64_t begun
        cdef int _round
        with nogil:
            begun = clock_now()
            for _round in range(rounds):
                _sink(regex_search(&self.regex, at, length))
        return <double>(clock_now() - begun) / rounds


cdef uint64_t _drain = 0


cdef inline void _sink(uint64_t value) noexcept nogil:
    """So that the compiler cannot leave out what a timing is about."""
    global _drain
    _drain += value


cdef int _add(RegexSet *self, list numbers, object tables_of) except -1:
    """One group of these patterns, or several if they are too much for one."""
    cdef RegexGroup *group = &self.group[self.groups]
    cdef object tables = tables_of(numbers)
    cdef int middle = len(numbers) // 2
    if tables.patterns != len(numbers):
        raise ValueError("not the tables of these patterns")
    if (len(numbers) > 1 and tables.words > MOST_WORDS_TOGETHER) or not _compile(&group.regex, tables, True):
        _add(self, numbers[:middle], tables_of)
        _add(self, numbers[middle:], tables_of)
        return 0
    group.patterns = len(numbers)
    for place, number in enumerate(numbers):
        group.number[place] = number
    self.groups += 1
    return 0


cdef class CompiledRegexSet:
    """Patterns that are searched together. `tables_of(numbers)` gives the `Tables` of several of the `count`.

    As many patterns share a table of states as its bounds allow: half of them each, and so on, where they are too many.
    """

    def __cinit__(self, count, tables_of):
        self.regexes.patterns = count
        self.regexes.group = <RegexGroup *>calloc(max(count, 1), sizeof(RegexGroup))
        if self.regexes.group == NULL:
            raise MemoryError()
        for first in range(0, count, MOST_PATTERNS):
            _add(&self.regexes, list(range(first, min(first + MOST_PATTERNS, count))), tables_of)

    def __dealloc__(self):
        cdef uint32_t number
        if self.regexes.group != NULL:
            for number in range(self.regexes.groups):
                _free(&self.regexes.group[number].regex)
            free(self.regexes.group)

    # For tests and tools

    def about(self):
        """How each group is searched, and which patterns are in it."""
        groups = []
        for number in range(self.regexes.groups):
            numbers = [self.regexes.group[number].number[at] for at in range(self.regexes.group[number].patterns)]
            groups.append({"patterns": numbers, **_about(&self.regexes.group[number].regex)})
        return groups

    def search(self, const uint8_t[::1] value):
        """The numbers of the patterns that match."""
        cdef const uint8_t *at = &value[0] if value.shape[0] else NULL
        cdef size_t words = (self.regexes.patterns + 63) // 64
        cdef uint64_t *found = <uint64_t *>malloc(words * 8 + 8)
        if found == NULL:
            raise MemoryError()
        regex_set_search(&self.regexes, at, value.shape[0], found)
        hits = [number for number in range(self.regexes.patterns) if found[number >> 6] >> (number & 63) & 1]
        free(found)
        return hits

    def time(self, const uint8_t[::1] value, int rounds):
        """Nanoseconds per search, over so many."""
        cdef const uint8_t *at = &value[0] if value.shape[0] else NULL
        cdef size_t length = value.shape[0]
        cdef uint64_t found[64]
        cdef uint64_t begun
        cdef int _round
        if self.regexes.patterns > 64 * 64:
            raise ValueError("too many patterns")
        with nogil:
            begun = clock_now()
            for _round in range(rounds):
                regex_set_search(&self.regexes, at, length, found)
                _sink(found[0])
        return <double>(clock_now() - begun) / rounds
