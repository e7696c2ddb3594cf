"""What a reset of one side means to the other, in one table.

A client that resets its stream gets no answer: the origin hears the code, the log has the status. An origin that
resets its stream before the call is complete is answered for: the client gets the status. Codes this table does not
have mean what INTERNAL_ERROR means (RFC 9113 section 7).
"""
from libc.stdint cimport uint32_t

from fastgw._core.reasons cimport (
    CANCEL,
    COMPRESSION_ERROR,
    CONNECT_ERROR,
    ENHANCE_YOUR_CALM,
    FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR,
    HTTP_1_1_REQUIRED,
    INADEQUATE_SECURITY,
    INTERNAL_ERROR,
    NO_ERROR,
    PROTOCOL_ERROR,
    REFUSED_STREAM,
    SETTINGS_TIMEOUT,
    STREAM_CLOSED,
)
from fastgw._core.wire.grpc cimport (
    GRPC_CANCELLED,
    GRPC_INTERNAL,
    GRPC_PERMISSION_DENIED,
    GRPC_RESOURCE_EXHAUSTED,
    GRPC_UNAVAILABLE,
)

cdef enum:
    _CODES = 14

# From the origin: gRPC over HTTP/2, "HTTP2 Transport Mapping". NO_ERROR before the answer has begun can be taken for a
# server that is leaving; behind its head something of the answer is missing, and trying again is not safe.
# From the client: NO_ERROR and REFUSED_STREAM are a server's to say, and say no more than that it is gone.
TABLE = {
    # from the client:    the origin hears,    status in the log        from the origin: before its head, behind it
    NO_ERROR:            (CANCEL,              GRPC_CANCELLED,          GRPC_UNAVAILABLE,        GRPC_INTERNAL),
    PROTOCOL_ERROR:      (PROTOCOL_ERROR,      GRPC_INTERNAL,           GRPC_INTERNAL,           GRPC_INTERNAL),
    INTERNAL_ERROR:      (INTERNAL_ERROR,      GRPC_INTERNAL,           GRPC_INTERNAL,           GRPC_INTERNAL),
    FLOW_CONTROL_ERROR:  (FLOW_CONTROL_ERROR,  GRPC_INTERNAL,           GRPC_INTERNAL,           GRPC_INTERNAL),
    SETTINGS_TIMEOUT:    (SETTINGS_TIMEOUT,    GRPC_INTERNAL,           GRPC_INTERNAL,           GRPC_INTERNAL),
    STREAM_CLOSED:       (STREAM_CLOSED,       GRPC_CANCELLED,          GRPC_INTERNAL,           GRPC_INTERNAL),
    FRAME_SIZE_ERROR:    (FRAME_SIZE_ERROR,    GRPC_INTERNAL,           GRPC_INTERNAL,           GRPC_INTERNAL),
    REFUSED_STREAM:      (CANCEL,              GRPC_CANCELLED,          GRPC_UNAVAILABLE,        GRPC_UNAVAILABLE),
    CANCEL:              (CANCEL,              GRPC_CANCELLED,          GRPC_CANCELLED,          GRPC_CANCELLED),
    COMPRESSION_ERROR:   (COMPRESSION_ERROR,   GRPC_INTERNAL,           GRPC_INTERNAL,           GRPC_INTERNAL),
    CONNECT_ERROR:       (CONNECT_ERROR,       GRPC_INTERNAL,           GRPC_INTERNAL,           GRPC_INTERNAL),
    ENHANCE_YOUR_CALM:   (ENHANCE_YOUR_CALM,   GRPC_RESOURCE_EXHAUSTED, GRPC_RESOURCE_EXHAUSTED,
                          GRPC_RESOURCE_EXHAUSTED),
    INADEQUATE_SECURITY: (INADEQUATE_SECURITY, GRPC_PERMISSION_DENIED,  GRPC_PERMISSION_DENIED,
                          GRPC_PERMISSION_DENIED),
    HTTP_1_1_REQUIRED:   (HTTP_1_1_REQUIRED,   GRPC_INTERNAL,           GRPC_INTERNAL,           GRPC_INTERNAL),
}

cdef uint32_t _heard[_CODES]
cdef int _logged[_CODES]
cdef int _before[_CODES]
cdef int _after[_CODES]


cdef inline uint32_t _row(uint32_t code) noexcept nogil:
    return code if code < _CODES else <uint32_t>INTERNAL_ERROR


cdef uint32_t reset_toward_origin(uint32_t code) noexcept nogil:
    """The code with which the origin's stream is reset when the client has reset its own with `code`."""
    return _heard[_row(code)]


cdef int reset_by_client(uint32_t code) noexcept nogil:
    """The gRPC status of a call that the client has reset with `code`."""
    return _logged[_row(code)]


cdef int reset_by_origin(uint32_t code, bint answered) noexcept nogil:
    """The gRPC status of a call that the origin has reset with `code`; `answered`: behind its response head."""
    return _after[_row(code)] if answered else _before[_row(code)]


def _fill() -> None:
    cdef uint32_t code
    if sorted(int(code) for code in TABLE) != list(range(_CODES)):
        raise ImportError("the table of resets does not have each error code of RFC 9113 section 7")
    for code in range(_CODES):
        _heard[code], _logged[code], _before[code], _after[code] = TABLE[code]


_fill()


# For tests and tools.


def meaning(uint32_t code) -> tuple[int, int, int, int]:
    """What the core makes of a code, in the order of TABLE's columns."""
    return reset_toward_origin(code), reset_by_client(code), reset_by_origin(code, False), reset_by_origin(code, True)
