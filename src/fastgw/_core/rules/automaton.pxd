"""The positions of a regular expression, moved along a value as sets of bits: linear, and small for any pattern."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t


cdef extern from "octet_set.h" nogil:
    ctypedef struct OctetSet:
        uint8_t holds[256]
        bint by_vector
    void octet_set_prepare(OctetSet *set)
    const uint8_t *octet_set_find(const OctetSet *set, const uint8_t *at, const uint8_t *end)
    const uint8_t *octet_pair_find(
        const OctetSet *first, const OctetSet *second, const uint8_t *at, const uint8_t *end)

cdef enum:
    EDGE = 0             # the kind of neighbour that no octet is: before the first, after the last
    KINDS = 5
    MOST_WORDS = 64      # of a pattern that is searched without a table of states
    MOST_PATTERNS = 64   # that are searched together
    MOST_WORDS_TOGETHER = 256

ctypedef struct Span:
    # A set of positions of which only some words are not 0.
    const uint64_t *words   # `count` of them
    uint16_t first          # number of the first
    uint16_t count

ctypedef struct Move:
    uint32_t where     # a bit for each kind of place where it holds
    Span since         # from any of these
    Span into          # to all of these

ctypedef struct Last:
    uint32_t where     # 0xffffffff: anywhere
    uint32_t pattern
    Span among         # count 0: the pattern is empty there

ctypedef struct Automaton:
    uint8_t class_of[256]
    uint8_t kinds[256]       # kind of neighbour, by class
    uint32_t classes
    uint32_t words           # 64 positions each
    uint32_t patterns
    const uint64_t *reach    # `words` for each class
    const uint64_t *next     # positions that lead to the one behind
    const uint64_t *same     # positions that lead to themselves
    const uint64_t *owners   # `words` for each pattern
    uint32_t firsts          # moves without a beginning come first
    uint32_t moves
    Move *move
    uint32_t lasts
    Last *last
    bint restarts            # something may begin behind the first octet
    bint waits               # nothing can be found while no position is held
    OctetSet leads           # octets by which something may begin
    uint64_t *sets           # owned: all the words above

cdef Automaton *automaton_new(object tables) except NULL
cdef void automaton_free(Automaton *self) noexcept nogil
cdef size_t automaton_memory(const Automaton *self) noexcept nogil
# one octet further
cdef void automaton_step(
    const Automaton *self, const uint64_t *held, uint64_t *then, uint32_t place, uint32_t octet_class
) noexcept nogil
cdef uint64_t automaton_arrived(const Automaton *self, const uint64_t *held) noexcept nogil
cdef uint64_t automaton_found(const Automaton *self, const uint64_t *held, uint32_t place) noexcept nogil
# a whole value
cdef bint automaton_search(const Automaton *self, const uint8_t *at, size_t length) noexcept nogil
