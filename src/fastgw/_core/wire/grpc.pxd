"""gRPC over HTTP/2: which requests are gRPC, where messages end, timeouts, statuses, percent-encoding."""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

cpdef enum GrpcStatus:
    GRPC_OK = 0
    GRPC_CANCELLED = 1
    GRPC_UNKNOWN = 2
    GRPC_INVALID_ARGUMENT = 3
    GRPC_DEADLINE_EXCEEDED = 4
    GRPC_NOT_FOUND = 5
    GRPC_ALREADY_EXISTS = 6
    GRPC_PERMISSION_DENIED = 7
    GRPC_RESOURCE_EXHAUSTED = 8
    GRPC_FAILED_PRECONDITION = 9
    GRPC_ABORTED = 10
    GRPC_OUT_OF_RANGE = 11
    GRPC_UNIMPLEMENTED = 12
    GRPC_INTERNAL = 13
    GRPC_UNAVAILABLE = 14
    GRPC_DATA_LOSS = 15
    GRPC_UNAUTHENTICATED = 16

ctypedef struct MessageScan:
    # Follows message boundaries through one direction of one call.
    uint64_t messages       # whole messages seen
    uint32_t left           # octets of the current message still to come
    uint32_t largest        # longest message announced so far, octets
    uint8_t prefix[5]
    uint8_t prefix_length   # octets of the prefix seen; 5 while a message's octets are coming
    bint flag_invalid       # a prefix whose first octet was neither 0 nor 1

cdef void message_scan(MessageScan *self, const uint8_t *data, uint32_t length) noexcept nogil
cdef bint message_scan_at_boundary(const MessageScan *self) noexcept nogil
cdef bint media_type_is_grpc(const uint8_t *value, uint32_t length) noexcept nogil
cdef uint32_t percent_encode(const uint8_t *text, uint32_t length, uint8_t *out, uint32_t room) noexcept nogil
cdef int64_t timeout_get(const uint8_t *value, uint32_t length) noexcept nogil
