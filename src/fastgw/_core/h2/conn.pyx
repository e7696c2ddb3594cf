"""One HTTP/2 connection, either role, without its socket: bytes in, bytes out, events up (RFC 9113).

What may come next is a pointer (`expect`); each frame type has one handler; every refusal passes through `_refuse`.
"""
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memset

from fastgw._core.buf cimport (
    octets_append,
    octets_close,
    octets_open,
    slots_close,
    slots_open,
    slots_return,
)
from fastgw._core.h2.control cimport (
    conn_spend,
    conn_spend_late,
    conn_spend_reset,
    control_goaway,
    control_ping,
    control_priority,
    control_push_promise,
    control_rst_stream,
    control_settings,
    control_window_update,
)
from fastgw._core.h2.flow cimport WINDOW_DEFAULT, recv_window_take
from fastgw._core.h2.limits cimport (
    CONTINUATIONS,
    EMPTY_DATA,
    PRIORITIES,
    UNKNOWN_FRAMES,
    limits_default,
)
from fastgw._core.h2.outbox cimport (
    outbox_begin,
    outbox_credit_connection,
    outbox_credit_stream,
    outbox_goaway,
    outbox_reset,
)
from fastgw._core.h2.settings cimport settings_default
from fastgw._core.h2.stream cimport (
    CLOSED,
    RECV_DATA,
    RECV_END_STREAM,
    RECV_HEADERS,
    stream_map_close,
    stream_map_get,
    stream_step,
)
from fastgw._core.h2.streams cimport (
    conn_remember,
    conn_stream_ending,
    conn_stream_finish,
    conn_stream_is_idle,
    conn_stream_lose,
    conn_stream_open,
)
from fastgw._core.reasons cimport *
from fastgw._core.wire.fields cimport FIELDS_MAX, request_head_check, response_head_check, trailers_check
from fastgw._core.wire.frame cimport (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    FRAME_HEADER_SIZE,
    FRAME_TYPES,
    GOAWAY,
    HEADERS,
    PADDED,
    PING,
    PREFACE,
    PREFACE_SIZE,
    PRIORITY,
    PRIORITY_UPDATE,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    STREAM_ID_LARGEST,
    WINDOW_UPDATE,
    WITH_PRIORITY,
    FrameHeader,
    frame_check,
    frame_header_get,
    octets_get32,
    padding_check,
)
from fastgw._core.wire.hpack cimport (
    hpack_decode,
    hpack_decoder_close,
    hpack_decoder_open,
    hpack_encoder_close,
    hpack_encoder_open,
)

ctypedef Reason (*_Handler)(Conn *self, const FrameHeader *header, uint8_t *payload) noexcept nogil

cdef _Handler _handlers[<int>FRAME_TYPES]


# ---- life


cdef bint conn_room_open(ConnRoom *self, Memory *memory, const Limits *limits) noexcept nogil:
    """False if memory is out. `limits` NULL: the defaults."""
    memset(self, 0, sizeof(ConnRoom))
    self.memory = memory
    if limits == NULL:
        limits_default(&self.limits)
    else:
        self.limits = limits[0]
    slots_open(&self.streams, sizeof(Stream))
    # Room for all that is stored of a section, and for table entries that move out of the way of insertions.
    self.section.arena_size = 2 * self.limits.head_octets + 8192
    self.section.arena = <uint8_t *>malloc(self.section.arena_size)
    self.section.list_limit = self.limits.head_octets
    self.section.field_limit = (self.limits.head_fields if self.limits.head_fields < FIELDS_MAX
                                else <uint32_t>FIELDS_MAX)
    self.stashed.list_limit = self.limits.head_octets
    return self.section.arena != NULL


cdef void conn_room_sweep(ConnRoom *self) noexcept nogil:
    """The turn is over: streams that ended in it give their slots back."""
    cdef Stream *stream
    while self.dead != NULL:
        stream = self.dead
        self.dead = stream.next
        slots_return(&self.streams, stream)


cdef void conn_room_close(ConnRoom *self) noexcept nogil:
    conn_room_sweep(self)
    slots_close(&self.streams)
    free(self.section.arena)
    self.section.arena = NULL


cdef void conn_open(Conn *self, ConnRoom *room, Role role, const ConnEvents *events, const Settings *ours,
                    void *owner) noexcept nogil:
    """Begin a connection in `role`; our preface and SETTINGS are in the outbox."""
    memset(self, 0, sizeof(Conn))
    self.room = room
    self.events = events
    self.owner = owner
    self.role = <uint8_t>role
    self.expect = expect_preface if role == TOWARD_CLIENT else expect_settings
    self.next_id = 1
    self.ours = ours[0]
    settings_default(&self.theirs)
    self.send_window.left = WINDOW_DEFAULT
    self.recv_window.left = WINDOW_DEFAULT
    self.recv_window.full = WINDOW_DEFAULT
    hpack_decoder_open(&self.decoder)
    hpack_encoder_open(&self.encoder)
    octets_open(&self.block, room.memory)
    octets_open(&self.out, room.memory)
    outbox_begin(self)


cdef void conn_rest(Conn *self) noexcept nogil:
    """Nothing has come for a while: give back what the next stream brings again."""
    if self.streams.count == 0:
        stream_map_close(&self.streams)


cdef void conn_abandon(Conn *self, Cause cause) noexcept nogil:
    """Nothing more is read, every stream is lost; what is in the outbox may still be sent."""
    cdef uint32_t at = 0
    self.broken = True
    while self.streams.count > 0:
        while self.streams.slots[at & self.streams.mask] == NULL:
            at += 1
        conn_stream_lose(self, self.streams.slots[at & self.streams.mask], RESET_BY_US, <uint32_t>CANCEL, cause)


cdef void conn_close(Conn *self, Cause cause) noexcept nogil:
    """The transport is gone: abandon, and give all memory back. Closing twice does nothing."""
    conn_abandon(self, cause)
    stream_map_close(&self.streams)
    hpack_decoder_close(&self.decoder)
    hpack_encoder_close(&self.encoder)
    octets_close(&self.block)
    octets_close(&self.out)


cdef bint _refuse(Conn *self, uint32_t stream_id, Reason reason) noexcept nogil:
    """The one place where bytes are refused. True: only the stream broke, the connection goes on."""
    cdef Stream *stream
    cdef Reason over
    self.room.refusals[<int>reason] += 1
    if reason_scope(reason) == ON_STREAM_SCOPE:
        over = conn_spend_reset(self)
        if over != ACCEPTED:
            return _refuse(self, 0, over)
        outbox_reset(self, stream_id, reason_code(reason))
        stream = stream_map_get(&self.streams, stream_id)
        if stream != NULL:
            conn_stream_lose(self, stream, RESET_BY_US, reason_code(reason), CAUSE_REFUSED)
        else:
            conn_remember(self, stream_id, RESET_BY_US)
        return not self.broken
    if self.reason == ACCEPTED:
        self.reason = reason
        outbox_goaway(self, self.last_peer_id, reason_code(reason), reason_name(reason))
    self.broken = True
    return False


cdef void conn_refuse(Conn *self, Reason reason) noexcept nogil:
    """Floor 4 gives the whole connection up, for a reason that took time to show."""
    if not self.broken:
        _refuse(self, 0, reason)


cdef Reason conn_feed(Conn *self, uint8_t *data, size_t length, size_t *used) noexcept nogil:
    """Take in as much of `data` as is whole; `used` tells how much that was.

    FEED_HEADROOM octets before `data` must be writable, and `data` itself is written to. What is not used must be
    fed again, with more behind it; it is never more than one frame other than DATA. Returns why the connection was
    refused, ACCEPTED if it was not.
    """
    cdef Py_ssize_t step
    used[0] = 0
    while used[0] < length and not self.broken:
        step = self.expect(self, data + used[0], length - used[0])
        if step < 0:
            break
        if step == 0:
            break
        used[0] += <size_t>step
    return self.reason


# ---- what may come next


cdef Py_ssize_t expect_preface(Conn *self, uint8_t *data, size_t length) noexcept nogil:
    """The 24 octets a client says first (RFC 9113 section 3.4); a wrong one is refused at its first wrong octet."""
    cdef size_t have = length if length < PREFACE_SIZE else <size_t>PREFACE_SIZE
    if memcmp(data, <const void *>PREFACE, have) != 0:
        _refuse(self, 0, PREFACE_INVALID)
        return -1
    if have < PREFACE_SIZE:
        return 0
    self.expect = expect_settings
    return PREFACE_SIZE


cdef Py_ssize_t expect_settings(Conn *self, uint8_t *data, size_t length) noexcept nogil:
    """The first frame of a peer is SETTINGS and no acknowledgement (RFC 9113 section 3.4)."""
    if length < FRAME_HEADER_SIZE:
        return 0
    if data[3] != SETTINGS or data[4] & ACK:
        _refuse(self, 0, FIRST_FRAME_NOT_SETTINGS)
        return -1
    self.expect = expect_frame
    return expect_frame(self, data, length)


cdef Py_ssize_t expect_frame(Conn *self, uint8_t *data, size_t length) noexcept nogil:
    """One frame header, and its payload too unless it is DATA."""
    cdef FrameHeader header
    cdef Reason reason
    if length < FRAME_HEADER_SIZE:
        return 0
    frame_header_get(&header, data)
    reason = frame_check(&header, self.ours.max_frame_size)
    if reason != ACCEPTED:
        _refuse(self, header.stream_id, reason)
        return -1
    if header.type == DATA:
        return _begin_data(self, &header, data, length)
    if length < FRAME_HEADER_SIZE + header.length:
        return 0
    if header.type < FRAME_TYPES:
        reason = _handlers[header.type](self, &header, data + FRAME_HEADER_SIZE)
    else:
        reason = conn_spend(self, PRIORITIES if header.type == PRIORITY_UPDATE else UNKNOWN_FRAMES, 1)
    if reason != ACCEPTED and not _refuse(self, header.stream_id, reason):
        return -1
    return FRAME_HEADER_SIZE + <Py_ssize_t>header.length


cdef Py_ssize_t expect_continuation(Conn *self, uint8_t *data, size_t length) noexcept nogil:
    """Nothing but CONTINUATION on the same stream may follow an unfinished field block (RFC 9113 section 6.10)."""
    cdef FrameHeader header
    cdef Reason reason
    if length < FRAME_HEADER_SIZE:
        return 0
    frame_header_get(&header, data)
    reason = frame_check(&header, self.ours.max_frame_size)
    if reason == ACCEPTED and (header.type != CONTINUATION or header.stream_id != self.block_stream):
        reason = CONTINUATION_EXPECTED
    if reason == ACCEPTED and self.block_frames >= self.room.limits.continuation_frames:
        reason = CONTINUATION_FLOOD
    if reason == ACCEPTED and self.block.length + header.length > 4 * self.room.limits.head_octets:
        reason = FIELD_BLOCK_TOO_LARGE
    if reason != ACCEPTED:
        _refuse(self, header.stream_id, reason)
        return -1
    if length < FRAME_HEADER_SIZE + header.length:
        return 0
    self.block_frames += 1
    reason = conn_spend(self, CONTINUATIONS, 1)     # once it is whole: a slow peer shows it to us many times before
    if reason == ACCEPTED and not octets_append(&self.block, data + FRAME_HEADER_SIZE, header.length):
        reason = OUT_OF_MEMORY
    if reason != ACCEPTED:
        _refuse(self, 0, reason)
        return -1
    if header.flags & END_HEADERS:
        self.expect = expect_frame
        reason = _take_block(self, self.block.data, self.block.length)
        octets_close(&self.block)
    if reason != ACCEPTED and not _refuse(self, header.stream_id, reason):
        return -1
    return FRAME_HEADER_SIZE + <Py_ssize_t>header.length


# ---- DATA


cdef Py_ssize_t _begin_data(Conn *self, const FrameHeader *header, uint8_t *data, size_t length) noexcept nogil:
    """A DATA frame header: windows, state and padding are settled before its payload is complete."""
    cdef Stream *stream
    cdef uint32_t before, padding
    cdef Py_ssize_t taken
    cdef Reason reason
    if header.flags & PADDED and length < FRAME_HEADER_SIZE + 1 and header.length > 0:
        return 0
    reason = padding_check(header, data + FRAME_HEADER_SIZE, &before, &padding)
    if reason == ACCEPTED and recv_window_take(&self.recv_window, header.length) != ACCEPTED:
        reason = CONNECTION_WINDOW_OVERRUN
    if reason == ACCEPTED and conn_stream_is_idle(self, header.stream_id):
        reason = FRAME_ON_IDLE_STREAM
    if reason != ACCEPTED:
        _refuse(self, header.stream_id, reason)
        return -1
    stream = stream_map_get(&self.streams, header.stream_id)
    if stream == NULL:
        reason = ACCEPTED if _may_be_late(self, header.stream_id) else FRAME_AFTER_RESET
    else:
        reason = stream_step(&stream.state, RECV_DATA)
        if reason == ACCEPTED and not stream.head_seen:
            reason = DATA_BEFORE_HEAD
        if reason == ACCEPTED:
            reason = recv_window_take(&stream.recv_window, header.length)
        if reason == ACCEPTED:
            reason = _content_take(stream, header.length - before - padding, header.flags & END_STREAM)
    if reason == ACCEPTED:
        if header.length > before + padding:
            self.useful += stream != NULL
        elif not header.flags & END_STREAM:
            reason = conn_spend(self, EMPTY_DATA, 1)
    if reason != ACCEPTED and not _refuse(self, header.stream_id, reason):
        return -1
    if stream == NULL or reason != ACCEPTED:
        outbox_credit_connection(self, header.length)   # nobody else will
    elif before + padding > 0:
        outbox_credit_connection(self, before + padding)
        outbox_credit_stream(self, stream, before + padding)
    self.data_stream = header.stream_id if stream != NULL and reason == ACCEPTED else 0
    self.data_left = header.length - before - padding
    self.data_padding = padding
    self.data_ends = header.flags & END_STREAM
    self.expect = expect_data
    taken = FRAME_HEADER_SIZE + <Py_ssize_t>before
    return taken + _take_data(self, data + taken, length - <size_t>taken)


cdef inline Reason _content_take(Stream *stream, uint32_t size, bint ends) noexcept nogil:
    """`size` octets of content are coming: does the content-length hold (RFC 9113 section 8.1.1)?"""
    if stream.content_left < 0:
        return ACCEPTED
    stream.content_left -= size
    return CONTENT_LENGTH_MISMATCH if stream.content_left < 0 or (ends and stream.content_left > 0) else ACCEPTED


cdef Py_ssize_t expect_data(Conn *self, uint8_t *data, size_t length) noexcept nogil:
    """The payload of a DATA frame, passed on as it comes."""
    return _take_data(self, data, length)


cdef Py_ssize_t _take_data(Conn *self, uint8_t *data, size_t length) noexcept nogil:
    """Pass on up to `length` octets of content, skip padding; returns how many octets that took, 0 included."""
    cdef uint32_t size = self.data_left if self.data_left < length else <uint32_t>length
    cdef uint32_t skip
    cdef Reason reason
    if size > 0 or self.data_left == 0:
        self.data_left -= size
        if self.data_stream != 0:
            reason = _pass_data(self, data, size)
            if reason != ACCEPTED:
                _refuse(self, self.data_stream, reason)
                self.data_stream = 0
            elif self.data_left == 0:
                self.data_stream = 0
    skip = self.data_padding if self.data_padding < length - size else <uint32_t>(length - size)
    if self.data_left == 0:
        self.data_padding -= skip
        size += skip
        if self.data_padding == 0:
            self.expect = expect_frame
    return size


cdef Reason _pass_data(Conn *self, uint8_t *data, uint32_t size) noexcept nogil:
    """One piece of content to floor 4. What arrives for a stream that is gone is dropped and credited."""
    cdef Stream *stream = stream_map_get(&self.streams, self.data_stream)
    cdef bint ends = self.data_ends and self.data_left == 0
    cdef Reason reason
    if stream == NULL:
        outbox_credit_connection(self, size)
        return ACCEPTED
    if ends:
        reason = _end(stream)
        if reason != ACCEPTED:
            outbox_credit_connection(self, size)
            return reason
    if size > 0 or ends:
        self.events.data(self, stream, data, size, ends)
    if ends and stream.state == CLOSED:
        conn_stream_finish(self, stream, ENDED)
    return ACCEPTED


cdef Reason _end(Stream *stream) noexcept nogil:
    """END_STREAM came: did the content-length hold (RFC 9113 section 8.1.1), and may the stream end now?"""
    if stream.content_left > 0 and not stream.bodyless:
        return CONTENT_LENGTH_MISMATCH
    return stream_step(&stream.state, RECV_END_STREAM)


# ---- HEADERS


cdef Reason _on_headers(Conn *self, const FrameHeader *header, uint8_t *payload) noexcept nogil:
    """RFC 9113 section 6.2. The block is decoded whatever becomes of the stream: the tables must stay in step."""
    cdef uint32_t before, padding
    cdef Reason reason = padding_check(header, payload, &before, &padding)
    if reason != ACCEPTED:
        return reason
    if header.stream_id % 2 == 0:
        return STREAM_ID_EVEN
    if self.role == TOWARD_ORIGIN and header.stream_id >= self.next_id:
        return FRAME_ON_IDLE_STREAM
    self.block_stream = header.stream_id
    self.block_ends = header.flags & END_STREAM
    self.block_on_itself = (header.flags & WITH_PRIORITY
                            and octets_get32(payload + before - 5) & STREAM_ID_LARGEST == header.stream_id)
    payload += before
    if header.flags & END_HEADERS:
        return _take_block(self, payload, header.length - before - padding)
    if not octets_append(&self.block, payload, header.length - before - padding):
        return OUT_OF_MEMORY
    self.block_frames = 0
    self.block_at = self.room.now
    self.expect = expect_continuation
    return ACCEPTED


cdef Reason _take_block(Conn *self, const uint8_t *block, uint32_t length) noexcept nogil:
    """A whole field block: decode, then decide whose it is."""
    cdef Stream *stream
    cdef Reason reason = hpack_decode(&self.decoder, block, length, &self.room.section)
    if reason != ACCEPTED:
        return reason
    stream = stream_map_get(&self.streams, self.block_stream)
    if stream != NULL:
        self.useful += 1
        if self.block_on_itself:
            return PRIORITY_ON_ITSELF
        if self.role == TOWARD_ORIGIN and not stream.head_seen:
            return _response_head(self, stream)
        return _trailers(self, stream)
    if self.role == TOWARD_CLIENT and self.block_stream > self.last_peer_id:
        return _request_head(self)
    return _late_block(self)


cdef bint _may_be_late(const Conn *self, uint32_t stream_id) noexcept nogil:
    """The peer may not have seen our RST_STREAM yet.

    Toward an origin many streams are reset at once when a client goes, more than are remembered: there the forgotten
    ones count too.
    """
    cdef int ending = conn_stream_ending(self, stream_id)
    return ending == RESET_BY_US or (ending == 0 and self.role == TOWARD_ORIGIN)


cdef Reason _late_block(Conn *self) noexcept nogil:
    """HEADERS for a stream that is closed (RFC 9113 section 5.1)."""
    cdef int ending = conn_stream_ending(self, self.block_stream)
    if _may_be_late(self, self.block_stream):
        return conn_spend_late(self)
    if ending == RESET_BY_PEER:
        return FRAME_AFTER_RESET
    if ending == ENDED:
        return FRAME_AFTER_CLOSE
    return STREAM_ID_NOT_INCREASING if self.role == TOWARD_CLIENT else FRAME_AFTER_RESET


cdef Reason _request_head(Conn *self) noexcept nogil:
    """A client opens a stream."""
    cdef RequestHead head
    cdef Stream *stream
    cdef Reason reason
    self.last_peer_id = self.block_stream
    self.useful += 1
    if self.goaway_sent and self.block_stream > self.goaway_last:
        return ACCEPTED         # it was told: the client knows this one was not processed
    if self.block_on_itself:
        return PRIORITY_ON_ITSELF
    if self.streams.count >= self.ours.max_concurrent_streams:
        return STREAM_LIMIT_EXCEEDED
    reason = request_head_check(&self.room.section, &head)
    if reason != ACCEPTED and not self.room.section.too_large:
        return reason
    if head.content_length > 0 and self.block_ends and not self.room.section.too_large:
        return CONTENT_LENGTH_MISMATCH
    stream = conn_stream_open(self, self.block_stream)
    if stream == NULL:
        return OUT_OF_MEMORY
    stream_step(&stream.state, RECV_HEADERS)
    stream.head_seen = True
    stream.content_left = head.content_length
    if self.block_ends:
        stream_step(&stream.state, RECV_END_STREAM)
    self.events.request_head(self, stream, &self.room.section, &head, self.block_ends)
    return ACCEPTED


cdef Reason _response_head(Conn *self, Stream *stream) noexcept nogil:
    """An origin answers, perhaps with an informational head first (RFC 9113 section 8.1)."""
    cdef ResponseHead head
    cdef Reason reason = stream_step(&stream.state, RECV_HEADERS)
    if reason == ACCEPTED:
        reason = response_head_check(&self.room.section, &head)
        if self.room.section.too_large:
            reason = ACCEPTED
    if reason == ACCEPTED and head.status < 200 and self.block_ends:
        reason = STATUS_INVALID
    if reason != ACCEPTED:
        return reason
    if head.status >= 200:
        stream.head_seen = True
        stream.content_left = head.content_length
        if head.status == 304 or head.status == 204:
            stream.bodyless = True
        if stream.bodyless:
            stream.content_left = 0     # whatever its content-length says (RFC 9110 section 6.4.1)
    if self.block_ends:
        reason = _end(stream)
        if reason != ACCEPTED:
            return reason
    self.events.response_head(self, stream, &self.room.section, &head, self.block_ends)
    if stream.state == CLOSED:
        conn_stream_finish(self, stream, ENDED)
    return ACCEPTED


cdef Reason _trailers(Conn *self, Stream *stream) noexcept nogil:
    """A second field section ends the half it is in (RFC 9113 section 8.1)."""
    cdef int grpc_status = -1
    cdef Reason reason = stream_step(&stream.state, RECV_HEADERS)
    if reason == ACCEPTED and not self.block_ends:
        reason = HEADERS_WITHOUT_END_STREAM
    if reason == ACCEPTED:
        reason = trailers_check(&self.room.section, &grpc_status)
    if reason == ACCEPTED:
        reason = _end(stream)
    if reason != ACCEPTED:
        return reason
    self.events.trailers(self, stream, &self.room.section, grpc_status)
    if stream.state == CLOSED:
        conn_stream_finish(self, stream, ENDED)
    return ACCEPTED


cdef Reason _on_continuation(Conn *self, const FrameHeader *header, uint8_t *payload) noexcept nogil:
    return CONTINUATION_UNEXPECTED


_handlers[<int>HEADERS] = _on_headers
_handlers[<int>PRIORITY] = control_priority
_handlers[<int>RST_STREAM] = control_rst_stream
_handlers[<int>SETTINGS] = control_settings
_handlers[<int>PUSH_PROMISE] = control_push_promise
_handlers[<int>PING] = control_ping
_handlers[<int>GOAWAY] = control_goaway
_handlers[<int>WINDOW_UPDATE] = control_window_update
_handlers[<int>CONTINUATION] = _on_continuation
