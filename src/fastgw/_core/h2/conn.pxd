"""One HTTP/2 connection, either role, without its socket: bytes in, bytes out, events up (RFC 9113)."""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from fastgw._core.buf cimport Memory, Octets, Slots
from fastgw._core.h2.flow cimport RecvWindow, SendWindow
from fastgw._core.h2.limits cimport Budget, Limits
from fastgw._core.h2.settings cimport Settings
from fastgw._core.h2.stream cimport Stream, StreamMap
from fastgw._core.reasons cimport Reason
from fastgw._core.wire.fields cimport FieldSection, RequestHead, ResponseHead
from fastgw._core.wire.hpack cimport HpackDecoder, HpackEncoder
from fastgw._core.wire.opening cimport Opening

cdef enum:
    FEED_HEADROOM = 16          # writable octets conn_feed wants before its data: a frame header is put there in place
    OUTBOX_HIGH = 262144        # octets on their way to the socket, above which DATA waits in its stream
    OUTBOX_LIMIT = 8388608      # octets of heads and answers a peer may leave unread (CVE-2019-9517)
    RECENT_MAX = 32             # closed streams remembered one by one

cdef enum Role:
    TOWARD_CLIENT = 0           # the peer is a client, we are the server
    TOWARD_ORIGIN = 1           # the peer is an origin, we are the client

cdef enum Ending:               # how a stream ended
    ENDED = 1                   # END_STREAM both ways
    RESET_BY_PEER
    RESET_BY_US

cdef enum Cause:                # why floor 4 loses a stream it did not end itself
    CAUSE_RESET = 1             # RST_STREAM from the peer
    CAUSE_REFUSED               # the peer broke a rule on this stream: we sent RST_STREAM
    CAUSE_GOAWAY                # above the last id of the peer's GOAWAY: never processed
    CAUSE_LOST                  # the connection is gone

cdef struct Conn

ctypedef Py_ssize_t (*Expect)(Conn *self, uint8_t *data, size_t length) noexcept nogil

ctypedef struct ConnEvents:
    # What floor 4 wants to know. A stream handed up is good until the turn ends, even if it ends inside the call.
    void (*request_head)(Conn *conn, Stream *stream, FieldSection *section, const RequestHead *head,
                         bint end) noexcept nogil
    void (*response_head)(Conn *conn, Stream *stream, FieldSection *section, const ResponseHead *head,
                          bint end) noexcept nogil
    void (*data)(Conn *conn, Stream *stream, uint8_t *payload, uint32_t length, bint end) noexcept nogil
    void (*trailers)(Conn *conn, Stream *stream, FieldSection *section, int grpc_status) noexcept nogil
    void (*sent)(Conn *conn, Stream *stream, uint32_t length) noexcept nogil    # waiting octets went into the outbox
    void (*ended)(Conn *conn, Stream *stream) noexcept nogil                    # END_STREAM has gone both ways
    void (*reset)(Conn *conn, Stream *stream, uint32_t code, Cause cause) noexcept nogil
    void (*settled)(Conn *conn) noexcept nogil          # SETTINGS came, or a stream slot became free
    void (*drained)(Conn *conn) noexcept nogil          # the PING that follows our first GOAWAY was answered
    void (*dirty)(Conn *conn) noexcept nogil            # there is something to flush

ctypedef struct ConnRoom:
    # What all connections of one worker share: one thread, one block decoded at a time.
    Memory *memory
    Slots streams
    Stream *dead                # streams that go when the turn ends
    FieldSection section        # the field section just decoded
    FieldSection stashed        # a section read back from a stash
    Limits limits
    uint64_t refusals[128]      # by Reason
    uint64_t waiting            # octets of DATA waiting in streams
    uint64_t now                # ns, read once per turn; floor 4 keeps it

cdef struct Conn:
    ConnRoom *room
    const ConnEvents *events
    void *owner                 # floor 4's
    uint8_t role
    bint dirty                  # already on floor 4's list of connections to flush
    bint broken                 # GOAWAY was sent for a refusal: nothing more is read
    # reading
    Expect expect               # what the next octets must be; the connection's read state
    HpackDecoder decoder
    Octets block                # a field block that spans frames
    uint32_t block_stream
    uint32_t block_frames
    bint block_ends             # its HEADERS carried END_STREAM
    bint block_on_itself        # its priority fields name its own stream
    uint32_t data_stream        # a DATA frame whose payload is still coming
    uint32_t data_left          # octets of content
    uint32_t data_padding       # octets of padding behind it
    bint data_ends
    RecvWindow recv_window
    Settings ours               # announced
    bint settings_acked
    uint32_t last_peer_id       # highest stream the peer has opened
    Budget budgets[8]           # by Nuisance
    uint32_t useful             # frames with a head or content, either way; wraps
    uint64_t block_at           # ns, when the unfinished field block began
    # writing
    HpackEncoder encoder
    Octets out                  # frames to be sealed and sent
    uint32_t backlog            # octets sealed but not taken by the socket; floor 4 keeps it
    uint32_t control_waiting    # answers in `out`
    uint32_t control_behind     # those of them behind `control_mark`
    uint32_t control_mark       # octets of `out` to be sent before the others are gone
    SendWindow send_window
    Settings theirs
    bint settings_seen
    Opening opening             # toward a client: how it began, until its first request
    uint32_t next_id            # the next stream we open
    uint32_t unsent_id          # of streams from here on no octet has left `out`
    Stream *ready_first         # streams with octets that may go when the outbox has room
    Stream *ready_last
    # streams
    StreamMap streams
    uint32_t recent[RECENT_MAX]  # closed streams: id, and how (Ending) in the other array
    uint8_t recent_ending[RECENT_MAX]
    uint32_t recent_at
    # the end
    bint goaway_sent
    uint32_t goaway_last        # highest stream we promised to serve
    bint goaway_seen
    uint32_t goaway_seen_last
    uint32_t goaway_code        # what the peer gave as the cause
    Reason reason               # ACCEPTED until we have refused the connection

cdef bint conn_room_open(ConnRoom *self, Memory *memory, const Limits *limits) noexcept nogil
cdef void conn_room_sweep(ConnRoom *self) noexcept nogil
cdef void conn_room_close(ConnRoom *self) noexcept nogil

cdef void conn_open(Conn *self, ConnRoom *room, Role role, const ConnEvents *events, const Settings *ours,
                    void *owner) noexcept nogil
cdef void conn_rest(Conn *self) noexcept nogil
cdef void conn_abandon(Conn *self, Cause cause) noexcept nogil
cdef void conn_close(Conn *self, Cause cause) noexcept nogil

cdef void conn_refuse(Conn *self, Reason reason) noexcept nogil

# bytes in
cdef Reason conn_feed(Conn *self, uint8_t *data, size_t length, size_t *used) noexcept nogil

# what may come next
cdef Py_ssize_t expect_preface(Conn *self, uint8_t *data, size_t length) noexcept nogil
cdef Py_ssize_t expect_settings(Conn *self, uint8_t *data, size_t length) noexcept nogil
cdef Py_ssize_t expect_frame(Conn *self, uint8_t *data, size_t length) noexcept nogil
cdef Py_ssize_t expect_data(Conn *self, uint8_t *data, size_t length) noexcept nogil
cdef Py_ssize_t expect_continuation(Conn *self, uint8_t *data, size_t length) noexcept nogil
