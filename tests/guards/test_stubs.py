"""Each .pyi of the core says what the built module has, and the build knows each room."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.guards.tree import CORE, ROOT, SRC, files

STUBS = [path for path in files(".pyi", under=("src",)) if path.is_relative_to(CORE)]

# What Cython adds to each module or class and no caller uses.
_NOT_OURS = r"""
.*\.__pyx_capi__
.*\.__test__
.*\.__reduce_cython__
.*\.__setstate_cython__
.*\.__pyx_vtable__
"""


def stubtest(modules: list[str], mypy_path: str, allowed: Path) -> subprocess.CompletedProcess[str]:
    allowed.write_text(_NOT_OURS)
    return subprocess.run(
        [sys.executable, "-m", "mypy.stubtest", *modules, "--concise", "--ignore-missing-stub",
         "--ignore-disjoint-bases",
         "--allowlist", str(allowed), "--ignore-unused-allowlist"],
        env={**os.environ, "MYPYPATH": mypy_path, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        cwd=allowed.parent, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_each_stub_has_its_room() -> None:
    assert [path for path in STUBS if not path.with_suffix(".pyx").exists()] == []


def test_each_stub_is_true(tmp_path: Path) -> None:
    built = [path for path in STUBS if path.with_suffix(".pyx").exists()]
    modules = [".".join(path.relative_to(SRC).with_suffix("").parts) for path in built]
    done = stubtest(modules, str(SRC), tmp_path / "allowed")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_false_stub_is_seen(tmp_path: Path) -> None:
    """The same check on a module that has less than its stub says."""
    package = tmp_path / "planted"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "room.py").write_text("def door(value): ...\n")
    stub = "def door(value: int, more: int) -> None: ...\ndef cellar() -> None: ...\n"
    (package / "room.pyi").write_text(stub)
    done = stubtest(["planted.room"], "", tmp_path / "allowed")
    assert done.returncode == 1
    assert "cellar" in done.stdout
    assert "more" in done.stdout


def test_the_build_knows_each_room() -> None:
    listed = set(re.findall(r"^fastgw_module\((\S+)\)", (ROOT / "CMakeLists.txt").read_text(), re.M))
    there = {
        ".".join(path.relative_to(CORE).with_suffix("").parts)
        for path in files(".pyx", under=("src",))
        if path.is_relative_to(CORE)
    }
    assert there <= listed
