"""Nothing is longer than can be read at once: 700 lines for a file, 80 for a function."""

import ast
from pathlib import Path

import pytest

from tests.guards.tree import FUNCTION, blocks, files, name

FILE_LINES = 700
FUNCTION_LINES = 80


def long_functions(path: Path, source: str) -> list[str]:
    if path.suffix == ".py":
        spans = [
            (node.name, node.lineno, node.end_lineno or node.lineno)
            for node in ast.walk(ast.parse(source))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        ]
    else:
        spans = [(block.head, block.first, block.last) for block in blocks(source, FUNCTION)]
    return [f"{first}: {head}" for head, first, last in spans if last - first + 1 > FUNCTION_LINES]


def is_generated(path: Path) -> bool:
    return "cext/gen/" in path.read_text()[:300]


@pytest.mark.parametrize("path", files(".py", ".pyx", ".pxd", ".c", ".h"), ids=name)
def test_sizes(path: Path) -> None:
    source = path.read_text()
    if path.suffix in (".c", ".h"):
        if not is_generated(path):
            assert len(source.splitlines()) <= FILE_LINES
        return
    assert len(source.splitlines()) <= FILE_LINES
    assert long_functions(path, source) == []


@pytest.mark.parametrize("head", ["def f():", "cdef int f(int a,\n           int b) noexcept nogil:"])
def test_a_long_function_is_seen(head: str) -> None:
    body = "    x = 1\n\n" * 41
    assert long_functions(Path("planted.pyx"), f"{head}\n{body}") != []
    assert long_functions(Path("planted.pyx"), f"{head}\n    x = 1\n" + "y = 2\n" * 90) == []
    if head == "def f():":
        assert long_functions(Path("planted.py"), f"{head}\n{body}") != []
