"""Which rules of a program hold for a request head.

The code of a phase is its rules in order; each step asks one thing and says where to go on. Steps lead forward, but
for the ends of a loop over an array, which lead back to its begin at most LIST_MOST times. So a phase takes at most
LIST_MOST times as many steps as it has, and each step looks at one value of the head, or one computed of it.
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memset

from fastgw._core.rules.run cimport (
    ALL,
    ANY,
    EACH,
    END,
    FLAG_CLEAR,
    FLAG_FLIP,
    FLAG_TEST,
    FLAGS_MOST,
    HITS_KEPT,
    INT_AND,
    INT_EQ,
    INT_IN,
    INT_NE,
    IP_EQ,
    IP_IN,
    IP_NE,
    IS,
    MATCH,
    MATCH_ENDS,
    NEXT_FALSE,
    NEXT_TRUE,
    NO_RULE,
    PRESENT,
    TEXT_CONTAINS,
    TEXT_ENDS,
    TEXT_EQ,
    TEXT_IN,
    TEXT_MATCHES,
    TEXT_NE,
    TEXT_STARTS,
    TEXT_WILDCARD,
    Loop,
    Matcher,
    Memo,
    Step,
    node_make,
    node_value,
)
from fastgw._core.rules.sets cimport (
    AddressSet,
    NumberSet,
    TextSet,
    address_set_has,
    number_set_has,
    text_set_has,
)
from fastgw._core.rules.values cimport (
    LIST,
    MISSING,
    NO_ROOM,
    TEXT,
    Value,
    address_compare,
    text_compare,
    text_find,
    text_pairs,
)
from fastgw._core.rules.wildcard cimport Wildcard, wildcard_fits


cdef uint64_t rules_memory(uint32_t node_count, uint32_t scratch_size) noexcept nogil:
    """Octets that rules_open needs for programs of up to so many nodes."""
    return <uint64_t>node_count * sizeof(Memo) + scratch_size + 8


cdef void rules_open(RuleRun *self, void *memory, uint64_t size, uint32_t node_count) noexcept nogil:
    """Divide the caller's memory: memos for `node_count` nodes, the rest is scratch. It stays the caller's."""
    memset(self, 0, sizeof(RuleRun))
    memset(memory, 0, node_count * sizeof(Memo))
    self.memos = <Memo *>memory
    self.memo_count = node_count
    self.scratch.block = <uint8_t *>memory + node_count * sizeof(Memo)
    self.scratch.size = <uint32_t>(size - node_count * sizeof(Memo))


cdef bint rules_begin(RuleRun *self, const RuleProgram *program, const RuleFacts *facts) noexcept nogil:
    """A new head. False: the memory is too small for this program, and nothing may be asked.

    What `facts` points to is lent until the next head.
    """
    if program.node_count > self.memo_count:
        return False
    self.program = program
    self.facts = facts
    self.scratch.used = 0
    self.generation += 1
    if self.generation == 0:
        memset(self.memos, 0, self.memo_count * sizeof(Memo))
        self.generation = 1
    return True


cdef inline bint _ordered(uint32_t from_eq, int order) noexcept nogil:
    """Does the order fit the operation, counted from EQ: eq, ne, lt, le, gt, ge?"""
    if from_eq == 0:
        return order == 0
    if from_eq == 1:
        return order != 0
    if from_eq == 2:
        return order < 0
    if from_eq == 3:
        return order <= 0
    if from_eq == 4:
        return order > 0
    return order >= 0


cdef bint _text_holds(const Step *step, const Value *value) noexcept nogil:
    cdef const Value *other = <const Value *>step.operand
    cdef const uint8_t *at = <const uint8_t *>value.at
    cdef const Matcher *matcher
    if step.operation == TEXT_CONTAINS:
        return text_find(at, value.length, <const uint8_t *>other.at, other.length)
    if step.operation == TEXT_ENDS:
        return (value.length >= other.length
                and memcmp(at + value.length - other.length, other.at, other.length) == 0)
    if step.operation == TEXT_IN:
        return text_set_has(<const TextSet *>step.operand, at, value.length)
    if step.operation == TEXT_WILDCARD:
        return wildcard_fits(<const Wildcard *>step.operand, at, value.length, NULL)
    if step.operation == TEXT_MATCHES:
        matcher = <const Matcher *>step.operand
        return matcher.search(matcher.regex, at, value.length)
    return _ordered(step.operation - <uint32_t>TEXT_EQ, text_compare(value, other))


cdef bint _number_holds(const Step *step, int64_t number) noexcept nogil:
    cdef int64_t other
    if step.operation == INT_IN:
        return number_set_has(<const NumberSet *>step.operand, number)
    other = (<const Value *>step.operand).number
    if step.operation == INT_AND:
        return number & other != 0
    return _ordered(step.operation - <uint32_t>INT_EQ, (number > other) - (number < other))


cdef bint _address_holds(const Step *step, const Value *value) noexcept nogil:
    """Addresses of two families have no order: they are not equal, and that is all."""
    cdef int order = 0
    if step.operation == IP_IN:
        return address_set_has(<const AddressSet *>step.operand, <const uint8_t *>value.at, value.family)
    if not address_compare(value, <const Value *>step.operand, &order):
        return step.operation == IP_NE
    return _ordered(step.operation - <uint32_t>IP_EQ, order)


cdef bint _holds(const Step *step, const Value *value) noexcept nogil:
    """Is the answer to a step yes? What is missing is not equal to anything, and nothing else is true of it."""
    cdef const Value *other = <const Value *>step.operand
    if value.kind <= NO_ROOM:
        return value.kind == MISSING and (step.operation == TEXT_NE or step.operation == INT_NE
                                          or step.operation == IP_NE)
    if step.operation == IS:
        return value.number != 0
    if step.operation == PRESENT:
        return True
    if step.operation == TEXT_STARTS:
        return value.length >= other.length and memcmp(value.at, other.at, other.length) == 0
    if step.operation <= TEXT_IN:
        return _text_holds(step, value)
    if step.operation <= INT_IN:
        return _number_holds(step, value.number)
    return _address_holds(step, value)


cdef inline bint _same(const Value *value, const Value *other) noexcept nogil:
    """Are two texts with tags equal?"""
    return (value.number == other.number and value.length == other.length
            and memcmp(value.at, other.at, other.length) == 0)


cdef inline bint _contains(const Step *step, Memo *memo) noexcept nogil:
    """The pairs of octets, made once per head, rule out most texts."""
    cdef const Value *other = <const Value *>step.operand
    if not memo.paired:
        memo.pairs = text_pairs(<const uint8_t *>memo.value.at, memo.value.length)
        memo.paired = True
    return (step.pairs & ~memo.pairs == 0
            and text_find(<const uint8_t *>memo.value.at, memo.value.length, <const uint8_t *>other.at, other.length))


cdef inline bint _starts(const Value *value, const Value *other) noexcept nogil:
    if value.length < other.length or other.length == 0:
        return other.length == 0
    return ((<const uint8_t *>value.at)[other.length - 1] == (<const uint8_t *>other.at)[other.length - 1]
            and memcmp(value.at, other.at, other.length) == 0)


cdef inline bint _memo_holds(const Step *step, Memo *memo) noexcept nogil:
    """The same for a node's own value of the wanted kind: what is asked most is answered here."""
    cdef const Value *value = &memo.value
    cdef const Value *other = <const Value *>step.operand
    cdef uint32_t operation = step.operation
    if operation == TEXT_EQ:
        return _same(value, other)
    elif operation == TEXT_NE:
        return not _same(value, other)
    elif operation == TEXT_CONTAINS:
        return _contains(step, memo)
    elif operation == TEXT_STARTS:
        return _starts(value, other)
    elif operation == TEXT_IN:
        return text_set_has(<const TextSet *>step.operand, <const uint8_t *>value.at, value.length)
    elif operation == IS:
        return value.number != 0
    elif operation == INT_EQ:
        return value.number == other.number
    elif operation == INT_IN:
        return number_set_has(<const NumberSet *>step.operand, value.number)
    elif operation == IP_IN:
        return address_set_has(<const AddressSet *>step.operand, <const uint8_t *>value.at, value.family)
    return _holds(step, value)


cdef inline bint _each_holds(const Step *step, const Value *value) noexcept nogil:
    """The same for an element, whose text has no tag."""
    cdef const Value *other = <const Value *>step.operand
    if step.operation == TEXT_EQ and value.kind == TEXT:
        return value.length == other.length and memcmp(value.at, other.at, other.length) == 0
    return _holds(step, value)


cdef const Step *_control(RuleRun *self, const Step *step, uint8_t *flags, uint32_t *at,
                          uint32_t *count) noexcept nogil:
    """The next step after one that asks no value: flags, and loops over the elements of arrays."""
    cdef const Step *code = self.program.code
    cdef bint answer = True
    cdef bint missing
    if step.operation == FLAG_CLEAR:
        flags[step.number] = 0
    elif step.operation == FLAG_FLIP:
        flags[step.number] ^= 1
    elif step.operation == FLAG_TEST:
        answer = flags[step.number] != 0
    elif step.operation == ANY or step.operation == ALL:
        # The body is the next step.
        at[0] = 0
        count[0] = _loop_length(self, <const Loop *>step.operand, &missing)
        if count[0] > 0:
            return step + 1
        answer = step.operation == ALL and not missing
    elif step.operation == NEXT_TRUE or step.operation == NEXT_FALSE:
        # An end of the body: of ANY the first yes and of ALL the first no decides, or the last element.
        answer = step.operation == NEXT_TRUE
        at[0] += 1
        if at[0] < count[0] and answer == (code[step.number].operation == ALL):
            return &code[step.number + 1]
    return &code[step.then if answer else step.otherwise]


cdef uint32_t _loop_length(RuleRun *self, const Loop *loop, bint *missing) noexcept nogil:
    """Elements that all the arrays of a loop have."""
    cdef uint32_t at
    cdef uint32_t length = 0xffffffff
    cdef const Value *value
    missing[0] = False
    for at in range(loop.count):
        value = node_value(self, loop.nodes[at])
        if value.kind != LIST:
            missing[0] = True
            return 0
        length = min(length, value.length)
    return length


cdef const Step *rules_next(RuleRun *self, const Step *step) noexcept nogil:
    """Go on from `step` to the next rule that holds: its MATCH, whose `number` is the rule; NULL: there is none.

    rules_begin was called for this head. The first step of a phase is rules_phase, the one behind a MATCH rules_after.
    """
    cdef const Step *code = self.program.code
    cdef Memo *memo
    cdef uint32_t generation = self.generation
    cdef uint64_t steps = 0
    cdef uint32_t at = 0
    cdef uint32_t count = 0
    cdef bint answer
    cdef uint8_t flags[FLAGS_MOST]
    while True:
        steps += 1
        if step.operation >= IS:
            memo = &self.memos[step.node]
            if memo.generation != generation:
                node_make(self, step.node)
            if memo.value.kind == step.wanted:
                answer = _memo_holds(step, memo)
            elif step.wanted == EACH:
                answer = _each_holds(step, &(<const Value *>memo.value.at)[at])
            elif memo.value.kind == MISSING:
                answer = step.operation == TEXT_NE or step.operation == INT_NE or step.operation == IP_NE
            else:
                answer = _holds(step, &memo.value)
            step = &code[step.then if answer else step.otherwise]
        elif step.operation == MATCH:
            break
        elif step.operation == END:
            step = NULL
            break
        else:
            step = _control(self, step, flags, &at, &count)
    self.steps += steps
    return step


cdef uint32_t rules_decide(RuleRun *self, uint32_t phase, uint64_t *hits, RuleOutcome *outcome) noexcept nogil:
    """Ask the rules of a phase in order, until one ends it. Returns that rule, or NO_RULE.

    `hits` has a counter for each rule of the program, or is NULL; `outcome` is written anew.
    """
    cdef const Step *step = rules_next(self, rules_phase(self, phase))
    outcome.ended_by = NO_RULE
    outcome.hit_count = 0
    while step != NULL:
        if hits != NULL:
            hits[step.number] += 1
        if <size_t>step.operand == MATCH_ENDS:
            outcome.ended_by = step.number
            break
        if outcome.hit_count < HITS_KEPT:
            outcome.hits[outcome.hit_count] = step.number
        outcome.hit_count += 1
        step = rules_next(self, rules_after(self, step))
    return outcome.ended_by
