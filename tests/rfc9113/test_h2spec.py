"""h2spec, strict and over TLS, against `fastgw serve`: every case of its three groups passes.

The program is built from its Go module, with the sums in h2spec/go.sum, and kept in build/tools. Where `go`
is missing, or nothing can be downloaded, the test is skipped; where CI is set it fails.
"""

from __future__ import annotations

import os
import subprocess
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import frames, needs
from tests.support.calls import record, toml
from tests.support.certs import Authority, Leaf
from tests.support.frames import Type
from tests.support.raw_origin import RawOrigin, RawServer
from tests.support.served import Served

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / "build" / "tools"
PACKAGE = "github.com/summerwind/h2spec/cmd/h2spec"
CASES = {"generic": 44, "http2": 95, "hpack": 7}
CONTENT = b"what some cases want to see in pieces"


def build() -> Path:
    """The program; built if it is not there yet."""
    program = TOOLS / "h2spec"
    if program.exists():
        return program
    go = needs.program("go")
    TOOLS.mkdir(parents=True, exist_ok=True)
    made = subprocess.run(
        [go, "build", "-trimpath", "-o", str(program), PACKAGE],
        cwd=Path(__file__).parent / "h2spec",
        env={
            **os.environ,
            "GOPATH": str(TOOLS / "go"),
            "GOFLAGS": "-mod=readonly -modcacherw",
            "GOWORK": "off",
        },
        capture_output=True,
        text=True,
    )
    if made.returncode:
        assert "CI" not in os.environ, f"h2spec could not be built: {made.stderr}"
        last = made.stderr.strip().rpartition("\n")[2]
        pytest.skip(f"h2spec could not be built, its module was not to be had: {last}")
    return program


def patient(peer: RawServer) -> None:
    """Answers when a request has ended, and not before."""
    peer.begin()
    peer.timeout = 60.0
    while True:
        frame = peer.expect(Type.HEADERS, Type.DATA)
        if frame.type == Type.HEADERS:
            peer.fields(frame)
        elif frame.payload:
            peer.send(frames.window_update(0, len(frame.payload)))
        if frame.ends_stream:
            peer.head(frame.stream_id, [(b":status", b"200"), (b"content-type", b"text/plain")])
            peer.body(frame.stream_id, CONTENT)


@pytest.fixture
def served(ca: Authority, origin_leaf: Leaf, tmp_path: Path) -> Iterator[Served]:
    """A gateway for https://localhost, whose origin is patient."""
    shown = ca.leaf("localhost", file="localhost")
    with RawOrigin(patient, origin_leaf) as origin:
        text = toml(record("@", origin.port), settings='http = "on"').replace('"gw.test"', '"localhost"')
        for word, path in (("ca", ca.file), ("cert", shown.certificate), ("key", shown.key)):
            text = text.replace(f"{{{word}}}", str(path))
        file = tmp_path / "h2spec.toml"
        file.write_text(text)
        with Served(file) as gateway:
            yield gateway


@pytest.mark.timeout(400)
def test_h2spec(served: Served, tmp_path: Path) -> None:
    report = tmp_path / "h2spec.xml"
    port = served.address[1]
    wanted = [str(build()), "--strict", "-t", "-k", "-h", "localhost", "-p", str(port), "-j", str(report)]
    done = subprocess.run(wanted, capture_output=True, text=True, timeout=300)
    ran: Counter[str] = Counter()
    failed = []
    for suite in ET.parse(report).getroot().iter("testsuite"):
        for case in suite.iter("testcase"):
            if case.find("skipped") is None:
                ran[suite.get("package", "").partition("/")[0]] += 1
            if case.find("failure") is not None or case.find("error") is not None:
                failed.append((suite.get("package"), case.get("classname"), "".join(case.itertext()).strip()))
    assert failed == [], failed
    assert dict(ran) == CASES, done.stdout[-2000:]
    assert done.returncode == 0, done.stdout[-2000:]
    assert served.running
