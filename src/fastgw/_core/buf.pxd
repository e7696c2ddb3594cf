"""Memory of one worker: blocks by size, growing octet buffers, chains of pieces, slots of one size."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef enum:
    BLOCK_CLASSES = 6       # 1 KiB, 4 KiB, 16 KiB, 64 KiB, 256 KiB, 1 MiB
    PIECE_SIZE = 4096       # octets of one piece of a chain, its header included

cdef struct FreeBlock:
    FreeBlock *next

ctypedef struct Memory:
    FreeBlock *free[BLOCK_CLASSES]
    uint32_t idle[BLOCK_CLASSES]   # blocks waiting in `free`
    uint64_t lent                  # octets handed out and not yet returned
    uint64_t blocks_lent           # the same, counted in blocks
    uint64_t beside                # octets that libraries hold for the worker, about

ctypedef struct Octets:
    # A growing buffer; holds no block while it is empty.
    Memory *memory
    uint8_t *data       # first octet not yet consumed
    uint32_t length     # octets held
    uint32_t room       # octets that still fit behind them
    uint8_t *block      # where the block begins
    uint32_t block_size

cdef struct Piece:
    Piece *next
    uint32_t start
    uint32_t end

ctypedef struct Chain:
    # Octets that wait, in pieces of PIECE_SIZE.
    Memory *memory
    Piece *first
    Piece *last
    uint64_t length

ctypedef struct Slots:
    # Zeroed structs of one size, reused.
    FreeBlock *free
    uint32_t size
    uint32_t live
    uint32_t idle

cdef void memory_open(Memory *self) noexcept nogil
cdef void memory_close(Memory *self) noexcept nogil
cdef uint8_t *block_take(Memory *self, uint32_t size, uint32_t *got) noexcept nogil
cdef void block_return(Memory *self, uint8_t *block, uint32_t size) noexcept nogil

cdef void octets_open(Octets *self, Memory *memory) noexcept nogil
cdef void octets_close(Octets *self) noexcept nogil
cdef bint octets_grow(Octets *self, uint32_t size) noexcept nogil
cdef bint octets_append(Octets *self, const uint8_t *data, uint32_t length) noexcept nogil
cdef void octets_consume(Octets *self, uint32_t length) noexcept nogil

cdef inline uint8_t *octets_reserve(Octets *self, uint32_t size) noexcept nogil:
    """Room for `size` more octets, or NULL if memory is out; follow with octets_commit."""
    if self.room < size and not octets_grow(self, size):
        return NULL
    return self.data + self.length

cdef inline void octets_commit(Octets *self, uint32_t length) noexcept nogil:
    self.length += length
    self.room -= length

cdef void chain_open(Chain *self, Memory *memory) noexcept nogil
cdef void chain_close(Chain *self) noexcept nogil
cdef bint chain_append(Chain *self, const uint8_t *data, uint64_t length) noexcept nogil
cdef bint chain_copy(Chain *self, const Chain *other) noexcept nogil
cdef void chain_read(Chain *self, uint8_t *into, uint64_t length) noexcept nogil

cdef void slots_open(Slots *self, uint32_t size) noexcept nogil
cdef void slots_close(Slots *self) noexcept nogil
cdef void *slots_take(Slots *self) noexcept nogil
cdef void slots_return(Slots *self, void *slot) noexcept nogil
