"""Every refusal of bytes: its name, its scope, its error code and the rule behind it.

One name drives the RST_STREAM or GOAWAY, the counter, the log word, the documentation row and the test.
Import fails if a reason has no row.
"""
from libc.string cimport memset

cdef enum:
    _NAME_SIZE = 40

STREAM = ON_STREAM_SCOPE
CONNECTION = ON_CONNECTION_SCOPE

TABLE = {
    # cause                            scope       error code           where the rule is written
    PREFACE_INVALID:                  (CONNECTION, PROTOCOL_ERROR,      "RFC 9113 3.4"),
    FIRST_FRAME_NOT_SETTINGS:         (CONNECTION, PROTOCOL_ERROR,      "RFC 9113 3.4"),
    FRAME_TOO_LARGE:                  (CONNECTION, FRAME_SIZE_ERROR,    "RFC 9113 4.2"),
    FRAME_LENGTH_INVALID:             (CONNECTION, FRAME_SIZE_ERROR,    "RFC 9113 4.2"),
    FRAME_ON_CONNECTION:              (CONNECTION, PROTOCOL_ERROR,      "RFC 9113 6"),
    FRAME_ON_STREAM:                  (CONNECTION, PROTOCOL_ERROR,      "RFC 9113 6"),
    FRAME_ON_IDLE_STREAM:             (CONNECTION, PROTOCOL_ERROR,      "RFC 9113 5.1"),
    FRAME_AFTER_END_STREAM:           (STREAM,     STREAM_CLOSED,       "RFC 9113 5.1"),
    FRAME_AFTER_RESET:                (STREAM,     STREAM_CLOSED,       "RFC 9113 5.1"),
    FRAME_AFTER_CLOSE:                (CONNECTION, STREAM_CLOSED,       "RFC 9113 5.1"),
    PADDING_TOO_LONG:                 (CONNECTION, PROTOCOL_ERROR,      "RFC 9113 6.1"),
    CONTINUATION_EXPECTED:            (CONNECTION, PROTOCOL_ERROR,      "RFC 9113 6.10"),
    CONTINUATION_UNEXPECTED:          (CONNECTION, PROTOCOL_ERROR,      "RFC 9113 6.10"),
    CONTINUATION_FLOOD:               (CONNECTION, ENHANCE_YOUR_CALM,   "RFC 9113 10.5.1"),
    PUSH_NOT_ALLOWED:                 (CONNECTION, PROTOCOL_ERROR,      "RFC 9113 6.6"),
    PRIORITY_ON_ITSELF:               (STREAM,     PROTOCOL_ERROR,      "RFC 9113 5.3.1"),
    STREAM_ID_EVEN:                   (CONNECTION, PROTOCOL_ERROR,      "RFC 9113 5.1.1"),
    STREAM_ID_NOT_INCREASING:         (CONNECTION, PROTOCOL_ERROR,      "RFC 9113 5.1.1"),
    STREAM_LIMIT_EXCEEDED:            (STREAM,     REFUSED_STREAM,      "RFC 9113 5.1.2"),
    HEADERS_WITHOUT_END_STREAM:       (STREAM,     PROTOCOL_ERROR,      "RFC 9113 8.1"),
    DATA_BEFORE_HEAD:                 (STREAM,     PROTOCOL_ERROR,      "RFC 9113 8.1"),
    SETTINGS_ACK_NOT_EMPTY:           (CONNECTION, FRAME_SIZE_ERROR,    "RFC 9113 6.5"),
    SETTINGS_ENABLE_PUSH_INVALID:     (CONNECTION, PROTOCOL_ERROR,      "RFC 9113 6.5.2"),
    SETTINGS_WINDOW_TOO_LARGE:        (CONNECTION, FLOW_CONTROL_ERROR,  "RFC 9113 6.5.2"),
    SETTINGS_FRAME_SIZE_INVALID:      (CONNECTION, PROTOCOL_ERROR,      "RFC 9113 6.5.2"),
    SETTINGS_ACK_TIMEOUT:             (CONNECTION, SETTINGS_TIMEOUT,    "RFC 9113 6.5.3"),
    WINDOW_OVERRUN:                   (STREAM,     FLOW_CONTROL_ERROR,  "RFC 9113 6.9.1"),
    WINDOW_OVERFLOW:                  (STREAM,     FLOW_CONTROL_ERROR,  "RFC 9113 6.9.1"),
    WINDOW_INCREMENT_ZERO:            (STREAM,     PROTOCOL_ERROR,      "RFC 9113 6.9"),
    CONNECTION_WINDOW_OVERRUN:        (CONNECTION, FLOW_CONTROL_ERROR,  "RFC 9113 6.9.1"),
    CONNECTION_WINDOW_OVERFLOW:       (CONNECTION, FLOW_CONTROL_ERROR,  "RFC 9113 6.9.1"),
    CONNECTION_WINDOW_INCREMENT_ZERO: (CONNECTION, PROTOCOL_ERROR,      "RFC 9113 6.9"),
    HPACK_INDEX_INVALID:              (CONNECTION, COMPRESSION_ERROR,   "RFC 7541 2.3.3"),
    HPACK_INTEGER_OVERFLOW:           (CONNECTION, COMPRESSION_ERROR,   "RFC 7541 5.1"),
    HPACK_HUFFMAN_INVALID:            (CONNECTION, COMPRESSION_ERROR,   "RFC 7541 5.2"),
    HPACK_BLOCK_TRUNCATED:            (CONNECTION, COMPRESSION_ERROR,   "RFC 9113 4.3"),
    HPACK_TABLE_SIZE_TOO_LARGE:       (CONNECTION, COMPRESSION_ERROR,   "RFC 7541 6.3"),
    HPACK_TABLE_SIZE_LATE:            (CONNECTION, COMPRESSION_ERROR,   "RFC 7541 4.2"),
    FIELD_BLOCK_TOO_LARGE:            (CONNECTION, ENHANCE_YOUR_CALM,   "RFC 9113 10.5.1"),
    FIELD_NAME_INVALID:               (STREAM,     PROTOCOL_ERROR,      "RFC 9113 8.2.1"),
    FIELD_VALUE_INVALID:              (STREAM,     PROTOCOL_ERROR,      "RFC 9113 8.2.1"),
    FIELD_CONNECTION_SPECIFIC:        (STREAM,     PROTOCOL_ERROR,      "RFC 9113 8.2.2"),
    FIELD_TE_INVALID:                 (STREAM,     PROTOCOL_ERROR,      "RFC 9113 8.2.2"),
    PSEUDO_FIELD_UNKNOWN:             (STREAM,     PROTOCOL_ERROR,      "RFC 9113 8.3"),
    PSEUDO_FIELD_DUPLICATE:           (STREAM,     PROTOCOL_ERROR,      "RFC 9113 8.3"),
    PSEUDO_FIELD_AFTER_FIELD:         (STREAM,     PROTOCOL_ERROR,      "RFC 9113 8.3"),
    PSEUDO_FIELD_MISSING:             (STREAM,     PROTOCOL_ERROR,      "RFC 9113 8.3.1"),
    PSEUDO_FIELD_MISPLACED:           (STREAM,     PROTOCOL_ERROR,      "RFC 9113 8.1"),
    PSEUDO_FIELD_INVALID:             (STREAM,     PROTOCOL_ERROR,      "RFC 9113 8.3.1"),
    PATH_INVALID:                     (STREAM,     PROTOCOL_ERROR,      "RFC 9113 8.3.1"),
    AUTHORITY_INVALID:                (STREAM,     PROTOCOL_ERROR,      "RFC 9113 8.3.1"),
    AUTHORITY_AND_HOST_DISAGREE:      (STREAM,     PROTOCOL_ERROR,      "RFC 9113 8.3.1"),
    CONTENT_LENGTH_INVALID:           (STREAM,     PROTOCOL_ERROR,      "RFC 9113 8.1.1"),
    CONTENT_LENGTH_MISMATCH:          (STREAM,     PROTOCOL_ERROR,      "RFC 9113 8.1.1"),
    STATUS_INVALID:                   (STREAM,     PROTOCOL_ERROR,      "RFC 9113 8.3.2"),
    CONNECT_NOT_ALLOWED:              (STREAM,     PROTOCOL_ERROR,      "RFC 9113 8.5"),
    CONTROL_FRAME_FLOOD:              (CONNECTION, ENHANCE_YOUR_CALM,   "RFC 9113 10.5"),
    RESET_FLOOD:                      (CONNECTION, ENHANCE_YOUR_CALM,   "RFC 9113 10.5, CVE-2023-44487"),
    PING_FLOOD:                       (CONNECTION, ENHANCE_YOUR_CALM,   "RFC 9113 10.5, CVE-2019-9512"),
    SETTINGS_FLOOD:                   (CONNECTION, ENHANCE_YOUR_CALM,   "RFC 9113 10.5, CVE-2019-9515"),
    SETTINGS_TOO_MANY:                (CONNECTION, ENHANCE_YOUR_CALM,   "RFC 9113 10.5, CVE-2020-11080"),
    WINDOW_UPDATE_FLOOD:              (CONNECTION, ENHANCE_YOUR_CALM,   "RFC 9113 10.5, CVE-2019-9511"),
    PRIORITY_FLOOD:                   (CONNECTION, ENHANCE_YOUR_CALM,   "RFC 9113 10.5, CVE-2019-9513"),
    EMPTY_DATA_FLOOD:                 (CONNECTION, ENHANCE_YOUR_CALM,   "RFC 9113 10.5, CVE-2019-9518"),
    UNKNOWN_FRAME_FLOOD:              (CONNECTION, ENHANCE_YOUR_CALM,   "RFC 9113 10.5"),
    HEAD_TIMEOUT:                     (CONNECTION, ENHANCE_YOUR_CALM,   "RFC 9113 10.5"),
    STALLED:                          (CONNECTION, ENHANCE_YOUR_CALM,   "RFC 9113 10.5"),
    OUT_OF_MEMORY:                    (CONNECTION, INTERNAL_ERROR,      "RFC 9113 7"),
}

cdef Scope _scope[<int>REASON_COUNT]
cdef uint32_t _code[<int>REASON_COUNT]
cdef char _name[<int>REASON_COUNT][_NAME_SIZE]


cdef Scope reason_scope(Reason reason) noexcept nogil:
    return _scope[<int>reason]


cdef uint32_t reason_code(Reason reason) noexcept nogil:
    """The error code of RFC 9113 section 7 that goes into RST_STREAM or GOAWAY."""
    return _code[<int>reason]


cdef const char *reason_name(Reason reason) noexcept nogil:
    """The lower-case name: metric label, log word and GOAWAY debug data. Zero-terminated."""
    return _name[<int>reason]


def _fill() -> None:
    cdef int number
    memset(_name, 0, sizeof(_name))
    for reason in Reason:
        number = reason
        if number == REASON_COUNT:
            continue
        name = reason.name.lower().encode()
        if len(name) >= _NAME_SIZE:
            raise ImportError(f"the name of reason {reason.name} is too long")
        for at, octet in enumerate(name):
            _name[number][at] = octet
        if number == ACCEPTED:
            continue
        if reason not in TABLE:
            raise ImportError(f"reason {reason.name} has no row in the table")
        _scope[number] = TABLE[reason][0]
        _code[number] = TABLE[reason][1]


_fill()
