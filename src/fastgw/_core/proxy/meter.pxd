"""Counters one worker owns, and the ring of finished exchanges other threads read."""
from libc.stdint cimport int16_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef enum:
    ZONES_METERED = 16384       # zones with a row of their own; later ones share the last row
    REPLIES_METERED = 32
    PRODUCTS_METERED = 4
    TALLIES = 7                 # counters of one row of Tallies
    RING_SIZE = 4096            # finished exchanges that wait for a reader; more are counted as dropped

cdef enum Product:              # what a call has used besides being carried, a bit each
    SMART_ROUTING = 1           # its endpoint was chosen among several by how fast they answer
    RULES = 2                   # the zone's rules were asked about it
    BOTS = 4                    # its client was scored
    ACCESS = 8                  # its caller was judged

ctypedef struct Tallies:
    # Of calls that have ended. Counters only, one after the other: readers take them as an array.
    uint64_t calls
    uint64_t denied             # answered here
    uint64_t failed             # the origin failed, or gRPC status other than OK
    uint64_t request_octets
    uint64_t response_octets
    uint64_t request_messages
    uint64_t response_messages

ctypedef struct ZoneMeter:
    Tallies total
    Tallies products[PRODUCTS_METERED]  # the same, of the calls that have used each; by the place of its bit

ctypedef struct Finished:
    # One exchange, for the access log.
    uint64_t wall               # ns since 1970 when it ended
    uint64_t duration           # ns
    uint64_t first              # ns until the response head; 0: there was none
    int64_t lease               # ns until its last stream toward an origin was there; -1: there was none
    uint64_t ray
    uint64_t request_octets
    uint64_t response_octets
    uint64_t request_messages
    uint64_t response_messages
    uint32_t zone               # meter number; 0xffffffff: none
    uint32_t bot_reasons
    uint8_t bot_score           # 0: nobody asked
    uint32_t rule               # counter of the rule that decided; 0: none did
    uint16_t status
    int16_t grpc_status
    uint8_t error
    uint8_t blamed              # side and phase mean something
    uint8_t side
    uint8_t phase
    uint8_t grpc
    uint8_t attempts
    char endpoint[64]           # label of the last one tried, zero-terminated, cut; empty: none was
    uint8_t peer[28]
    uint8_t path_length
    uint8_t authority_length
    uint8_t path[128]
    uint8_t authority[64]

ctypedef struct Meter:
    uint64_t turns
    uint64_t connections_accepted
    uint64_t connections_open
    uint64_t connections_refused    # over the limit on connections or memory
    uint64_t handshakes_failed
    uint64_t proxy_headers_wrong    # connections closed since they did not begin with the PROXY header they owe
    uint64_t begins_failed          # no preface or no SETTINGS in time
    uint64_t idle_closed
    uint64_t connections_drained    # of clients, told to go: by a drain or for their age
    uint64_t connections_aged       # for their age
    uint64_t connections_own_records    # of clients, opened with records that OpenSSL has no part in
    uint64_t origin_connections_opened
    uint64_t origin_connections_open
    uint64_t origin_connections_failed
    uint64_t origin_handshakes_resumed  # TLS sessions toward origins that took up an earlier one
    uint64_t exchanges_started
    uint64_t exchanges_finished
    uint64_t exchanges_open
    uint64_t attempts_again     # attempts of calls after their first
    uint64_t attempts_hedged    # attempts beside a first one that had not answered
    uint64_t streams_slowed     # calls whose client had to wait for credit, for sending too fast
    uint64_t keepalives_failed  # origin connections closed because a PING found no answer
    uint64_t retries_over_budget    # calls not tried again because too many were
    uint64_t hooks_asked        # calls that waited for Python
    uint64_t hooks_failed       # whose hook raised
    uint64_t hooks_late         # or did not answer in time
    uint64_t foreign_answers    # answers to gRPC calls that were not gRPC
    uint64_t replies[REPLIES_METERED]
    ZoneMeter *zones                # ZONES_METERED rows, and behind them as many with what has been taken of each
    Finished *ring
    uint64_t ring_written       # only the worker writes it
    uint64_t ring_read          # only the reader writes it
    uint64_t ring_dropped

cdef bint meter_open(Meter *self, bint with_ring) noexcept nogil
cdef void meter_close(Meter *self) noexcept nogil
cdef Finished *meter_ring_next(Meter *self) noexcept nogil
cdef void meter_ring_commit(Meter *self) noexcept nogil

cdef inline ZoneMeter *meter_zone(Meter *self, uint32_t number) noexcept nogil:
    return &self.zones[number if number < ZONES_METERED else ZONES_METERED - 1]

cdef inline void tallies_add(Tallies *self, const Tallies *call) noexcept nogil:
    self.calls += call.calls
    self.denied += call.denied
    self.failed += call.failed
    self.request_octets += call.request_octets
    self.response_octets += call.response_octets
    self.request_messages += call.request_messages
    self.response_messages += call.response_messages

cdef inline void meter_call(ZoneMeter *self, const Tallies *call, uint32_t used) noexcept nogil:
    # One call more; `used`: the bits of Product.
    cdef int product
    tallies_add(&self.total, call)
    if used == 0:
        return
    for product in range(PRODUCTS_METERED):
        if (used >> product) & 1:
            tallies_add(&self.products[product], call)

cdef list meter_take_usage(Meter *self, int count)
cdef list meter_take_finished(Meter *self, int most)
cdef dict meter_stats(const Meter *self)
cdef list meter_zone_stats(const Meter *self, int count)
