"""Counters one worker owns, and the ring of finished exchanges other threads read.

Only the worker writes counters; readers may see a number that is one turn old. The ring has one writer and one reader.
"""
from libc.stdlib cimport calloc, free
from libc.string cimport memset


cdef extern from *:
    """
    #define fastgw_load_acquire(at) __atomic_load_n(at, __ATOMIC_ACQUIRE)
    #define fastgw_store_release(at, value) __atomic_store_n(at, value, __ATOMIC_RELEASE)
    """
    uint64_t fastgw_load_acquire(uint64_t *at) nogil
    void fastgw_store_release(uint64_t *at, uint64_t value) nogil


cdef bint meter_open(Meter *self, bint with_ring) noexcept nogil:
    """False if memory is out. Untouched rows cost no memory."""
    memset(self, 0, sizeof(Meter))
    self.zones = <ZoneMeter *>calloc(2 * ZONES_METERED, sizeof(ZoneMeter))
    if with_ring:
        self.ring = <Finished *>calloc(RING_SIZE, sizeof(Finished))
    return self.zones != NULL and (self.ring != NULL or not with_ring)


cdef void meter_close(Meter *self) noexcept nogil:
    free(self.zones)
    free(self.ring)
    self.zones = NULL
    self.ring = NULL


cdef Finished *meter_ring_next(Meter *self) noexcept nogil:
    """The row to fill in, followed by meter_ring_commit; NULL if the reader is too slow."""
    if self.ring_written - fastgw_load_acquire(&self.ring_read) >= RING_SIZE:
        self.ring_dropped += 1
        return NULL
    return &self.ring[self.ring_written % RING_SIZE]


cdef void meter_ring_commit(Meter *self) noexcept nogil:
    fastgw_store_release(&self.ring_written, self.ring_written + 1)


cdef list meter_take_finished(Meter *self, int most):
    """Up to `most` finished exchanges, oldest first, as dictionaries."""
    cdef uint64_t written = fastgw_load_acquire(&self.ring_written)
    cdef Finished row
    out = []
    if self.ring == NULL:
        return out
    while self.ring_read < written and len(out) < most:
        row = self.ring[self.ring_read % RING_SIZE]
        fastgw_store_release(&self.ring_read, self.ring_read + 1)
        out.append({
            "wall_ns": row.wall, "duration_ns": row.duration, "lease_ns": row.lease, "first_ns": row.first,
            "ray": row.ray,
            "request_octets": row.request_octets, "response_octets": row.response_octets,
            "request_messages": row.request_messages, "response_messages": row.response_messages,
            "zone": -1 if row.zone == 0xffffffff else row.zone, "status": row.status, "grpc_status": row.grpc_status,
            "error": row.error, "rule": row.rule,
            "bot_score": row.bot_score, "bot_reasons": row.bot_reasons,
            "side": row.side if row.blamed else -1, "phase": row.phase, "grpc": bool(row.grpc),
            "attempts": row.attempts, "endpoint": row.endpoint,
            "peer": (<const char *>row.peer)[:28],
            "path": (<const char *>row.path)[:row.path_length],
            "authority": (<const char *>row.authority)[:row.authority_length],
        })
    return out


cdef dict meter_stats(const Meter *self):
    return {
        "turns": self.turns,
        "connections_accepted": self.connections_accepted,
        "connections_open": self.connections_open,
        "connections_refused": self.connections_refused,
        "handshakes_failed": self.handshakes_failed,
        "proxy_headers_wrong": self.proxy_headers_wrong,
        "begins_failed": self.begins_failed,
        "idle_closed": self.idle_closed,
        "connections_drained": self.connections_drained,
        "connections_aged": self.connections_aged,
        "connections_own_records": self.connections_own_records,
        "origin_connections_opened": self.origin_connections_opened,
        "origin_connections_open": self.origin_connections_open,
        "origin_connections_failed": self.origin_connections_failed,
        "origin_handshakes_resumed": self.origin_handshakes_resumed,
        "exchanges_started": self.exchanges_started,
        "exchanges_finished": self.exchanges_finished,
        "exchanges_open": self.exchanges_open,
        "attempts_again": self.attempts_again,
        "attempts_hedged": self.attempts_hedged,
        "streams_slowed": self.streams_slowed,
        "keepalives_failed": self.keepalives_failed,
        "retries_over_budget": self.retries_over_budget,
        "hooks_asked": self.hooks_asked,
        "hooks_failed": self.hooks_failed,
        "hooks_late": self.hooks_late,
        "foreign_answers": self.foreign_answers,
        "log_dropped": self.ring_dropped,
    }


cdef list meter_zone_stats(const Meter *self, int count):
    cdef const Tallies *row
    out = []
    for number in range(min(count, ZONES_METERED)):
        row = &self.zones[number].total
        out.append({
            "calls": row.calls,
            "denied": row.denied,
            "failed": row.failed,
            "request_octets": row.request_octets,
            "response_octets": row.response_octets,
            "request_messages": row.request_messages,
            "response_messages": row.response_messages,
        })
    return out


cdef list _difference(const Tallies *now, Tallies *taken):
    """What was added since it was last taken, which it is from now on; empty: nothing."""
    cdef const uint64_t *from_ = <const uint64_t *>now
    cdef uint64_t *to = <uint64_t *>taken
    cdef uint64_t value
    cdef int at
    cdef bint changed = False
    out = []
    for at in range(TALLIES):
        value = from_[at]       # read once: the worker goes on counting
        out.append(value - to[at])
        changed = changed or value != to[at]
        to[at] = value
    return out if changed else []


cdef list meter_take_usage(Meter *self, int count):
    """What the first `count` zones have used since this was last asked: (number, product, TALLIES differences).

    Products: 0 is all calls, the others are Product. One reader at a time. A call whose counters are read while they
    are written is in two answers, each part of it in one.
    """
    cdef const ZoneMeter *row
    cdef ZoneMeter *taken
    cdef int number, product
    out = []
    for number in range(min(count, ZONES_METERED)):
        row = &self.zones[number]
        if row.total.calls == 0:
            continue
        taken = &self.zones[ZONES_METERED + number]
        found = _difference(&row.total, &taken.total)
        if found:
            out.append((number, 0, found))
        for product in range(PRODUCTS_METERED):
            if row.products[product].calls > 0:
                found = _difference(&row.products[product], &taken.products[product])
                if found:
                    out.append((number, 1 << product, found))
    return out
