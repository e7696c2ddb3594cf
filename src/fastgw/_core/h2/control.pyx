"""The frames that carry no call: PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE."""
from libc.stdint cimport int64_t

from fastgw._core.h2.conn cimport CAUSE_GOAWAY, CAUSE_RESET, RESET_BY_PEER, TOWARD_CLIENT, TOWARD_ORIGIN
from fastgw._core.h2.flow cimport send_window_widen
from fastgw._core.h2.limits cimport PINGS, PRIORITIES, SETTINGS_FRAMES, WINDOW_UPDATES
from fastgw._core.h2.outbox cimport outbox_ping, outbox_pump, outbox_settings_ack
from fastgw._core.h2.settings cimport HEADER_TABLE_SIZE, settings_get
from fastgw._core.h2.stream cimport RECV_RST_STREAM, Stream, stream_map_get, stream_step
from fastgw._core.h2.streams cimport conn_stream_is_idle, conn_stream_lose, ready_put
from fastgw._core.reasons cimport (
    CONNECTION_WINDOW_INCREMENT_ZERO,
    CONNECTION_WINDOW_OVERFLOW,
    FRAME_ON_IDLE_STREAM,
    PRIORITY_ON_ITSELF,
    PUSH_NOT_ALLOWED,
    REFUSED_STREAM,
    SETTINGS_ACK_NOT_EMPTY,
    SETTINGS_TOO_MANY,
    SETTINGS_WINDOW_TOO_LARGE,
    WINDOW_INCREMENT_ZERO,
    WINDOW_OVERFLOW,
)
from fastgw._core.wire.frame cimport ACK, STREAM_ID_LARGEST, octets_get16, octets_get32
from fastgw._core.wire.hpack cimport hpack_encoder_resize
from fastgw._core.wire.opening cimport opening_settings


cdef Reason control_priority(Conn *self, const FrameHeader *header, uint8_t *payload) noexcept nogil:
    """Parsed and ignored (RFC 9113 section 5.3.2)."""
    if octets_get32(payload) & STREAM_ID_LARGEST == header.stream_id:
        # An idle stream cannot be reset (RFC 9113 section 6.4).
        return FRAME_ON_IDLE_STREAM if conn_stream_is_idle(self, header.stream_id) else PRIORITY_ON_ITSELF
    if self.last_peer_id == 0 and self.opening.priorities < 0xffff:
        self.opening.priorities += 1
    return conn_spend(self, PRIORITIES, 1)


cdef Reason control_rst_stream(Conn *self, const FrameHeader *header, uint8_t *payload) noexcept nogil:
    cdef Stream *stream
    if conn_stream_is_idle(self, header.stream_id):
        return FRAME_ON_IDLE_STREAM
    stream = stream_map_get(&self.streams, header.stream_id)
    if stream != NULL:
        stream_step(&stream.state, RECV_RST_STREAM)
        conn_stream_lose(self, stream, RESET_BY_PEER, octets_get32(payload), CAUSE_RESET)
        return conn_spend_reset(self)
    return conn_spend_late(self)


cdef Reason control_settings(Conn *self, const FrameHeader *header, uint8_t *payload) noexcept nogil:
    """RFC 9113 section 6.5: in force at once, acknowledged at once."""
    cdef int64_t before = self.theirs.initial_window_size
    cdef uint32_t at
    cdef Reason reason
    if header.flags & ACK:
        self.settings_acked = True
        return conn_spend(self, UNKNOWN_FRAMES, 1) if header.length == 0 else SETTINGS_ACK_NOT_EMPTY
    if header.length > 6 * self.room.limits.settings_entries:
        return SETTINGS_TOO_MANY
    # A new initial window touches each open stream: that is paid for too. An honest origin that measures its path
    # doubles its window ten times in a moment, with thousands of streams open.
    reason = conn_spend(self, SETTINGS_FRAMES, 1 + self.streams.count // 1024)
    if reason != ACCEPTED:
        return reason
    reason = settings_get(&self.theirs, payload, header.length, self.role == TOWARD_ORIGIN)
    if reason == ACCEPTED:
        reason = _shift_windows(self, <int64_t>self.theirs.initial_window_size - before)
    if reason != ACCEPTED:
        return reason
    for at in range(0, header.length, 6):
        if octets_get16(payload + at) == HEADER_TABLE_SIZE:     # each: the smallest counts (RFC 7541 section 4.2)
            hpack_encoder_resize(&self.encoder, octets_get32(payload + at + 2))
    if not self.settings_seen and self.role == TOWARD_CLIENT:
        opening_settings(&self.opening, payload, header.length)
    self.settings_seen = True
    outbox_settings_ack(self)
    self.events.settled(self)
    return ACCEPTED


cdef Reason _shift_windows(Conn *self, int64_t by) noexcept nogil:
    """A new initial window moves the window of every open stream (RFC 9113 section 6.9.2)."""
    cdef uint32_t at
    cdef Stream *stream
    if by == 0 or self.streams.count == 0:
        return ACCEPTED
    for at in range(self.streams.mask + 1):
        stream = self.streams.slots[at]
        if stream == NULL:
            continue
        if send_window_widen(&stream.send_window, by) != ACCEPTED:
            return SETTINGS_WINDOW_TOO_LARGE
        if stream.waiting.length > 0 and stream.send_window.left > 0:
            ready_put(self, stream)
    return ACCEPTED


cdef Reason control_push_promise(Conn *self, const FrameHeader *header, uint8_t *payload) noexcept nogil:
    """We announce ENABLE_PUSH 0 and clients may not push (RFC 9113 section 8.4)."""
    return PUSH_NOT_ALLOWED


cdef Reason control_ping(Conn *self, const FrameHeader *header, uint8_t *payload) noexcept nogil:
    cdef Reason reason
    if not header.flags & ACK:
        reason = conn_spend(self, PINGS, 1)
        if reason == ACCEPTED:
            outbox_ping(self, payload, True)
        return reason
    if self.goaway_sent and self.goaway_last == STREAM_ID_LARGEST:
        self.events.drained(self)       # once: it lowers goaway_last
    return conn_spend(self, UNKNOWN_FRAMES, 1)


cdef Reason control_goaway(Conn *self, const FrameHeader *header, uint8_t *payload) noexcept nogil:
    """The peer serves nothing above its last id (RFC 9113 section 6.8)."""
    cdef uint32_t at = 0, last = octets_get32(payload) & STREAM_ID_LARGEST
    cdef Reason reason
    if self.goaway_seen:        # each looks at every stream
        reason = conn_spend(self, UNKNOWN_FRAMES, 1 + self.streams.count // 64)
        if reason != ACCEPTED:
            return reason
    self.goaway_seen = True
    self.goaway_seen_last = last
    self.goaway_code = octets_get32(payload + 4)
    if self.role == TOWARD_ORIGIN and self.streams.count > 0:
        # Taking a stream out moves later ones up in the map: look at a slot again until it holds one that stays.
        while at <= self.streams.mask:
            if self.streams.slots[at] != NULL and self.streams.slots[at].id > last:
                conn_stream_lose(self, self.streams.slots[at], RESET_BY_PEER, <uint32_t>REFUSED_STREAM, CAUSE_GOAWAY)
            else:
                at += 1
    self.events.settled(self)
    return ACCEPTED


cdef Reason control_window_update(Conn *self, const FrameHeader *header, uint8_t *payload) noexcept nogil:
    """RFC 9113 section 6.9. What waits for the window goes when the connection is flushed."""
    cdef uint32_t increment = octets_get32(payload) & STREAM_ID_LARGEST
    cdef Stream *stream
    cdef Reason reason = conn_spend(self, WINDOW_UPDATES, 1)
    if reason != ACCEPTED:
        return reason
    if header.stream_id == 0:
        if increment == 0:
            return CONNECTION_WINDOW_INCREMENT_ZERO
        if send_window_widen(&self.send_window, increment) != ACCEPTED:
            return CONNECTION_WINDOW_OVERFLOW
        if self.last_peer_id == 0:
            self.opening.window += increment
        if self.ready_first != NULL:
            outbox_pump(self)
        return ACCEPTED
    if conn_stream_is_idle(self, header.stream_id):
        return FRAME_ON_IDLE_STREAM
    stream = stream_map_get(&self.streams, header.stream_id)
    if stream == NULL:
        return ACCEPTED
    if increment == 0:
        return WINDOW_INCREMENT_ZERO
    if send_window_widen(&stream.send_window, increment) != ACCEPTED:
        return WINDOW_OVERFLOW
    if stream.waiting.length > 0 and stream.send_window.left > 0:
        ready_put(self, stream)
        outbox_pump(self)
    return ACCEPTED
