"""What a zone asks of a head: programs, what is done where a rule holds, and the counters of its rules."""
from libc.stdint cimport int16_t, uint16_t, uint32_t, uint64_t, uint8_t

from fastgw._core.rules.program cimport Rules
from fastgw._core.rules.run cimport RuleProgram

cdef enum:
    EFFECTS_MOST = 128      # rules of one zone that change a call: transforms, origins, settings
    MANAGED_MOST = 1024     # rules of the managed set
    MANAGED_WORDS = 16      # of 64 bits, one for each of them
    RESPONSE_MOST = 30720   # octets of a custom response

cpdef enum InspectPhase:    # in the order they are gone through
    IP_ACCESS = 0
    ZONE_LOCKDOWN
    USER_AGENT
    CUSTOM
    RATE_LIMIT
    MANAGED
    LATE_TRANSFORM
    ORIGIN
    CONFIG_SETTINGS
    PHASE_COUNT

cpdef enum RuleAction:
    ALLOW = 0               # leaves phases out and ends its own
    BLOCK
    LOG
    SKIP
    EFFECT                  # changes the call: whoever forwards it finds it in the verdict
    COUNT                   # the calls a rate limit counts, where these are others than it is about
    LIMIT                   # the calls a rate limit is about; what is too much is denied
    LIMIT_LOG               # or only noted

ctypedef struct ResponseRow:
    uint16_t http_status
    int16_t grpc_status         # -1: the usual one
    uint32_t length             # of `content`
    const char *content         # zero-terminated; no octet in it is zero
    const char *content_type

ctypedef struct RuleRow:
    uint8_t action              # RuleAction
    uint8_t phase               # InspectPhase
    bint logging
    bint stops                  # SKIP: its phase ends
    uint16_t skips              # phases that are left out from now on, a bit each
    const uint64_t *spares      # MANAGED_WORDS: managed rules that are left out; NULL: none
    const ResponseRow *response     # NULL: the usual one
    const char *id              # zero-terminated, visible ASCII
    const char *label           # how messages name it: id, and what its owner calls it

ctypedef struct InspectionData:
    # Frozen; zones that ask the same share it.
    const RuleProgram *program
    const RuleRow *rules        # by their number in the program
    const RuleProgram *managed  # the package's rules, one phase; NULL: they are off
    const RuleRow *managed_rules    # the zone's choice for each of them
    uint64_t managed_off[MANAGED_WORDS]     # those that are off
    uint32_t rule_count
    uint32_t managed_count
    uint16_t phases             # that have rules, a bit each
    uint16_t lifted             # phases whose denials a skip rule of the custom phase may lift
    uint64_t texts              # what its programs ask for, see RuleProgram
    uint64_t integers
    uint64_t sources

ctypedef struct InspectionRow:
    # One zone's.
    const InspectionData *data
    const uint32_t *slots       # counter of each rule, those of the managed set behind the zone's
    const char *zone            # its name

cdef class Inspection:
    cdef InspectionData data
    cdef list kept              # programs and what the rows point into
    cdef object __weakref__

    cdef int _fill(self, RuleRow *rows, object entries) except -1
    cdef int _check(self, object entries) except -1
    cdef const char *_text(self, object text) except NULL
    cdef const uint64_t *_spared(self, object numbers) except NULL
    cdef const ResponseRow *_response(self, object entry) except NULL
