"""One event loop: epoll, a timer wheel, a wake-up from other threads. Knows no protocol.

One thread runs a loop; only loop_wake may be called from another. Readiness is level-triggered: what a
handler leaves unread is reported again. A timer fires at the first tick of the wheel that is not before its
deadline, so up to WHEEL_TICK late and never early.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memset

from fastgw._core.clock cimport clock_now
from fastgw._core.io.sys cimport (
    EFD_CLOEXEC, EFD_NONBLOCK, EINTR, EPOLL_CLOEXEC, EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD, EPOLLIN,
    close, epoll_create1, epoll_ctl, epoll_event, epoll_wait, errno, eventfd, read, write)

cdef enum:
    _TICK_BITS = 22
    _SLOT_MASK = WHEEL_SLOTS - 1
    _WORDS = WHEEL_SLOTS // 64

cdef uint64_t _DELAY_MAX_MS = 1 << 40

cdef extern from *:
    """
    #define fastgw_lowest_bit(word) ((uint32_t)__builtin_ctzll(word))
    """
    uint32_t fastgw_lowest_bit(uint64_t word) noexcept nogil


cdef int loop_open(Loop *self) noexcept nogil:
    """0, or the errno of the call that failed; then nothing is open."""
    cdef uint32_t slot
    cdef int failed
    cdef epoll_event event
    memset(self, 0, sizeof(Loop))
    for slot in range(WHEEL_SLOTS):
        _list_open(&self.slots[slot])
    self.now = clock_now()
    self.swept = self.now >> _TICK_BITS << _TICK_BITS
    self.wake = -1
    self.epoll = epoll_create1(EPOLL_CLOEXEC)
    if self.epoll < 0:
        return errno
    self.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)
    event.events = EPOLLIN
    event.data.ptr = NULL
    if self.wake < 0 or epoll_ctl(self.epoll, EPOLL_CTL_ADD, self.wake, &event) < 0:
        failed = errno
        loop_close(self)
        return failed
    return 0


cdef void loop_close(Loop *self) noexcept nogil:
    """Close what the loop opened; watched descriptors and running timers stay their owners' business."""
    if self.epoll >= 0:
        close(self.epoll)
    if self.wake >= 0:
        close(self.wake)
    self.epoll = self.wake = -1


cdef int loop_watch(Loop *self, Source *source, uint32_t events) noexcept nogil:
    """Ask for `events` of the source from now on, in place of what was asked before; 0 events: loop_forget.

    Returns 0, or the errno of the kernel's refusal. Errors and hang-ups are reported whatever is asked for.
    """
    cdef epoll_event event
    if events == source.watched:
        return 0
    if events == 0:
        loop_forget(self, source)
        return 0
    event.events = events
    event.data.ptr = source
    if epoll_ctl(self.epoll, EPOLL_CTL_ADD if source.watched == 0 else EPOLL_CTL_MOD, source.fd, &event) < 0:
        return errno
    source.watched = events
    return 0


cdef void loop_forget(Loop *self, Source *source) noexcept nogil:
    """Stop watching. Nothing more is delivered, not even in this turn; the descriptor stays open."""
    cdef epoll_event unused
    if source.watched != 0 and source.fd >= 0:
        epoll_ctl(self.epoll, EPOLL_CTL_DEL, source.fd, &unused)
    source.watched = 0


cdef int loop_turn(Loop *self, int longest_wait_ms) noexcept nogil:
    """Wait, hand out what is ready, then fire what is due.

    Waits for a source, the next occupied tick of the wheel, a wake-up or `longest_wait_ms` (-1: no such
    limit), whichever is first. Returns how often a `ready` was called; wake-ups and timers do not count.
    """
    cdef epoll_event[EVENTS_MAX] events
    cdef Source *source
    cdef uint64_t waking
    cdef int number, handled = 0
    cdef int count = epoll_wait(self.epoll, events, EVENTS_MAX, _wait_ms(self, longest_wait_ms))
    self.now = clock_now()
    for number in range(count):
        source = <Source *>events[number].data.ptr
        if source == NULL:
            read(self.wake, &waking, sizeof(waking))
        elif source.watched != 0 and source.fd >= 0:
            source.ready(source, events[number].events)
            handled += 1
    _sweep(self)
    return handled


cdef void loop_wake(Loop *self) noexcept nogil:
    """End the wait of this turn or of the next one. Any thread may call this while the loop is open."""
    cdef uint64_t one = 1
    while write(self.wake, &one, sizeof(one)) < 0 and errno == EINTR:
        pass


cdef void timer_start(Loop *self, Timer *timer, uint64_t delay_ms) noexcept nogil:
    """Let the timer fire `delay_ms` after the beginning of this turn; a running one is moved."""
    cdef uint64_t tick
    cdef Timer *head
    timer_stop(self, timer)
    timer.deadline = self.now + (delay_ms if delay_ms < _DELAY_MAX_MS else _DELAY_MAX_MS) * 1000000
    tick = _tick_of(timer)
    # A tick that has been swept comes round again only after a whole turn of the wheel.
    if tick <= self.swept >> _TICK_BITS:
        tick = (self.swept >> _TICK_BITS) + 1
    head = &self.slots[tick & _SLOT_MASK]
    _list_append(head, timer)
    self.occupied[(tick & _SLOT_MASK) >> 6] |= <uint64_t>1 << (tick & 63)
    self.timers += 1


cdef void timer_stop(Loop *self, Timer *timer) noexcept nogil:
    """The timer does not fire any more; nothing happens if it was not running."""
    cdef Timer *neighbour = timer.prev
    cdef size_t slot
    if neighbour == NULL:
        return
    _list_remove(timer)
    self.timers -= 1
    # Alone in its slot: the neighbour was the head. The list of due timers in _sweep has its head elsewhere.
    if neighbour.next == neighbour and &self.slots[0] <= neighbour < &self.slots[0] + WHEEL_SLOTS:
        slot = neighbour - &self.slots[0]
        self.occupied[slot >> 6] &= ~(<uint64_t>1 << (slot & 63))


cdef inline uint64_t _tick_of(const Timer *timer) noexcept nogil:
    """The first tick not before the deadline."""
    return (timer.deadline + WHEEL_TICK - 1) >> _TICK_BITS


cdef inline void _list_open(Timer *head) noexcept nogil:
    head.next = head.prev = head


cdef inline void _list_append(Timer *head, Timer *timer) noexcept nogil:
    timer.prev = head.prev
    timer.next = head
    head.prev.next = timer
    head.prev = timer


cdef inline void _list_remove(Timer *timer) noexcept nogil:
    timer.prev.next = timer.next
    timer.next.prev = timer.prev
    timer.next = timer.prev = NULL


cdef uint64_t _next_tick(const Loop *self) noexcept nogil:
    """The first tick after the swept ones whose slot is occupied; some timer must be running."""
    cdef uint64_t tick = (self.swept >> _TICK_BITS) + 1
    cdef uint64_t word = self.occupied[(tick & _SLOT_MASK) >> 6] >> (tick & 63)
    cdef uint32_t _passed
    if word != 0:
        return tick + fastgw_lowest_bit(word)
    tick = (tick | 63) + 1
    for _passed in range(_WORDS):
        word = self.occupied[(tick & _SLOT_MASK) >> 6]
        if word != 0:
            return tick + fastgw_lowest_bit(word)
        tick += 64
    return tick


cdef int _wait_ms(Loop *self, int longest_ms) noexcept nogil:
    """How long epoll may sleep: milliseconds, rounded up so that the tick has come when it wakes."""
    cdef uint64_t due, now
    cdef int64_t wait
    if self.timers == 0 or longest_ms == 0:
        return longest_ms
    now = clock_now()
    due = _next_tick(self) << _TICK_BITS
    if due <= now:
        return 0
    wait = <int64_t>((due - now + 999999) // 1000000)
    if longest_ms >= 0 and wait > longest_ms:
        return longest_ms
    return <int>wait


cdef void _sweep(Loop *self) noexcept nogil:
    """Fire every timer whose tick has come, earlier ticks first.

    Goes round the wheel at most once per step, so that timers of a later round wait for their own. A `fire`
    may start and stop any timer: those due are on a list of their own, from which timer_stop takes them like
    from any other.
    """
    cdef uint64_t now = self.now >> _TICK_BITS
    cdef uint64_t tick
    cdef Timer due
    cdef Timer *timer
    while self.timers > 0:
        tick = _next_tick(self)
        if tick > now:
            break
        self.swept = tick << _TICK_BITS
        _list_open(&due)
        _collect(self, tick, &due)
        while due.next != &due:
            timer = due.next
            _list_remove(timer)
            self.timers -= 1
            timer.fire(timer)
    self.swept = now << _TICK_BITS


cdef void _collect(Loop *self, uint64_t tick, Timer *due) noexcept nogil:
    """Move the timers of this tick from their slot to `due`; those of later rounds stay."""
    cdef uint32_t slot = <uint32_t>(tick & _SLOT_MASK)
    cdef Timer *head = &self.slots[slot]
    cdef Timer *timer = head.next
    cdef Timer *following
    while timer != head:
        following = timer.next
        if _tick_of(timer) <= tick:
            _list_remove(timer)
            _list_append(due, timer)
        timer = following
    if head.next == head:
        self.occupied[slot >> 6] &= ~(<uint64_t>1 << (slot & 63))


# For tests and tools.

cdef enum:
    _DOOR_ROOM = 64
    _DOOR_LOG = 4096

cdef struct _DoorTimer:
    Timer timer
    _Door *door
    int number
    int target          # timer that `fire` starts (or stops, with delay_ms < 0); -1: none
    int64_t delay_ms

cdef struct _DoorSource:
    Source source
    _Door *door
    int number
    int forgets         # source that `ready` takes out of the loop; -1: none

cdef struct _Door:
    Loop loop
    _DoorTimer timers[_DOOR_ROOM]
    _DoorSource sources[_DOOR_ROOM]
    int fired[_DOOR_LOG]
    uint64_t fired_at[_DOOR_LOG]
    int fired_count
    int ready[_DOOR_LOG]
    uint32_t ready_events[_DOOR_LOG]
    int ready_count


cdef void _door_fire(Timer *timer) noexcept nogil:
    cdef _DoorTimer *self = <_DoorTimer *>timer
    cdef _Door *door = self.door
    if door.fired_count < _DOOR_LOG:
        door.fired[door.fired_count] = self.number
        door.fired_at[door.fired_count] = door.loop.now
        door.fired_count += 1
    if self.target < 0:
        return
    if self.delay_ms < 0:
        timer_stop(&door.loop, &door.timers[self.target].timer)
    else:
        timer_start(&door.loop, &door.timers[self.target].timer, <uint64_t>self.delay_ms)


cdef void _door_ready(Source *source, uint32_t events) noexcept nogil:
    cdef _DoorSource *self = <_DoorSource *>source
    cdef _Door *door = self.door
    if door.ready_count < _DOOR_LOG:
        door.ready[door.ready_count] = self.number
        door.ready_events[door.ready_count] = events
        door.ready_count += 1
    if self.forgets >= 0:
        loop_forget(&door.loop, &door.sources[self.forgets].source)


cdef class LoopDoor:
    """A loop with 64 timers and 64 sources that write down what happened to them."""
    cdef _Door door

    def __cinit__(self):
        cdef int number
        memset(&self.door, 0, sizeof(_Door))
        if loop_open(&self.door.loop) != 0:
            raise OSError("the loop did not open")
        for number in range(_DOOR_ROOM):
            self.door.timers[number].timer.fire = _door_fire
            self.door.timers[number].door = &self.door
            self.door.timers[number].number = number
            self.door.timers[number].target = -1
            self.door.sources[number].source.fd = -1
            self.door.sources[number].source.ready = _door_ready
            self.door.sources[number].door = &self.door
            self.door.sources[number].number = number
            self.door.sources[number].forgets = -1

    def __dealloc__(self):
        loop_close(&self.door.loop)

    def turn(self, int longest_wait_ms):
        """One turn; returns how many sources were served."""
        cdef int handled
        with nogil:
            handled = loop_turn(&self.door.loop, longest_wait_ms)
        return handled

    def advance(self, uint64_t ms):
        """Let `ms` pass without waiting and fire what is due; do not mix with turn()."""
        self.door.loop.now += ms * 1000000
        _sweep(&self.door.loop)

    def wake(self):
        loop_wake(&self.door.loop)

    def start(self, int number, uint64_t delay_ms):
        timer_start(&self.door.loop, &self.door.timers[number].timer, delay_ms)

    def stop(self, int number):
        timer_stop(&self.door.loop, &self.door.timers[number].timer)

    def when_fired(self, int number, int target, int64_t delay_ms):
        """Let `number` start `target` when it fires, or stop it if delay_ms < 0; target -1: neither."""
        self.door.timers[number].target = target
        self.door.timers[number].delay_ms = delay_ms

    def watch(self, int number, int fd, uint32_t events):
        self.door.sources[number].source.fd = fd
        return loop_watch(&self.door.loop, &self.door.sources[number].source, events)

    def forget(self, int number):
        loop_forget(&self.door.loop, &self.door.sources[number].source)

    def when_ready(self, int number, int forgets):
        self.door.sources[number].forgets = forgets

    @property
    def now(self):
        return self.door.loop.now

    @property
    def running(self):
        return self.door.loop.timers

    @property
    def occupied(self):
        """Slots whose bit is set."""
        return [slot for slot in range(WHEEL_SLOTS) if self.door.loop.occupied[slot >> 6] >> (slot & 63) & 1]

    def fired(self):
        """(timer, now) in the order of firing since the last call."""
        result = [(self.door.fired[number], self.door.fired_at[number]) for number
                  in range(self.door.fired_count)]
        self.door.fired_count = 0
        return result

    def ready(self):
        """(source, events) in the order of delivery since the last call."""
        result = [(self.door.ready[number], self.door.ready_events[number]) for number
                  in range(self.door.ready_count)]
        self.door.ready_count = 0
        return result
