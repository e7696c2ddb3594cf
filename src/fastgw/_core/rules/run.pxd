"""A loaded image, and one worker's asking of it: what stands where, without what is done with it."""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from fastgw._core.rules.facts cimport RuleFacts
from fastgw._core.rules.sets cimport AddressSet, NumberSet, TextSet
from fastgw._core.rules.values cimport Scratch, Value
from fastgw._core.rules.wildcard cimport Wildcard

cdef enum:
    NO_RULE = 0xffffffff
    HITS_KEPT = 16          # rules that held without ending the phase and are named in the outcome
    FLAGS_MOST = 160        # nested xor; nesting ends before
    MATCH_ENDS = 1
    EACH = 0xff

cpdef enum Operation:
    # In the order of OPERATIONS in the compiler's image.
    GOTO = 0
    MATCH, END, FLAG_CLEAR, FLAG_FLIP, FLAG_TEST, ANY, ALL, NEXT_TRUE
    NEXT_FALSE, IS, PRESENT
    TEXT_EQ, TEXT_NE, TEXT_LT, TEXT_LE, TEXT_GT, TEXT_GE, TEXT_CONTAINS, TEXT_STARTS, TEXT_ENDS
    TEXT_WILDCARD, TEXT_MATCHES, TEXT_IN
    INT_EQ, INT_NE, INT_LT, INT_LE, INT_GT, INT_GE, INT_AND, INT_IN
    IP_EQ, IP_NE, IP_LT, IP_LE, IP_GT, IP_GE, IP_IN

cpdef enum NodeKind:
    # In the order of NODES in the compiler's image.
    NODE_FIELD = 0
    NODE_KEYED, NODE_GROUPED, NODE_ITEM, NODE_EACH_ITEM, NODE_EACH_ALL, NODE_CALL, NODE_MAPPED, NODE_TEXT, NODE_INT
    NODE_IP

ctypedef bint (*Search)(const void *regex, const uint8_t *at, size_t length) noexcept nogil

ctypedef struct Matcher:
    # A regular expression: tables that somebody else built, and how they are searched.
    Search search
    const void *regex

ctypedef struct Node:
    uint8_t kind            # NodeKind
    uint8_t what            # Source of a field, function of a call
    uint8_t empty           # ValueKind of the empty value a field has when it is not known; MISSING: it misses
    uint8_t type            # ValueKind
    uint32_t number         # the fact, the index, the argument's count
    const Value *constant   # name of a header, key of a map; value of a constant
    const uint32_t *arguments   # nodes

ctypedef struct Step:
    uint8_t operation       # Operation
    uint8_t wanted          # ValueKind that the operation is about; EACH: of the element the loop is at
    uint16_t node
    uint32_t then           # where to go on if it holds
    uint32_t otherwise      # and if it does not
    uint32_t number         # rule, flag, loop
    const void *operand     # Value, TextSet, NumberSet, AddressSet, Wildcard, Matcher, Loop
    uint64_t pairs          # TEXT_CONTAINS: text_pairs of the operand

ctypedef struct Loop:
    uint32_t count
    const uint32_t *nodes

ctypedef struct RuleProgram:
    # Frozen: many workers read it at once.
    Step *code
    Node *nodes
    uint32_t *phases        # where each begins
    Value *constants        # texts, integers, addresses: all that steps and nodes point to
    TextSet *text_sets
    NumberSet *number_sets
    AddressSet *address_sets
    Wildcard *wildcards
    Matcher *matchers
    Loop *loops
    uint32_t *numbers       # of the nodes' arguments and of the loops
    uint32_t *values        # nodes of the values that are asked for by themselves
    uint64_t texts          # facts that its nodes ask for: bit N is the Nth text
    uint64_t integers       # and the Nth number
    uint64_t sources        # where else they look: bit N is Source N
    uint32_t value_count
    uint32_t step_count
    uint32_t node_count
    uint32_t phase_count
    uint32_t rule_count
    uint32_t text_set_count
    uint32_t number_set_count
    uint32_t address_set_count

ctypedef struct Memo:
    Value value
    uint32_t generation     # of the run, when it was made
    bint paired             # `pairs` is made
    uint64_t pairs          # text_pairs of it

ctypedef struct RuleRun:
    # One worker's memory for asking; the head it is about changes with rules_begin.
    const RuleProgram *program
    const RuleFacts *facts
    Memo *memos             # one for each node
    uint32_t memo_count
    uint32_t generation     # of this head
    Scratch scratch
    uint64_t steps          # done so far, of all heads
    uint64_t exhausted      # values that were not made because the scratch arena was full, of all heads

ctypedef struct RuleOutcome:
    uint32_t ended_by       # the rule that ended the phase, or NO_RULE
    uint32_t hit_count      # rules that held and did not end it
    uint32_t hits[HITS_KEPT]    # the first of them

cdef const Value *node_make(RuleRun *self, uint32_t number) noexcept nogil
cdef bint rules_value_text(RuleRun *self, uint32_t number, Value *into) noexcept nogil

cdef inline const Value *node_value(RuleRun *self, uint32_t number) noexcept nogil:
    """The value of a node for this head, made when it is first asked for."""
    if self.memos[number].generation == self.generation:
        return &self.memos[number].value
    return node_make(self, number)

cdef inline const Value *rules_value(RuleRun *self, uint32_t number) noexcept nogil:
    """A value that the program was compiled with by itself: text, integer, boolean, address, or a list of texts."""
    return node_value(self, self.program.values[number])
