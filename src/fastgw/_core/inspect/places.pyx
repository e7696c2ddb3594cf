"""Where addresses are: databases in the MaxMind DB format (version 2.0), walked in memory.

A look-up walks one bit of the address after the other, at most 128, and then finds the row that the leaf stands for.
What the leaves say is decoded once, in Python, when a database is read. Nodes are checked against the size of the tree
in every step: a damaged file says wrong things, or nothing.
"""
cimport cython
from libc.stdint cimport INT64_MIN, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

cdef uint64_t _numbered = 0


cdef inline uint32_t _record(const PlaceTree *self, uint32_t node, uint32_t bit) noexcept nogil:
    """One side of a node."""
    cdef const uint8_t *at = self.tree + <size_t>node * (self.record_bits // 4)
    if self.record_bits == 24:
        at += 3 * bit
        return <uint32_t>at[0] << 16 | <uint32_t>at[1] << 8 | at[2]
    if self.record_bits == 28:
        if bit == 0:
            return <uint32_t>(at[3] >> 4) << 24 | <uint32_t>at[0] << 16 | <uint32_t>at[1] << 8 | at[2]
        return <uint32_t>(at[3] & 15) << 24 | <uint32_t>at[4] << 16 | <uint32_t>at[5] << 8 | at[6]
    at += 4 * bit
    return <uint32_t>at[0] << 24 | <uint32_t>at[1] << 16 | <uint32_t>at[2] << 8 | at[3]


cdef uint32_t _walk(const PlaceTree *self, uint32_t node, const uint8_t *address, uint32_t bits) noexcept nogil:
    """The node or leaf that so many bits lead to."""
    cdef uint32_t at = 0
    while at < bits and node < self.nodes:
        node = _record(self, node, (address[at >> 3] >> (7 - (at & 7))) & 1)
        at += 1
    return node


cdef const PlaceRow *_row(const PlaceTree *self, uint32_t leaf) noexcept nogil:
    """The row of a leaf; NULL: it says nothing."""
    cdef uint32_t low = 0
    cdef uint32_t count = self.count
    cdef uint32_t half
    if count == 0:
        return NULL
    while count > 1:
        half = count >> 1
        low += half if self.leaves[low + half] <= leaf else 0
        count -= half
    return &self.rows[low] if self.leaves[low] == leaf else NULL


cdef const PlaceRow *_find(const PlaceTree *self, const uint8_t *address, uint32_t octets) noexcept nogil:
    if octets == 4:
        if self.v4_node == <uint32_t>NOWHERE:
            return _row(self, self.v4_leaf)
        return _row(self, _walk(self, self.v4_node, address, 32))
    if octets != 16 or not self.v6:
        return NULL
    return _row(self, _walk(self, 0, address, 128))


cdef void places_find(const PlacesData *self, const uint8_t *address, uint32_t octets, Place *into) noexcept nogil:
    """What all databases say of an address of 4 or 16 octets."""
    cdef uint32_t number
    memset(into, 0, sizeof(Place))
    for number in range(self.count):
        into.rows[number] = _find(&self.trees[number], address, octets)


cdef const uint8_t *place_text(const PlacesData *self, const Place *place, uint32_t number,
                               uint32_t *length) noexcept nogil:
    """One text of it, from the first database that knows it; NULL: none does."""
    cdef uint32_t tree
    cdef const uint8_t *at
    for tree in range(self.count):
        if place.rows[tree] != NULL and place.rows[tree].texts[number] != 0:
            at = self.arena + place.rows[tree].texts[number]
            length[0] = at[0]
            return at + 1
    return NULL


cdef int64_t place_asnum(const PlacesData *self, const Place *place) noexcept nogil:
    """Number of the network; INT64_MIN: not known."""
    cdef uint32_t tree
    for tree in range(self.count):
        if place.rows[tree] != NULL and place.rows[tree].asnum != INT64_MIN:
            return place.rows[tree].asnum
    return INT64_MIN


cdef int64_t place_in_union(const PlacesData *self, const Place *place) noexcept nogil:
    """1: in the European Union, 0: not; INT64_MIN: not known."""
    cdef uint32_t tree
    for tree in range(self.count):
        if place.rows[tree] != NULL and place.rows[tree].in_union != INT64_MIN:
            return place.rows[tree].in_union
    return INT64_MIN


cdef uint16_t places_country(const PlacesData *self, const uint8_t *address, uint32_t octets) noexcept nogil:
    """The two letters of the country, the first one in the high octet; 0: not known. `self` may be NULL."""
    cdef Place place
    cdef uint32_t length = 0
    cdef const uint8_t *text
    if self == NULL or octets == 0:
        return 0
    places_find(self, address, octets, &place)
    text = place_text(self, &place, 0, &length)
    return 0 if text == NULL or length != 2 else <uint16_t>(text[0] << 8 | text[1])


def leaves_of(bytes tree not None, uint32_t nodes, uint32_t record_bits):
    """All leaves of a tree of so many nodes, sorted: what its records lead to beyond the nodes. Raise ValueError."""
    cdef PlaceTree self
    cdef uint32_t node, leaf
    cdef set found = set()
    if record_bits not in (24, 28, 32) or len(tree) < <size_t>nodes * (record_bits // 4):
        raise ValueError("the tree is larger than the file")
    self.tree = tree
    self.record_bits = record_bits
    for node in range(nodes):
        leaf = _record(&self, node, 0)
        if leaf > nodes:
            found.add(leaf)
        leaf = _record(&self, node, 1)
        if leaf > nodes:
            found.add(leaf)
    return sorted(found)


@cython.final
@cython.no_gc_clear
cdef class Places:
    """Databases, frozen. Each tree is (octets, nodes, record_bits, ip_version, leaves, rows).

    A row is PLACE_TEXTS texts, "" where nothing is known, the number of the network and whether it is in the European
    Union, None where that is not known. Of several databases the first that knows something is believed.
    """

    def __cinit__(self, trees):
        global _numbered
        cdef dict known = {"": 0}
        cdef bytearray arena = bytearray(1)
        cdef uint32_t number = 0
        self.trees = tuple(trees)
        if len(self.trees) > PLACES_MOST:
            raise ValueError(f"at most {PLACES_MOST} databases")
        for one in self.trees:
            self._take(&self.data.trees[number], one, known, arena)
            number += 1
            self.data.count = number
        self.arena = bytes(arena)
        self.data.arena = self.arena
        self.size += len(arena)
        _numbered += 1
        self.data.number = _numbered

    cdef int _take(self, PlaceTree *into, tuple one, dict known, bytearray arena) except -1:
        cdef bytes tree = one[0]
        cdef uint32_t at = 0
        cdef uint32_t text, leaf
        cdef uint8_t *zeros = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        leaves, rows = one[4], one[5]
        into.nodes, into.record_bits, into.v6 = one[1], one[2], one[3] == 6
        if into.record_bits not in (24, 28, 32) or len(tree) < <size_t>into.nodes * (into.record_bits // 4):
            raise ValueError("the tree is larger than the file")
        into.tree = tree
        leaf = _walk(into, 0, zeros, 96) if into.v6 else 0
        into.v4_node = leaf if leaf < into.nodes else <uint32_t>NOWHERE
        into.v4_leaf = leaf
        into.leaves = <uint32_t *>calloc(len(leaves) + 1, sizeof(uint32_t))
        into.rows = <PlaceRow *>calloc(len(leaves) + 1, sizeof(PlaceRow))
        if into.leaves == NULL or into.rows == NULL:
            raise MemoryError
        for leaf, row in zip(leaves, rows, strict=True):
            into.leaves[at] = leaf
            for text in range(PLACE_TEXTS):
                into.rows[at].texts[text] = _keep(row[text], known, arena)
            into.rows[at].asnum = INT64_MIN if row[PLACE_TEXTS] is None else row[PLACE_TEXTS]
            into.rows[at].in_union = INT64_MIN if row[PLACE_TEXTS + 1] is None else row[PLACE_TEXTS + 1]
            at += 1
        into.count = at
        self.size += len(tree) + at * (sizeof(uint32_t) + sizeof(PlaceRow))

    def __dealloc__(self):
        cdef uint32_t number
        for number in range(PLACES_MOST):
            free(self.data.trees[number].leaves)
            free(self.data.trees[number].rows)

    @property
    def octets(self):
        """Memory that it takes."""
        return self.size

    def find(self, bytes address not None):
        """What is said of an address of 4 or 16 octets: texts, number of the network, is it in the Union?"""
        cdef Place place
        cdef uint32_t length = 0
        cdef const uint8_t *text
        places_find(&self.data, address, <uint32_t>len(address), &place)
        found = []
        for number in range(PLACE_TEXTS):
            text = place_text(&self.data, &place, number, &length)
            found.append(None if text == NULL else (<const char *>text)[:length].decode())
        asnum, inside = place_asnum(&self.data, &place), place_in_union(&self.data, &place)
        return (*found, None if asnum == INT64_MIN else asnum, None if inside == INT64_MIN else bool(inside))

    def country(self, bytes address not None):
        """The two letters as a number, as policies about callers compare them; 0: not known."""
        return places_country(&self.data, address, <uint32_t>len(address))


cdef uint32_t _keep(text, dict known, bytearray arena) except *:
    """Where in the arena this text is; once for all that have it. What is too long for it is left out."""
    octets = text.encode()
    if len(octets) > 255:
        return 0
    at = known.get(text)
    if at is None:
        at = known[text] = len(arena)
        arena.append(len(octets))
        arena += octets
    return at
