"""What all workers know of each endpoint: running calls, latency, failures, health. Nobody waits for anybody.

An endpoint keeps its state while any snapshot leads to it, and then until many others have left as well: one that
leaves and returns is remembered, and names that lead elsewhere all the time do not use up the memory. The struct has
cache lines of its own, so that calls to one endpoint do not slow down those to another.
"""
from libc.stdint cimport uint8_t
from libc.stdlib cimport free, realloc
from libc.string cimport memset

from fastgw._core.clock cimport clock_now

cdef extern from "<stdlib.h>" nogil:
    int posix_memalign(void **into, size_t alignment, size_t size)

cdef extern from *:
    """
    #define FASTGW_GET(at) __atomic_load_n(at, __ATOMIC_RELAXED)
    #define FASTGW_SET(at, value) __atomic_store_n(at, value, __ATOMIC_RELAXED)
    #define FASTGW_ADD(at, value) __atomic_add_fetch(at, value, __ATOMIC_RELAXED)
    #define FASTGW_ACQUIRE(at) __atomic_load_n(at, __ATOMIC_ACQUIRE)
    #define FASTGW_RELEASE(at) (void)__atomic_sub_fetch(at, 1, __ATOMIC_RELEASE)
    """
    uint32_t FASTGW_GET32 "FASTGW_GET"(const uint32_t *at) nogil
    int32_t FASTGW_GET_INT "FASTGW_GET"(const int32_t *at) nogil
    uint64_t FASTGW_GET64 "FASTGW_GET"(const uint64_t *at) nogil
    void FASTGW_SET32 "FASTGW_SET"(uint32_t *at, uint32_t value) nogil
    void FASTGW_SET64 "FASTGW_SET"(uint64_t *at, uint64_t value) nogil
    uint32_t FASTGW_ADD32 "FASTGW_ADD"(uint32_t *at, uint32_t value) nogil
    int32_t FASTGW_ADD_INT "FASTGW_ADD"(int32_t *at, int32_t value) nogil
    int32_t FASTGW_ACQUIRE(const int32_t *at) nogil
    void FASTGW_RELEASE(int32_t *at) nogil
    uint64_t FASTGW_ADD64 "FASTGW_ADD"(uint64_t *at, uint64_t value) nogil

cdef enum:
    _CACHE_LINE = 64
    _EJECTIONS_MOST = 10            # an endpoint ejected again and again stays away at most so many times as long

cdef uint64_t _DECAY_NS = 10 * <uint64_t>1000000000     # an old latency has lost its weight by then
cdef uint64_t _FAILED_NS = 1000 * <uint64_t>1000000     # a failure counts as an answer at least this slow


cdef void endpoint_pool_made(EndpointState *self) noexcept nogil:
    """A worker has a pool for it."""
    FASTGW_ADD_INT(&self.pools, 1)


cdef void endpoint_pool_gone(EndpointState *self) noexcept nogil:
    """That pool is no more: the last thing its worker does with the state."""
    FASTGW_RELEASE(&self.pools)


cdef void endpoint_begin(EndpointState *self) noexcept nogil:
    """A call has been given to it."""
    FASTGW_ADD_INT(&self.calls, 1)
    FASTGW_ADD64(&self.calls_started, 1)


cdef void endpoint_end(EndpointState *self) noexcept nogil:
    """That call is over, one way or the other."""
    FASTGW_ADD_INT(&self.calls, -1)


cdef uint64_t endpoint_latency(const EndpointState *self, uint64_t now) noexcept nogil:
    """Nanoseconds to the response head, what is old counting less and less; 0: nothing is known.

    Linear decay toward 0 over _DECAY_NS: an endpoint nobody has asked for long is worth a try.
    """
    cdef uint64_t latency = FASTGW_GET64(&self.latency)
    cdef uint64_t at = FASTGW_GET64(&self.latency_at)
    cdef uint64_t age = now - at if now > at else 0
    if age >= _DECAY_NS:
        return 0
    return latency - <uint64_t>(<double>latency * <double>age / <double>_DECAY_NS)


cdef void _note_latency(EndpointState *self, uint64_t latency, uint64_t now) noexcept nogil:
    """Peak-sensitive moving average: worse news counts at once, better news by an eighth of what is not forgotten."""
    cdef uint64_t before = endpoint_latency(self, now)
    if latency < before:
        latency = before - (before - latency) // 8
    FASTGW_SET64(&self.latency, latency)
    FASTGW_SET64(&self.latency_at, now)


cdef void endpoint_answered(EndpointState *self, uint64_t latency, uint64_t now) noexcept nogil:
    """A response head came `latency` ns after the request head went."""
    _note_latency(self, latency, now)


cdef void endpoint_served(EndpointState *self, uint64_t now) noexcept nogil:
    """A call ended as it should: the row of failures is broken. A response head alone says nothing about that."""
    if FASTGW_GET32(&self.failures) != 0:
        FASTGW_SET32(&self.failures, 0)
    if FASTGW_GET32(&self.ejections) != 0 and FASTGW_GET64(&self.ejected_until) <= now:
        FASTGW_SET32(&self.ejections, 0)


cdef void endpoint_failed(EndpointState *self, uint64_t latency, uint64_t now, uint32_t eject_failures,
                          uint32_t eject_ms) noexcept nogil:
    """A call failed for its fault."""
    FASTGW_ADD64(&self.calls_failed, 1)
    _fail(self, latency, now, eject_failures, eject_ms)


cdef void endpoint_unreachable(EndpointState *self, uint64_t now, uint32_t eject_failures,
                               uint32_t eject_ms) noexcept nogil:
    """A connection to it came to nothing."""
    FASTGW_ADD64(&self.connects_failed, 1)
    _fail(self, 0, now, eject_failures, eject_ms)


cdef void _fail(EndpointState *self, uint64_t latency, uint64_t now, uint32_t eject_failures,
                uint32_t eject_ms) noexcept nogil:
    """After `eject_failures` in a row it gets no calls for a while. Those of calls it had before do not count then."""
    cdef uint32_t times
    _note_latency(self, latency if latency > _FAILED_NS else _FAILED_NS, now)
    if eject_failures == 0 or FASTGW_GET64(&self.ejected_until) > now:
        return
    if FASTGW_ADD32(&self.failures, 1) < eject_failures:
        return
    times = FASTGW_ADD32(&self.ejections, 1)
    if times > _EJECTIONS_MOST:
        times = _EJECTIONS_MOST
    FASTGW_SET32(&self.failures, 0)
    FASTGW_SET64(&self.ejected_until, now + eject_ms * <uint64_t>1000000 * times)
    FASTGW_SET64(&self.returned_at, now + eject_ms * <uint64_t>1000000 * times)
    FASTGW_ADD64(&self.times_ejected, 1)


cdef bint endpoint_is_available(EndpointState *self, uint64_t now) noexcept nogil:
    """Healthy, and not ejected."""
    return FASTGW_GET32(&self.healthy) != 0 and FASTGW_GET64(&self.ejected_until) <= now


cdef uint64_t _key(const uint8_t *identity, uint32_t length) noexcept nogil:
    """FNV-1a: what an endpoint is called by in rendezvous hashing, the same in every process and whatever its place."""
    cdef uint64_t key = <uint64_t>0xcbf29ce484222325
    cdef uint32_t at
    for at in range(length):
        key = (key ^ identity[at]) * <uint64_t>0x100000001b3
    return key


cdef class Endpoints:
    """The states of all endpoints, by the number a snapshot gives to each; belongs to one gateway."""

    def __cinit__(self):
        self.numbers = {}
        self.identities = []
        self.labels = []
        self.free = []
        self.unused = {}

    def __dealloc__(self):
        cdef uint32_t number
        for number in range(self.count):
            free(self.states[number])
        free(self.states)

    def __len__(self):
        return len(self.numbers)

    def number_of(self, bytes identity not None, str label not None):
        """The number of the endpoint of this identity, the same while it is known; made if it is new."""
        cdef uint32_t number
        cdef void *made = NULL
        known = self.numbers.get(identity)
        if known is not None:
            return known
        if not self.free:
            self._grow()
        if posix_memalign(&made, _CACHE_LINE, 2 * _CACHE_LINE) != 0:
            raise MemoryError
        memset(made, 0, 2 * _CACHE_LINE)
        number = self.free.pop()
        self.states[number] = <EndpointState *>made
        self.states[number].number = number
        self.states[number].healthy = 1
        self.states[number].key = _key(identity, <uint32_t>len(identity))
        self.labels[number] = label
        self.identities[number] = identity
        self.numbers[identity] = number
        self.unused[number] = None
        return number

    def _grow(self):
        cdef EndpointState **grown
        if self.count == self.room:
            grown = <EndpointState **>realloc(self.states, (2 * self.room + 16) * sizeof(EndpointState *))
            if grown == NULL:
                raise MemoryError
            self.states = grown
            self.room = 2 * self.room + 16
        self.states[self.count] = NULL
        self.labels.append("")
        self.identities.append(b"")
        self.free.append(self.count)
        self.count += 1

    cdef EndpointState *enter(self, number) except NULL:
        """A row leads to it from now on. Raise ValueError if there is none of this number."""
        cdef EndpointState *state = NULL
        if 0 <= number < self.count:
            state = self.states[<uint32_t>number]
        if state == NULL:
            raise ValueError(f"there is no endpoint {number}")
        if state.blocks == 0:
            self.unused.pop(number, None)
        state.blocks += 1
        return state

    cdef void leave(self, EndpointState *state) noexcept:
        """A row that led to it is gone."""
        state.blocks -= 1
        if state.blocks == 0:
            self.unused[state.number] = None

    def sweep(self, uint32_t most):
        """Forget endpoints that no row leads to, but the `most` that were left last; their numbers are given out again.

        Returns those that workers still have a pool for: the next snapshot asks for it.
        """
        cdef uint32_t number
        held = []
        if len(self.unused) <= most:
            return held
        for number in list(self.unused)[:len(self.unused) - most]:
            if FASTGW_ACQUIRE(&self.states[number].pools) == 0:
                self._forget(number)
            else:
                held.append(number)
        return held

    cdef void _forget(self, uint32_t number) except *:
        del self.numbers[self.identities[number]]
        del self.unused[number]
        self.identities[number] = b""
        self.labels[number] = ""
        free(self.states[number])
        self.states[number] = NULL
        self.free.append(number)

    def set_health(self, uint32_t number, bint healthy):
        """The verdict of an active check, in force for the next call of every worker."""
        if number >= self.count or self.states[number] == NULL:
            raise IndexError(f"there is no endpoint {number}")
        if healthy and not FASTGW_GET32(&self.states[number].healthy):
            FASTGW_SET64(&self.states[number].returned_at, clock_now())
            FASTGW_SET64(&self.states[number].ejected_until, 0)
        FASTGW_SET32(&self.states[number].healthy, healthy)

    def stats(self):
        """One dict per endpoint, in order of their numbers; latency in microseconds, 0: not known."""
        cdef uint64_t now = clock_now()
        cdef EndpointState *state
        cdef uint32_t number
        out = []
        for number in range(self.count):
            state = self.states[number]
            if state == NULL:
                continue
            out.append({
                "endpoint": self.labels[number],
                "healthy": bool(FASTGW_GET32(&state.healthy)),
                "ejected": FASTGW_GET64(&state.ejected_until) > now,
                "calls_running": FASTGW_GET_INT(&state.calls),
                "calls_started": FASTGW_GET64(&state.calls_started),
                "calls_failed": FASTGW_GET64(&state.calls_failed),
                "connects_failed": FASTGW_GET64(&state.connects_failed),
                "times_ejected": FASTGW_GET64(&state.times_ejected),
                "latency_us": endpoint_latency(state, now) // 1000,
            })
        return out


# For tests and tools.

def replay(list steps not None, uint32_t eject_failures, uint32_t eject_ms):
    """One endpoint through steps of (what, ms, latency in ms): "answered", "served", "failed", "unreachable", "look".

    After each: (latency in ms, is it available, failures in a row, ejections in a row).
    """
    cdef EndpointState state
    cdef uint64_t now, latency
    memset(&state, 0, sizeof(state))
    state.healthy = 1
    out = []
    for what, ms, latency_ms in steps:
        now = 1000000000 + <uint64_t>ms * 1000000
        latency = <uint64_t>latency_ms * 1000000
        if what == "answered":
            endpoint_answered(&state, latency, now)
        elif what == "served":
            endpoint_served(&state, now)
        elif what == "failed":
            endpoint_failed(&state, latency, now, eject_failures, eject_ms)
        elif what == "unreachable":
            endpoint_unreachable(&state, now, eject_failures, eject_ms)
        out.append((endpoint_latency(&state, now) / 1e6, bool(endpoint_is_available(&state, now)), state.failures,
                    state.ejections))
    return out
