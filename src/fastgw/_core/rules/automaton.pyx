"""The positions of a regular expression, moved along a value as sets of bits: linear, and small for any pattern.

Knows neither syntax nor tables of states; what it is made of is described in fastgw.rules.regex.tables.
"""
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

cdef enum:
    ALWAYS = (1 << KINDS * KINDS) - 1
    AT_BEGINNING = (1 << KINDS) - 1   # places whose neighbour before is EDGE
    ANYWHERE = 0xffffffff


cdef Span _span(Automaton *self, size_t *used, object among) except *:
    """Write the words of a set that are not 0 at the end of `sets`."""
    cdef Span span
    cdef int first, last
    if among <= 0 or among.bit_length() > 64 * <size_t>self.words:
        raise ValueError("not a set of positions of this regular expression")
    first = ((among & -among).bit_length() - 1) // 64
    last = (among.bit_length() - 1) // 64
    span.first = first
    span.count = last - first + 1
    span.words = self.sets + used[0]
    _put(self, used, among >> 64 * first, span.count)
    return span


cdef const uint64_t *_put(Automaton *self, size_t *used, object among, size_t words) except NULL:
    cdef bytes octets = among.to_bytes(words * 8, "little")
    cdef uint64_t *to = self.sets + used[0]
    memcpy(to, <const char *>octets, words * 8)
    used[0] += words
    return to


cdef size_t _room(object tables):
    """Words that all sets of `tables` need, at most."""
    cdef size_t sets = len(tables.reach) + len(tables.owners) + 2
    sets += len(tables.firsts) + 2 * len(tables.moves) + len(tables.lasts)
    return sets * <size_t>tables.words


cdef Automaton *automaton_new(object tables) except NULL:
    """From a `Tables` of fastgw.rules.regex, freed by automaton_free; raises MemoryError, ValueError for nonsense."""
    cdef Automaton *self = <Automaton *>calloc(1, sizeof(Automaton))
    if self == NULL:
        raise MemoryError()
    try:
        _fill(self, tables)
    except BaseException:
        automaton_free(self)
        raise
    return self


cdef int _fill(Automaton *self, object tables) except -1:
    cdef size_t used = 0
    if len(tables.class_of) != 256 or not 0 < len(tables.kinds) <= 256 or not 0 < tables.patterns <= MOST_PATTERNS:
        raise ValueError("not the tables of a regular expression")
    if len(tables.reach) != len(tables.kinds) or len(tables.owners) != tables.patterns:
        raise ValueError("not the tables of a regular expression")
    if max(tables.class_of) >= len(tables.kinds) or max(tables.kinds) >= KINDS:
        raise ValueError("not the tables of a regular expression")
    if not 0 < tables.words <= MOST_WORDS_TOGETHER:
        raise ValueError("not the tables of a regular expression")
    self.words, self.patterns, self.classes = tables.words, tables.patterns, len(tables.kinds)
    memcpy(self.class_of, <const char *>(<bytes>tables.class_of), 256)
    memcpy(self.kinds, <const char *>(<bytes>tables.kinds), self.classes)
    self.sets = <uint64_t *>calloc(_room(tables), 8)
    self.move = <Move *>calloc(len(tables.firsts) + len(tables.moves) + 1, sizeof(Move))
    self.last = <Last *>calloc(len(tables.lasts) + len(tables.empty) + 1, sizeof(Last))
    if self.sets == NULL or self.move == NULL or self.last == NULL:
        raise MemoryError()
    self.reach = self.sets
    for among in tables.reach:
        _put(self, &used, among, self.words)
    self.next = _put(self, &used, tables.next, self.words)
    self.same = _put(self, &used, tables.same, self.words)
    self.owners = self.sets + used
    for among in tables.owners:
        _put(self, &used, among, self.words)
    _fill_moves(self, &used, tables)
    _fill_lasts(self, &used, tables)
    return 0


cdef int _fill_moves(Automaton *self, size_t *used, object tables) except -1:
    cdef Move *move
    cdef uint32_t octet, word
    for where, into in tables.firsts:
        move = &self.move[self.firsts]
        self.firsts += 1
        move.where = where
        move.into = _span(self, used, into)
        if move.where & ~AT_BEGINNING:
            self.restarts = True
        for octet in range(256):
            for word in range(move.into.count):
                if move.into.words[word] & self.reach[self.class_of[octet] * self.words + move.into.first + word]:
                    self.leads.holds[octet] = 1
    octet_set_prepare(&self.leads)
    self.moves = self.firsts
    for where, since, into in tables.moves:
        move = &self.move[self.moves]
        self.moves += 1
        move.where = where
        move.since = _span(self, used, since)
        move.into = _span(self, used, into)
    return 0


cdef uint32_t _pattern(const Automaton *self, object number) except? 0xffffffff:
    if not 0 <= number < self.patterns:
        raise ValueError("not a pattern of this regular expression")
    return number


cdef int _fill_lasts(Automaton *self, size_t *used, object tables) except -1:
    cdef Last *last
    self.waits = True
    for where, among, pattern in tables.lasts:
        last = &self.last[self.lasts]
        self.lasts += 1
        last.where = ANYWHERE if where == ALWAYS else where
        last.pattern = _pattern(self, pattern)
        last.among = _span(self, used, among)
    for where, pattern in tables.empty:
        last = &self.last[self.lasts]
        self.lasts += 1
        last.where = where
        last.pattern = _pattern(self, pattern)
        self.waits = False
        if last.where & ~AT_BEGINNING:
            self.restarts = True
    return 0


cdef void automaton_free(Automaton *self) noexcept nogil:
    if self != NULL:
        free(self.sets)
        free(self.move)
        free(self.last)
        free(self)


cdef size_t automaton_memory(const Automaton *self) noexcept nogil:
    """Octets it takes up, about."""
    cdef size_t sets = self.classes + self.patterns + 2
    return sizeof(Automaton) + sets * self.words * 8 + self.moves * (sizeof(Move) + 16) + self.lasts * sizeof(Last)


cdef inline bint _meets(const uint64_t *held, const Span *span) noexcept nogil:
    cdef uint32_t word
    for word in range(span.count):
        if held[span.first + word] & span.words[word]:
            return True
    return False


cdef void automaton_step(
    const Automaton *self, const uint64_t *held, uint64_t *then, uint32_t place, uint32_t octet_class
) noexcept nogil:
    """Write to `then` the positions that follow those `held`, over one octet of a class, at a place before it."""
    cdef const uint64_t *reach = self.reach + octet_class * self.words
    cdef const Move *move
    cdef uint64_t carry = 0, onward
    cdef uint32_t number, word
    for word in range(self.words):
        onward = held[word] & self.next[word]
        then[word] = (held[word] & self.same[word]) | (onward << 1) | carry
        carry = onward >> 63
    for number in range(self.moves):
        move = &self.move[number]
        if move.where >> place & 1 and (number < self.firsts or _meets(held, &move.since)):
            for word in range(move.into.count):
                then[move.into.first + word] |= move.into.words[word]
    for word in range(self.words):
        then[word] &= reach[word]


cdef uint64_t automaton_arrived(const Automaton *self, const uint64_t *held) noexcept nogil:
    """The patterns that end with a position held, whatever comes: a bit for each."""
    cdef uint64_t found = 0
    cdef uint32_t number
    for number in range(self.lasts):
        if self.last[number].where == ANYWHERE and _meets(held, &self.last[number].among):
            found |= <uint64_t>1 << self.last[number].pattern
    return found


cdef uint64_t automaton_found(const Automaton *self, const uint64_t *held, uint32_t place) noexcept nogil:
    """The patterns that end, or are empty, because the place behind the positions held is of this kind."""
    cdef uint64_t found = 0
    cdef const Last *last
    cdef uint32_t number
    for number in range(self.lasts):
        last = &self.last[number]
        if last.where != ANYWHERE and last.where >> place & 1:
            if last.among.count == 0 or _meets(held, &last.among):
                found |= <uint64_t>1 << last.pattern
    return found


cdef inline bint _any(const uint64_t *held, uint32_t words) noexcept nogil:
    cdef uint64_t some = 0
    cdef uint32_t word
    for word in range(words):
        some |= held[word]
    return some != 0


cdef bint automaton_search(const Automaton *self, const uint8_t *at, size_t length) noexcept nogil:
    """Does any pattern match somewhere? At most MOST_WORDS words of positions."""
    cdef uint64_t sets[2][MOST_WORDS]
    cdef const uint8_t *end = at + length
    cdef uint32_t before = EDGE, octet_class, place, now = 0
    if self.words > MOST_WORDS:
        return False
    memset(sets[0], 0, self.words * 8)
    while at < end:
        if not _any(sets[now], self.words):
            if before != EDGE and not self.restarts:
                return False
            if self.waits and not self.leads.holds[at[0]]:
                at = octet_set_find(&self.leads, at, end)
                before = self.kinds[self.class_of[(at - 1)[0]]]
                continue
        octet_class = self.class_of[at[0]]
        place = before * KINDS + self.kinds[octet_class]
        if automaton_found(self, sets[now], place):
            return True
        automaton_step(self, sets[now], sets[now ^ 1], place, octet_class)
        now ^= 1
        if automaton_arrived(self, sets[now]):
            return True
        before = self.kinds[octet_class]
        at += 1
    return automaton_found(self, sets[now], before * KINDS + EDGE) != 0
