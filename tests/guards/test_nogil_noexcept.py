"""A nogil function of the core never raises and never takes the GIL behind our back."""

import re
from pathlib import Path

import pytest

from tests.guards.tree import CORE, blocks, files, logical_lines, name

WITH_GIL: dict[str, int] = {}
"""Where the core may take the GIL: file -> how often. Each has its reason beside it in the source."""

SOURCES = [path for path in files(".pyx", ".pxd", under=("src",)) if path.is_relative_to(CORE)]


def may_raise(source: str) -> list[str]:
    """Declarations with nogil that lack noexcept. What is declared `cdef extern` is C and cannot raise."""
    extern = [range(block.first, block.last + 1) for block in blocks(source, r"cdef extern\b")]
    wrong = []
    for line in logical_lines(source):
        if any(line.first in lines for lines in extern) or re.match(r"with nogil\b|cdef extern\b", line.text):
            continue
        for end in re.finditer(r"\bnogil\b", line.text):
            before = line.text[: end.start()].rsplit(")", 1)
            if len(before) == 2 and "noexcept" not in before[1]:
                wrong.append(f"{line.first}: {line.text}")
    return wrong


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_nogil_means_noexcept(path: Path) -> None:
    assert may_raise(path.read_text()) == []


def test_the_gil_is_taken_only_where_it_is_known() -> None:
    counted = {
        path.relative_to(CORE).as_posix(): len(
            re.findall(r"(?m)^\s*with gil\b|\) *with gil\b", path.read_text())
        )
        for path in SOURCES
    }
    assert {file: count for file, count in counted.items() if count} == WITH_GIL


@pytest.mark.parametrize(
    "line",
    [
        "cdef void hot() nogil:\n    pass",
        "cdef int hot() except -1 nogil:\n    return 0",
        "cdef struct Source:\n    void (*ready)(int fd) nogil",
        "cdef void hot(int first,\n              int second) nogil",
        "cdef class Worker:\n    cdef void turn(self) nogil:\n        pass",
    ],
)
def test_planted_code_is_seen(line: str) -> None:
    assert len(may_raise(line)) == 1


def test_what_is_right_passes() -> None:
    source = (
        'cdef extern from "x.h" nogil:\n    int close(int fd)\n'
        "cdef void hot(int fd) noexcept nogil:\n    close(fd)\n"
        "def door():\n    with nogil:\n        hot(1)\n"
    )
    assert may_raise(source) == []
