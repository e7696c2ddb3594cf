"""Which endpoint of an origin serves the next call.

First who may: endpoints that are healthy, not ejected, below their limit of calls and not yet tried for this call, of
the first priority in which enough are available. Then who does, as the origin's balance says. Endpoints stand in a set
of bits, by their place in the origin.
"""
from libc.math cimport log
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from fastgw._core.proxy.desk cimport Pool, desk_dice
from fastgw._core.proxy.endpoints cimport EndpointState, endpoint_is_available, endpoint_latency
from fastgw._core.proxy.pool cimport pool_of
from fastgw._core.proxy.route cimport HASH, LEAST_CALLS, PEAK_EWMA, RANDOM

cdef extern from *:
    """
    #define fastgw_lowest_bit(word) ((uint32_t)__builtin_ctzll(word))
    """
    uint32_t fastgw_lowest_bit(uint64_t word) noexcept nogil

cdef enum:
    _SLOWEST_START = 10         # percent of its weight that an endpoint has when it comes back
    _SCALE = 1024               # weights are counted in parts of one
    _BOUND_PERCENT = 125        # HASH: of the average of running calls, rounded up, plus one

cdef uint64_t _UNKNOWN_NS = 1000000000      # what an unknown latency counts once a call is under way


cdef inline uint64_t _bit(uint32_t place) noexcept nogil:
    return <uint64_t>1 << place


cdef inline uint32_t _calls(const EndpointState *state) noexcept nogil:
    return <uint32_t>state.calls if state.calls > 0 else 0


cdef uint64_t _share(const EndpointRow *row, uint32_t slow_start_ms, uint64_t now) noexcept nogil:
    """Its weight, in parts of _SCALE; less while it starts slowly, not while it is still away. Never 0."""
    cdef uint64_t weight = row.weight * <uint64_t>_SCALE
    cdef uint64_t since = row.state.returned_at
    cdef uint64_t lasts = slow_start_ms * <uint64_t>1000000
    cdef uint64_t percent
    if since == 0 or now < since or now >= since + lasts:
        return weight
    percent = (now - since) * 100 // lasts
    return weight * (percent if percent > _SLOWEST_START else <uint64_t>_SLOWEST_START) // 100


cdef uint64_t _group(const EndpointRow *rows, const OriginRow *origin, uint32_t place, uint64_t now,
                     uint64_t *all_of_it, uint32_t *end, bint *enough) noexcept nogil:
    """The endpoints of the priority that begins at `place` which are available and have room for a call."""
    cdef uint32_t total = 0, available = 0
    cdef uint32_t priority = rows[place].priority
    cdef uint64_t good = 0
    cdef bint room
    all_of_it[0] = 0
    while place < origin.count and rows[place].priority == priority:
        room = origin.policy.calls_most == 0 or _calls(rows[place].state) < origin.policy.calls_most
        total += 1
        if room:
            all_of_it[0] |= _bit(place)
        if endpoint_is_available(rows[place].state, now):
            available += 1
            if room:
                good |= _bit(place)
        place += 1
    end[0] = place
    enough[0] = available > 0 and available * 100 >= total * origin.policy.panic_percent
    return good


cdef uint64_t _eligible(const EndpointRow *rows, const OriginRow *origin, uint64_t tried, bint last_resort,
                        uint64_t now) noexcept nogil:
    """The endpoints that may serve: see the head of this room. Empty: none may.

    If in no priority enough are available, health is not looked at any more: few healthy endpoints under the load of
    all would not stay healthy. That enough are available but tried or full is no reason to ask the others, but as a
    last resort.
    """
    cdef uint32_t place = 0
    cdef uint64_t good, whole, panic = 0
    cdef bint enough, healthy = False
    while place < origin.count:
        good = _group(rows, origin, place, now, &whole, &place, &enough) & ~tried
        if enough and good != 0:
            return good
        healthy = healthy or enough
        if panic == 0:
            panic = whole & ~tried
    if origin.policy.panic_percent == 0 or (healthy and not last_resort):
        return 0
    return panic


cdef uint32_t _by_turn(Desk *desk, const SnapshotData *data, const EndpointRow *rows, const OriginRow *origin,
                       uint64_t among) noexcept nogil:
    """Smooth weighted round robin: each saves up its share at every pick, and the richest pays for all."""
    cdef uint32_t place, best = 0
    cdef int64_t share, total = 0
    cdef Pool *pool
    cdef Pool *richest = NULL
    while among != 0:
        place = fastgw_lowest_bit(among)
        among &= among - 1
        pool = pool_of(desk, data, origin, &rows[place])
        if pool == NULL:
            continue
        share = <int64_t>_share(&rows[place], origin.policy.slow_start_ms, desk.loop.now)
        pool.turn += share
        total += share
        if richest == NULL or pool.turn > richest.turn:
            richest = pool
            best = place
    if richest != NULL:
        richest.turn -= total
    return best


cdef uint32_t _by_lot(Desk *desk, const EndpointRow *rows, const OriginRow *origin, uint64_t among) noexcept nogil:
    """One of them, as likely as its weight is large."""
    cdef uint64_t rest = among, total = 0, at
    cdef uint32_t place = 0
    while rest != 0:
        total += _share(&rows[fastgw_lowest_bit(rest)], origin.policy.slow_start_ms, desk.loop.now)
        rest &= rest - 1
    at = desk_dice(desk) % total
    while among != 0:
        place = fastgw_lowest_bit(among)
        among &= among - 1
        total = _share(&rows[place], origin.policy.slow_start_ms, desk.loop.now)
        if at < total:
            break
        at -= total
    return place


cdef double _cost(const Desk *desk, const EndpointRow *row, const OriginRow *origin) noexcept nogil:
    """What one more call there costs: running calls for its share, times how slowly it answers for PEAK_EWMA."""
    cdef uint64_t latency = 1
    cdef uint32_t calls = _calls(row.state)
    if origin.policy.balance == PEAK_EWMA:
        latency = endpoint_latency(row.state, desk.loop.now)
        if latency == 0 and calls > 0:
            latency = _UNKNOWN_NS
    return <double>latency * (calls + 1) / <double>_share(row, origin.policy.slow_start_ms, desk.loop.now)


cdef uint32_t _by_cost(Desk *desk, const EndpointRow *rows, const OriginRow *origin, uint64_t among) noexcept nogil:
    """The cheaper of two different ones drawn by lot."""
    cdef uint32_t one = _by_lot(desk, rows, origin, among)
    cdef uint32_t other
    among &= ~_bit(one)
    if among == 0:
        return one
    other = _by_lot(desk, rows, origin, among)
    return one if _cost(desk, &rows[one], origin) <= _cost(desk, &rows[other], origin) else other


cdef inline uint64_t _mixed(uint64_t number) noexcept nogil:
    """All bits of the result depend on all bits of `number` (the finisher of MurmurHash3)."""
    number ^= number >> 33
    number *= <uint64_t>0xff51afd7ed558ccd
    number ^= number >> 33
    number *= <uint64_t>0xc4ceb9fe1a85ec53
    return number ^ (number >> 33)


cdef uint32_t _by_key(const EndpointRow *rows, uint64_t among, uint64_t key) noexcept nogil:
    """Rendezvous hashing by weight: the highest score of key and endpoint, among those that are not overloaded.

    Overloaded is who has more than 1.25 times the average of running calls, so that one key cannot sink an endpoint.
    """
    cdef uint64_t rest = among, calls = 0, bound
    cdef uint32_t place, count = 0, best = fastgw_lowest_bit(among)
    cdef double score, highest = -1
    while rest != 0:
        calls += _calls(rows[fastgw_lowest_bit(rest)].state)
        count += 1
        rest &= rest - 1
    bound = (calls + 1) * _BOUND_PERCENT // (100 * count) + 1
    while among != 0:
        place = fastgw_lowest_bit(among)
        among &= among - 1
        if _calls(rows[place].state) >= bound:
            continue
        score = _mixed(key ^ _mixed(rows[place].state.key)) / 18446744073709551616.0
        score = -<double>rows[place].weight / log(score if score > 0 else 1e-18)
        if score > highest:
            highest = score
            best = place
    return best


cdef const EndpointRow *balance_pick(Desk *desk, const SnapshotData *data, const OriginRow *origin,
                                     uint64_t tried, bint last_resort, uint64_t key) noexcept nogil:
    """The endpoint for one more call, NULL if none may serve.

    tried        places already tried
    last_resort  rather one that is not available than none
    key          for HASH
    """
    cdef const EndpointRow *rows = origin.endpoints
    cdef uint8_t balance = origin.policy.balance
    cdef uint64_t among
    if origin.count == 1:
        if tried != 0 or (origin.policy.calls_most > 0 and _calls(rows.state) >= origin.policy.calls_most):
            return NULL
        if origin.policy.panic_percent == 0 and not endpoint_is_available(rows.state, desk.loop.now):
            return NULL
        return rows
    among = _eligible(rows, origin, tried, last_resort, desk.loop.now)
    if among == 0:
        return NULL
    if balance == RANDOM or (balance == HASH and key == 0):
        return &rows[_by_lot(desk, rows, origin, among)]
    if balance == LEAST_CALLS or balance == PEAK_EWMA:
        return &rows[_by_cost(desk, rows, origin, among)]
    if balance == HASH:
        return &rows[_by_key(rows, among, key)]
    return &rows[_by_turn(desk, data, rows, origin, among)]
