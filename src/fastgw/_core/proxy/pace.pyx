"""How fast one call may send, and how large its messages may be.

What has been sent fills a bucket that empties at the pace of the limit, from full to empty in one period. Above the
limit the client gets no more credit than keeps it below twice the limit, whatever it may still send by then counted
in; so whoever goes on is in the wrong, or had a window larger than that from the start, and the call ends.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdio cimport snprintf
from libc.string cimport memset

from fastgw._core.h2.outbox cimport outbox_credit_connection, outbox_credit_stream
from fastgw._core.proxy.decide cimport TEXT_SIZE
from fastgw._core.proxy.desk cimport PHASE_STREAM, SIDE_CLIENT, SIDE_ORIGIN, Side
from fastgw._core.proxy.exchange cimport exchange_fail
from fastgw._core.proxy.reply cimport MESSAGE_TOO_LARGE, RATE_LIMITED
from fastgw._core.proxy.timing cimport timing_look_in

cdef enum:
    _WAIT_LEAST_MS = 10         # between two looks at a call whose credit is kept
    _WAIT_MOST_MS = 1000        # shorter than any silence that ends a call by default

cdef uint64_t _NS_PER_MS = 1000000


# ---- the bucket


cdef void pace_open(Pace *self, const StreamLimit *limit) noexcept nogil:
    """So many may come in a period."""
    self.messages_most = limit.messages_most
    self.messages_period_ms = limit.messages_period_ms
    self.octets_most = limit.octets_most
    self.octets_period_ms = limit.octets_period_ms


cdef inline void _empty(uint64_t *level, uint64_t most, uint64_t elapsed_ms) noexcept nogil:
    """A level is kept in limits times the period's milliseconds, so that each of them empties a whole number."""
    cdef uint64_t by = most * elapsed_ms
    level[0] -= by if by < level[0] else level[0]


cdef void _pass(Pace *self, uint64_t now_ns) noexcept nogil:
    cdef uint64_t now_ms = now_ns // _NS_PER_MS
    cdef uint64_t elapsed = now_ms - self.at_ms if now_ms > self.at_ms else 0
    self.at_ms = now_ms
    # Twice a period empties what may be in it.
    _empty(&self.messages, self.messages_most, min(elapsed, 3 * <uint64_t>self.messages_period_ms))
    _empty(&self.octets, self.octets_most, min(elapsed, 3 * <uint64_t>self.octets_period_ms))


cdef Gait pace_take(Pace *self, uint32_t octets, uint64_t messages, uint64_t now_ns) noexcept nogil:
    """So many have come in."""
    _pass(self, now_ns)
    self.messages += messages * self.messages_period_ms
    self.octets += <uint64_t>octets * self.octets_period_ms
    if self.messages_most > 0 and self.messages > 2 * <uint64_t>self.messages_most * self.messages_period_ms:
        return TOO_MANY_MESSAGES
    if self.octets_most > 0 and self.octets > 2 * self.octets_most * self.octets_period_ms:
        return TOO_MANY_OCTETS
    return IN_TIME


cdef uint64_t pace_room(Pace *self, int64_t outstanding, uint64_t now_ns) noexcept nogil:
    """Octets of credit that may be given to a sender who may send `outstanding` ones without."""
    cdef uint64_t used
    _pass(self, now_ns)
    if self.messages_most > 0 and self.messages > <uint64_t>self.messages_most * self.messages_period_ms:
        return 0
    if self.octets_most == 0:
        return 0xffffffffffffffff
    used = (self.octets + self.octets_period_ms - 1) // self.octets_period_ms + <uint64_t>max(outstanding, <int64_t>0)
    return 2 * self.octets_most - used if used < 2 * self.octets_most else 0


cdef uint64_t pace_wait_ms(const Pace *self, int64_t outstanding) noexcept nogil:
    """Milliseconds until it is worth looking whether there is room; pace_room has found less than was wanted."""
    cdef uint64_t wait = 0
    cdef uint64_t level = <uint64_t>self.messages_most * self.messages_period_ms
    if self.messages_most > 0 and self.messages > level:
        wait = (self.messages - level) // self.messages_most + 1
    if self.octets_most > 0:
        # Until an eighth of the limit has come free.
        wait = max(wait, <uint64_t>self.octets_period_ms // 8)
    return min(max(wait, <uint64_t>_WAIT_LEAST_MS), <uint64_t>_WAIT_MOST_MS)


# ---- a call


cdef void pace_limit(Exchange *call, const StreamLimit *limit) noexcept nogil:
    """What rate limits allow this call, which is being decided on; messages are counted in gRPC only."""
    pace_open(&call.pace, limit)
    if not call.grpc:
        call.pace.messages_most = 0


cdef void pace_begin(Exchange *call) noexcept nogil:
    """The call goes on: is there anything to look at while it does?"""
    cdef Pace *pace = &call.pace
    call.paced = call.grpc and (call.route.request_message_most > 0 or call.route.response_message_most > 0)
    if pace.messages_most > 0 or pace.octets_most > 0:
        call.paced = True
        pace.at_ms = call.started_at // _NS_PER_MS
    if 0 < pace.octets_most < call.client.recv_window.full:
        # Half of a window has to be owed before it is announced: that may be no more than the limit lets pass.
        call.client.recv_window.full = max(<uint32_t>pace.octets_most, <uint32_t>1)


cdef bint _is_too_large(Exchange *call, const Ledger *ledger) noexcept nogil:
    """A message has been announced that may not pass: the call ends before any octet of it goes on."""
    cdef bint request = ledger == &call.request
    cdef uint32_t most = call.route.request_message_most if request else call.route.response_message_most
    cdef Side side = SIDE_CLIENT if request else SIDE_ORIGIN
    cdef char text[TEXT_SIZE]
    if most == 0 or ledger.scan.largest <= most or (not request and call.pace.foreign):
        return False
    snprintf(text, TEXT_SIZE, b"zone %s: a message %s has %u octets, limit %u", call.zone.name,
             <const char *>b"of the request" if request else <const char *>b"of the response", ledger.scan.largest,
             most)
    exchange_fail(call, MESSAGE_TOO_LARGE, side, <int>PHASE_STREAM, text)
    return True


cdef bint _is_too_fast(Exchange *call, uint32_t length) noexcept nogil:
    """This piece of the request was too much: the call ends."""
    cdef Pace *pace = &call.pace
    cdef uint64_t messages = call.request.scan.messages - pace.seen
    cdef char text[TEXT_SIZE]
    cdef Gait gait
    pace.seen = call.request.scan.messages
    gait = pace_take(pace, length, messages, call.desk.loop.now)
    if gait == IN_TIME:
        return False
    if gait == TOO_MANY_MESSAGES:
        snprintf(text, TEXT_SIZE, b"zone %s: the stream has sent more than twice the %u messages it may send in %u s",
                 call.zone.name, pace.messages_most, pace.messages_period_ms // 1000)
    else:
        snprintf(text, TEXT_SIZE, b"zone %s: the stream has sent more than twice the %llu octets it may send in %u s",
                 call.zone.name, <unsigned long long>pace.octets_most, pace.octets_period_ms // 1000)
    exchange_fail(call, RATE_LIMITED, SIDE_CLIENT, <int>PHASE_STREAM, text)
    return True


cdef bint pace_relay(Exchange *call, const Ledger *ledger, Conn *sender, uint32_t length) noexcept nogil:
    """DATA has come in, and its messages have been followed. False: it goes nowhere, and the call has ended."""
    cdef bint measured = ledger == &call.request and (call.pace.messages_most > 0 or call.pace.octets_most > 0)
    if _is_too_large(call, ledger) or (measured and _is_too_fast(call, length)):
        outbox_credit_connection(sender, length)
        return False
    return True


cdef void pace_credit(Exchange *call, Stream *source, uint32_t size) noexcept nogil:
    """`size` octets of the request have gone on: its sender gets credit for them, now or in time."""
    call.pace.owed += size
    _pay(call, source)


cdef void _pay(Exchange *call, Stream *source) noexcept nogil:
    cdef Pace *pace = &call.pace
    cdef int64_t outstanding = source.recv_window.left + source.recv_window.owed
    cdef uint64_t size = min(pace.owed, pace_room(pace, outstanding, call.desk.loop.now))
    pace.due_at = 0
    pace.owed -= size
    if size > 0 and source.conn != NULL:
        outbox_credit_stream(<Conn *>source.conn, source, <uint32_t>size)
    if pace.owed > 0:
        if not pace.slowed:
            pace.slowed = True
            call.desk.meter.streams_slowed += 1
        size = pace_wait_ms(pace, outstanding)
        if call.route.idle_ms > 0:
            size = min(size, max(call.route.idle_ms // 2, 1))
        pace.due_at = call.desk.loop.now + size * _NS_PER_MS
        timing_look_in(call, size)


cdef void pace_due(Exchange *call) noexcept nogil:
    """Some time has passed since credit was kept. The silence meanwhile was ours."""
    call.pace.due_at = 0
    if call.client != NULL:
        call.active_at = call.desk.loop.now
        _pay(call, call.client)


# For tests and tools.

cdef class Bucket:
    """A pace by itself, at times that are given in ms."""
    cdef Pace pace

    def __cinit__(self, uint32_t messages, uint64_t octets, uint32_t period_ms):
        cdef StreamLimit limit
        limit.messages_most = messages
        limit.octets_most = octets
        limit.messages_period_ms = limit.octets_period_ms = period_ms
        memset(&self.pace, 0, sizeof(Pace))
        pace_open(&self.pace, &limit)

    def take(self, uint32_t octets, uint64_t messages, uint64_t now_ms):
        return Gait(pace_take(&self.pace, octets, messages, now_ms * _NS_PER_MS))

    def room(self, int64_t outstanding, uint64_t now_ms):
        return pace_room(&self.pace, outstanding, now_ms * _NS_PER_MS)

    def wait(self, int64_t outstanding):
        return pace_wait_ms(&self.pace, outstanding)
