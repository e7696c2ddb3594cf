"""The table of all states of a regular expression: one look-up for each octet of a value.

A state is a set of positions, the kind of the octet before, and what has just been found. The states that can come
up are looked for within bounds; those that nothing tells apart become one. With several patterns each reports for
itself, and one that has just reported is not followed further: it begins anew, and what it finds later is known.
"""
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcmp, memcpy, memset

from fastgw._core.rules.automaton cimport (
    EDGE,
    KINDS,
    automaton_arrived,
    automaton_found,
    automaton_step,
    octet_pair_find,
    octet_set_prepare,
)

cdef enum:
    SLOTS = 2 * MOST_STATES   # a power of two
    NO_STATE = 0xffffffff
    SKIP_BELOW = 60           # of 1000 octets of ordinary heads: how many may end skipping that still pays
    SKIP_AMONG = 64           # the states looked at for it: values stay near the beginning of a pattern

ctypedef struct Draft:
    # The states as they are found. A key is the positions held, the kind before, what was found.
    const Automaton *automaton
    uint32_t key_words
    uint32_t states
    uint32_t most
    uint32_t classes
    uint64_t work
    uint64_t *keys
    uint32_t *slots
    uint32_t *next     # by state and class
    uint64_t *ends     # what is found at the end, by state
    uint32_t *block    # the state that stands for it, by state
    uint64_t *key      # room for one


cdef inline uint64_t _mix(uint64_t hash, uint64_t more) noexcept nogil:
    hash = (hash ^ more) * <uint64_t>0x9e3779b97f4a7c15
    return hash ^ (hash >> 29)


cdef uint32_t _state(Draft *self) noexcept nogil:
    """The number of the state whose key is in `key`, which may be a new one; NO_STATE if there are too many."""
    cdef uint64_t hash = 0
    cdef uint32_t word, slot, number
    for word in range(self.key_words):
        hash = _mix(hash, self.key[word])
    slot = <uint32_t>(hash >> 32) & (SLOTS - 1)
    while self.slots[slot] != NO_STATE:
        number = self.slots[slot]
        if memcmp(self.keys + <size_t>number * self.key_words, self.key, self.key_words * 8) == 0:
            return number
        slot = (slot + 1) & (SLOTS - 1)
    if self.states == self.most:
        return NO_STATE
    number = self.states
    self.states += 1
    self.slots[slot] = number
    memcpy(self.keys + <size_t>number * self.key_words, self.key, self.key_words * 8)
    return number


cdef uint32_t _follow(Draft *self, const uint64_t *from_key, uint32_t octet_class) noexcept nogil:
    """The state after an octet of this class."""
    cdef const Automaton *automaton = self.automaton
    cdef uint32_t words = automaton.words
    cdef uint32_t place = <uint32_t>from_key[words] * KINDS + automaton.kinds[octet_class]
    cdef uint64_t found = automaton_found(automaton, from_key, place)
    cdef uint32_t pattern, word
    automaton_step(automaton, from_key, self.key, place, octet_class)
    self.key[words] = automaton.kinds[octet_class]
    found |= automaton_arrived(automaton, self.key)
    self.key[words + 1] = found
    if found and automaton.patterns == 1:
        memset(self.key, 0, (words + 1) * 8)
    elif found:
        for pattern in range(automaton.patterns):
            if found >> pattern & 1:
                for word in range(words):
                    self.key[word] &= ~automaton.owners[pattern * words + word]
    return _state(self)


cdef bint _explore(Draft *self) noexcept nogil:
    """Find all states and where they lead; False if there are too many, or too much to do."""
    cdef const Automaton *automaton = self.automaton
    cdef uint64_t *at_key
    cdef uint32_t number = 0, octet_class, then
    cdef uint64_t cost = 4 * automaton.words + 8
    for octet_class in range(automaton.moves):
        cost += automaton.move[octet_class].since.count + automaton.move[octet_class].into.count
    memset(self.key, 0, self.key_words * 8)
    self.key[automaton.words] = EDGE
    _state(self)
    while number < self.states:
        at_key = self.keys + <size_t>number * self.key_words
        if automaton.patterns == 1 and at_key[automaton.words + 1]:
            for octet_class in range(self.classes):
                self.next[<size_t>number * self.classes + octet_class] = number
            number += 1
            continue
        for octet_class in range(self.classes):
            then = _follow(self, at_key, octet_class)
            if then == NO_STATE:
                return False
            self.next[<size_t>number * self.classes + octet_class] = then
        self.ends[number] = automaton_found(automaton, at_key, <uint32_t>at_key[automaton.words] * KINDS + EDGE)
        self.work += cost * self.classes
        if self.work > MOST_WORK:
            return False
        number += 1
    return True


cdef inline uint64_t _reported(const Draft *self, uint32_t state) noexcept nogil:
    return self.keys[<size_t>state * self.key_words + self.key_words - 1]


cdef bint _alike(const Draft *self, const uint32_t *block, uint32_t one, uint32_t other) noexcept nogil:
    cdef const uint32_t *first = self.next + <size_t>one * self.classes
    cdef const uint32_t *second = self.next + <size_t>other * self.classes
    cdef uint32_t octet_class
    if block[one] != block[other]:
        return False
    for octet_class in range(self.classes):
        if block[first[octet_class]] != block[second[octet_class]]:
            return False
    return True


cdef uint32_t _refine(Draft *self, uint32_t *into, bint first) noexcept nogil:
    """Write to `into` a finer partition than `block`: by where the states lead, at `first` by what they report.

    A block is named by its first state. Returns the number of blocks.
    """
    cdef uint32_t state, slot, other, octet_class, blocks = 0
    cdef uint64_t hash
    memset(self.slots, 0xff, SLOTS * sizeof(uint32_t))
    for state in range(self.states):
        if first:
            hash = _mix(_mix(1, _reported(self, state)), self.ends[state])
        else:
            hash = _mix(1, self.block[state])
            for octet_class in range(self.classes):
                hash = _mix(hash, self.block[self.next[<size_t>state * self.classes + octet_class]])
        slot = <uint32_t>(hash >> 32) & (SLOTS - 1)
        while True:
            other = self.slots[slot]
            if other == NO_STATE:
                self.slots[slot] = into[state] = state
                blocks += 1
                break
            if (_reported(self, state) == _reported(self, other) and self.ends[state] == self.ends[other]
                    if first else _alike(self, self.block, state, other)):
                into[state] = other
                break
            slot = (slot + 1) & (SLOTS - 1)
    return blocks


cdef bint _minimise(Draft *self) noexcept nogil:
    """Leave in `block` which state stands for each; each for itself if that would be too much to do."""
    cdef uint32_t *into = <uint32_t *>malloc(self.states * sizeof(uint32_t))
    cdef uint32_t blocks, before = 0, state
    cdef uint64_t work = 0
    if into == NULL:
        return False
    blocks = _refine(self, self.block, True)
    while blocks != before and blocks < self.states:
        before = blocks
        work += <uint64_t>self.states * (self.classes + 4)
        if work > MOST_MENDING:
            blocks = self.states
            break
        blocks = _refine(self, into, False)
        memcpy(self.block, into, self.states * sizeof(uint32_t))
    if blocks >= self.states:
        for state in range(self.states):
            self.block[state] = state
    free(into)
    return True


# The rows of the table


cdef uint32_t _share(const uint8_t *holds) noexcept nogil:
    """Of 1000 octets of ordinary heads, how many are in a set, roughly."""
    cdef uint32_t octet, share, sum = 0
    for octet in range(33, 127):
        # e t a o, i n s r, the other letters, what stands between words, digits, the rest
        if octet == 101 or octet == 116 or octet == 97 or octet == 111:
            share = 60
        elif octet == 105 or octet == 110 or octet == 115 or octet == 114:
            share = 48
        elif 97 <= octet <= 122:
            share = 16
        elif 45 <= octet <= 47:
            share = 24
        elif 48 <= octet <= 57:
            share = 12
        else:
            share = 1
        sum += share if holds[octet] else 0
    return sum


cdef void _leaving(const Draft *self, uint32_t state, uint8_t *first, uint8_t *second) noexcept nogil:
    """Which octets lead away from a state, and which then do not lead back at once; 256 of each."""
    cdef const uint8_t *class_of = &self.automaton.class_of[0]
    cdef uint8_t away[256]
    cdef uint32_t octet, octet_class, other, then
    memset(away, 0, 256)
    for octet_class in range(self.classes):
        then = self.block[self.next[<size_t>state * self.classes + octet_class]]
        if then == state:
            continue
        for other in range(self.classes):
            # What has been found on the way must not be skipped.
            if _reported(self, then) or self.block[self.next[<size_t>then * self.classes + other]] != state:
                away[other] = 1
    for octet in range(256):
        first[octet] = self.block[self.next[<size_t>state * self.classes + class_of[octet]]] != state
        second[octet] = away[class_of[octet]]


cdef uint32_t _rank(const Draft *self, uint32_t state, Leave *leave, uint32_t *skips) noexcept nogil:
    """Which of the four kinds of rows this is; `skips` counts those of the third, and `leave` gets what they need."""
    cdef const uint32_t *next = self.next + <size_t>state * self.classes
    cdef Leave *own
    cdef uint32_t octet_class
    if _reported(self, state):
        return 1
    if self.ends[state] == 0:
        for octet_class in range(self.classes):
            if self.block[next[octet_class]] != state:
                break
        else:
            return 0
    if skips[0] == MOST_SKIPS or state >= SKIP_AMONG:
        return 3
    own = &leave[skips[0]]
    _leaving(self, state, own.first.holds, own.second.holds)
    if _share(own.first.holds) * _share(own.second.holds) >= SKIP_BELOW * 1000:
        return 3
    octet_set_prepare(&own.first)
    octet_set_prepare(&own.second)
    skips[0] += 1
    return 2


cdef uint32_t _found_number(States *self, uint32_t *count, uint64_t found) noexcept nogil:
    cdef uint32_t number
    for number in range(count[0]):
        if self.found[number] == found:
            return number
    self.found[count[0]] = found
    count[0] += 1
    return count[0] - 1


cdef void _fill_row(
    States *self, const Draft *draft, uint32_t state, const uint32_t *row, uint32_t *found
) noexcept nogil:
    cdef uint32_t *to = self.table + row[state]
    cdef uint32_t octet_class
    for octet_class in range(draft.classes):
        to[octet_class] = row[draft.block[draft.next[<size_t>state * draft.classes + octet_class]]]
    to[draft.classes] = _found_number(self, found, _reported(draft, state))
    to[draft.classes + 1] = _found_number(self, found, draft.ends[state])


cdef bint _fill(States *self, const Draft *draft, uint32_t *row, uint8_t *ranks) noexcept nogil:
    """Give each state that stands for others a row, in the order of ranks, and write the rows."""
    cdef uint32_t state, rank, skips = 0, at = 0, found = 1
    cdef uint32_t begin[5]
    for state in range(draft.states):
        ranks[state] = <uint8_t>_rank(draft, state, self.leave, &skips) if draft.block[state] == state else 255
    for rank in range(4):
        begin[rank] = at
        for state in range(draft.states):
            if ranks[state] == rank:
                row[state] = at
                at += self.columns
    begin[4] = at
    if at > MOST_ENTRIES:
        return False
    self.finding, self.skipping, self.rest, self.entries = begin[1], begin[2], begin[3], at
    self.start = row[draft.block[0]]
    self.table = <uint32_t *>malloc(at * sizeof(uint32_t))
    self.found = <uint64_t *>calloc(2 * <size_t>draft.states + 1, sizeof(uint64_t))
    if self.table == NULL or self.found == NULL:
        return False
    for state in range(draft.states):
        if ranks[state] != 255:
            _fill_row(self, draft, state, row, &found)
    return True


cdef States *_write(const Draft *draft) noexcept nogil:
    cdef States *self = <States *>calloc(1, sizeof(States))
    cdef uint32_t *row = <uint32_t *>calloc(draft.states, sizeof(uint32_t))
    cdef uint8_t *ranks = <uint8_t *>malloc(draft.states)
    cdef bint done = False
    if self != NULL and row != NULL and ranks != NULL:
        memcpy(self.class_of, draft.automaton.class_of, 256)
        self.columns = draft.classes + 2
        self.all = <uint64_t>0xffffffffffffffff >> (64 - draft.automaton.patterns)
        done = _fill(self, draft, row, ranks)
    free(row)
    free(ranks)
    if not done:
        states_free(self)
        return NULL
    return self


cdef States *states_new(const Automaton *automaton) noexcept nogil:
    """All states of an automaton, or NULL if they are too many, would take too long, or memory is short."""
    cdef Draft draft
    cdef States *made = NULL
    memset(&draft, 0, sizeof(Draft))
    draft.automaton = automaton
    draft.classes = automaton.classes
    draft.key_words = automaton.words + 2
    # As many states as have entries in the table; a smaller table may come of more, but that is not tried.
    draft.most = min(<uint32_t>MOST_STATES, <uint32_t>MOST_ENTRIES // (draft.classes + 2))
    draft.keys = <uint64_t *>malloc(<size_t>draft.most * draft.key_words * 8)
    draft.slots = <uint32_t *>malloc(SLOTS * sizeof(uint32_t))
    draft.next = <uint32_t *>malloc(<size_t>draft.most * draft.classes * sizeof(uint32_t))
    draft.ends = <uint64_t *>calloc(draft.most, sizeof(uint64_t))
    draft.block = <uint32_t *>malloc(draft.most * sizeof(uint32_t))
    draft.key = <uint64_t *>malloc(draft.key_words * 8)
    if (draft.keys != NULL and draft.slots != NULL and draft.next != NULL and draft.ends != NULL
            and draft.block != NULL and draft.key != NULL):
        memset(draft.slots, 0xff, SLOTS * sizeof(uint32_t))
        if _explore(&draft) and _minimise(&draft):
            made = _write(&draft)
    free(draft.keys)
    free(draft.slots)
    free(draft.next)
    free(draft.ends)
    free(draft.block)
    free(draft.key)
    return made


cdef void states_free(States *self) noexcept nogil:
    if self != NULL:
        free(self.table)
        free(self.found)
        free(self)


cdef size_t states_memory(const States *self) noexcept nogil:
    """Octets it takes up, about."""
    return sizeof(States) + self.entries * sizeof(uint32_t)


# Searching


cdef bint states_search(const States *self, const uint8_t *at, size_t length) noexcept nogil:
    """Does any pattern match somewhere in the value?"""
    cdef const uint8_t *end = at + length
    cdef const uint32_t *table = self.table
    cdef const uint8_t *class_of = &self.class_of[0]
    cdef const Leave *leave
    cdef size_t row = self.start
    while at < end:
        if row < self.rest:
            if row < self.skipping:
                return row >= self.finding
            leave = &self.leave[(row - self.skipping) // self.columns]
            at = octet_pair_find(&leave.first, &leave.second, at, end)
            if at == end:
                break
        # In this order of sums only the last depends on the octet before.
        row = (table + class_of[at[0]])[row]
        at += 1
    return self.finding <= row < self.skipping or table[row + self.columns - 1] != 0


cdef uint64_t states_search_all(const States *self, const uint8_t *at, size_t length) noexcept nogil:
    """Which patterns match somewhere in the value: a bit for each."""
    cdef const uint8_t *end = at + length
    cdef const uint32_t *table = self.table
    cdef const uint8_t *class_of = &self.class_of[0]
    cdef const Leave *leave
    cdef size_t row = self.start
    cdef uint64_t found = 0
    while at < end:
        if row < self.rest:
            if row < self.finding:
                return found
            if row < self.skipping:
                found |= self.found[table[row + self.columns - 2]]
                if found == self.all:
                    return found
            else:
                leave = &self.leave[(row - self.skipping) // self.columns]
                at = octet_pair_find(&leave.first, &leave.second, at, end)
                if at == end:
                    break
        # In this order of sums only the last depends on the octet before.
        row = (table + class_of[at[0]])[row]
        at += 1
    return found | self.found[table[row + self.columns - 2]] | self.found[table[row + self.columns - 1]]
