"""Where things lie and how they are made: the C tools, a certificate, the lock of the machine."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
RESULTS = HERE.parent / "results"
RIVALS = HERE / "rivals"
WORK = Path(os.environ.get("BENCH_WORK", HERE.parent / "work")).resolve()
RUN = WORK / "run"
LOCK = Path(tempfile.gettempdir(), "fastgw-bench.lock")  # ports are fixed: one run at a time on a machine
HOST = "127.0.0.1"

LOAD_CORE, GATEWAY_CORE = 0, 1  # load generator and origin share one core, the gateway has the other

TOOLS = {
    "gblast": ("gblast.c", "gblast_conn.c"),
    "gorigin": ("gorigin.c",),
    "crelay": ("crelay.c",),
}
LIBRARIES = ("-lnghttp2", "-lssl", "-lcrypto", "-lm")
HEADERS = {"nghttp2/nghttp2.h": "libnghttp2-dev", "openssl/ssl.h": "libssl-dev"}


class MissingError(Exception):
    """Something this machine does not have; the sentence says what and how to get it."""


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Wait until no other run is on this machine, and be the one."""
    with LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def tool(name: str) -> str:
    return str(WORK / "bin" / name)


def files() -> dict[str, str]:
    """What templates may name: certificate, key, both in one file, and a folder for what is written."""
    tls = WORK / "tls"
    return {
        "cert": str(tls / "cert.pem"),
        "key": str(tls / "key.pem"),
        "both": str(tls / "both.pem"),
        "run": str(RUN),
    }


def prepare() -> None:
    """Build the tools and the certificate if they are not there or old. Raise MissingError."""
    if (os.cpu_count() or 1) < 2:
        raise MissingError("Two cores are needed: one for the gateway, one for the load and the origin.")
    for folder in ("bin", "tls", "run"):
        (WORK / folder).mkdir(parents=True, exist_ok=True)
    compiler = os.environ.get("CC") or shutil.which("cc")
    for program, package in ((compiler, "build-essential"), (shutil.which("openssl"), "openssl")):
        if not program:
            raise MissingError(f"A program is missing: apt install {package}.")
    if not shutil.which("taskset"):
        raise MissingError("taskset is missing: apt install util-linux.")
    assert compiler is not None
    _find_headers(compiler)
    for name in TOOLS:
        _compile(compiler, name)
    _make_certificate()


def _find_headers(compiler: str) -> None:
    lacking = []
    for header, package in HEADERS.items():
        source = f"#include <{header}>\n"
        command = [compiler, "-fsyntax-only", "-x", "c", "-"]
        if subprocess.run(command, input=source, text=True, capture_output=True, check=False).returncode:
            lacking.append(package)
    if lacking:
        raise MissingError(f"The load generator cannot be built: apt install {' '.join(lacking)}.")


def _compile(compiler: str, name: str) -> None:
    folder = HERE / "tools"
    newest = max(path.stat().st_mtime for path in folder.iterdir())
    made = Path(tool(name))
    if made.exists() and made.stat().st_mtime > newest:
        return
    sources = [str(folder / source) for source in TOOLS[name]]
    flags = ["-std=gnu11", "-O3", "-march=native", "-Wall", "-Wextra"]
    # The old file goes first: it may be running, and then it cannot be written.
    made.unlink(missing_ok=True)
    subprocess.run([compiler, *flags, "-o", str(made), *sources, *LIBRARIES], check=True)


def _make_certificate() -> None:
    place = files()
    if Path(place["both"]).exists():
        return
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    into = ["-keyout", place["key"], "-out", place["cert"]]
    subprocess.run([*command.split(), *names, *into], check=True, capture_output=True)
    Path(place["key"]).chmod(0o600)
    both = Path(place["cert"]).read_text() + Path(place["key"]).read_text()
    Path(place["both"]).touch(0o600)
    Path(place["both"]).write_text(both)
