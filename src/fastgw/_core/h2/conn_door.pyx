"""A door to h2.conn for tests and tools: octets in, octets out, and what floor 4 would have heard, without a socket."""
from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

from fastgw._core.buf cimport (
    Memory,
    Octets,
    memory_close,
    memory_open,
    octets_append,
    octets_close,
    octets_consume,
    octets_open,
)
from fastgw._core.h2.conn cimport (
    CAUSE_LOST,
    FEED_HEADROOM,
    TOWARD_ORIGIN,
    Cause,
    Conn,
    ConnEvents,
    ConnRoom,
    Role,
    conn_close,
    conn_feed,
    conn_open,
    conn_room_close,
    conn_room_open,
    conn_room_sweep,
)
from fastgw._core.h2.flow cimport RecvWindow
from fastgw._core.h2.outbox cimport (
    outbox_abort,
    outbox_block_close,
    outbox_block_open,
    outbox_credit_connection,
    outbox_credit_stream,
    outbox_data,
    outbox_goaway,
    outbox_ping,
    outbox_pump,
    outbox_trailers,
)
from fastgw._core.h2.settings cimport Settings, settings_default
from fastgw._core.h2.stream cimport HALF_CLOSED_REMOTE, OPEN, Stream, StreamState, stream_map_get
from fastgw._core.h2.streams cimport conn_stream_open
from fastgw._core.reasons cimport REASON_COUNT, Reason, reason_name
from fastgw._core.wire.fields cimport (
    FIELD_OVERHEAD,
    FIELDS_MAX,
    Field,
    FieldSection,
    RequestHead,
    ResponseHead,
    field_judge,
)
from fastgw._core.wire.frame cimport FRAME_HEADER_SIZE, FRAME_SIZE_DEFAULT
from fastgw._core.wire.hpack cimport hpack_encode_field

from fastgw._core.reasons import Reason as ReasonName

cdef enum _Heard:
    _HEAD = 1
    _DATA
    _TRAILERS
    _SENT
    _ENDED
    _RESET
    _SETTLED
    _DRAINED

ctypedef struct _Row:
    # One event; `size` octets of payload, or `count` fields, follow it in the log.
    uint8_t heard
    bint end
    uint32_t stream_id
    int64_t value           # status, grpc-status, length or error code
    uint32_t cause
    uint32_t count
    uint32_t size

cdef struct _Keeper:
    Octets log
    bint credits            # DATA is credited as it comes, as if floor 4 had passed it on at once

_CAUSES = {1: "reset", 2: "refused", 3: "goaway", 4: "lost"}

cdef ConnEvents _events


cdef inline _Keeper *_keeper(Conn *conn) noexcept nogil:
    return <_Keeper *>conn.owner


cdef void _note(Conn *conn, _Heard heard, uint32_t stream_id, int64_t value, bint end, uint32_t cause,
                const uint8_t *payload, uint32_t size) noexcept nogil:
    """Append one event without fields to the log."""
    cdef _Row row
    memset(&row, 0, sizeof(_Row))
    row.heard = <uint8_t>heard
    row.end = end
    row.stream_id = stream_id
    row.value = value
    row.cause = cause
    row.size = size
    octets_append(&_keeper(conn).log, <const uint8_t *>&row, sizeof(_Row))
    if size > 0:
        octets_append(&_keeper(conn).log, payload, size)


cdef void _note_section(Conn *conn, _Heard heard, Stream *stream, const FieldSection *section, int64_t value,
                        bint end) noexcept nogil:
    """Append one event with the fields of a section to the log; `cause` says that fields are missing."""
    cdef _Row row
    cdef const Field *field
    cdef uint32_t number
    cdef Octets *log = &_keeper(conn).log
    memset(&row, 0, sizeof(_Row))
    row.heard = <uint8_t>heard
    row.end = end
    row.stream_id = stream.id
    row.value = value
    row.cause = section.too_large
    row.count = section.count
    octets_append(log, <const uint8_t *>&row, sizeof(_Row))
    for number in range(section.count):
        field = &section.fields[number]
        octets_append(log, <const uint8_t *>&field.name_length, sizeof(uint32_t))
        octets_append(log, <const uint8_t *>&field.value_length, sizeof(uint32_t))
        octets_append(log, field.name, field.name_length)
        octets_append(log, field.value, field.value_length)


cdef void _on_request_head(Conn *conn, Stream *stream, FieldSection *section, const RequestHead *head,
                           bint end) noexcept nogil:
    stream.owner = _keeper(conn)
    _note_section(conn, _HEAD, stream, section, 0, end)


cdef void _on_response_head(Conn *conn, Stream *stream, FieldSection *section, const ResponseHead *head,
                            bint end) noexcept nogil:
    _note_section(conn, _HEAD, stream, section, head.status, end)


cdef void _on_data(Conn *conn, Stream *stream, uint8_t *payload, uint32_t length, bint end) noexcept nogil:
    _note(conn, _DATA, stream.id, length, end, 0, payload, length)
    memset(payload - FRAME_HEADER_SIZE, 0xff, FRAME_HEADER_SIZE)    # floor 4 may: the conn must not mind
    if _keeper(conn).credits:
        outbox_credit_connection(conn, length)
        outbox_credit_stream(conn, stream, length)


cdef void _on_trailers(Conn *conn, Stream *stream, FieldSection *section, int grpc_status) noexcept nogil:
    _note_section(conn, _TRAILERS, stream, section, grpc_status, True)


cdef void _on_sent(Conn *conn, Stream *stream, uint32_t length) noexcept nogil:
    _note(conn, _SENT, stream.id, length, False, 0, NULL, 0)


cdef void _on_ended(Conn *conn, Stream *stream) noexcept nogil:
    _note(conn, _ENDED, stream.id, 0, True, 0, NULL, 0)


cdef void _on_reset(Conn *conn, Stream *stream, uint32_t code, Cause cause) noexcept nogil:
    _note(conn, _RESET, stream.id, code, True, <uint32_t>cause, NULL, 0)


cdef void _on_settled(Conn *conn) noexcept nogil:
    _note(conn, _SETTLED, 0, conn.out.length, False, 0, NULL, 0)


cdef void _on_drained(Conn *conn) noexcept nogil:
    _note(conn, _DRAINED, 0, 0, False, 0, NULL, 0)


cdef void _on_dirty(Conn *conn) noexcept nogil:
    pass


_events.request_head = _on_request_head
_events.response_head = _on_response_head
_events.data = _on_data
_events.trailers = _on_trailers
_events.sent = _on_sent
_events.ended = _on_ended
_events.reset = _on_reset
_events.settled = _on_settled
_events.drained = _on_drained
_events.dirty = _on_dirty


cdef list _fields_get(const uint8_t **at, uint32_t count):
    """(name, value) pairs from the log."""
    cdef uint32_t sizes[2]
    fields = []
    for _ in range(count):
        memcpy(sizes, at[0], sizeof(sizes))
        at[0] += sizeof(sizes)
        fields.append((at[0][:sizes[0]], at[0][sizes[0]:sizes[0] + sizes[1]]))
        at[0] += sizes[0] + sizes[1]
    return fields


cdef object _event_get(const uint8_t **at):
    """One event of the log as a tuple that begins with its name."""
    cdef _Row row
    memcpy(&row, at[0], sizeof(_Row))
    at[0] += sizeof(_Row)
    payload = at[0][:row.size]
    at[0] += row.size
    if row.heard == _HEAD:
        return "head", row.stream_id, _fields_get(at, row.count), bool(row.end)
    if row.heard == _DATA:
        return "data", row.stream_id, payload, bool(row.end)
    if row.heard == _TRAILERS:
        return "trailers", row.stream_id, _fields_get(at, row.count), row.value
    if row.heard == _SENT:
        return "sent", row.stream_id, row.value
    if row.heard == _ENDED:
        return "ended", row.stream_id
    if row.heard == _RESET:
        return "reset", row.stream_id, row.value, _CAUSES[row.cause]
    return ("settled", row.value) if row.heard == _SETTLED else ("drained",)


cdef class ConnDoor:
    """One connection toward a "client" or an "origin" with everything it needs to stand alone.

    credits  give credit back for DATA as soon as it comes; without it `credit` does that
    """

    cdef Conn *conn
    cdef ConnRoom *room
    cdef FieldSection *section
    cdef Memory memory
    cdef _Keeper keeper
    cdef bytes rest
    cdef bint closed

    def __cinit__(self, str toward, *, bint credits=True, **ours):
        cdef Settings settings
        if toward not in ("client", "origin"):
            raise ValueError("toward is client or origin")
        settings_default(&settings)
        settings.max_concurrent_streams = ours.pop("max_concurrent_streams", 100)
        settings.initial_window_size = ours.pop("initial_window_size", 65535)
        settings.max_frame_size = ours.pop("max_frame_size", FRAME_SIZE_DEFAULT)
        if ours:
            raise TypeError(f"unknown settings {sorted(ours)}")
        self.conn = <Conn *>calloc(1, sizeof(Conn))
        self.room = <ConnRoom *>calloc(1, sizeof(ConnRoom))
        self.section = <FieldSection *>calloc(1, sizeof(FieldSection))
        if self.conn == NULL or self.room == NULL or self.section == NULL:
            raise MemoryError
        memory_open(&self.memory)
        conn_room_open(self.room, &self.memory)
        octets_open(&self.keeper.log, &self.memory)
        self.keeper.credits = credits
        self.rest = b""
        conn_open(self.conn, self.room, <Role>(1 if toward == "origin" else 0), &_events, &settings, &self.keeper)

    def __dealloc__(self):
        if self.conn != NULL and self.room != NULL and self.section != NULL:
            conn_close(self.conn, CAUSE_LOST)
            octets_close(&self.keeper.log)
            conn_room_close(self.room)
            memory_close(&self.memory)
        free(self.conn)
        free(self.room)
        free(self.section)

    # in and out

    def feed(self, bytes octets):
        """Hand over octets; what is not used yet is kept. Returns the Reason for refusing the connection, or 0."""
        cdef size_t used = 0
        cdef bytes given = self.rest + octets
        cdef size_t length = len(given)
        cdef uint8_t *block = <uint8_t *>malloc(FEED_HEADROOM + length)
        if block == NULL:
            raise MemoryError
        memcpy(block + FEED_HEADROOM, <const uint8_t *>given, length)
        conn_feed(self.conn, block + FEED_HEADROOM, length, &used)
        free(block)
        conn_room_sweep(self.room)
        self.rest = b"" if self.conn.broken else given[used:]
        return <int>self.conn.reason

    def take_output(self):
        """What goes to the peer now: as if its socket took everything."""
        out = []
        while True:
            outbox_pump(self.conn)
            if self.conn.out.length == 0:
                break
            out.append(self.conn.out.data[:self.conn.out.length])
            octets_consume(&self.conn.out, self.conn.out.length)
        self.conn.control_waiting = 0
        conn_room_sweep(self.room)
        return b"".join(out)

    def take_events(self):
        """What floor 4 has heard since the last time, as tuples.

        ("settled", octets) tells how much stood in the outbox when floor 4 might have opened another stream.
        """
        cdef const uint8_t *at = self.keeper.log.data
        cdef const uint8_t *end = at + self.keeper.log.length
        events = []
        while at < end:
            events.append(_event_get(&at))
        octets_close(&self.keeper.log)
        return events

    def close(self):
        """The transport is gone. Returns (octets still lent, streams still live): zeros if nothing leaks."""
        conn_close(self.conn, CAUSE_LOST)
        conn_room_sweep(self.room)
        events = self.take_events()
        self.closed = True
        return events, self.memory.lent, self.room.streams.live

    # what floor 4 does

    cdef Stream *find(self, uint32_t stream_id) except NULL:
        cdef Stream *stream = stream_map_get(&self.conn.streams, stream_id)
        if stream == NULL:
            raise KeyError(stream_id)
        return stream

    cdef object fill(self, fields):
        """Put (name, value) pairs into our own section; returns what keeps their octets alive."""
        cdef Field *field
        keep = [(bytes(name), bytes(value)) for name, value in fields]
        if len(keep) > FIELDS_MAX:
            raise ValueError("too many fields")
        memset(self.section, 0, sizeof(FieldSection))
        for one in keep:
            field = &self.section.fields[self.section.count]
            field.name = one[0]
            field.name_length = <uint32_t>len(one[0])
            field.value = one[1]
            field.value_length = <uint32_t>len(one[1])
            field_judge(field)
            self.section.count += 1
            self.section.list_size += field.name_length + field.value_length + FIELD_OVERHEAD
        return keep

    def open_stream(self):
        """A new stream toward an origin; returns its number. Nothing is sent before its head."""
        cdef Stream *stream
        if self.conn.role != TOWARD_ORIGIN:
            raise ValueError("streams toward a client are opened by the client")
        stream = conn_stream_open(self.conn, self.conn.next_id)
        if stream == NULL:
            raise MemoryError
        self.conn.next_id += 2
        stream.owner = &self.keeper
        return stream.id

    def send_head(self, uint32_t stream_id, fields, bint end=False, bint bodyless=False):
        """`bodyless`: the request is HEAD, so its response has no content."""
        cdef Stream *stream = self.find(stream_id)
        cdef uint32_t number
        keep = self.fill(fields)
        stream.bodyless = bodyless
        cdef uint8_t *at = outbox_block_open(self.conn, self.section.list_size)
        if at == NULL:
            raise MemoryError
        for number in range(self.section.count):
            at = hpack_encode_field(&self.conn.encoder, at, &self.section.fields[number])
        outbox_block_close(self.conn, at, stream, end)
        return len(keep)

    def send_data(self, uint32_t stream_id, bytes octets, bint end=False):
        """In pieces of at most FRAME_SIZE_DEFAULT. Returns how many octets wait in the stream."""
        cdef Stream *stream = self.find(stream_id)
        cdef uint8_t *block = <uint8_t *>malloc(FRAME_HEADER_SIZE + FRAME_SIZE_DEFAULT)
        cdef Py_ssize_t at = 0
        if block == NULL:
            raise MemoryError
        while True:
            piece = octets[at:at + FRAME_SIZE_DEFAULT]
            at += len(piece)
            memcpy(block + FRAME_HEADER_SIZE, <const uint8_t *>piece, len(piece))
            outbox_data(self.conn, stream, block + FRAME_HEADER_SIZE, <uint32_t>len(piece), end and at == len(octets))
            if at == len(octets) or self.conn.broken:
                break
        free(block)
        return stream.waiting.length

    def send_trailers(self, uint32_t stream_id, fields):
        cdef Stream *stream = self.find(stream_id)
        keep = self.fill(fields)
        outbox_trailers(self.conn, stream, self.section)
        return len(keep)

    def reset(self, uint32_t stream_id, uint32_t code):
        outbox_abort(self.conn, self.find(stream_id), code)

    def credit(self, uint32_t stream_id, uint32_t size):
        """`size` octets of DATA were passed on; a stream that is gone is owed nothing, its connection is."""
        cdef Stream *stream = stream_map_get(&self.conn.streams, stream_id)
        outbox_credit_connection(self.conn, size)
        if stream != NULL:
            outbox_credit_stream(self.conn, stream, size)

    def ping(self, bytes payload):
        if len(payload) != 8:
            raise ValueError("a PING has 8 octets")
        outbox_ping(self.conn, payload, False)

    def goaway(self, uint32_t last_id, uint32_t code=0):
        outbox_goaway(self.conn, last_id, code, NULL)

    # what there is

    cdef tuple ledger(self, const RecvWindow *window):
        return window.left, window.owed, window.full

    @property
    def recv_window(self):
        """(left, owed, full) of the connection: nobody has lost credit if left + owed == full."""
        return self.ledger(&self.conn.recv_window)

    @property
    def send_window(self):
        return self.conn.send_window.left

    def stream_recv_window(self, uint32_t stream_id):
        return self.ledger(&self.find(stream_id).recv_window)

    def stream_send_window(self, uint32_t stream_id):
        return self.find(stream_id).send_window.left

    def stream_waiting(self, uint32_t stream_id):
        return self.find(stream_id).waiting.length

    def stream_state(self, uint32_t stream_id):
        """The StreamState, or None for a stream that has no slot."""
        cdef Stream *stream = stream_map_get(&self.conn.streams, stream_id)
        return None if stream == NULL else StreamState(stream.state)

    def sends_open(self, uint32_t stream_id):
        """May our side still send on it?"""
        cdef Stream *stream = stream_map_get(&self.conn.streams, stream_id)
        return stream != NULL and (stream.state == OPEN or stream.state == HALF_CLOSED_REMOTE)

    @property
    def streams(self):
        """How many are live."""
        return self.conn.streams.count

    @property
    def broken(self):
        return bool(self.conn.broken)

    @property
    def reason(self):
        return ReasonName(self.conn.reason)

    @property
    def refusals(self):
        """Reason name -> how often bytes were refused for it."""
        return {
            reason_name(<Reason>number).decode(): self.room.refusals[number]
            for number in range(1, REASON_COUNT) if self.room.refusals[number]
        }

    @property
    def waiting(self):
        """Octets of DATA that wait in streams."""
        return self.room.waiting

    @property
    def out_length(self):
        """Octets that wait for the socket."""
        return self.conn.out.length
