"""The policies of a zone in numbers: made with the GIL, afterwards only read."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from fastgw._core.inspect.callers cimport HeaderName, Look
from fastgw._core.inspect.verdicts cimport Vault, VaultData
from fastgw._core.rules.sets cimport AddressSet

cdef enum KeyOf:                # what a verdict is about
    OF_CREDENTIAL = 1
    OF_ASSERTION

cpdef enum AskedKind:
    EVERYONE = 0
    NETWORK
    SERVICE_TOKEN               # one of these
    ANY_SERVICE_TOKEN
    TOKEN_FACT                  # something that is known of a signed token once it is judged
    CERTIFICATE_FACT
    COUNTRY                     # the client is in one of these: two letters, the first in the high octet
    NEVER                       # nothing fits

cpdef enum PolicyDecision:
    ALLOW = 0
    DENY
    BYPASS
    SERVICE_AUTH

ctypedef struct AskedRow:
    uint8_t kind                # AskedKind
    uint16_t fact
    uint32_t count              # of `tokens`
    const uint32_t *tokens      # numbers, rising
    AddressSet networks

ctypedef struct PolicyRow:
    uint8_t decision            # PolicyDecision
    const char *name
    uint32_t included           # things asked, of each kind
    uint32_t required
    uint32_t excluded
    const AskedRow *asked       # these, behind each other

ctypedef struct ApplicationRow:
    # The most special ones stand first.
    const char *name
    const char *host            # NULL: all; with `wildcard`: what is below it
    uint32_t host_length
    bint wildcard
    const char *path
    uint32_t path_length
    bint begins                 # whatever begins so
    bint asks_identity          # showing who one is may help
    uint32_t audience           # equal numbers: the same audience is told of an identity
    uint32_t count
    const PolicyRow *policies

ctypedef struct TokenRow:
    uint8_t client[32]          # SHA-256 of the client id
    uint8_t secret[32]
    uint8_t previous[32]
    bint enabled
    uint64_t expires_ms         # 0: never
    uint64_t previous_until_ms  # 0: there is no previous secret
    uint32_t next               # in its bucket; 0xffffffff: none

ctypedef struct AccessRow:
    # One zone's.
    const char *zone            # its name
    const ApplicationRow *applications
    uint32_t application_count
    uint32_t token_count
    uint32_t mask               # of buckets
    const uint32_t *buckets     # first token by the last word of the hash of its client id
    const TokenRow *tokens
    Look look
    HeaderName identity         # header for the origin; text NULL: it is not told
    uint64_t number             # no other table has it, ever
    const uint64_t *epoch       # changes when verdicts made so far are void; read atomically
    const VaultData *vault
    bint bypass                 # gRPC is not judged
    bint recheck

cdef void access_key(const AccessRow *row, KeyOf kind, uint8_t place, const uint8_t *digest,
                     uint8_t *into) noexcept nogil

cdef uint64_t access_epoch(const AccessRow *row) noexcept nogil

cdef class AccessTable:
    cdef AccessRow row
    cdef uint64_t epoch
    cdef HeaderName pair
    cdef readonly Vault vault
    cdef public object owner    # lives as long as this
    cdef object kept
    cdef object __weakref__

    cdef bytes _key(self, KeyOf kind, int place, bytes digest)
