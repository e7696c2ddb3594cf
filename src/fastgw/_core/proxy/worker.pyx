"""One worker: a loop with its listeners, connections, pool and snapshot; the class Python holds."""
from libc.errno cimport EMFILE, ENFILE, ENOBUFS, ENOMEM, errno
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

from fastgw._core.buf cimport memory_close, memory_open, slots_close, slots_open, slots_take
from fastgw._core.clock cimport clock_wall
from fastgw._core.inspect.bots import words
from fastgw._core.h2.conn cimport (
    conn_room_close,
    conn_room_open,
    conn_room_sweep,
)
from fastgw._core.h2.limits cimport Limits, limits_default, limits_set
from fastgw._core.h2.settings cimport settings_default
from fastgw._core.inspect.gate cimport (
    inspector_close,
    inspector_grow,
    inspector_open,
    inspector_tallies,
)
from fastgw._core.io.fingerprint cimport Fingerprint
from fastgw._core.io.loop cimport (
    Source,
    Timer,
    loop_close,
    loop_forget,
    loop_open,
    loop_turn,
    loop_wake,
    loop_watch,
    timer_start,
    timer_stop,
)
from fastgw._core.io.sys cimport EPOLLIN, SOCK_CLOEXEC, SOCK_NONBLOCK, accept4, close, sockaddr, socklen_t
from fastgw._core.io.proxy_protocol cimport Network
from fastgw._core.io.transport cimport FILL_SIZE, NET_SIZE, Endpoint
from fastgw._core.proxy.admit cimport admit_answered
from fastgw._core.proxy.ask cimport Ask, ask_free, asks_take, box_hold, box_leave
from fastgw._core.proxy.attempt cimport attempt_lease_failed, attempt_lease_ready
from fastgw._core.proxy.desk cimport (
    LISTENERS_MAX,
    AccessStay,
    Exchange,
    Link,
    LinkFacts,
    Listener,
    Phase,
    Side,
    SnapshotUse,
)
from fastgw._core.proxy.exchange cimport exchange_events, exchange_sweep
from fastgw._core.proxy.link cimport (
    PLAIN_HEADROOM,
    link_accept,
    link_bury,
    link_drain_within,
    link_drained,
    link_flush_all,
    link_sweep,
    use_release,
)
from fastgw._core.proxy.hooks cimport Hooks
from fastgw._core.proxy.meter cimport (
    meter_close,
    meter_open,
    meter_stats,
    meter_take_finished,
    meter_take_usage,
    meter_zone_stats,
)
from fastgw._core.proxy.pool cimport pool_close, pool_sweep, pool_warm
from fastgw._core.proxy.reply cimport REPLY_COUNT, LocalReply, reply_name, reply_phase, reply_side
from fastgw._core.proxy.route cimport SnapshotData
from fastgw._core.proxy.snapshot cimport Snapshot
from fastgw._core.reasons cimport REASON_COUNT, Reason, reason_name
from fastgw._core.wire.frame cimport FRAME_HEADER_SIZE, FRAME_SIZE_DEFAULT

cdef extern from *:
    """
    #define fastgw_load_pointer(at) __atomic_load_n((void **)(at), __ATOMIC_ACQUIRE)
    #define fastgw_exchange_pointer(at, value) __atomic_exchange_n((void **)(at), (void *)(value), __ATOMIC_ACQ_REL)
    #define fastgw_get_int(at) __atomic_load_n(at, __ATOMIC_ACQUIRE)
    #define fastgw_set_int(at, value) __atomic_store_n(at, value, __ATOMIC_RELEASE)
    #define fastgw_add_int(at, value) __atomic_add_fetch(at, value, __ATOMIC_ACQ_REL)
    """
    void *fastgw_exchange_pointer(SnapshotData **at, SnapshotData *value) nogil
    void *fastgw_load_pointer(SnapshotData **at) nogil
    int fastgw_get_int(int *at) nogil
    void fastgw_set_int(int *at, int value) nogil
    int fastgw_add_int(int *at, int value) nogil

cdef enum:
    _ACCEPTS_PER_TURN = 64          # connections of one listener taken before others get their turn
    _PAUSE_MS = 100                 # without descriptors, until the next try to accept
    _PLAIN_SIZE = PLAIN_HEADROOM + FRAME_HEADER_SIZE + FRAME_SIZE_DEFAULT + FILL_SIZE


cdef Desk *_desk_new(uint32_t drain_timeout_ms, bint log, const Limits *limits) noexcept:
    """A desk with everything on it; NULL if memory or descriptors are out."""
    cdef Desk *desk = <Desk *>calloc(1, sizeof(Desk))
    if desk == NULL:
        return NULL
    desk.loop.epoll = -1
    desk.net = <uint8_t *>malloc(NET_SIZE)
    desk.plain = <uint8_t *>malloc(_PLAIN_SIZE)
    memory_open(&desk.memory)
    slots_open(&desk.links, sizeof(Link))
    slots_open(&desk.exchanges, sizeof(Exchange))
    slots_open(&desk.uses, sizeof(SnapshotUse))
    slots_open(&desk.endpoints, sizeof(Endpoint))
    slots_open(&desk.link_facts, sizeof(LinkFacts))
    slots_open(&desk.prints, sizeof(Fingerprint))
    slots_open(&desk.stays, sizeof(AccessStay))
    settings_default(&desk.toward_client)
    desk.toward_client.max_concurrent_streams = limits.concurrent_streams
    desk.toward_client.initial_window_size = limits.stream_window
    desk.toward_client.max_header_list_size = limits.head_octets
    settings_default(&desk.toward_origin)
    desk.toward_origin.initial_window_size = limits.stream_window
    desk.toward_origin.max_header_list_size = limits.head_octets
    exchange_events(&desk.client_events, &desk.origin_events)
    desk.client_events.drained = link_drained
    desk.adopt = _adopt
    desk.lease_ready = attempt_lease_ready
    desk.lease_failed = attempt_lease_failed
    desk.drain_timeout_ms = drain_timeout_ms
    desk.drain_timer.fire = _drain_over
    desk.drain_timer.owner = desk
    desk.log = log
    desk.asking_most = limits.hook_calls
    desk.ray = clock_wall()
    desk.dice = desk.ray | 1
    if (desk.net == NULL or desk.plain == NULL or not meter_open(&desk.meter, log)
            or not inspector_open(&desk.inspector)
            or not conn_room_open(&desk.room, &desk.memory, limits) or loop_open(&desk.loop) < 0):
        _desk_free(desk)
        return NULL
    return desk


cdef void _desk_free(Desk *desk) noexcept:
    cdef Ask *ask = asks_take(&desk.answered)
    cdef Ask *next
    while ask != NULL:
        next = ask.next
        ask_free(ask)
        ask = next
    if desk.box != NULL:
        box_leave(desk.box)
    free(desk.memos)
    meter_close(&desk.meter)
    conn_room_close(&desk.room)
    slots_close(&desk.links)
    slots_close(&desk.exchanges)
    slots_close(&desk.uses)
    slots_close(&desk.endpoints)
    slots_close(&desk.link_facts)
    slots_close(&desk.stays)
    inspector_close(&desk.inspector)
    slots_close(&desk.prints)
    memory_close(&desk.memory)
    if desk.loop.epoll >= 0:
        loop_close(&desk.loop)
    free(desk.balancers)
    free(desk.net)
    free(desk.plain)
    free(desk)


# ---- listeners


cdef void _accept(Source *source, uint32_t events) noexcept nogil:
    """Clients have connected."""
    cdef Listener *self = <Listener *>source
    cdef uint8_t peer[128]
    cdef socklen_t size
    cdef int fd, _turn
    for _turn in range(_ACCEPTS_PER_TURN):
        size = sizeof(peer)
        memset(peer, 0, sizeof(peer))
        fd = accept4(self.source.fd, <sockaddr *>peer, &size, SOCK_NONBLOCK | SOCK_CLOEXEC)
        if fd < 0:
            if errno == EMFILE or errno == ENFILE or errno == ENOBUFS or errno == ENOMEM:
                loop_watch(&self.desk.loop, &self.source, 0)
                timer_start(&self.desk.loop, &self.timer, _PAUSE_MS)
            return
        if not link_accept(self.desk, fd, self, peer):
            close(fd)


cdef void _accept_again(Timer *timer) noexcept nogil:
    cdef Listener *self = <Listener *>timer.owner
    if self.source.fd >= 0:
        loop_watch(&self.desk.loop, &self.source, EPOLLIN)


cdef void _close_listeners(Desk *desk) noexcept nogil:
    cdef uint32_t number
    cdef int fd
    for number in range(desk.listener_count):
        timer_stop(&desk.loop, &desk.listeners[number].timer)
        fd = desk.listeners[number].source.fd
        if fd >= 0:
            loop_forget(&desk.loop, &desk.listeners[number].source)
            close(fd)
            desk.listeners[number].source.fd = -1


# ---- what other threads say


cdef void _adopt(Desk *desk) noexcept nogil:
    """Take the snapshot that was published last, if there is a new one."""
    cdef SnapshotData *data = <SnapshotData *>fastgw_exchange_pointer(&desk.published, NULL)
    cdef SnapshotUse *use
    if data == NULL:
        return
    use = <SnapshotUse *>slots_take(&desk.uses)
    if use == NULL:
        _let_go(data)
        return
    use.data = data
    use.uses = 1
    _leave(desk)
    desk.current = use
    inspector_grow(&desk.inspector, data.node_count, data.managed_node_count, data.slot_count)
    pool_warm(desk)


cdef void _let_go(SnapshotData *data) noexcept nogil:
    """A snapshot that was published and never became current."""
    fastgw_add_int(&data.seekers, -1)
    fastgw_add_int(&data.users, -1)


cdef void _leave(Desk *desk) noexcept nogil:
    """No name is looked up in the current snapshot any more; exchanges may go on to refer to its rows."""
    if desk.current != NULL:
        fastgw_add_int(<int *>&desk.current.data.seekers, -1)
        use_release(desk, desk.current)
        desk.current = NULL


cdef void _begin_drain(Desk *desk) noexcept nogil:
    """No new connections; clients are told to go, those of a large house not all at once. Calls may finish."""
    cdef uint32_t spread_ms = min(desk.room.limits.drain_spread_ms, desk.drain_timeout_ms // 2)
    cdef Link *link
    cdef Link *next
    if desk.draining:
        return
    desk.draining = True
    _close_listeners(desk)
    timer_start(&desk.loop, &desk.drain_timer, desk.drain_timeout_ms)
    link = desk.clients
    while link != NULL:
        next = link.next
        link_drain_within(link, spread_ms)
        link = next


cdef void _drain_over(Timer *timer) noexcept nogil:
    """The time for running calls is over."""
    cdef Desk *desk = <Desk *>timer.owner
    fastgw_set_int(&desk.stop_wanted, 1)


# ---- the loop


cdef void _sweep(Desk *desk) noexcept nogil:
    """The turn is over: what ended in it gives its memory back."""
    exchange_sweep(desk)
    conn_room_sweep(&desk.room)
    link_sweep(desk)
    if desk.current != NULL and desk.current.data.revision != desk.swept_revision:
        desk.swept_revision = desk.current.data.revision
        pool_sweep(desk)


cdef int _turn(Desk *desk, int longest_wait_ms) noexcept nogil:
    """Wait for what comes, deal with all of it, send what it has led to. Returns how many sources were ready, or -1."""
    cdef int handled = loop_turn(&desk.loop, longest_wait_ms)
    if handled < 0:
        return handled
    desk.meter.turns += 1
    desk.room.now = desk.loop.now
    if fastgw_get_int(&desk.drain_wanted):
        _begin_drain(desk)
    if desk.asking > 0:
        admit_answered(desk)
    link_flush_all(desk)
    _sweep(desk)
    _adopt(desk)
    return handled


cdef void _run(Desk *desk) noexcept nogil:
    """Turn until told to stop, or until a drain has nothing left to wait for."""
    _adopt(desk)
    while not fastgw_get_int(&desk.stop_wanted):
        if _turn(desk, -1) < 0:
            break
        if desk.draining and desk.clients == NULL:
            break
    _close_listeners(desk)
    while desk.clients != NULL:
        link_bury(desk.clients)
    pool_close(desk)
    _sweep(desk)
    _leave(desk)


cdef int _balancers_set(Desk *desk, list balancers) except -1:
    cdef Network *row
    if not balancers:
        return 0
    desk.balancers = <Network *>calloc(len(balancers), sizeof(Network))
    if desk.balancers == NULL:
        raise MemoryError
    for address, bits in balancers:
        row = &desk.balancers[desk.balancer_count]
        memcpy(row.address, <const uint8_t *><bytes>address, sizeof(row.address))
        row.bits = bits
        desk.balancer_count += 1
    return 0


cdef class Worker:
    """One thread's share of the gateway. `run` is called on that thread; the other methods from any thread.

    `limits` maps names of h2.limits to octets, frames or milliseconds; what it leaves out is as by default.
    `balancers`: networks whose connections begin with a PROXY header, each 16 octets (IPv4 is mapped) and its bits.
    """

    def __cinit__(self, *, int number, int drain_timeout_ms, bint log=False, limits=None, balancers=()):
        cdef Limits chosen
        limits_default(&chosen)
        for name, value in (limits or {}).items():
            if not limits_set(&chosen, name.encode(), value):
                raise ValueError(f"there is no limit {name}")
        self.desk = _desk_new(<uint32_t>drain_timeout_ms, log, &chosen)
        if self.desk == NULL:
            raise MemoryError(f"worker {number} found no memory or no descriptors")
        self.desk.ray ^= <uint64_t>number << 56
        self.desk.dice += <uint64_t>number << 32
        self.snapshots = []
        _balancers_set(self.desk, list(balancers))

    def __dealloc__(self):
        if self.desk != NULL and not self.running:
            _close_listeners(self.desk)
            _desk_free(self.desk)

    def listen(self, int descriptor, *, bint tls):
        """Accept on this bound, listening socket; the worker owns and closes it. Before `run` only."""
        cdef Listener *listener
        if self.running or self.ended:
            raise RuntimeError("listen() comes before run()")
        if self.desk.listener_count == LISTENERS_MAX:
            raise ValueError(f"a worker listens on at most {LISTENERS_MAX} addresses")
        listener = &self.desk.listeners[self.desk.listener_count]
        listener.desk = self.desk
        listener.tls = tls
        listener.source.fd = descriptor
        listener.source.ready = _accept
        listener.timer.fire = _accept_again
        listener.timer.owner = listener
        if loop_watch(&self.desk.loop, &listener.source, EPOLLIN) < 0:
            listener.source.fd = -1
            raise OSError(errno, "the listening socket cannot be watched")
        self.desk.listener_count += 1

    def hook(self, Hooks hooks not None):
        """Ask these about the calls they are about. Before `run` only, and once."""
        if self.running or self.ended or self.desk.box != NULL:
            raise RuntimeError("hook() comes once, before run()")
        self.hooks = hooks
        hooks.asks.workers.append(self)     # whoever holds a question holds the worker that asked it
        self.desk.hooks = hooks.rows
        self.desk.hook_count = hooks.count
        self.desk.box = hooks.asks.box
        box_hold(self.desk.box)

    def publish(self, Snapshot snapshot not None):
        """Put a snapshot in force from the next turn on."""
        cdef SnapshotData *data = snapshot.data
        cdef SnapshotData *skipped
        fastgw_add_int(&data.users, 1)
        fastgw_add_int(&data.seekers, 1)
        skipped = <SnapshotData *>fastgw_exchange_pointer(&self.desk.published, data)
        if skipped != NULL:
            _let_go(skipped)
        self.snapshots = [held for held in self.snapshots if fastgw_get_int(&(<Snapshot>held).data.users) > 0]
        self.snapshots.append(snapshot)
        loop_wake(&self.desk.loop)

    def run(self):
        """Carry calls until drained or stopped. Releases the GIL for all of it."""
        if self.running or self.ended:
            raise RuntimeError("a worker runs once")
        self.running = True
        with nogil:
            _run(self.desk)
        self.running = False
        self.ended = True

    def turn(self):
        """For tools, on the thread that will call `run` or never does: one turn that does not wait.

        Returns how many sources were ready. `run` has to follow, or the process to end: it closes what is open.
        """
        cdef int handled
        if self.running or self.ended:
            raise RuntimeError("turn() comes before run()")
        with nogil:
            _adopt(self.desk)
            handled = _turn(self.desk, 0)
        return handled

    def drain(self):
        """Send GOAWAY, let running calls finish for drain_timeout_ms, then `run` returns."""
        fastgw_set_int(&self.desk.drain_wanted, 1)
        loop_wake(&self.desk.loop)

    def stop(self):
        """`run` returns at the end of this turn; running calls are cut."""
        fastgw_set_int(&self.desk.stop_wanted, 1)
        loop_wake(&self.desk.loop)

    @property
    def settled(self):
        """Has it taken over the snapshot that was published last?"""
        return fastgw_load_pointer(&self.desk.published) == NULL

    @property
    def revision(self):
        """The revision published last, -1 before the first."""
        return max((snapshot.revision for snapshot in self.snapshots), default=-1)

    @property
    def idle(self):
        """No exchange is open."""
        return self.desk.meter.exchanges_open == 0

    def stats(self):
        """Counters since the start and what is open now; `refused` and `replies` by name."""
        cdef int number
        out = meter_stats(&self.desk.meter)
        out["streams_open"] = self.desk.room.streams.live
        out["links_open"] = self.desk.links.live
        out["exchanges_live"] = self.desk.exchanges.live
        out["octets_waiting"] = self.desk.room.waiting
        out["octets_lent"] = self.desk.memory.lent
        out["refused"] = {
            reason_name(<Reason>number).decode(): self.desk.room.refusals[number]
            for number in range(1, REASON_COUNT) if self.desk.room.refusals[number]
        }
        out["replies"] = {
            reply_name(<LocalReply>number).decode(): self.desk.meter.replies[number]
            for number in range(1, REPLY_COUNT) if self.desk.meter.replies[number]
        }
        return out

    def zone_stats(self, int count=16384):
        """Usage by meter number of the zone, the first `count` of them."""
        return meter_zone_stats(&self.desk.meter, count)

    def take_usage(self, int count):
        """What the first `count` zones have used since this was last asked, see meter_take_usage; one reader."""
        return meter_take_usage(&self.desk.meter, count)

    def rule_stats(self):
        """By the number of its counter: how often a rule has held, and how many calls it has ended."""
        return inspector_tallies(&self.desk.inspector)

    def take_finished(self, int most):
        """Up to `most` finished exchanges, oldest first; one reader at a time. Empty unless opened with log=True."""
        out = meter_take_finished(&self.desk.meter, most)
        for row in out:
            row["error"] = reply_name(<LocalReply><int>row["error"]).decode()
            blamed = row["side"] >= 0
            reasons = row.pop("bot_reasons")
            if row["bot_score"] > 0:
                row["bot_reasons"] = words(reasons)
            else:
                del row["bot_score"]
            row["side"] = reply_side(<Side><int>row["side"]).decode() if blamed else ""
            row["phase"] = reply_phase(<Phase><int>row["phase"]).decode() if blamed else ""
        return out
