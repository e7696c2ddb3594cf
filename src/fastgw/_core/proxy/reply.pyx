"""Local replies: every answer the gateway makes itself, in HTTP and in gRPC, from one table.

A gRPC request is answered Trailers-Only, or with trailers once the response head has gone out; any other request with
an HTTP status and a short JSON or HTML body.
"""
from libc.stdint cimport uint8_t, uint32_t
from libc.stdio cimport snprintf
from libc.string cimport memcpy, memset, strlen

from fastgw._core.h2.conn cimport FEED_HEADROOM
from fastgw._core.h2.outbox cimport outbox_block_close, outbox_block_open, outbox_data, outbox_trailers
from fastgw._core.inspect.rows cimport ResponseRow
from fastgw._core.wire.fields cimport (
    CONTENT_LENGTH,
    CONTENT_TYPE,
    FIELD_OVERHEAD,
    GRPC_MESSAGE,
    GRPC_STATUS,
    RESERVED,
    STATUS,
    VOLATILE,
    Field,
    FieldKind,
    FieldSection,
)
from fastgw._core.wire.grpc cimport (
    GRPC_DEADLINE_EXCEEDED,
    GRPC_FAILED_PRECONDITION,
    GRPC_INTERNAL,
    GRPC_PERMISSION_DENIED,
    GRPC_RESOURCE_EXHAUSTED,
    GRPC_UNAUTHENTICATED,
    GRPC_UNAVAILABLE,
    GRPC_UNIMPLEMENTED,
    percent_encode,
)
from fastgw._core.wire.hpack cimport hpack_encode_field

cdef enum:
    _NAME_SIZE = 32
    _FIELDS = 8             # of one reply, at most
    _TEXT_SIZE = 1024       # octets of a percent-encoded message or of a body, at most
    _ERROR_SIZE = 384       # octets of fastgw-error, at most
    _BOUND = 4096           # octets of a reply's field block, at most
    _PIECE = 8192           # octets of one frame of a custom response

TABLE = {
    # name                   HTTP  gRPC status                what it says when nothing better is known
    ZONE_UNKNOWN:           (404, GRPC_UNIMPLEMENTED,        "no zone serves this hostname"),
    MISDIRECTED:            (421, GRPC_UNIMPLEMENTED,        "the certificate shown does not cover the hostname"),
    GRPC_DISABLED:          (403, GRPC_PERMISSION_DENIED,    "the zone's setting grpc is off"),
    HTTP_DISABLED:          (403, GRPC_PERMISSION_DENIED,    "the request is not gRPC and the setting http is off"),
    SSL_MODE_INSUFFICIENT:  (403, GRPC_FAILED_PRECONDITION,  "gRPC needs the zone's setting ssl to be full or strict"),
    OVERLOADED:             (503, GRPC_UNAVAILABLE,          "the gateway is shedding load"),
    HEAD_TOO_LARGE:         (431, GRPC_RESOURCE_EXHAUSTED,   "the request head is too large"),
    ORIGIN_REFUSED:         (502, GRPC_UNAVAILABLE,          "the origin refused the connection"),
    ORIGIN_CONNECT_TIMEOUT: (504, GRPC_UNAVAILABLE,          "the origin did not accept the connection in time"),
    ORIGIN_UNREACHABLE:     (502, GRPC_UNAVAILABLE,          "the origin cannot be reached"),
    ORIGIN_DNS:             (502, GRPC_UNAVAILABLE,          "the origin's name did not resolve"),
    ORIGIN_TLS_FAILED:      (502, GRPC_UNAVAILABLE,          "the TLS handshake with the origin failed"),
    ORIGIN_CERT_INVALID:    (502, GRPC_UNAVAILABLE,          "the origin's certificate is not valid"),
    ORIGIN_NO_H2:           (502, GRPC_UNAVAILABLE,          "the origin does not offer HTTP/2 by ALPN"),
    ORIGIN_BAD_RESPONSE:    (502, GRPC_INTERNAL,             "the origin sent something that is not valid HTTP/2"),
    ORIGIN_RESET:           (502, GRPC_UNAVAILABLE,          "the origin ended the call early"),
    ORIGIN_IDLE:            (504, GRPC_DEADLINE_EXCEEDED,    "nothing was sent on the stream for too long"),
    DEADLINE_EXCEEDED:      (504, GRPC_DEADLINE_EXCEEDED,    "the call's deadline is over"),
    STREAM_TOO_OLD:         (503, GRPC_UNAVAILABLE,          "the stream has reached its age; begin a new one"),
    RULE_BLOCKED:           (403, GRPC_PERMISSION_DENIED,    "a rule of the zone blocks this call"),
    RATE_LIMITED:           (429, GRPC_RESOURCE_EXHAUSTED,   "more calls than the zone allows in this time"),
    ACCESS_UNAUTHENTICATED: (401, GRPC_UNAUTHENTICATED,      "the zone's access policy wants to know who calls"),
    ACCESS_DENIED:          (403, GRPC_PERMISSION_DENIED,    "the zone's access policy does not admit this caller"),
    HOOK_DENIED:            (403, GRPC_PERMISSION_DENIED,    "a hook of this gateway does not let the call pass"),
    HOOK_FAILED:            (503, GRPC_UNAVAILABLE,          "a hook of this gateway could not judge the call"),
}

cdef uint16_t _http[<int>REPLY_COUNT]
cdef int _grpc[<int>REPLY_COUNT]
cdef char _name[<int>REPLY_COUNT][_NAME_SIZE]

cdef const char **_sides = [b"gateway", b"client", b"origin"]
cdef const char **_phases = [b"policy", b"dns", b"connect", b"tls", b"settings", b"stream"]


cdef uint16_t answer_http_status(const Answer *answer) noexcept nogil:
    if answer.rule != NULL and answer.rule.response != NULL:
        return answer.rule.response.http_status
    return _http[<int>answer.reply]


cdef int answer_grpc_status(const Answer *answer) noexcept nogil:
    if answer.rule != NULL and answer.rule.response != NULL and answer.rule.response.grpc_status >= 0:
        return answer.rule.response.grpc_status
    return answer.grpc_status if answer.grpc_status >= 0 else _grpc[<int>answer.reply]


cdef const char *reply_name(LocalReply reply) noexcept nogil:
    """Lower case, zero-terminated: what `fastgw-error` and the log call it."""
    return _name[<int>reply]


cdef const char *reply_side(Side side) noexcept nogil:
    return _sides[<int>side]


cdef const char *reply_phase(Phase phase) noexcept nogil:
    return _phases[<int>phase]


ctypedef struct _Reply:
    # The fields of a reply being put together; values point into the arrays beside them.
    Field fields[_FIELDS]
    uint32_t count
    char status[8]
    char grpc_status[8]
    char error[_ERROR_SIZE]
    char ray[24]
    char length[16]
    char pushback[16]
    char retry[16]
    uint8_t message[_TEXT_SIZE]


cdef void _add(_Reply *self, const char *name, const char *value, uint32_t length, FieldKind kind) noexcept nogil:
    cdef Field *field = &self.fields[self.count]
    memset(field, 0, sizeof(Field))
    field.name = <const uint8_t *>name
    field.name_length = <uint32_t>strlen(name)
    field.value = <const uint8_t *>value
    field.value_length = length
    field.kind = <uint8_t>kind
    self.count += 1


cdef uint32_t _put_label(char *into, uint32_t room, const char *label) noexcept nogil:
    """Write a label as part of fastgw-error: visible ASCII without what separates its parts; returns the length."""
    cdef uint32_t at = 0
    while label[at] != 0 and at < room:
        into[at] = label[at] if c"!" <= label[at] <= c"~" and label[at] != c";" else c"_"
        at += 1
    return at


cdef void _add_origin(_Reply *self, const Answer *answer) noexcept nogil:
    """Who says this, and why: `fastgw-error` and `fastgw-ray`."""
    cdef int length = snprintf(self.error, _ERROR_SIZE, b"%s; side=%s; phase=%s", reply_name(answer.reply),
                               _sides[<int>answer.side], _phases[<int>answer.phase])
    if answer.endpoint != NULL:
        length += snprintf(self.error + length, _ERROR_SIZE - length, b"; endpoint=")
        length += _put_label(self.error + length, ENDPOINT_SHOWN, answer.endpoint)
        length += snprintf(self.error + length, _ERROR_SIZE - length, b"; attempt=%u", answer.attempt)
    if answer.rule != NULL:
        length += snprintf(self.error + length, _ERROR_SIZE - length, b"; rule=")
        length += _put_label(self.error + length, RULE_SHOWN, answer.rule.id)
    _add(self, b"fastgw-error", self.error, <uint32_t>length, RESERVED)
    length = snprintf(self.ray, sizeof(self.ray), b"%016llx", <unsigned long long>answer.ray)
    _add(self, b"fastgw-ray", self.ray, <uint32_t>length, RESERVED)


cdef void _add_retry(_Reply *self, const Answer *answer) noexcept nogil:
    """When to come back: in milliseconds for gRPC clients (gRFC A6), in seconds for all (RFC 9110 section 10.2.3)."""
    cdef int length
    if answer.retry_ms == 0:
        return
    if answer.grpc:
        length = snprintf(self.pushback, sizeof(self.pushback), b"%u", answer.retry_ms)
        _add(self, b"grpc-retry-pushback-ms", self.pushback, <uint32_t>length, VOLATILE)
    length = snprintf(self.retry, sizeof(self.retry), b"%u", (answer.retry_ms - 1) // 1000 + 1)
    _add(self, b"retry-after", self.retry, <uint32_t>length, VOLATILE)


cdef void _add_grpc(_Reply *self, const Answer *answer) noexcept nogil:
    """grpc-status and grpc-message."""
    cdef const char *text = answer.text
    cdef uint32_t size
    cdef int length = snprintf(self.grpc_status, sizeof(self.grpc_status), b"%d", answer_grpc_status(answer))
    if answer.rule != NULL and answer.rule.response != NULL and answer.rule.response.length > 0:
        text = answer.rule.response.content
    size = percent_encode(<const uint8_t *>text, <uint32_t>strlen(text), self.message, _TEXT_SIZE)
    _add(self, b"grpc-status", self.grpc_status, <uint32_t>length, GRPC_STATUS)
    _add(self, b"grpc-message", <const char *>self.message, size, GRPC_MESSAGE)


cdef void _send_head(Conn *conn, Stream *stream, const _Reply *self, bint ends) noexcept nogil:
    cdef uint32_t number
    cdef uint8_t *at = outbox_block_open(conn, _BOUND)
    if at == NULL:
        return
    for number in range(self.count):
        at = hpack_encode_field(&conn.encoder, at, &self.fields[number])
    outbox_block_close(conn, at, stream, ends)


cdef void _send_trailers(Conn *conn, Stream *stream, const _Reply *self) noexcept nogil:
    cdef FieldSection *section = &conn.room.stashed
    cdef uint32_t number
    section.count = self.count
    section.list_size = 0
    for number in range(self.count):
        section.fields[number] = self.fields[number]
        section.list_size += self.fields[number].name_length + self.fields[number].value_length + FIELD_OVERHEAD
    outbox_trailers(conn, stream, section)


cdef void _send_custom(Conn *conn, Stream *stream, _Reply *self, const Answer *answer) noexcept nogil:
    """An HTTP status with the body that the owner of the zone has written."""
    cdef const ResponseRow *response = answer.rule.response
    cdef uint8_t piece[FEED_HEADROOM + _PIECE]
    cdef uint32_t at = 0
    cdef uint32_t size
    cdef int digits = snprintf(self.status, sizeof(self.status), b"%d", <int>response.http_status)
    _add(self, b":status", self.status, <uint32_t>digits, STATUS)
    _add(self, b"content-type", response.content_type, <uint32_t>strlen(response.content_type), CONTENT_TYPE)
    digits = snprintf(self.length, sizeof(self.length), b"%u", response.length)
    _add(self, b"content-length", self.length, <uint32_t>digits, CONTENT_LENGTH)
    _add_retry(self, answer)
    _add_origin(self, answer)
    _send_head(conn, stream, self, answer.bodyless or response.length == 0)
    while not answer.bodyless and at < response.length and stream.conn != NULL:
        size = min(response.length - at, <uint32_t>_PIECE)
        memcpy(piece + FEED_HEADROOM, response.content + at, size)
        at += size
        outbox_data(conn, stream, piece + FEED_HEADROOM, size, at == response.length)


cdef void _send_http(Conn *conn, Stream *stream, _Reply *self, const Answer *answer) noexcept nogil:
    """An HTTP status with a body a person can read."""
    cdef uint8_t body[FEED_HEADROOM + _TEXT_SIZE]
    cdef char *text = <char *>body + FEED_HEADROOM
    cdef int length, digits
    cdef const char *name = reply_name(answer.reply)
    digits = snprintf(self.status, sizeof(self.status), b"%d", <int>answer_http_status(answer))
    _add(self, b":status", self.status, <uint32_t>digits, STATUS)
    if answer.html:
        _add(self, b"content-type", b"text/html; charset=utf-8", 24, CONTENT_TYPE)
        length = snprintf(text, _TEXT_SIZE, b"<!doctype html><title>%s</title><h1>%s</h1><p>%s</p><p>%016llx</p>\n",
                          name, name, answer.text, <unsigned long long>answer.ray)
    else:
        _add(self, b"content-type", b"application/json", 16, CONTENT_TYPE)
        length = snprintf(text, _TEXT_SIZE, b"{\"error\":\"%s\",\"message\":\"%s\",\"ray\":\"%016llx\"}\n",
                          name, answer.text, <unsigned long long>answer.ray)
    if length >= _TEXT_SIZE:
        length = _TEXT_SIZE - 1
    digits = snprintf(self.length, sizeof(self.length), b"%d", length)
    _add(self, b"content-length", self.length, <uint32_t>digits, CONTENT_LENGTH)
    _add_retry(self, answer)
    _add_origin(self, answer)
    _send_head(conn, stream, self, answer.bodyless)
    if not answer.bodyless and stream.conn != NULL:
        outbox_data(conn, stream, <uint8_t *>text, <uint32_t>length, True)


cdef void reply_send(Conn *conn, Stream *stream, const Answer *answer) noexcept nogil:
    """Answer on a stream that has not ended; END_STREAM goes with it.

    After the response head has gone out only a gRPC call can still be answered, with trailers.
    """
    cdef _Reply reply
    reply.count = 0
    if not answer.grpc:
        if answer.rule != NULL and answer.rule.response != NULL and answer.rule.response.length > 0:
            _send_custom(conn, stream, &reply, answer)
        else:
            _send_http(conn, stream, &reply, answer)
        return
    if not stream.head_sent:
        _add(&reply, b":status", b"200", 3, STATUS)
        _add(&reply, b"content-type", b"application/grpc", 16, CONTENT_TYPE)
    _add_grpc(&reply, answer)
    _add_retry(&reply, answer)
    _add_origin(&reply, answer)
    if stream.head_sent:
        _send_trailers(conn, stream, &reply)
    else:
        _send_head(conn, stream, &reply, True)


def _fill() -> None:
    cdef int number
    for reply in LocalReply:
        number = reply
        if number in (NO_REPLY, REPLY_COUNT):
            continue
        if reply not in TABLE:
            raise ImportError(f"local reply {reply.name} has no row in the table")
        _http[number], _grpc[number] = TABLE[reply][:2]
        name = reply.name.lower().encode()
        if len(name) >= _NAME_SIZE:
            raise ImportError(f"the name of local reply {reply.name} is too long")
        for at, octet in enumerate(name + b"\0"):
            _name[number][at] = octet


_fill()
