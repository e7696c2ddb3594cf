"""SETTINGS: ours as announced, theirs as received (RFC 9113 section 6.5)."""
from fastgw._core.h2.flow cimport WINDOW_DEFAULT, WINDOW_LARGEST
from fastgw._core.reasons cimport (
    ACCEPTED,
    SETTINGS_ENABLE_PUSH_INVALID,
    SETTINGS_FRAME_SIZE_INVALID,
    SETTINGS_WINDOW_TOO_LARGE,
)
from fastgw._core.wire.frame cimport (
    FRAME_SIZE_DEFAULT,
    FRAME_SIZE_LARGEST,
    octets_get16,
    octets_get32,
    octets_put16,
    octets_put32,
)


cdef void settings_default(Settings *self) noexcept nogil:
    """What holds before the first SETTINGS (RFC 9113 section 6.5.2)."""
    self.header_table_size = 4096
    self.enable_push = True
    self.max_concurrent_streams = UNLIMITED
    self.initial_window_size = WINDOW_DEFAULT
    self.max_frame_size = FRAME_SIZE_DEFAULT
    self.max_header_list_size = UNLIMITED


cdef Reason settings_get(Settings *self, const uint8_t *payload, uint32_t length, bint from_server) noexcept nogil:
    """Take over the settings of one frame, in order; `length` is a multiple of 6. Unknown ones are ignored."""
    cdef uint32_t at, value
    cdef uint32_t number
    for at in range(0, length, 6):
        number = octets_get16(payload + at)
        value = octets_get32(payload + at + 2)
        if number == HEADER_TABLE_SIZE:
            self.header_table_size = value
        elif number == ENABLE_PUSH:
            if value > 1 or (from_server and value == 1):
                return SETTINGS_ENABLE_PUSH_INVALID
            self.enable_push = value == 1
        elif number == MAX_CONCURRENT_STREAMS:
            self.max_concurrent_streams = value
        elif number == INITIAL_WINDOW_SIZE:
            if value > WINDOW_LARGEST:
                return SETTINGS_WINDOW_TOO_LARGE
            self.initial_window_size = value
        elif number == MAX_FRAME_SIZE:
            if value < FRAME_SIZE_DEFAULT or value > FRAME_SIZE_LARGEST:
                return SETTINGS_FRAME_SIZE_INVALID
            self.max_frame_size = value
        elif number == MAX_HEADER_LIST_SIZE:
            self.max_header_list_size = value
    return ACCEPTED


cdef inline uint8_t *_put(uint8_t *at, Setting number, uint32_t value) noexcept nogil:
    octets_put16(at, <unsigned short>number)
    octets_put32(at + 2, value)
    return at + 6


cdef uint32_t settings_put(const Settings *self, uint8_t *at, bint from_server) noexcept nogil:
    """Write what differs from the default as a SETTINGS payload of at most 36 octets; returns its length."""
    cdef Settings usual
    cdef uint8_t *end = at
    settings_default(&usual)
    if not from_server:
        end = _put(end, ENABLE_PUSH, 0)
    if self.header_table_size != usual.header_table_size:
        end = _put(end, HEADER_TABLE_SIZE, self.header_table_size)
    if self.max_concurrent_streams != usual.max_concurrent_streams:
        end = _put(end, MAX_CONCURRENT_STREAMS, self.max_concurrent_streams)
    if self.initial_window_size != usual.initial_window_size:
        end = _put(end, INITIAL_WINDOW_SIZE, self.initial_window_size)
    if self.max_frame_size != usual.max_frame_size:
        end = _put(end, MAX_FRAME_SIZE, self.max_frame_size)
    if self.max_header_list_size != usual.max_header_list_size:
        end = _put(end, MAX_HEADER_LIST_SIZE, self.max_header_list_size)
    return <uint32_t>(end - at)


def read(payload: bytes, from_server: bool) -> tuple[int, dict[str, int]]:
    """For tests and tools: (reason, settings) after one SETTINGS payload on top of the defaults."""
    cdef Settings settings
    cdef Reason reason
    settings_default(&settings)
    reason = settings_get(&settings, payload, <uint32_t>(len(payload) // 6 * 6), from_server)
    return reason, settings
