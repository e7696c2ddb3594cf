"""Where the sources are and how a Cython file falls into functions and blocks; compiles nothing."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SRC = ROOT / "src"
CORE = SRC / "fastgw" / "_core"

_LEFT_OUT = {"__pycache__", "build", "dist", "work", "node_modules"}


def files(*suffixes: str, under: tuple[str, ...] = ("src", "tests", "cext", "bench")) -> list[Path]:
    """All our files with one of these suffixes, in a fixed order; what is built lies elsewhere."""
    found = [
        path
        for folder in under
        for path in (ROOT / folder).rglob("*")
        if path.suffix in suffixes and not _LEFT_OUT & set(path.relative_to(ROOT).parts)
    ]
    return sorted(found)


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@dataclass(frozen=True)
class Line:
    """One logical line: what stands in brackets over several lines is one."""

    first: int
    last: int
    indent: int
    text: str


def logical_lines(source: str) -> Iterator[Line]:
    """Lines without comments, docstrings and string contents; numbers start at 1."""
    source = re.sub(r'("""|\'\'\')(.*?)\1', lambda m: '""' + "\n" * m[2].count("\n"), source, flags=re.DOTALL)
    pending: list[str] = []
    first = depth = 0
    for number, raw in enumerate(source.splitlines(), 1):
        text = re.sub(r'"(\\.|[^"\\])*"|\'(\\.|[^\'\\])*\'', '""', raw).split("#")[0].rstrip()
        if not text and not pending:
            continue
        if not pending:
            first = number
        pending.append(text)
        depth += sum(text.count(c) for c in "([{") - sum(text.count(c) for c in ")]}")
        if depth <= 0 and not text.endswith("\\"):
            whole = " ".join(part.strip().rstrip("\\") for part in pending)
            yield Line(first, number, len(pending[0]) - len(pending[0].lstrip()), whole)
            pending, depth = [], 0


@dataclass(frozen=True)
class Block:
    """A line that ends in a colon and what is indented below: `first` to `last`, body from `body`."""

    head: str
    first: int
    body: int
    last: int


def blocks(source: str, wanted: str) -> list[Block]:
    """The blocks whose head matches the pattern `wanted`."""
    lines = list(logical_lines(source))
    found = []
    for at, line in enumerate(lines):
        if not (line.text.endswith(":") and re.match(wanted, line.text)):
            continue
        last = line.last
        for below in lines[at + 1 :]:
            if below.indent <= line.indent:
                break
            last = below.last
        found.append(Block(line.text, line.first, line.last + 1, last))
    return found


FUNCTION = r"(cdef|cpdef|def|async def)\b[^=]*\("
"""Head of a function in a Cython file; `cdef class` and `cdef struct` have no bracket before the colon."""


def nogil_functions(source: str) -> list[Block]:
    return [block for block in blocks(source, FUNCTION) if re.search(r"\bnogil\s*:$", block.head)]
