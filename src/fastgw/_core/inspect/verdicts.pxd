"""What Python has found out about tokens and certificates, and what origins are told: read without a lock."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef enum:
    KEY_SIZE = 32               # SHA-256
    FACTS_MOST = 1024           # things that the policies of one zone may ask of tokens and certificates
    FACT_WORDS = 16             # of 64 bits, one for each of them
    ASSERTION_WORDS = 255       # of 8 octets: what an origin is told, at most
    ASSERTION_MOST = 2040
    VERDICTS = 16384            # tokens and certificates found good that are remembered
    REFUSALS = 4096             # those found bad
    ASSERTIONS = 4096           # texts for origins

cpdef enum Flaw:                # why a token or a certificate does not count
    FLAWLESS = 0
    MALFORMED
    UNKNOWN_ISSUER
    UNKNOWN_KEY
    WRONG_ALGORITHM
    WRONG_SIGNATURE
    WRONG_AUDIENCE
    EXPIRED
    NOT_YET_GOOD
    NO_KEYS
    NOT_TRUSTED
    REVOKED
    FLAW_COUNT

ctypedef struct Judged:
    # Of a token or a certificate.
    uint64_t expires_ms         # wall clock; 0: for ever
    uint64_t flaw               # Flaw
    uint64_t facts[FACT_WORDS]  # which things that are asked hold

ctypedef struct Shelf:
    # Slots in sets of four. A slot is its sequence (odd while it is written), key, end, length, and words of content.
    uint64_t *slots             # NULL: nothing has been put there yet
    uint32_t sets               # a power of two
    uint32_t stride             # words of a slot

ctypedef struct VaultData:
    Shelf verdicts
    Shelf refusals
    Shelf assertions

cdef bint vault_verdict(const VaultData *self, const uint8_t *key, uint64_t now_ms, Judged *into) noexcept nogil
cdef uint32_t vault_assertion(const VaultData *self, const uint8_t *key, uint64_t now_ms,
                              uint8_t *into) noexcept nogil
cdef const char *flaw_text(uint64_t flaw) noexcept nogil

cdef class Vault:
    cdef VaultData data
    cdef uint64_t tables        # that look things up here, so far
    cdef readonly uint64_t evicted  # entries that were still good and had to go for others

    cdef int _put(self, Shelf *shelf, bytes key, uint64_t now_ms, uint64_t until_ms, const uint64_t *content,
                  uint64_t length) except -1
