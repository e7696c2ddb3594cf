"""Where addresses are: databases in the MaxMind DB format, walked in memory."""
from libc.stdint cimport INT64_MIN, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef enum:
    PLACES_MOST = 4             # databases
    PLACE_TEXTS = 12            # of a place, in the order of `ip.src.*` in the catalogue of fields; the first: country
    NOWHERE = 0xffffffff

ctypedef struct PlaceRow:
    # One place of a database; what it does not say is 0, but for the numbers.
    uint32_t texts[PLACE_TEXTS]     # where in the arena each begins: an octet of length, then the text
    int64_t asnum                   # INT64_MIN: not known
    int64_t in_union                # likewise; 0 or 1

ctypedef struct PlaceTree:
    # One database: a binary tree over the bits of addresses, and the rows its leaves lead to.
    const uint8_t *tree
    uint32_t nodes
    uint32_t record_bits        # 24, 28 or 32
    uint32_t v4_node            # where IPv4 begins, NOWHERE: the leaf is `v4_leaf`
    uint32_t v4_leaf
    bint v6
    uint32_t count
    uint32_t *leaves            # sorted
    PlaceRow *rows              # of each leaf

ctypedef struct PlacesData:
    uint64_t number             # no other has the same
    uint32_t count
    PlaceTree trees[PLACES_MOST]
    const uint8_t *arena

ctypedef struct Place:
    # What the databases say of one address, good as long as they are.
    const PlaceRow *rows[PLACES_MOST]   # NULL: this one says nothing

cdef void places_find(const PlacesData *self, const uint8_t *address, uint32_t octets, Place *into) noexcept nogil
cdef const uint8_t *place_text(const PlacesData *self, const Place *place, uint32_t number,
                               uint32_t *length) noexcept nogil
cdef int64_t place_asnum(const PlacesData *self, const Place *place) noexcept nogil
cdef int64_t place_in_union(const PlacesData *self, const Place *place) noexcept nogil
cdef uint16_t places_country(const PlacesData *self, const uint8_t *address, uint32_t octets) noexcept nogil

cdef class Places:
    cdef PlacesData data
    cdef bytes arena
    cdef tuple trees            # what `data` points into
    cdef size_t size

    cdef int _take(self, PlaceTree *into, tuple one, dict known, bytearray arena) except -1
