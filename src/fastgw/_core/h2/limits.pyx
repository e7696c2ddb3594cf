"""Budgets against legal abuse: what a peer may do, but not without end.

A budget refills with time and with useful traffic, so that a busy honest peer never meets it: who moves a thousand
messages may ask for a thousand windows. The law of frames (wire.frame) says what is never allowed; this room says how
much is too much.
"""
from libc.string cimport strcmp

from fastgw._core.reasons cimport (
    ACCEPTED,
    CONTINUATION_FLOOD,
    EMPTY_DATA_FLOOD,
    PING_FLOOD,
    PRIORITY_FLOOD,
    RESET_FLOOD,
    SETTINGS_FLOOD,
    UNKNOWN_FRAME_FLOOD,
    WINDOW_UPDATE_FLOOD,
)

ctypedef struct _Row:
    char name[32]
    size_t at               # octets from the beginning of Limits
    uint32_t usual

# Every number has a name; the control plane's catalogue (policy.limits) says what each is for.
TABLE = {
    "head_octets": 32768, "head_fields": 256, "continuation_frames": 8, "settings_entries": 32, "control_waiting": 1000,
    "concurrent_streams": 256, "stream_window": 1048576, "connection_window": 16777216,
    "waiting_octets": 67108864, "worker_memory": 1073741824, "connections": 65536,
    "handshake_timeout_ms": 10000, "begin_timeout_ms": 10000, "settings_timeout_ms": 10000, "head_timeout_ms": 5000,
    "client_idle_timeout_ms": 400000, "origin_idle_timeout_ms": 900000, "stall_timeout_ms": 60000,
    "client_connection_age_ms": 0, "drain_spread_ms": 0, "hook_calls": 1000,
    "resets_burst": 1000, "resets_per_second": 200, "resets_per_useful": 0,
    "pings_burst": 1000, "pings_per_second": 100, "pings_per_useful": 1,
    "settings_burst": 100, "settings_per_second": 10, "settings_per_useful": 0,
    "window_updates_burst": 10000, "window_updates_per_second": 1000, "window_updates_per_useful": 4,
    "priorities_burst": 1000, "priorities_per_second": 100, "priorities_per_useful": 1,
    "empty_data_burst": 1000, "empty_data_per_second": 100, "empty_data_per_useful": 1,
    "continuations_burst": 1000, "continuations_per_second": 100, "continuations_per_useful": 1,
    "unknown_frames_burst": 1000, "unknown_frames_per_second": 100, "unknown_frames_per_useful": 1,
}

cdef enum:
    _ROWS = 45

cdef _Row _rows[_ROWS]
cdef Reason _reason[<int>NUISANCES]


cdef void limits_default(Limits *self) noexcept nogil:
    cdef uint32_t number
    for number in range(_ROWS):
        (<uint32_t *>(<char *>self + _rows[number].at))[0] = _rows[number].usual


cdef bint limits_set(Limits *self, const char *name, uint32_t value) noexcept nogil:
    """Change one number; False if none has this name."""
    cdef uint32_t number
    for number in range(_ROWS):
        if strcmp(_rows[number].name, name) == 0:
            (<uint32_t *>(<char *>self + _rows[number].at))[0] = value
            return True
    return False


cdef Reason budget_spend(Budget *self, const Limits *limits, Nuisance kind, uint32_t count, uint64_t now,
                         uint32_t useful) noexcept nogil:
    """`count` more of one nuisance; why that is too much, or ACCEPTED.

    `now` is the loop's clock in ns, `useful` the connection's count of useful frames; both may wrap in 32 bits (of ms).
    """
    cdef const Allowance *allowance = &limits.allowances[<int>kind]
    cdef uint32_t now_ms = <uint32_t>(now // 1000000)
    cdef uint64_t spent = <uint64_t>self.spent
    # Neither product can pass 64 bits, nor can the second in thousandths where it is used.
    cdef uint64_t by_time = <uint64_t>(now_ms - self.checked_ms) * allowance.per_second
    cdef uint64_t by_use = <uint64_t>(useful - self.useful) * allowance.per_useful
    spent = spent - by_time if by_time < spent else 0
    spent = spent - by_use * 1000 if by_use <= spent // 1000 else 0
    self.checked_ms = now_ms
    self.useful = useful
    self.spent = <int64_t>spent + <int64_t>count * 1000
    return ACCEPTED if self.spent <= <int64_t>allowance.burst * 1000 else _reason[<int>kind]


def _fill() -> None:
    """Names in the order of the struct: the table above must name its members in theirs."""
    cdef uint32_t number = 0
    if len(TABLE) != _ROWS or sizeof(Limits) != _ROWS * sizeof(uint32_t):
        raise ImportError("the table of limits and the struct do not agree")
    for name, usual in TABLE.items():
        for at, octet in enumerate(name.encode() + b"\0"):
            _rows[number].name[at] = octet
        _rows[number].at = number * sizeof(uint32_t)
        _rows[number].usual = usual
        number += 1


_fill()

_reason[<int>RESETS] = RESET_FLOOD
_reason[<int>PINGS] = PING_FLOOD
_reason[<int>SETTINGS_FRAMES] = SETTINGS_FLOOD
_reason[<int>WINDOW_UPDATES] = WINDOW_UPDATE_FLOOD
_reason[<int>PRIORITIES] = PRIORITY_FLOOD
_reason[<int>EMPTY_DATA] = EMPTY_DATA_FLOOD
_reason[<int>CONTINUATIONS] = CONTINUATION_FLOOD
_reason[<int>UNKNOWN_FRAMES] = UNKNOWN_FRAME_FLOOD


def replay(burst: int, per_second: int, per_useful: int, steps: list[tuple[int, int, int]]) -> list[int]:
    """For tests and tools: spend (count, now in ms, useful frames so far) step by step; the reason of each step."""
    cdef Limits limits
    cdef Budget budget
    limits.allowances[<int>PINGS].burst = burst
    limits.allowances[<int>PINGS].per_second = per_second
    limits.allowances[<int>PINGS].per_useful = per_useful
    budget.spent = budget.checked_ms = budget.useful = 0
    return [<int>budget_spend(&budget, &limits, PINGS, count, <uint64_t>now_ms * 1000000, <uint32_t>useful)
            for count, now_ms, useful in steps]
