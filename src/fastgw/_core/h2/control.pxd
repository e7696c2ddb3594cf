"""The frames that carry no call: PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE."""
from libc.stdint cimport uint8_t, uint32_t

from fastgw._core.h2.conn cimport TOWARD_CLIENT, Conn
from fastgw._core.h2.limits cimport RESETS, UNKNOWN_FRAMES, Nuisance, budget_spend
from fastgw._core.reasons cimport ACCEPTED, Reason
from fastgw._core.wire.frame cimport FrameHeader

# what is allowed, but not without end
cdef inline Reason conn_spend(Conn *self, Nuisance kind, uint32_t count) noexcept nogil:
    """`count` more of what is allowed but not without end."""
    return budget_spend(&self.budgets[<int>kind], &self.room.limits, kind, count, self.room.now, self.useful)

cdef inline Reason conn_spend_reset(Conn *self) noexcept nogil:
    """One more stream that a client opened and broke, or made us break.

    An origin may: it harms calls, but only its own.
    """
    return conn_spend(self, RESETS, 1) if self.role == TOWARD_CLIENT else ACCEPTED

cdef inline Reason conn_spend_late(Conn *self) noexcept nogil:
    """One more frame for a stream that is gone.

    An origin may: when clients go, thousands of its answers cross our cancelling them.
    """
    return conn_spend(self, UNKNOWN_FRAMES, 1) if self.role == TOWARD_CLIENT else ACCEPTED

# handlers: a frame that is whole and keeps the law of its type; why it is refused
cdef Reason control_priority(Conn *self, const FrameHeader *header, uint8_t *payload) noexcept nogil
cdef Reason control_rst_stream(Conn *self, const FrameHeader *header, uint8_t *payload) noexcept nogil
cdef Reason control_settings(Conn *self, const FrameHeader *header, uint8_t *payload) noexcept nogil
cdef Reason control_push_promise(Conn *self, const FrameHeader *header, uint8_t *payload) noexcept nogil
cdef Reason control_ping(Conn *self, const FrameHeader *header, uint8_t *payload) noexcept nogil
cdef Reason control_goaway(Conn *self, const FrameHeader *header, uint8_t *payload) noexcept nogil
cdef Reason control_window_update(Conn *self, const FrameHeader *header, uint8_t *payload) noexcept nogil
