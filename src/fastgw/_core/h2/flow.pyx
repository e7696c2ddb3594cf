"""Flow-control windows, both directions, one type each (RFC 9113 sections 5.2 and 6.9)."""


cdef uint32_t recv_window_return(RecvWindow *self, uint32_t size, uint32_t grow_to) noexcept nogil:
    """`size` octets were passed on. Returns the increment to announce now, or 0 to wait until half the window is owed.

    Each announcement doubles the window until it is `grow_to` octets: a peer that fills windows gets larger ones.
    """
    cdef uint32_t increment, larger
    self.owed += size
    if self.owed < self.full // 2:
        return 0
    increment = self.owed
    if self.full < grow_to:
        larger = self.full * 2
        if larger > grow_to:
            larger = grow_to
        increment += larger - self.full
        self.full = larger
    self.owed = 0
    self.left += increment
    return increment


def replay(full: int, grow_to: int, steps: list[int]) -> list[tuple[int, int, int]]:
    """For tests and tools: take and return each step; (increment, left, full) after each, increment -1 if refused."""
    cdef RecvWindow window
    cdef uint32_t increment
    window.left = window.full = full
    window.owed = 0
    out = []
    for step in steps:
        if recv_window_take(&window, step) != ACCEPTED:
            out.append((-1, window.left, window.full))
            continue
        increment = recv_window_return(&window, step, grow_to)
        out.append((increment, window.left, window.full))
    return out
