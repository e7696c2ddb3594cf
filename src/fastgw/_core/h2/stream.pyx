"""The life of a stream (RFC 9113 section 5.1), its slot, and the map from number to stream."""
from libc.stdlib cimport calloc, free

from fastgw._core.reasons cimport (
    ACCEPTED,
    DATA_BEFORE_HEAD,
    FRAME_AFTER_END_STREAM,
    FRAME_AFTER_RESET,
    FRAME_ON_IDLE_STREAM,
)

cdef enum:
    _FIRST_SLOTS = 8
    _FIRST_SHIFT = 29       # 32 less the bits of its mask
    _IMPOSSIBLE = -1000     # our own side never asks for this move


def _refuse(reason):
    return -int(reason)


_LATE = _refuse(FRAME_AFTER_END_STREAM)
_GONE = _refuse(FRAME_AFTER_RESET)
_EARLY = _refuse(FRAME_ON_IDLE_STREAM)

# What is not listed never happens: our own side does not try it.
TABLE = {
    IDLE: {
        RECV_HEADERS: OPEN, RECV_DATA: _EARLY, RECV_END_STREAM: _EARLY, RECV_RST_STREAM: _EARLY,
        RECV_WINDOW_UPDATE: _EARLY, SEND_HEADERS: OPEN,
    },
    OPEN: {
        RECV_HEADERS: OPEN, RECV_DATA: OPEN, RECV_END_STREAM: HALF_CLOSED_REMOTE, RECV_RST_STREAM: CLOSED,
        RECV_WINDOW_UPDATE: OPEN, SEND_HEADERS: OPEN, SEND_DATA: OPEN, SEND_END_STREAM: HALF_CLOSED_LOCAL,
        SEND_RST_STREAM: CLOSED,
    },
    HALF_CLOSED_LOCAL: {
        RECV_HEADERS: HALF_CLOSED_LOCAL, RECV_DATA: HALF_CLOSED_LOCAL, RECV_END_STREAM: CLOSED,
        RECV_RST_STREAM: CLOSED, RECV_WINDOW_UPDATE: HALF_CLOSED_LOCAL, SEND_RST_STREAM: CLOSED,
    },
    HALF_CLOSED_REMOTE: {
        RECV_HEADERS: _LATE, RECV_DATA: _LATE, RECV_END_STREAM: _LATE, RECV_RST_STREAM: CLOSED,
        RECV_WINDOW_UPDATE: HALF_CLOSED_REMOTE, SEND_HEADERS: HALF_CLOSED_REMOTE, SEND_DATA: HALF_CLOSED_REMOTE,
        SEND_END_STREAM: CLOSED, SEND_RST_STREAM: CLOSED,
    },
    CLOSED: {
        RECV_HEADERS: _GONE, RECV_DATA: _GONE, RECV_END_STREAM: _GONE, RECV_RST_STREAM: CLOSED,
        RECV_WINDOW_UPDATE: CLOSED,
    },
}

cdef int _next[<int>STREAM_STATES][<int>STREAM_EVENTS]


cdef Reason stream_step(uint8_t *state, StreamEvent event) noexcept nogil:
    """Move `state` along `event`, or leave it as it is and say why not (RFC 9113 section 5.1)."""
    cdef int target = _next[state[0]][<int>event]
    if target < 0:
        return <Reason>(-target) if target != _IMPOSSIBLE else DATA_BEFORE_HEAD
    state[0] = <uint8_t>target
    return ACCEPTED


cdef void stream_map_close(StreamMap *self) noexcept nogil:
    free(self.slots)
    self.slots = NULL
    self.mask = self.count = 0


cdef void _place(StreamMap *self, Stream *stream) noexcept nogil:
    cdef uint32_t at = stream_map_home(self, stream.id)
    while self.slots[at] != NULL:
        at = (at + 1) & self.mask
    self.slots[at] = stream


cdef bint stream_map_put(StreamMap *self, Stream *stream) noexcept nogil:
    """False if memory is out. The map doubles when it is half full."""
    cdef StreamMap larger
    cdef uint32_t at
    if self.slots == NULL or self.count * 2 > self.mask:
        larger.mask = _FIRST_SLOTS - 1 if self.slots == NULL else self.mask * 2 + 1
        larger.shift = _FIRST_SHIFT if self.slots == NULL else self.shift - 1
        larger.slots = <Stream **>calloc(larger.mask + 1, sizeof(Stream *))
        if larger.slots == NULL:
            return False
        if self.slots != NULL:
            for at in range(self.mask + 1):
                if self.slots[at] != NULL:
                    _place(&larger, self.slots[at])
        free(self.slots)
        self.slots = larger.slots
        self.mask = larger.mask
        self.shift = larger.shift
    _place(self, stream)
    self.count += 1
    return True


cdef void stream_map_remove(StreamMap *self, uint32_t stream_id) noexcept nogil:
    """Take a stream out; those behind it in its run move up, so no marker stays."""
    cdef uint32_t at, hole, home
    if self.slots == NULL:
        return
    at = stream_map_home(self, stream_id)
    while self.slots[at] != NULL and self.slots[at].id != stream_id:
        at = (at + 1) & self.mask
    if self.slots[at] == NULL:
        return
    hole = at
    while True:
        at = (at + 1) & self.mask
        if self.slots[at] == NULL:
            break
        home = stream_map_home(self, self.slots[at].id)
        if ((at - home) & self.mask) >= ((at - hole) & self.mask):
            self.slots[hole] = self.slots[at]
            hole = at
    self.slots[hole] = NULL
    self.count -= 1


def _fill() -> None:
    cdef int state, event
    for state in range(STREAM_STATES):
        for event in range(STREAM_EVENTS):
            _next[state][event] = TABLE[state].get(event, _IMPOSSIBLE)


_fill()


def step(state: int, event: int) -> int:
    """For tests and tools: the next state, or minus the reason for refusing."""
    cdef uint8_t now = state
    cdef Reason reason = stream_step(&now, event)
    return -<int>reason if reason != ACCEPTED else now


def map_replay(steps: list[tuple[str, int]]) -> list[bool]:
    """For tests and tools: ("put" | "remove" | "get", id) in order; whether the id is in the map after each."""
    cdef StreamMap map
    cdef Stream *stream
    cdef uint32_t number
    map.slots = NULL
    map.mask = map.count = 0
    out = []
    for verb, number in steps:
        stream = stream_map_get(&map, number)
        if verb == "put" and stream == NULL:
            stream = <Stream *>calloc(1, sizeof(Stream))
            stream.id = number
            stream_map_put(&map, stream)
        elif verb == "remove" and stream != NULL:
            stream_map_remove(&map, number)
            free(stream)
        out.append(stream_map_get(&map, number) != NULL)
    for number in range(map.mask + 1 if map.slots != NULL else 0):
        free(map.slots[number])
    stream_map_close(&map)
    return out
