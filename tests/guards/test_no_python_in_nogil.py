"""No Python below the bridge: the C made of a nogil function calls nothing of the interpreter."""

import hashlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.guards.tree import CORE, ROOT, SRC, blocks, files, name, nogil_functions

ROOMS = [path for path in files(".pyx", under=("src",)) if path.is_relative_to(CORE)]

# What the interpreter offers: Py…(, _Py…(, and Cython's own helpers, which have capitals too.
_CALL = re.compile(r"\b(_?Py[A-Z]\w*|__Pyx_\w+|__pyx_convert_\w+|__PYX_ERR)\s*\(")
# Helpers that are plain C: division, branch hints, the bookkeeping of references that Debug may add.
_PLAIN = re.compile(r"__Pyx_(div|mod|pow|likely|unlikely|RefNanny|TraceDeclarations|UNUSED)\w*")
_POSITION = re.compile(r'\s*/\* "([^"]+)":(\d+)$')


def directives() -> list[str]:
    """The compiler directives of a release build, as CMakeLists.txt has them."""
    release = re.findall(r"set\(FASTGW_DIRECTIVES ([^)]*)\)", (ROOT / "CMakeLists.txt").read_text())[-1]
    assert "boundscheck=False" in release
    return str(release).split()


def compile_to_c(pyx: Path, into: Path, *include: Path) -> str:
    search = [part for folder in include for part in ("-I", str(folder))]
    module = ["--module-name", ".".join(pyx.relative_to(include[0]).with_suffix("").parts)] if include else []
    command = [
        sys.executable,
        "-m",
        "cython",
        "-3",
        *directives(),
        *module,
        *search,
        str(pyx),
        "-o",
        str(into),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return into.read_text()


def python_calls(c_source: str) -> dict[tuple[str, int], list[str]]:
    """(file, line) of the Cython source -> calls into the interpreter that its C makes."""
    found: dict[tuple[str, int], list[str]] = {}
    here: tuple[str, int] | None = None
    in_comment = False
    for line in c_source.splitlines():
        match = _POSITION.match(line)
        if match:
            here, in_comment = (match[1], int(match[2])), True
        elif in_comment:
            in_comment = not line.lstrip().startswith("*/")
        elif line.startswith("}"):
            here = None
        elif here is not None and not line.startswith("static "):
            calls = [call for call in _CALL.findall(line) if not _PLAIN.fullmatch(call)]
            if calls:
                found.setdefault(here, []).extend(calls)
    return found


def nogil_lines(source: str) -> set[int]:
    """Lines of nogil functions and of the bodies of `with nogil`, without `with gil` blocks inside."""
    lines = {n for block in nogil_functions(source) for n in range(block.first, block.last + 1)}
    lines |= {n for block in blocks(source, r"with nogil\b") for n in range(block.body, block.last + 1)}
    return lines - {n for block in blocks(source, r"with gil\b") for n in range(block.first, block.last + 1)}


def offences(c_source: str, sources: dict[str, str]) -> list[str]:
    """Python in nogil lines of `sources` (name in the C comments -> text)."""
    hot = {file: nogil_lines(text) for file, text in sources.items()}
    return [
        f"{file}:{line}: {sources[file].splitlines()[line - 1].strip()}  ->  {', '.join(calls)}"
        for (file, line), calls in sorted(python_calls(c_source).items())
        if line in hot.get(file, ())
    ]


def _fingerprint(pyx: Path) -> str:
    import Cython

    digest = hashlib.sha256(Cython.__version__.encode() + " ".join(directives()).encode())
    for path in [pyx, Path(__file__), Path(__file__).with_name("tree.py"), *files(".pxd", under=("src",))]:
        digest.update(path.read_bytes())
    return digest.hexdigest()


@pytest.mark.parametrize("pyx", ROOMS, ids=name)
def test_no_python_in_nogil(pyx: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Translating takes seconds, so what passed once is not looked at again until it changes."""
    cache, key = (
        getattr(request.config, "cache", None),
        f"fastgw/no_python/{pyx.relative_to(CORE).as_posix()}",
    )
    fingerprint = _fingerprint(pyx)
    if cache is not None and cache.get(key, None) == fingerprint:
        return
    c_source = compile_to_c(pyx, tmp_path / "room.c", SRC)
    sources = {
        path.relative_to(SRC).as_posix(): path.read_text()
        for path in files(".pyx", ".pxd", under=("src",))
        if path.is_relative_to(CORE)
    }
    assert offences(c_source, sources) == []
    if cache is not None:
        cache.set(key, fingerprint)


PLANTED = """
cdef int raises(int value) except -1 nogil:
    return value

cdef void fine(int *value) noexcept nogil:
    value[0] = value[0] * 2 // 3

cdef void hidden(int value) noexcept nogil:
    with gil:
        print(value)

cdef void quiet(int value) noexcept nogil:
    raises(value)

cdef inline object cold(int value):
    return [value]

def door(int value):
    with nogil:
        fine(&value)
        raises(value)
    return cold(value)
"""


def test_planted_python_is_seen(tmp_path: Path) -> None:
    pyx = tmp_path / "planted.pyx"
    pyx.write_text(PLANTED)
    found = offences(compile_to_c(pyx, tmp_path / "planted.c"), {"planted.pyx": PLANTED})
    assert found, "nothing was seen"
    seen = {PLANTED.splitlines()[int(line.split(":")[1]) - 1].strip() for line in found}
    assert "raises(value)" in seen
    assert any("hidden" in line for line in seen), "taking the GIL marks the first line"
    assert not any("fine" in line or "cold" in line or "value[0]" in line for line in seen)
