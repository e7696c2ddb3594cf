"""A floor never looks up: who may import whom (docs/principles.md, line 1)."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.guards.tree import SRC, logical_lines

GROUND = ("_core.reasons", "_core.buf", "_core.clock")
SHELF = ("config", "policy", "store", "tls", "probe", "rules", "access", "managed", "errors")

MAY_IMPORT = {
    **dict.fromkeys(GROUND, GROUND),
    "_core.wire": (*GROUND, "_core.wire"),
    "_core.io": (*GROUND, "_core.io"),
    "_core.rules": (*GROUND, "_core.wire", "_core.rules"),
    "_core.h2": (*GROUND, "_core.wire", "_core.h2"),
    "_core.inspect": (*GROUND, "_core.wire", "_core.rules", "_core.inspect"),
    "_core.proxy": (
        *GROUND,
        "_core.wire",
        "_core.io",
        "_core.h2",
        "_core.rules",
        "_core.inspect",
        "_core.proxy",
    ),
    "_core": (),
    "errors": (),
    **dict.fromkeys(SHELF[:-1], SHELF),
    "sharing": (*SHELF, "_core"),
    "inspected": (*SHELF, "sharing", "_core"),
    "doorkeeper": (*SHELF, "_core"),
    "places": ("errors", "_core"),
    "entries": (*SHELF, "inspected", "_core"),
    "published": (*SHELF, "entries", "inspected", "doorkeeper", "places", "serve", "_core"),
    "hooks": (*SHELF, "_core"),
    "gateway": (
        *SHELF,
        "entries",
        "inspected",
        "doorkeeper",
        "published",
        "hooks",
        "sharing",
        "serve",
        "_core",
    ),
    "explain": (*SHELF, "_core"),
    "why": (*SHELF, "inspected", "_core", "why"),
    "doctor": (*SHELF, "doctor"),
    "serve": (*SHELF, "gateway", "serve"),
    "admin": (*SHELF, "gateway", "admin"),
    "dashboard": (*SHELF, "gateway", "why", "admin", "dashboard"),
    "cli": (*SHELF, "gateway", "serve", "explain", "why", "doctor", "admin", "cli"),
    "": (*SHELF, "gateway", "hooks"),
    "__main__": ("cli",),
}
"""Room -> what it may import. The last two are the package itself and `python -m fastgw`."""

_CYTHON_IMPORT = re.compile(r"from (\S+) c?import (.+)|c?import (.+)")


def _room(module: str) -> str:
    """The room of a module of ours, in the words of MAY_IMPORT: `fastgw._core.wire.frame` -> `_core.wire`."""
    parts = module.split(".")[1:]
    return ".".join(parts[: 2 if parts[:1] == ["_core"] else 1])


def _imported(path: Path) -> Iterator[str]:
    """The modules that a file imports, with absolute names; a relative import is given as it stands."""
    if path.suffix in (".pyx", ".pxd"):
        for line in logical_lines(path.read_text()):
            match = _CYTHON_IMPORT.match(line.text)
            if match and match[1]:
                yield from (f"{match[1]}.{name}" for name in re.findall(r"[\w*]+", match[2]))
            elif match:
                yield from (name.split(" as ")[0].strip() for name in match[3].split(","))
        return
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names)


def _may(room: str, target: str) -> bool:
    return any(target == allowed or target.startswith(allowed + ".") for allowed in MAY_IMPORT[room])


def upward_imports(src: Path) -> list[str]:
    """Every import under `src` that breaks the rule, as `file: module`."""
    wrong = []
    for path in sorted(p for p in src.rglob("*") if p.suffix in (".py", ".pyx", ".pxd", ".pyi")):
        module = ".".join(path.relative_to(src).with_suffix("").parts).removesuffix(".__init__")
        room = _room(module)
        for target in _imported(path):
            ours = target.startswith("fastgw")
            if target.startswith(".") or (
                ours and target != "fastgw.__version__" and not _may(room, _room(target))
            ):
                wrong.append(f"{path.relative_to(src)}: {target}")
    return wrong


def test_nobody_looks_up() -> None:
    assert upward_imports(SRC) == []


PLANTED = [
    ("_core/wire/frame.pyx", "from fastgw._core.h2.conn cimport Conn"),
    ("_core/wire/frame.pyx", "from fastgw._core.io.loop cimport Loop"),
    ("_core/io/loop.pyx", "from fastgw._core.wire.frame cimport (\n    FrameHeader,\n)"),
    ("_core/io/loop.pxd", "cimport fastgw._core.wire.frame as frame"),
    ("_core/h2/conn.pyx", "from fastgw._core.io cimport transport"),
    ("_core/buf.pyx", "from fastgw._core.wire.grpc cimport MessageScan"),
    ("_core/proxy/worker.pyx", "from fastgw.config import Config"),
    ("_core/wire/frame.pyx", "from .hpack cimport Decoder"),
    ("policy/compile.py", "from fastgw._core.proxy.snapshot import Snapshot"),
    ("_core/rules/run.pyx", "from fastgw._core.proxy.route cimport ZoneRow"),
    ("rules/compile.py", "from fastgw._core.rules.program import Rules"),
    ("policy/compile.py", "def late():\n    import fastgw._core.proxy.route"),
    ("tls/context.py", "from fastgw import _core"),
    ("serve/supervisor.py", "from fastgw._core.proxy.worker import Worker"),
    ("config/model.py", "from fastgw.gateway import Gateway"),
    ("config/model.py", "from ..gateway import Gateway"),
    ("errors.py", "from fastgw.config import Config"),
    ("cli/serve.py", "from fastgw._core.reasons import Reason"),
    ("gateway.py", "from fastgw.admin import app"),
    ("explain.py", "from fastgw.gateway import Gateway"),
    ("entries.py", "from fastgw.gateway import Gateway"),
    ("entries.py", "from fastgw.serve.lookup import Lookup"),
    ("serve/lookup.py", "from fastgw.entries import build"),
    ("cli/serve.py", "from fastgw.entries import build"),
    ("serve/supervisor.py", "from fastgw.explain import explain"),
    ("__init__.py", "from fastgw._core import reasons"),
    ("admin/app.py", "from fastgw.dashboard import routes"),
    ("dashboard/visit.py", "from fastgw._core.reasons import REASONS"),
]


@pytest.mark.parametrize(("file", "line"), PLANTED)
def test_a_planted_upward_import_is_seen(tmp_path: Path, file: str, line: str) -> None:
    path = tmp_path / "fastgw" / file
    path.parent.mkdir(parents=True)
    path.write_text(f'"""A room."""\n{line}\n')
    assert len(upward_imports(tmp_path)) == 1


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("_core/h2/conn.pyx", "from fastgw._core.wire.frame cimport FrameHeader"),
        ("_core/proxy/worker.pyx", "from fastgw._core.io.loop cimport Loop"),
        ("gateway.py", "from fastgw._core.proxy.worker import Worker"),
        ("cli/__init__.py", "from fastgw import __version__"),
        ("_core/io/tls.pyx", "from cryptography.hazmat.bindings import _rust"),
    ],
)
def test_looking_down_is_fine(tmp_path: Path, file: str, line: str) -> None:
    path = tmp_path / "fastgw" / file
    path.parent.mkdir(parents=True)
    path.write_text(line + "\n")
    assert upward_imports(tmp_path) == []
