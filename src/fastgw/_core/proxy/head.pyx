"""What is added, removed and rewritten in a head between client and origin.

Metadata passes byte for byte, in order, duplicates included. Every field that leaves was validated when it came in
and is encoded anew with the tables of the connection it leaves on.
"""
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memset

from fastgw._core.h2.outbox cimport outbox_block_close, outbox_block_open
from fastgw._core.wire.fields cimport AUTHORITY, GRPC_TIMEOUT, HOST, RESERVED, SCHEME, TE, Field, FieldKind
from fastgw._core.wire.hpack cimport hpack_encode_field

cdef enum:
    _FIELD_BOUND = 16       # octets hpack_encode_field may add to name and value
    _ADDED_BOUND = 128      # octets of the fields we add ourselves

cdef Field _scheme_https
cdef Field _scheme_http
cdef Field _te_trailers


cdef void _constant(Field *self, const char *name, uint32_t name_length, const char *value, uint32_t value_length,
                    FieldKind kind) noexcept nogil:
    memset(self, 0, sizeof(Field))
    self.name = <const uint8_t *>name
    self.name_length = name_length
    self.value = <const uint8_t *>value
    self.value_length = value_length
    self.kind = <uint8_t>kind


_constant(&_scheme_https, b":scheme", 7, b"https", 5, SCHEME)
_constant(&_scheme_http, b":scheme", 7, b"http", 4, SCHEME)
_constant(&_te_trailers, b"te", 2, b"trailers", 8, TE)


cdef inline uint8_t *_put_authority(Conn *conn, uint8_t *at, const Field *host) noexcept nogil:
    """A Host field becomes :authority (RFC 9113 section 8.3.1)."""
    cdef Field field = host[0]
    field.name = <const uint8_t *>b":authority"
    field.name_length = 10
    field.kind = <uint8_t>AUTHORITY
    field.hash = 0
    return hpack_encode_field(&conn.encoder, at, &field)


cdef void head_request_put(Conn *conn, Stream *stream, FieldSection *section, const RequestHead *head,
                           const Field *timeout, const Field *authority, bint encrypted,
                           bint ends) noexcept nogil:
    """Send a request head to an origin: :scheme says how we reach it, Host becomes :authority, te is never lost.

    timeout    takes the place of grpc-timeout; NULL: that passes as it came
    authority  takes the place of :authority, likewise
    """
    cdef uint32_t number
    cdef uint8_t kind
    cdef const Field *field
    cdef uint32_t added = _ADDED_BOUND + (authority.value_length if authority != NULL else 0)
    cdef uint8_t *at = outbox_block_open(conn, section.list_size + section.count * _FIELD_BOUND + added)
    if at == NULL:
        return
    if head.authority.kind != AUTHORITY:
        at = _put_authority(conn, at, head.authority if authority == NULL else authority)
    for number in range(section.count):
        field = &section.fields[number]
        kind = field.kind
        if kind == HOST or kind == RESERVED:
            continue
        if kind == SCHEME:
            field = &_scheme_https if encrypted else &_scheme_http
        elif authority != NULL and kind == AUTHORITY:
            at = _put_authority(conn, at, authority)
            continue
        elif kind == GRPC_TIMEOUT and timeout != NULL:
            if field != head.grpc_timeout:
                continue
            field = timeout
        at = hpack_encode_field(&conn.encoder, at, field)
    if not head.te_trailers:
        at = hpack_encode_field(&conn.encoder, at, &_te_trailers)
    if timeout != NULL and head.grpc_timeout == NULL:
        at = hpack_encode_field(&conn.encoder, at, timeout)
    outbox_block_close(conn, at, stream, ends)


cdef void head_response_put(Conn *conn, Stream *stream, FieldSection *section, bint ends) noexcept nogil:
    """Send a response head, or an informational one, to a client."""
    cdef uint32_t number
    cdef uint8_t *at = outbox_block_open(conn, section.list_size + section.count * _FIELD_BOUND)
    if at == NULL:
        return
    for number in range(section.count):
        at = hpack_encode_field(&conn.encoder, at, &section.fields[number])
    outbox_block_close(conn, at, stream, ends)
