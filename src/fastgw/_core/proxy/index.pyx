"""Open addressing over rows that carry their own hash; copied as a whole, changed slot by slot.

What makes two rows equal is the reader's business: this room knows them by their addresses and hashes only.
"""
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy

cdef enum:
    _SMALLEST = 8


cdef bint index_open(Index *self, const Index *like, uint32_t count) noexcept nogil:
    """All rows of `like` (NULL: none), and room for `count` in all. False if there is no memory for it."""
    cdef uint64_t size = _SMALLEST
    cdef uint64_t at
    cdef bint same
    while size < 2 * <uint64_t>count:
        size *= 2
    same = like != NULL and size <= <uint64_t>like.mask + 1
    if same:
        size = <uint64_t>like.mask + 1
        self.slots = <const uint64_t **>malloc(size * sizeof(void *))
    else:
        self.slots = <const uint64_t **>calloc(size, sizeof(void *))
    if self.slots == NULL:
        return False
    self.mask = <uint32_t>(size - 1)
    self.count = 0
    if same:
        memcpy(self.slots, like.slots, size * sizeof(void *))
        self.count = like.count
    elif like != NULL:
        for at in range(<uint64_t>like.mask + 1):
            if like.slots[at] != NULL:
                index_put(self, like.slots[at])
    return True


cdef void index_close(Index *self) noexcept nogil:
    free(self.slots)
    self.slots = NULL
    self.count = 0


cdef void index_put(Index *self, const uint64_t *row) noexcept nogil:
    """Add a row. There is room: whoever opened the index said how many there will be."""
    cdef uint32_t at = <uint32_t>row[0] & self.mask
    while self.slots[at] != NULL:
        at = (at + 1) & self.mask
    self.slots[at] = row
    self.count += 1


cdef bint index_drop(Index *self, const uint64_t *row) noexcept nogil:
    """Take a row out; those behind it move up, so that no mark has to stay. False if it is not there."""
    cdef uint32_t hole = <uint32_t>row[0] & self.mask
    cdef uint32_t at, home
    while self.slots[hole] != row:
        if self.slots[hole] == NULL:
            return False
        hole = (hole + 1) & self.mask
    at = (hole + 1) & self.mask
    while self.slots[at] != NULL:
        home = <uint32_t>self.slots[at][0] & self.mask
        # It may move unless its home lies behind the hole.
        if ((at - home) & self.mask) >= ((at - hole) & self.mask):
            self.slots[hole] = self.slots[at]
            hole = at
        at = (at + 1) & self.mask
    self.slots[hole] = NULL
    self.count -= 1
    return True
