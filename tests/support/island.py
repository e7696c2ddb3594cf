"""Memory whose neighbours must not be touched."""

from __future__ import annotations

import contextlib
import ctypes
import mmap
from collections.abc import Iterator

PROT_NONE = 0  # not in the mmap module


@contextlib.contextmanager
def island() -> Iterator[memoryview]:
    """One page between two that end the process if they are read or written."""
    size = mmap.PAGESIZE
    memory = mmap.mmap(-1, 3 * size)
    anchor = (ctypes.c_char * (3 * size)).from_buffer(memory)
    address = ctypes.addressof(anchor)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    for page in (0, 2):
        assert libc.mprotect(address + page * size, size, PROT_NONE) == 0
    view = memoryview(memory)[size : 2 * size]
    try:
        yield view
    finally:
        view.release()
        for page in (0, 2):
            assert libc.mprotect(address + page * size, size, mmap.PROT_READ | mmap.PROT_WRITE) == 0
        del anchor
        memory.close()
