"""Budgets against legal abuse: what a peer may do, but not without end."""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from fastgw._core.reasons cimport Reason

cpdef enum Nuisance:
    # Frames that cost us more than they say. Each has a budget of its own.
    RESETS = 0          # streams that a client breaks, or makes us break (CVE-2023-44487, CVE-2025-8671)
    PINGS               # each asks for an answer (CVE-2019-9512)
    SETTINGS_FRAMES     # each asks for an answer and may touch every stream (CVE-2019-9515)
    WINDOW_UPDATES      # silly windows (CVE-2019-9511)
    PRIORITIES          # PRIORITY and PRIORITY_UPDATE: ignored (CVE-2019-9513)
    EMPTY_DATA          # DATA without content or END_STREAM (CVE-2019-9518)
    CONTINUATIONS       # CVE-2024-27316
    UNKNOWN_FRAMES      # types we ignore, frames that come too late, GOAWAY said again
    NUISANCES

ctypedef struct Allowance:
    # How much of one nuisance is no nuisance yet.
    uint32_t burst          # at once
    uint32_t per_second     # more, as time passes
    uint32_t per_useful     # more, for each frame that carried a head or content, in either direction

ctypedef struct Budget:
    int64_t spent           # thousandths; never below 0
    uint32_t checked_ms     # when it was last refilled, ms of the loop's clock, wrapping
    uint32_t useful         # useful frames that had passed by then, wrapping

ctypedef struct Limits:
    # The numbers in force toward one kind of peer; frozen while a worker runs. Octets, frames or ms.
    uint32_t head_octets            # of one field section (RFC 9113 section 6.5.2); a block may have four times that
    uint32_t head_fields
    uint32_t continuation_frames    # of one field block (CVE-2024-27316)
    uint32_t settings_entries       # of one SETTINGS frame (CVE-2020-11080)
    uint32_t control_waiting        # answers that wait for the socket
    uint32_t concurrent_streams
    uint32_t stream_window          # announced for each stream
    uint32_t connection_window      # what the connection's window grows to
    uint32_t waiting_octets         # of DATA waiting in one worker
    uint32_t worker_memory          # octets; 0: no limit
    uint32_t connections            # of clients, one worker
    uint32_t handshake_timeout_ms
    uint32_t begin_timeout_ms       # until the preface and SETTINGS have come
    uint32_t settings_timeout_ms    # until ours are acknowledged
    uint32_t head_timeout_ms        # from HEADERS to END_HEADERS
    uint32_t client_idle_timeout_ms
    uint32_t origin_idle_timeout_ms
    uint32_t stall_timeout_ms       # a peer whose socket takes nothing of what waits for it
    uint32_t client_connection_age_ms   # then it is told to go; 0: never
    uint32_t drain_spread_ms        # over which the connections of a worker that drains are told to go
    uint32_t hook_calls             # that wait for Python, one worker
    Allowance allowances[8]         # by Nuisance

cdef void limits_default(Limits *self) noexcept nogil
cdef bint limits_set(Limits *self, const char *name, uint32_t value) noexcept nogil
cdef inline void budget_forgive(Budget *self) noexcept nogil:
    """One less: something went well."""
    self.spent -= 1000 if self.spent > 1000 else self.spent

cdef Reason budget_spend(Budget *self, const Limits *limits, Nuisance kind, uint32_t count, uint64_t now,
                         uint32_t useful) noexcept nogil
