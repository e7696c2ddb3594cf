"""Local replies: every answer the gateway makes itself, in HTTP and in gRPC, from one table."""
from libc.stdint cimport uint16_t, uint32_t, uint64_t

from fastgw._core.h2.conn cimport Conn
from fastgw._core.h2.stream cimport Stream
from fastgw._core.inspect.rows cimport RuleRow
from fastgw._core.proxy.desk cimport Phase, Side

cdef enum:
    ENDPOINT_SHOWN = 128    # octets of an endpoint's label that clients see, at most
    RULE_SHOWN = 64         # and of a rule's id

cpdef enum LocalReply:
    NO_REPLY = 0
    ZONE_UNKNOWN
    MISDIRECTED
    GRPC_DISABLED
    HTTP_DISABLED
    SSL_MODE_INSUFFICIENT
    OVERLOADED
    HEAD_TOO_LARGE
    ORIGIN_REFUSED
    ORIGIN_CONNECT_TIMEOUT
    ORIGIN_UNREACHABLE
    ORIGIN_DNS
    ORIGIN_TLS_FAILED
    ORIGIN_CERT_INVALID
    ORIGIN_NO_H2
    ORIGIN_BAD_RESPONSE
    ORIGIN_RESET
    ORIGIN_IDLE
    DEADLINE_EXCEEDED
    STREAM_TOO_OLD
    RULE_BLOCKED
    RATE_LIMITED
    ACCESS_UNAUTHENTICATED
    ACCESS_DENIED
    HOOK_DENIED
    HOOK_FAILED
    REPLY_COUNT

ctypedef struct Answer:
    # What is said, and to whom.
    LocalReply reply
    Side side
    Phase phase
    int grpc_status         # -1: the table's
    uint64_t ray
    bint grpc               # the request was gRPC
    bint html               # the client would rather read HTML than JSON
    bint bodyless           # HEAD
    const char *text        # one plain sentence, zero-terminated
    const char *endpoint    # label of the last one tried; NULL: none was
    uint32_t attempt        # at it, counted from 1
    const RuleRow *rule     # that denies the call; NULL: none does
    uint32_t retry_ms       # it may be tried again then; 0: nothing is said of that

cdef uint16_t answer_http_status(const Answer *answer) noexcept nogil
cdef int answer_grpc_status(const Answer *answer) noexcept nogil
cdef const char *reply_name(LocalReply reply) noexcept nogil
cdef const char *reply_side(Side side) noexcept nogil
cdef const char *reply_phase(Phase phase) noexcept nogil
cdef void reply_send(Conn *conn, Stream *stream, const Answer *answer) noexcept nogil
