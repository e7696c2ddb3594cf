"""One event loop: epoll, a timer wheel, a wake-up from other threads. Knows no protocol."""
from libc.stdint cimport uint32_t, uint64_t

cdef enum:
    WHEEL_SLOTS = 2048          # slots of WHEEL_TICK nanoseconds: one round is about 8.6 s
    WHEEL_TICK = 4194304        # ns, 2^22: what a deadline may be late
    EVENTS_MAX = 256            # events taken from the kernel per turn

ctypedef struct Source:
    # A descriptor the loop watches. `ready` is called with the epoll events that hold.
    int fd                      # -1: not open; owned and closed by whoever owns the source
    uint32_t watched            # epoll events asked for; 0: not watched, nothing is delivered
    void (*ready)(Source *self, uint32_t events) noexcept nogil

ctypedef struct Timer:
    # Fires once. Intrusive: lives in its owner, who stops it before going away.
    Timer *next
    Timer *prev                 # NULL: not running
    uint64_t deadline           # ns
    void *owner                 # whatever `fire` needs
    void (*fire)(Timer *self) noexcept nogil

ctypedef struct Loop:
    int epoll
    int wake                    # eventfd, written by other threads
    uint64_t now                # ns, read once per turn
    uint64_t swept              # ns: timers up to here have fired
    uint32_t timers             # running timers
    uint64_t occupied[32]       # one bit per slot that may hold a timer
    Timer slots[WHEEL_SLOTS]    # list heads

cdef int loop_open(Loop *self) noexcept nogil
cdef void loop_close(Loop *self) noexcept nogil
cdef int loop_watch(Loop *self, Source *source, uint32_t events) noexcept nogil
cdef void loop_forget(Loop *self, Source *source) noexcept nogil
cdef int loop_turn(Loop *self, int longest_wait_ms) noexcept nogil
cdef void loop_wake(Loop *self) noexcept nogil
cdef void timer_start(Loop *self, Timer *timer, uint64_t delay_ms) noexcept nogil
cdef void timer_stop(Loop *self, Timer *timer) noexcept nogil
