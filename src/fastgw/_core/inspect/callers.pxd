"""What a head shows of who calls: service tokens, signed tokens, a certificate; kept as digests only."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from fastgw._core.wire.fields cimport FieldSection

cdef enum:
    TOKENS_MOST = 4             # headers of one zone that may carry a signed token
    TOKEN_OCTETS = 8192         # of a signed token; a longer one is malformed
    PART_OCTETS = 512           # of a client id or a secret; longer ones are malformed

cpdef enum Pair:                # what became of the service token in a head
    PAIR_ABSENT = 0
    PAIR_SHOWN
    PAIR_HALF                   # one part only
    PAIR_TWICE                  # a part that is there twice
    PAIR_BOTH                   # in the two headers and in the one
    PAIR_MALFORMED

ctypedef struct HeaderName:
    const char *text            # lower case
    uint32_t length

ctypedef struct ClientIdentity:
    # The certificate that a client has shown on its connection.
    const uint8_t *der          # NULL: none
    uint32_t length
    uint8_t digest[32]          # SHA-256 of it
    bint trusted                # TLS found it good by what is demanded under the name that is called

ctypedef struct Shown:
    # A signed token. `text` is lent for as long as the head is; NULL in what is kept beyond.
    const uint8_t *text
    uint32_t length
    bint present
    bint malformed
    uint8_t digest[32]

ctypedef struct Caller:
    uint8_t pair                # Pair
    uint8_t client[32]          # SHA-256 of the client id; of PAIR_SHOWN
    uint8_t secret[32]
    Shown tokens[TOKENS_MOST]   # by their header's place
    bint certified              # it has shown a certificate that was found good
    uint8_t certificate[32]

ctypedef struct Look:
    # Where to look.
    const HeaderName *headers   # of signed tokens; `authorization` is read as a bearer's
    uint32_t header_count
    const HeaderName *pair      # that may carry both parts of a service token; NULL: none

cdef void caller_read(Caller *self, const Look *look, const FieldSection *section,
                      const ClientIdentity *who) noexcept nogil
cdef void caller_forget(Caller *self) noexcept nogil
cdef void caller_clean(const Look *look, const HeaderName *identity, FieldSection *section) noexcept nogil
cdef bint same_digest(const uint8_t *one, const uint8_t *other) noexcept nogil
