"""What is to be written on a connection, in which order and in which pieces.

Frames are appended to one growing buffer per connection; floor 4 seals and sends it once per turn.
"""
from libc.string cimport memcpy, memmove, strlen

from fastgw._core.buf cimport chain_append, chain_read, octets_append, octets_commit, octets_reserve
from fastgw._core.h2.conn cimport (
    ENDED,
    OUTBOX_HIGH,
    OUTBOX_LIMIT,
    RESET_BY_US,
    TOWARD_CLIENT,
    TOWARD_ORIGIN,
)
from fastgw._core.h2.flow cimport recv_window_return, send_window_take
from fastgw._core.h2.settings cimport settings_put
from fastgw._core.h2.stream cimport (
    CLOSED,
    HALF_CLOSED_REMOTE,
    SEND_END_STREAM,
    SEND_HEADERS,
    SEND_RST_STREAM,
    stream_step,
)
from fastgw._core.h2.streams cimport conn_stream_finish, ready_put, ready_remove
from fastgw._core.reasons cimport CONTROL_FRAME_FLOOD, OUT_OF_MEMORY, reason_code, reason_name
from fastgw._core.wire.frame cimport (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    FRAME_HEADER_SIZE,
    FRAME_SIZE_DEFAULT,
    GOAWAY,
    HEADERS,
    PING,
    PREFACE,
    PREFACE_SIZE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    frame_header_put,
    octets_put32,
)
from fastgw._core.wire.hpack cimport hpack_encode_begin, hpack_encode_field
from fastgw._core.wire.stash cimport stash_get, stash_put

cdef enum:
    _BEGIN_BOUND = 16                   # octets of hpack_encode_begin
    _FIELD_BOUND = 16                   # octets hpack_encode_field adds to name and value
    _USEFUL = 256                       # octets; a smaller piece is what the window allows: the peer may be dribbling


cdef inline void _mark(Conn *self) noexcept nogil:
    if not self.dirty:
        self.dirty = True
        self.events.dirty(self)


cdef uint8_t *_reserve(Conn *self, uint32_t size) noexcept nogil:
    """Room in the outbox, or NULL: memory is out or the peer leaves too much unread, and the connection is broken."""
    cdef uint8_t *at = NULL
    if not self.broken and self.out.length > OUTBOX_LIMIT:
        _flooded(self)
    elif not self.broken:
        at = octets_reserve(&self.out, size)
        if at == NULL:
            self.broken = True
            self.reason = OUT_OF_MEMORY
    _mark(self)
    return at


cdef void _flooded(Conn *self) noexcept nogil:
    """Say so, as far as the peer still reads, and break the connection."""
    self.room.refusals[<int>CONTROL_FRAME_FLOOD] += 1
    self.broken = True
    self.reason = CONTROL_FRAME_FLOOD
    outbox_goaway(self, self.last_peer_id, reason_code(CONTROL_FRAME_FLOOD), reason_name(CONTROL_FRAME_FLOOD))


cdef void _put(Conn *self, uint8_t type, uint8_t flags, uint32_t stream_id, const uint8_t *payload,
               uint32_t length) noexcept nogil:
    cdef uint8_t *at = _reserve(self, FRAME_HEADER_SIZE + length)
    if at == NULL:
        return
    at = frame_header_put(at, length, type, flags, stream_id)
    if length > 0:
        memcpy(at, payload, length)
    octets_commit(&self.out, FRAME_HEADER_SIZE + length)


cdef inline void _put32(Conn *self, uint8_t type, uint32_t stream_id, uint32_t value) noexcept nogil:
    cdef uint8_t payload[4]
    octets_put32(payload, value)
    _put(self, type, 0, stream_id, payload, 4)


cdef bint _answer_allowed(Conn *self) noexcept nogil:
    """A peer that asks for answers and does not read them is cut off (CVE-2019-9512, CVE-2019-9515)."""
    self.control_waiting += 1
    self.control_behind += 1
    if self.control_waiting <= self.room.limits.control_waiting or self.broken:
        return not self.broken
    _flooded(self)
    _mark(self)
    return False


cdef void outbox_begin(Conn *self) noexcept nogil:
    """The connection preface of our role (RFC 9113 section 3.4)."""
    cdef uint8_t payload[36]
    if self.role == TOWARD_ORIGIN:
        octets_append(&self.out, <const uint8_t *>PREFACE, PREFACE_SIZE)
    _put(self, SETTINGS, 0, 0, payload, settings_put(&self.ours, payload, self.role == TOWARD_CLIENT))


cdef void outbox_settings_ack(Conn *self) noexcept nogil:
    if _answer_allowed(self):
        _put(self, SETTINGS, ACK, 0, NULL, 0)


cdef void outbox_ping(Conn *self, const uint8_t *payload, bint ack) noexcept nogil:
    """`payload` has 8 octets (RFC 9113 section 6.7)."""
    if not ack or _answer_allowed(self):
        _put(self, PING, ACK if ack else 0, 0, payload, 8)


cdef void outbox_goaway(Conn *self, uint32_t last_id, uint32_t code, const char *debug) noexcept nogil:
    """Say which stream is the last one served; a later GOAWAY may only lower it (RFC 9113 section 6.8)."""
    cdef uint32_t words = 0 if debug == NULL else <uint32_t>strlen(debug)
    cdef uint8_t *at
    if self.goaway_sent and last_id > self.goaway_last:
        last_id = self.goaway_last
    self.goaway_sent = True
    self.goaway_last = last_id
    at = octets_reserve(&self.out, FRAME_HEADER_SIZE + 8 + words)     # said even by a connection that is broken
    _mark(self)
    if at == NULL:
        return
    at = frame_header_put(at, 8 + words, GOAWAY, 0, 0)
    octets_put32(at, last_id)
    octets_put32(at + 4, code)
    if words > 0:
        memcpy(at + 8, debug, words)
    octets_commit(&self.out, FRAME_HEADER_SIZE + 8 + words)


cdef void outbox_credit_connection(Conn *self, uint32_t size) noexcept nogil:
    """`size` octets of the peer's DATA need no more room here."""
    cdef uint32_t increment = recv_window_return(&self.recv_window, size, self.room.limits.connection_window)
    if increment > 0:
        _put32(self, WINDOW_UPDATE, 0, increment)


cdef void outbox_credit_stream(Conn *self, Stream *stream, uint32_t size) noexcept nogil:
    """The same for its stream; a peer that has ended its half needs no credit."""
    cdef uint32_t increment
    if stream.conn == NULL or stream.state == HALF_CLOSED_REMOTE or stream.state == CLOSED:
        return
    increment = recv_window_return(&stream.recv_window, size, stream.recv_window.full)
    if increment > 0:
        _put32(self, WINDOW_UPDATE, stream.id, increment)


cdef void outbox_reset(Conn *self, uint32_t stream_id, uint32_t code) noexcept nogil:
    """RST_STREAM for a stream that has no slot, or whose slot somebody else clears."""
    if _answer_allowed(self):
        _put32(self, RST_STREAM, stream_id, code)


cdef void outbox_abort(Conn *self, Stream *stream, uint32_t code) noexcept nogil:
    """Floor 4 gives a stream up: RST_STREAM, and its slot is cleared without telling floor 4."""
    if stream.conn == NULL:
        return
    stream.owner = NULL
    stream_step(&stream.state, SEND_RST_STREAM)
    _put32(self, RST_STREAM, stream.id, code)   # first: what finishing lets in must not overtake it
    conn_stream_finish(self, stream, RESET_BY_US)


cdef uint8_t *outbox_block_open(Conn *self, uint32_t bound) noexcept nogil:
    """Begin a field block of at most `bound` octets: returns where hpack_encode_field may write, or NULL.

    Nothing else may be put before outbox_block_close.
    """
    cdef uint32_t frames = (bound + _BEGIN_BOUND) // FRAME_SIZE_DEFAULT + 1
    cdef uint8_t *at = _reserve(self, frames * FRAME_HEADER_SIZE + _BEGIN_BOUND + bound)
    if at == NULL:
        return NULL
    return hpack_encode_begin(&self.encoder, at + FRAME_HEADER_SIZE)


cdef void outbox_block_close(Conn *self, uint8_t *end, Stream *stream, bint ends) noexcept nogil:
    """The block is complete: HEADERS, and CONTINUATION where it is longer than a frame (RFC 9113 section 4.3)."""
    cdef uint8_t *block = self.out.data + self.out.length + FRAME_HEADER_SIZE
    cdef uint32_t left = <uint32_t>(end - block)
    cdef uint32_t step
    cdef uint8_t type = HEADERS
    cdef uint8_t flags = END_STREAM if ends else 0
    while True:
        step = left if left < FRAME_SIZE_DEFAULT else <uint32_t>FRAME_SIZE_DEFAULT
        left -= step
        if left == 0:
            flags |= END_HEADERS
        frame_header_put(block - FRAME_HEADER_SIZE, step, type, flags, stream.id)
        octets_commit(&self.out, FRAME_HEADER_SIZE + step)
        if left == 0:
            break
        memmove(block + step + FRAME_HEADER_SIZE, block + step, left)
        block += step + FRAME_HEADER_SIZE
        type = CONTINUATION
        flags = 0
    stream_step(&stream.state, SEND_HEADERS)
    stream.head_sent = True
    self.useful += 1
    if ends:
        _ended(self, stream)


cdef void _ended(Conn *self, Stream *stream) noexcept nogil:
    """END_STREAM is in the outbox."""
    stream_step(&stream.state, SEND_END_STREAM)
    if stream.state == CLOSED:
        conn_stream_finish(self, stream, ENDED)


cdef bint outbox_data(Conn *self, Stream *stream, uint8_t *payload, uint32_t length, bint ends) noexcept nogil:
    """Pass DATA on, at most FRAME_SIZE_DEFAULT octets; the 9 octets before `payload` are overwritten.

    True: it is in the outbox. False: it waits in the stream, and events.sent will tell when it goes.
    """
    cdef uint8_t *at
    if (stream.waiting.length == 0 and not stream.end_waiting and self.out.length + self.backlog < OUTBOX_HIGH
            and (length == 0 or (length <= stream.send_window.left and length <= self.send_window.left))):
        frame_header_put(payload - FRAME_HEADER_SIZE, length, DATA, END_STREAM if ends else 0, stream.id)
        at = _reserve(self, length + FRAME_HEADER_SIZE)
        if at == NULL:
            return True
        memcpy(at, payload - FRAME_HEADER_SIZE, length + FRAME_HEADER_SIZE)
        octets_commit(&self.out, length + FRAME_HEADER_SIZE)
        send_window_take(&stream.send_window, length)
        send_window_take(&self.send_window, length)
        self.useful += 1
        if ends:
            _ended(self, stream)
        return True
    if not chain_append(&stream.waiting, payload, length):
        self.broken = True
        self.reason = OUT_OF_MEMORY
    self.room.waiting += length
    stream.end_waiting = ends
    if stream.send_window.left > 0 or stream.waiting.length == 0:
        ready_put(self, stream)
    _mark(self)
    return False


cdef void _put_trailers(Conn *self, Stream *stream, const FieldSection *section) noexcept nogil:
    cdef uint32_t number
    cdef uint8_t *at = outbox_block_open(self, section.list_size + section.count * _FIELD_BOUND)
    if at == NULL:
        return
    for number in range(section.count):
        at = hpack_encode_field(&self.encoder, at, &section.fields[number])
    outbox_block_close(self, at, stream, True)


cdef void outbox_trailers(Conn *self, Stream *stream, const FieldSection *section) noexcept nogil:
    """Trailers with END_STREAM, behind the octets that still wait."""
    cdef uint32_t number
    if stream.waiting.length == 0:
        _put_trailers(self, stream, section)
        return
    for number in range(section.count):
        if not stash_put(&stream.trailers, &section.fields[number]):
            self.broken = True
            self.reason = OUT_OF_MEMORY
    stream.end_waiting = True
    _mark(self)


cdef uint32_t _sendable(const Conn *self, const Stream *stream) noexcept nogil:
    """Octets of the stream's waiting DATA that one frame may carry now."""
    cdef long long size = <long long>stream.waiting.length
    if size > FRAME_SIZE_DEFAULT:
        size = FRAME_SIZE_DEFAULT
    if size > stream.send_window.left:
        size = stream.send_window.left
    if size > self.send_window.left:
        size = self.send_window.left
    return <uint32_t>size if size > 0 else 0


cdef void _pump_stream(Conn *self, Stream *stream, uint32_t size) noexcept nogil:
    """Move `size` waiting octets of a stream into the outbox, and what ends the stream if they were the last."""
    cdef bint last = stream.end_waiting and size == stream.waiting.length
    cdef bint with_trailers = last and stream.trailers.length > 0
    cdef uint8_t *at
    if size > 0 or (last and not with_trailers):
        at = _reserve(self, FRAME_HEADER_SIZE + size)
        if at == NULL:
            return
        at = frame_header_put(at, size, DATA, END_STREAM if last and not with_trailers else 0, stream.id)
        chain_read(&stream.waiting, at, size)
        octets_commit(&self.out, FRAME_HEADER_SIZE + size)
        send_window_take(&stream.send_window, size)
        send_window_take(&self.send_window, size)
        self.room.waiting -= size
        if size >= _USEFUL or stream.waiting.length == 0:
            self.useful += 1
    if size > 0 and stream.owner != NULL:
        self.events.sent(self, stream, size)
    if not last or stream.conn == NULL:
        return
    if with_trailers:
        stash_get(&stream.trailers, &self.room.stashed)
        _put_trailers(self, stream, &self.room.stashed)
    else:
        _ended(self, stream)
    if stream.conn != NULL and stream.owner != NULL:
        self.events.sent(self, stream, 0)


cdef void outbox_taken(Conn *self, uint32_t size) noexcept nogil:
    """The first `size` octets of `out` are on their way: a peer that reads pays for its answers, however full `out` is.

    Answers are counted in two lots: those before a mark in `out`, forgotten when it has been sent, and those behind it.
    """
    if size > 0:
        self.unsent_id = self.next_id
    if size < self.control_mark:
        self.control_mark -= size
        return
    self.control_waiting = self.control_behind
    self.control_behind = 0
    self.control_mark = self.out.length
    if self.control_mark == 0:
        self.control_waiting = 0


cdef void outbox_pump(Conn *self) noexcept nogil:
    """Let waiting DATA go, one frame per stream in turn, as far as windows and the outbox allow."""
    cdef Stream *stream
    cdef uint32_t size
    while self.ready_first != NULL and not self.broken and self.out.length + self.backlog < OUTBOX_HIGH:
        stream = self.ready_first
        size = _sendable(self, stream)
        if size == 0 and stream.waiting.length > 0:
            if stream.send_window.left > 0:
                return      # the connection window is shut: they keep their order
            ready_remove(self, stream)
            continue
        ready_remove(self, stream)
        _pump_stream(self, stream, size)
        if stream.conn != NULL and stream.waiting.length > 0 and stream.send_window.left > 0:
            ready_put(self, stream)
