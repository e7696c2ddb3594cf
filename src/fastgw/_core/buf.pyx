"""Memory of one worker: blocks by size, growing octet buffers, chains of pieces, slots of one size.

One worker owns one Memory and is the only thread that touches it: no lock. Blocks that come back are kept for the next
taker, a bounded number per size; the rest goes back to the system, so an idle worker is small.
"""
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memmove, memset

cdef enum:
    _SMALLEST = 1024
    _LARGEST = 1048576
    _SLOTS_IDLE_MAX = 4096

# How many blocks of each size wait for their next use: at most 4 MiB per size.
cdef uint32_t[BLOCK_CLASSES] _IDLE_MAX = [1024, 1024, 256, 64, 16, 4]


cdef void memory_open(Memory *self) noexcept nogil:
    memset(self, 0, sizeof(Memory))


cdef void memory_close(Memory *self) noexcept nogil:
    """Give every waiting block back to the system. Blocks that are lent stay their takers' business."""
    cdef int number
    cdef FreeBlock *block
    for number in range(BLOCK_CLASSES):
        while self.free[number] != NULL:
            block = self.free[number]
            self.free[number] = block.next
            free(block)
        self.idle[number] = 0


cdef inline int _class_of(uint32_t size) noexcept nogil:
    cdef int number = 0
    cdef uint32_t fits = _SMALLEST
    while fits < size:
        fits <<= 2
        number += 1
    return number


cdef uint8_t *block_take(Memory *self, uint32_t size, uint32_t *got) noexcept nogil:
    """A block of at least `size` octets, NULL if memory is out. `got` is its true size, to be given back with it."""
    cdef int number
    cdef FreeBlock *block
    if size > _LARGEST:
        got[0] = (size + _LARGEST - 1) // _LARGEST * _LARGEST
        block = <FreeBlock *>malloc(got[0])
    else:
        number = _class_of(size)
        got[0] = <uint32_t>_SMALLEST << (2 * number)
        block = self.free[number]
        if block != NULL:
            self.free[number] = block.next
            self.idle[number] -= 1
        else:
            block = <FreeBlock *>malloc(got[0])
    if block != NULL:
        self.lent += got[0]
        self.blocks_lent += 1
    return <uint8_t *>block


cdef void block_return(Memory *self, uint8_t *block, uint32_t size) noexcept nogil:
    cdef int number
    cdef FreeBlock *waiting = <FreeBlock *>block
    self.lent -= size
    self.blocks_lent -= 1
    if size <= _LARGEST:
        number = _class_of(size)
        if self.idle[number] < _IDLE_MAX[number]:
            waiting.next = self.free[number]
            self.free[number] = waiting
            self.idle[number] += 1
            return
    free(block)


cdef void octets_open(Octets *self, Memory *memory) noexcept nogil:
    memset(self, 0, sizeof(Octets))
    self.memory = memory


cdef void octets_close(Octets *self) noexcept nogil:
    """Forget what is held and give the block back; the buffer may be used again."""
    if self.block != NULL:
        block_return(self.memory, self.block, self.block_size)
    octets_open(self, self.memory)


cdef bint octets_grow(Octets *self, uint32_t size) noexcept nogil:
    """Make room for `size` more octets, by moving to the front of the block or into a larger one."""
    cdef uint32_t got
    cdef uint8_t *block
    cdef uint32_t used_up = 0 if self.block == NULL else <uint32_t>(self.data - self.block)
    if self.block != NULL and used_up >= self.block_size // 2 and self.room + used_up >= size:
        memmove(self.block, self.data, self.length)
    else:
        block = block_take(self.memory, self.length + size, &got)
        if block == NULL:
            return False
        if self.block != NULL:
            memcpy(block, self.data, self.length)
            block_return(self.memory, self.block, self.block_size)
        self.block = block
        self.block_size = got
    self.data = self.block
    self.room = self.block_size - self.length
    return True


cdef bint octets_append(Octets *self, const uint8_t *data, uint32_t length) noexcept nogil:
    cdef uint8_t *into
    if length == 0:
        return True         # an empty buffer has no block yet, and needs none
    into = octets_reserve(self, length)
    if into == NULL:
        return False
    memcpy(into, data, length)
    octets_commit(self, length)
    return True


cdef void octets_consume(Octets *self, uint32_t length) noexcept nogil:
    """Drop the first `length` octets; an empty buffer gives its block back."""
    self.data += length
    self.length -= length
    if self.length == 0:
        octets_close(self)


cdef inline uint8_t *_piece_octets(Piece *piece) noexcept nogil:
    return <uint8_t *>piece + sizeof(Piece)


cdef void chain_open(Chain *self, Memory *memory) noexcept nogil:
    memset(self, 0, sizeof(Chain))
    self.memory = memory


cdef void chain_close(Chain *self) noexcept nogil:
    cdef Piece *piece
    while self.first != NULL:
        piece = self.first
        self.first = piece.next
        block_return(self.memory, <uint8_t *>piece, PIECE_SIZE)
    self.last = NULL
    self.length = 0


cdef bint chain_append(Chain *self, const uint8_t *data, uint64_t length) noexcept nogil:
    """Copy `length` octets to the end; False if memory is out (what fitted before stays)."""
    cdef uint32_t got, step
    cdef Piece *piece
    while length > 0:
        piece = self.last
        if piece == NULL or piece.end == PIECE_SIZE - sizeof(Piece):
            piece = <Piece *>block_take(self.memory, PIECE_SIZE, &got)
            if piece == NULL:
                return False
            piece.next = NULL
            piece.start = piece.end = 0
            if self.last == NULL:
                self.first = piece
            else:
                self.last.next = piece
            self.last = piece
        step = <uint32_t>(PIECE_SIZE - sizeof(Piece)) - piece.end
        if step > length:
            step = <uint32_t>length
        memcpy(_piece_octets(piece) + piece.end, data, step)
        piece.end += step
        data += step
        length -= step
        self.length += step
    return True


cdef bint chain_copy(Chain *self, const Chain *other) noexcept nogil:
    """Append what `other` holds, which keeps it; False if memory is out (what fitted before stays)."""
    cdef Piece *piece = other.first
    while piece != NULL:
        if not chain_append(self, _piece_octets(piece) + piece.start, piece.end - piece.start):
            return False
        piece = piece.next
    return True


cdef void chain_read(Chain *self, uint8_t *into, uint64_t length) noexcept nogil:
    """Move the first `length` octets to `into`; at most self.length of them are there."""
    cdef uint32_t step
    cdef Piece *piece
    while length > 0:
        piece = self.first
        step = piece.end - piece.start
        if step > length:
            step = <uint32_t>length
        memcpy(into, _piece_octets(piece) + piece.start, step)
        piece.start += step
        into += step
        length -= step
        self.length -= step
        if piece.start == piece.end:
            self.first = piece.next
            if self.first == NULL:
                self.last = NULL
            block_return(self.memory, <uint8_t *>piece, PIECE_SIZE)


cdef void slots_open(Slots *self, uint32_t size) noexcept nogil:
    memset(self, 0, sizeof(Slots))
    self.size = size


cdef void slots_close(Slots *self) noexcept nogil:
    cdef FreeBlock *slot
    while self.free != NULL:
        slot = self.free
        self.free = slot.next
        free(slot)
    self.idle = 0


cdef void *slots_take(Slots *self) noexcept nogil:
    """A zeroed slot, NULL if memory is out."""
    cdef FreeBlock *slot = self.free
    if slot != NULL:
        self.free = slot.next
        self.idle -= 1
    else:
        slot = <FreeBlock *>malloc(self.size)
        if slot == NULL:
            return NULL
    memset(slot, 0, self.size)
    self.live += 1
    return slot


cdef void slots_return(Slots *self, void *slot) noexcept nogil:
    cdef FreeBlock *waiting = <FreeBlock *>slot
    self.live -= 1
    if self.idle >= _SLOTS_IDLE_MAX:
        free(slot)
        return
    waiting.next = self.free
    self.free = waiting
    self.idle += 1
