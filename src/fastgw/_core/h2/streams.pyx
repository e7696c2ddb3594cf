"""The streams of a connection: opened, found, finished, and remembered for a while."""
from fastgw._core.buf cimport chain_close, chain_open, octets_close, octets_open, slots_take
from fastgw._core.h2.conn cimport ENDED, RECENT_MAX, RESET_BY_US, TOWARD_CLIENT
from fastgw._core.h2.limits cimport RESETS, budget_forgive
from fastgw._core.h2.stream cimport CLOSED, IDLE, stream_map_put, stream_map_remove


cdef Stream *conn_stream_open(Conn *self, uint32_t stream_id) noexcept nogil:
    """A new idle stream with the windows both sides have announced; NULL if memory is out."""
    cdef Stream *stream = <Stream *>slots_take(&self.room.streams)
    if stream == NULL:
        return NULL
    stream.conn = self
    stream.id = stream_id
    stream.state = IDLE
    stream.content_left = -1
    stream.send_window.left = self.theirs.initial_window_size
    stream.recv_window.left = self.ours.initial_window_size
    stream.recv_window.full = self.ours.initial_window_size
    chain_open(&stream.waiting, self.room.memory)
    octets_open(&stream.trailers, self.room.memory)
    if not stream_map_put(&self.streams, stream):
        stream.next = self.room.dead
        self.room.dead = stream
        return NULL
    return stream


cdef void conn_remember(Conn *self, uint32_t stream_id, Ending ending) noexcept nogil:
    """Frames for this number may still arrive (RFC 9113 section 5.1, closed)."""
    self.recent[self.recent_at] = stream_id
    self.recent_ending[self.recent_at] = <unsigned char>ending
    self.recent_at = (self.recent_at + 1) % RECENT_MAX


cdef void conn_stream_finish(Conn *self, Stream *stream, Ending ending) noexcept nogil:
    """Take a stream out for good. Its memory stays readable until the turn ends; finishing twice does nothing."""
    if stream.conn == NULL:
        return
    stream.state = CLOSED
    stream.conn = NULL
    self.room.waiting -= stream.waiting.length
    chain_close(&stream.waiting)
    octets_close(&stream.trailers)
    ready_remove(self, stream)
    stream_map_remove(&self.streams, stream.id)
    conn_remember(self, stream.id, ending)
    stream.next = self.room.dead
    self.room.dead = stream
    if ending == ENDED:
        budget_forgive(&self.budgets[<int>RESETS])
        if stream.owner != NULL:
            self.events.ended(self, stream)
    if self.role != TOWARD_CLIENT:
        self.events.settled(self)


cdef void conn_stream_lose(Conn *self, Stream *stream, Ending ending, uint32_t code, Cause cause) noexcept nogil:
    """The stream broke and floor 4 did not do it: take it out and say so."""
    if stream.conn == NULL:
        return
    conn_stream_finish(self, stream, ending)
    if stream.owner != NULL:
        self.events.reset(self, stream, code, cause)


cdef int conn_stream_ending(const Conn *self, uint32_t stream_id) noexcept nogil:
    """How a stream ended (Ending), 0 if that is forgotten. What our GOAWAY left out counts as reset by us."""
    cdef uint32_t back, at
    if self.role == TOWARD_CLIENT and self.goaway_sent and stream_id > self.goaway_last:
        return RESET_BY_US
    for back in range(1, RECENT_MAX + 1):
        at = (self.recent_at + RECENT_MAX - back) % RECENT_MAX
        if self.recent[at] == stream_id:
            return self.recent_ending[at]
    return 0


cdef bint conn_stream_is_idle(const Conn *self, uint32_t stream_id) noexcept nogil:
    """Has nobody opened this stream yet? The wrong parity never will be (RFC 9113 section 5.1.1; push is refused)."""
    if stream_id % 2 == 0:
        return True
    if self.role == TOWARD_CLIENT:
        return stream_id > self.last_peer_id
    return stream_id >= self.next_id


cdef void ready_put(Conn *self, Stream *stream) noexcept nogil:
    """At the end of those that wait for their turn to send."""
    if stream.queued:
        return
    stream.queued = True
    stream.next = NULL
    stream.previous = self.ready_last
    if self.ready_last == NULL:
        self.ready_first = stream
    else:
        self.ready_last.next = stream
    self.ready_last = stream


cdef void ready_remove(Conn *self, Stream *stream) noexcept nogil:
    if not stream.queued:
        return
    stream.queued = False
    if stream.previous == NULL:
        self.ready_first = stream.next
    else:
        stream.previous.next = stream.next
    if stream.next == NULL:
        self.ready_last = stream.previous
    else:
        stream.next.previous = stream.previous
    stream.next = stream.previous = NULL
