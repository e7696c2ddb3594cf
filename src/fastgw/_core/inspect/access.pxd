"""Who may call what: the judgement of one call by the policies of its zone."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from fastgw._core.inspect.callers cimport Caller, ClientIdentity
from fastgw._core.inspect.places cimport PlacesData
from fastgw._core.inspect.policies cimport AccessRow
from fastgw._core.rules.facts cimport RuleFacts, RuleText
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

cpdef enum Proof:               # by what a caller was admitted
    BY_NOTHING = 0
    BY_SERVICE_TOKEN
    BY_TOKEN
    BY_CERTIFICATE

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
    const PlacesData *places    # set by who calls; NULL: nobody knows where addresses are
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
