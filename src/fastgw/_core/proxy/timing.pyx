"""The times of a call: its deadline, its silence, its age, its next attempt, its rival.

One timer looks after all of them.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdio cimport snprintf

from fastgw._core.io.loop cimport Timer, timer_start, timer_stop
from fastgw._core.proxy.admit cimport admit_unanswered
from fastgw._core.proxy.attempt cimport attempt_due, attempt_hedge
from fastgw._core.proxy.decide cimport TEXT_SIZE
from fastgw._core.proxy.desk cimport OPEN_HALF, PHASE_STREAM, SIDE_CLIENT, SIDE_GATEWAY, SIDE_ORIGIN
from fastgw._core.proxy.exchange cimport exchange_commit, exchange_fail, exchange_lose_client
from fastgw._core.proxy.guard cimport guard_look_again
from fastgw._core.proxy.pace cimport pace_due
from fastgw._core.proxy.reply cimport DEADLINE_EXCEEDED, ORIGIN_IDLE, STREAM_TOO_OLD
from fastgw._core.proxy.route cimport RouteRow
from fastgw._core.reasons cimport CANCEL
from fastgw._core.wire.grpc cimport timeout_get

cdef uint64_t _MS = 1000000
cdef uint64_t _NEVER = 0xffffffffffffffff
cdef uint64_t _UNTAKEN = 10000 * _MS    # ns in which a client takes nothing of an answer that is complete


cdef inline void _sooner(uint64_t *at, uint64_t other) noexcept nogil:
    if other < at[0]:
        at[0] = other


cdef uint64_t _next(const Exchange *self) noexcept nogil:
    """When, in ns, the first of its times comes; _NEVER if none does."""
    cdef const RouteRow *route = self.route
    cdef uint64_t at = _NEVER
    if self.deadline_at > 0:
        at = self.deadline_at
    if route.idle_ms > 0:
        _sooner(&at, self.active_at + route.idle_ms * _MS)
    if route.age_ms > 0:
        _sooner(&at, self.started_at + route.age_ms * _MS)
    if self.again_at > 0:
        _sooner(&at, self.again_at)
    if self.hedge_at > 0:
        _sooner(&at, self.hedge_at)
    if self.release_at > 0:
        _sooner(&at, self.release_at)
    if self.guard_at > 0:
        _sooner(&at, self.guard_at)
    if self.ask_until > 0:
        _sooner(&at, self.ask_until)
    if self.pace.due_at > 0:
        _sooner(&at, self.pace.due_at)
    if self.response.half != OPEN_HALF and at < self.active_at + _UNTAKEN:
        at = self.active_at + _UNTAKEN
    return at


cdef void _arm(Exchange *self) noexcept nogil:
    cdef uint64_t at = _next(self)
    cdef uint64_t now = self.desk.loop.now
    if at != _NEVER:
        timer_start(&self.desk.loop, &self.timer, (at - now + _MS - 1) // _MS if at > now else 0)


cdef void timing_begin(Exchange *self, const RequestHead *head) noexcept nogil:
    """The route of the call is known: its clocks begin to run.

    The deadline is what the client's grpc-timeout says, at most what the route allows.
    """
    cdef int64_t timeout = -1
    cdef int64_t most = self.route.deadline_ms * <int64_t>1000000
    if self.grpc and head.grpc_timeout != NULL:
        timeout = timeout_get(head.grpc_timeout.value, head.grpc_timeout.value_length)
    if most > 0 and (timeout < 0 or timeout > most):
        timeout = most
        self.clamped = True
    if timeout >= 0:
        self.deadline_at = self.started_at + <uint64_t>timeout
        if self.deadline_at < self.started_at:
            self.deadline_at = 0        # some hundred years from now
    self.active_at = self.started_at
    self.timer.fire = _timer
    self.timer.owner = self
    _arm(self)


cdef void timing_look_in(Exchange *self, uint64_t delay_ms) noexcept nogil:
    """Something of it is due in `delay_ms`."""
    if self.timer.prev == NULL or self.timer.deadline > self.desk.loop.now + delay_ms * _MS:
        timer_start(&self.desk.loop, &self.timer, delay_ms)


cdef void timing_end(Exchange *self) noexcept nogil:
    """The call is over."""
    timer_stop(&self.desk.loop, &self.timer)


cdef void _await_taking(Exchange *self) noexcept nogil:
    """It was answered here; the answer may have to wait behind what the client has not taken yet."""
    if not self.finished:
        self.active_at = self.desk.loop.now
        _arm(self)


cdef void _timer(Timer *timer) noexcept nogil:
    """Is anything due? If not, look again when the next thing is."""
    cdef Exchange *self = <Exchange *>timer.owner
    cdef const RouteRow *route = self.route
    cdef uint64_t now = self.desk.loop.now
    cdef char text[TEXT_SIZE]
    if self.finished:
        return
    if self.response.half != OPEN_HALF:
        # It is answered. Whoever does not take the answer is not answered a second time.
        if now >= _next(self):
            exchange_lose_client(self, <uint32_t>CANCEL)
        else:
            _arm(self)
        return
    if self.deadline_at > 0 and now >= self.deadline_at:
        snprintf(text, TEXT_SIZE, b"the call's deadline of %llu ms is over",
                 <unsigned long long>((self.deadline_at - self.started_at) // _MS))
        exchange_fail(self, DEADLINE_EXCEEDED, SIDE_CLIENT if self.origin == NULL else SIDE_ORIGIN,
                      <int>PHASE_STREAM, text)
        _await_taking(self)
        return
    if route.idle_ms > 0 and now >= self.active_at + route.idle_ms * _MS:
        snprintf(text, TEXT_SIZE, b"nothing was sent on the stream, either way, for %u ms", route.idle_ms)
        exchange_fail(self, ORIGIN_IDLE, SIDE_ORIGIN, <int>PHASE_STREAM, text)
        _await_taking(self)
        return
    if route.age_ms > 0 and now >= self.started_at + route.age_ms * _MS:
        snprintf(text, TEXT_SIZE, b"the stream has reached its age of %u ms; begin a new one", route.age_ms)
        exchange_fail(self, STREAM_TOO_OLD, SIDE_GATEWAY, <int>PHASE_STREAM, text)
        _await_taking(self)
        return
    if self.guard_at > 0 and now >= self.guard_at and not guard_look_again(self):
        _await_taking(self)
        return
    if self.ask_until > 0 and now >= self.ask_until:
        admit_unanswered(self)
    if not self.finished and self.pace.due_at > 0 and now >= self.pace.due_at:
        pace_due(self)
    if self.release_at > 0 and now >= self.release_at:
        exchange_commit(self)
    if not self.finished and self.again_at > 0 and now >= self.again_at:
        attempt_due(self)
    if not self.finished and self.hedge_at > 0 and now >= self.hedge_at:
        attempt_hedge(self)
    if not self.finished:
        _arm(self)
