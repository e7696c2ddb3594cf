"""Who may call what: the policies of a zone in numbers, and the judgement of one call by them."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from fastgw._core.inspect.callers cimport Caller, ClientIdentity, HeaderName, Look, Shown
from fastgw._core.inspect.verdicts cimport KEY_SIZE, Judged, Vault, VaultData
from fastgw._core.rules.facts cimport RuleFacts, RuleText
from fastgw._core.rules.sets cimport AddressSet
from fastgw._core.wire.fields cimport FieldSection

cdef enum:
    READINGS = 2                # ways a path is read
    NO_APPLICATION = 0xffffffff
    ACCESS_TEXT = 320           # octets of a sentence, its zero included

cpdef enum AccessVerdict:
    ADMITTED = 0
    UNAUTHENTICATED             # it has not shown who it is
    FORBIDDEN                   # it has, and is not among those who may
    TO_BE_ASKED                 # Python has to judge a token or a certificate, or to write down an identity

cpdef enum AskedKind:
    EVERYONE = 0
    NETWORK
    SERVICE_TOKEN               # one of these
    ANY_SERVICE_TOKEN
    TOKEN_FACT                  # something that is known of a signed token once it is judged
    CERTIFICATE_FACT
    NEVER                       # nothing fits

cpdef enum PolicyDecision:
    ALLOW = 0
    DENY
    BYPASS
    SERVICE_AUTH

cpdef enum Proof:               # by what a caller was admitted
    BY_NOTHING = 0
    BY_SERVICE_TOKEN
    BY_TOKEN
    BY_CERTIFICATE

ctypedef struct AskedRow:
    uint8_t kind                # AskedKind
    uint16_t fact
    uint32_t count              # of `tokens`
    const uint32_t *tokens      # numbers, rising
    AddressSet networks

ctypedef struct PolicyRow:
    uint8_t decision            # PolicyDecision
    uint32_t include
    uint32_t require
    uint32_t exclude
    const AskedRow *asked       # these three behind each other

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
    const char *const *token_names      # client ids, for those who are told
    Look look
    HeaderName identity         # header for the origin; text NULL: it is not told
    uint64_t number             # no other table has it, ever
    const uint64_t *epoch       # changes when verdicts made so far are void; read atomically
    const VaultData *vault
    bint bypass                 # gRPC is not judged
    bint recheck

ctypedef struct AccessCall:
    # One call before the judge. What it keeps is enough to judge it again.
    Caller caller
    uint64_t expires_ms         # when what it was admitted by ends; 0: never
    uint32_t application        # that has judged it; NO_APPLICATION: none
    uint32_t policy             # of it, that has decided; undefined where none has
    uint8_t proof               # Proof
    uint8_t shown               # which of its tokens is the proof
    uint32_t token              # number of the service token; of BY_SERVICE_TOKEN
    bint assertion_wanted
    uint8_t assertion[32]       # key of what the origin is told

cdef AccessVerdict access_judge(const AccessRow *row, const RuleFacts *facts, const ClientIdentity *who,
                                uint64_t now_ms, AccessCall *call, char *text) noexcept nogil
cdef AccessVerdict access_judge_again(const AccessRow *row, const RuleText *hostname, const RuleText *client,
                                      const RuleText *path, uint64_t now_ms, AccessCall *call,
                                      char *text) noexcept nogil
cdef bint access_question(const AccessRow *row, const AccessCall *call, const ClientIdentity *who, uint64_t now_ms,
                          FieldSection *into, uint8_t *room) noexcept nogil
cdef bint access_applies(const AccessRow *row, bint grpc) noexcept nogil
cdef uint32_t access_assertion(const AccessRow *row, const AccessCall *call, uint64_t now_ms,
                               uint8_t *into) noexcept nogil
cdef void access_key(const AccessRow *row, uint8_t kind, uint8_t place, const uint8_t *digest,
                     uint8_t *into) noexcept nogil

cdef class AccessTable:
    cdef AccessRow row
    cdef uint64_t epoch
    cdef HeaderName pair
    cdef readonly Vault vault
    cdef list kept
    cdef object __weakref__
