"""What the doctor says of real endpoints: the verdict on each line, for good ones and for bad ones."""

from __future__ import annotations

import asyncio
import datetime
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fastgw.doctor.chain import roots_in
from fastgw.doctor.facts import Call, Facts, Target
from fastgw.doctor.judge import Bench, Finding, judge
from fastgw.doctor.lines import LINES
from fastgw.doctor.look import look
from tests.config.conftest import write_pair
from tests.doctor import endpoints as e
from tests.doctor.cases import CASES, Stage
from tests.support import frames
from tests.support.certs import Authority, Leaf
from tests.support.frames import Code

WORDS = {"o": "ok", "w": "warning", "f": "failed", "-": "skipped"}


def diagnose(target: Target, ca: Path | None) -> dict[str, Finding]:
    roots = None if ca is None else roots_in(ca)
    facts = asyncio.run(look(target))
    bench = Bench(datetime.datetime.now(datetime.UTC), roots)
    return {finding.line: finding for finding in judge(facts, bench)}


@pytest.fixture
def stage(ca: Authority, tmp_path: Path, gateway: Callable[..., Any]) -> Stage:
    return Stage(ca, ca.leaf("127.0.0.1", "localhost", file="doctor"), tmp_path, gateway)


@pytest.mark.parametrize("name", CASES)
def test_each_line_has_the_right_verdict(name: str, stage: Stage, tmp_path: Path) -> None:
    case = CASES[name]
    more = {"ca": stage.ca.file, **case.more}
    if more["ca"] == "other":
        folder = tmp_path / "other"
        folder.mkdir()
        more["ca"] = Authority(folder, "another CA").file
    more |= {part: tmp_path / str(more[part]) for part in ("certificate", "key") if part in more}
    with case.endpoint(stage) as port:
        begun = time.monotonic()
        found = diagnose(Target(**{"host": "127.0.0.1", "port": port, "timeout": 3.0, **more}), more["ca"])
        assert time.monotonic() - begun < 9
    got = {line: finding.verdict for line, finding in found.items()}
    wanted = dict(zip(LINES, map(WORDS.__getitem__, case.verdicts.replace(" ", "")), strict=True))
    assert got == wanted, {line: f.seen for line, f in found.items() if f.verdict != wanted[line]}
    for line, words in case.says.items():
        assert words in found[line].seen
    for line, words in case.hints.items():
        assert words in found[line].hint
    for finding in found.values():
        assert bool(finding.hint) == (finding.verdict in ("failed", "warning"))
        assert (finding.seen + finding.hint).isprintable()
        assert finding.seen


# what the table does not show


def resolves_to(*addresses: str) -> Callable[..., list[tuple[Any, ...]]]:
    return lambda host, port, **_: [(socket.AF_INET, 1, 6, "", (one, port)) for one in addresses]


def test_each_address_is_tried(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    with e.grpcio(stage.leaf) as port:
        monkeypatch.setattr(socket, "getaddrinfo", resolves_to("127.0.0.2", "127.0.0.1"))
        found = diagnose(Target("localhost", port, timeout=1), stage.ca.file)
    assert found["tcp"].verdict == "warning"
    assert found["tcp"].seen == "1 of 2 addresses do not accept: 127.0.0.2: connection refused"
    assert found["health"].verdict == "ok", "the one that accepts is looked at"


def test_a_family_without_a_route_says_nothing_about_the_endpoint(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    with e.grpcio(stage.leaf) as port:
        monkeypatch.setattr(socket, "getaddrinfo", resolves_to("127.0.0.1", "2001:db8::1"))
        found = diagnose(Target("localhost", port, timeout=0.5), stage.ca.file)
    assert found["name"].seen == "resolves to 127.0.0.1, 2001:db8::1"
    if "no route" in found["tcp"].seen:  # a machine with IPv6 sees a time-out instead
        assert found["tcp"].verdict == "ok"


def test_a_resolver_that_hangs_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: time.sleep(1) or [])
    begun = time.monotonic()
    found = diagnose(Target("slow.test", timeout=0.1), None)
    assert time.monotonic() - begun < 0.8
    assert found["name"].seen == "slow.test does not resolve: no answer within 0.1 s"


@pytest.mark.parametrize("name", ["", "asked.test"])
def test_sni_is_the_name_that_clients_ask_for(name: str, stage: Stage) -> None:
    heard: list[str | None] = []

    def tune(context: ssl.SSLContext) -> None:
        context.sni_callback = lambda _, asked, __: heard.append(asked)

    with e.raw(e.serves(), stage.leaf, tune=tune) as port:
        diagnose(Target("localhost", port, name, timeout=3, pings=0), stage.ca.file)
    assert heard == [name or "localhost"]


def chain_of(ca: Authority, leaf: Leaf, file: Path, *more: bytes) -> Leaf:
    file.write_bytes(b"".join((leaf.certificate_pem, *more)))
    return Leaf(file, leaf.key)


def test_the_order_of_a_chain(stage: Stage, tmp_path: Path) -> None:
    stranger = stage.pair("stranger").certificate_pem
    for more, verdict, words in (
        ((), "ok", "the leaf alone was sent"),
        ((stage.ca.pem,), "ok", "2 certificates, each followed by its issuer, the root among them"),
        ((stranger, stage.ca.pem), "warning", "127.0.0.1 is followed by self, not by its issuer"),
    ):
        leaf = chain_of(stage.ca, stage.leaf, tmp_path / "chain.pem", *more)
        with e.raw(e.serves(), leaf) as port:
            found = diagnose(Target("127.0.0.1", port, timeout=1, pings=0), stage.ca.file)
            assert (found["order"].verdict, found["chain"].verdict) == (verdict, "ok")
            assert words in found["order"].seen
            found = diagnose(Target("127.0.0.1", port, timeout=1, pings=0), None)
            assert found["chain"].verdict == "failed"
            assert "fastgw test CA" in found["chain"].seen


def test_a_certificate_without_names(stage: Stage, tmp_path: Path) -> None:
    write_pair(tmp_path, "nameless", [])
    leaf = Leaf(tmp_path / "nameless.pem", tmp_path / "nameless.key")
    with e.raw(e.serves(), leaf) as port:
        found = diagnose(Target("127.0.0.1", port, timeout=1, pings=0), leaf.certificate)
    assert found["names"].seen == (
        "the certificate has no subject alternative name; its common name 'nameless' does not count"
    )
    assert found["chain"].verdict == "ok", "it is trusted as its own root"


def test_a_long_answer_is_cut_off(stage: Stage) -> None:
    """A peer that never stops talking is left after a bounded number of octets."""

    def endless(peer: Any) -> None:
        peer.begin()
        while True:
            peer.send(frames.frame(0xFA, 0, b"x" * 16000))

    with e.raw(endless, stage.leaf) as port:
        found = diagnose(Target("127.0.0.1", port, timeout=2), stage.ca.file)
    assert "says more than a probe listens to" in found["content"].seen


def test_a_call_that_is_reset(stage: Stage) -> None:
    def play(peer: Any) -> None:
        peer.begin()
        stream_id, _ = peer.request()
        peer.send(frames.rst_stream(stream_id, Code.INADEQUATE_SECURITY))
        peer.expect_closed()

    with e.raw(play, stage.leaf) as port:
        found = diagnose(Target("127.0.0.1", port, timeout=1, pings=0), stage.ca.file)
    assert found["content"].verdict == "failed"
    assert "reset the request with error code 12" in found["content"].seen


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.binary(min_size=1, max_size=200), st.booleans())
def test_no_octets_confuse_it(answer: bytes, as_frames: bool) -> None:
    """Whatever comes, before SETTINGS or behind them, there is a verdict for each line."""
    begin = frames.settings() if as_frames else b""

    def say(connection: socket.socket) -> None:
        connection.recv(100)
        connection.sendall(begin + answer)
        connection.shutdown(socket.SHUT_WR)

    with e.octets(say) as port:
        found = diagnose(Target("127.0.0.1", port, plaintext=True, timeout=0.2), None)
    assert list(found) == list(LINES)
    assert all(finding.seen.isprintable() for finding in found.values())


NAMES = st.binary(max_size=12) | st.sampled_from([b":status", b"content-type", b"grpc-status"])
VALUES = st.binary(max_size=12) | st.sampled_from([b"200", b"application/grpc", b"0"])
ANSWERS = st.lists(st.tuples(NAMES, VALUES), max_size=4)


@given(ANSWERS, ANSWERS, st.none() | st.binary(max_size=8), st.text(max_size=5))
def test_no_answer_confuses_the_judgement(
    head: Any, trailers: Any, message: bytes | None, error: str
) -> None:
    facts = Facts(
        Target("127.0.0.1", plaintext=True), ("127.0.0.1",), connects=(("127.0.0.1", ""),), settings={}
    )
    facts.call = Call(error, head, trailers, False, message)
    found = judge(facts, Bench(datetime.datetime.now(datetime.UTC)))
    assert [finding.line for finding in found] == list(LINES)


def test_every_line_can_fail_or_warn_but_those_that_say_so() -> None:
    marks = [dict(zip(LINES, case.verdicts.replace(" ", ""), strict=True)) for case in CASES.values()]
    quiet = {line for line in LINES if all(mark[line] in "o-" for mark in marks)}
    assert quiet == {"port", "frame", "order"}  # the order of a chain has a test of its own
    assert all("It never fails" in LINES[line].means for line in quiet - {"order"})


def test_a_line_needs_only_lines_above_it() -> None:
    above: set[str] = set()
    for line in LINES.values():
        assert set(line.needs) <= above
        above.add(line.id)
