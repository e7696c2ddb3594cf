"""Hostile origins: whatever they say costs their own calls only, and no call hangs."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

import grpc
import pytest

from tests.support import frames as f
from tests.support.frames import Code, Setting, Type
from tests.support.raw_origin import GRPC_HEAD, OK, Play, RawServer
from tests.support.siege import MIB, Siege, pour

LIMITS = (
    'begin_timeout = "800ms"\nsettings_timeout = "800ms"\nhead_timeout = "800ms"\nstall_timeout = "1500ms"'
)
HELD = 0.5  # seconds a call waits for what never comes
NEVER = (None,)  # the call goes on until its client gives up
Status = grpc.StatusCode

PLAYS: dict[str, Play] = {}
ENDS: dict[str, tuple[Status | None, ...]] = {}


def origin(*ends: Status | None, **settings: int) -> Callable[[Play], Play]:
    """An origin whose calls end with one of these codes; its name is the function's."""

    def add(play: Play) -> Play:
        name = play.__name__.replace("_", "-")

        def begin(peer: RawServer) -> None:
            peer.begin(*[(Setting[key], value) for key, value in settings.items()])
            play(peer)

        PLAYS[name] = begin
        ENDS[name] = ends
        return play

    return add


def raw_origin(*ends: Status | None) -> Callable[[Play], Play]:
    """The same without SETTINGS exchanged."""

    def add(play: Play) -> Play:
        name = play.__name__.replace("_", "-")
        PLAYS[name] = play
        ENDS[name] = ends
        return play

    return add


def says(name: str, octets: Callable[[int], bytes], *ends: Status | None) -> None:
    """An origin that says this for each request, given its stream, and then waits."""

    def play(peer: RawServer) -> None:
        peer.begin()
        for stream_id, _ in peer.requests():
            pour(peer, octets(stream_id))  # type: ignore[arg-type]

    PLAYS[name] = play
    ENDS[name] = ends


HEAD, TRAILERS = f.literal(GRPC_HEAD), f.literal(OK)
HI = f.message(b"hi")


def head(stream_id: int, *more: tuple[bytes, bytes], end: bool = False) -> bytes:
    return f.headers(stream_id, HEAD + f.literal(more), end=end)


BAD = (Status.INTERNAL, Status.UNAVAILABLE, Status.UNKNOWN)
SOME = (Status.OK, *BAD)

# floods toward us: whoever is asked too much ends the connection, or bears it
FLOODS = {
    "ping-flood": f.ping() * 20000, "settings-flood": f.settings() * 5000, "priority-flood": f.priority(1, 3) * 20000,
    "window-flood": f.window_update(0, 1) * 40000, "unknown-flood": f.frame(0x77) * 20000,
    "goaway-flood": f.goaway(0x7FFFFFFF) * 20000, "altsvc-flood": f.frame(0xA, 0, b"\0\0x") * 20000,
    "large-settings": f.settings(*[(0x99, n) for n in range(2700)]),
    "reset-flood": f.rst_stream(1) * 20000,
}  # fmt: skip
for word, flood in FLOODS.items():
    # Resets of streams that are gone are ignored, and the connection goes on: later calls wait for an answer.
    also = NEVER if word == "reset-flood" else ()
    says(word, lambda stream_id, flood=flood: flood, *BAD, Status.CANCELLED, *also)  # type: ignore[misc]

says("empty-data-flood", lambda n: head(n) + f.data(n) * 20000, *BAD)
says("padding-flood", lambda n: head(n) + f.data(n, padding=255) * 20000, *BAD)
says("continuation-flood", lambda n: f.headers(n, HEAD, end_headers=False) + f.continuation(n, b"", end_headers=False) * 5000, *BAD)  # fmt: skip
says("informational-flood", lambda n: f.headers(n, f.literal([(b":status", b"103"), (b"x", b"v" * 500)])) * 20000, *NEVER, *BAD)  # fmt: skip
says("bomb", lambda n: f.headers(n, HEAD + b"\x40\x01x\x01a" + b"\xbe" * 16000, end=True), *BAD)
says("large-head", lambda n: f.headers(n, HEAD + b"\x40" + f.literal([(b"x", b"v" * 3000)])[1:] + b"\xbe" * 30), *BAD)  # fmt: skip
says("large-trailers", lambda n: head(n) + f.headers(n, TRAILERS + b"\x40" + f.literal([(b"x", b"v" * 3000)])[1:] + b"\xbe" * 30, end=True), *BAD)  # fmt: skip

# malformed
says("push-promise", lambda n: f.frame(Type.PUSH_PROMISE, n, b"\0\0\0\2" + f.literal(f.request()), 4), *BAD)
says("data-before-head", lambda n: f.data(n, HI) + head(n), *BAD)
says("crlf-in-value", lambda n: head(n, (b"x", b"1\r\nx-evil: 1"), end=True), *BAD)
says("upper-name", lambda n: head(n, (b"X-A", b"1"), end=True), *BAD)
says("chunked", lambda n: head(n, (b"transfer-encoding", b"chunked"), end=True), *BAD)
says("status-999", lambda n: f.headers(n, f.literal([(b":status", b"999")]), end=True), *BAD)
says("status-101", lambda n: f.headers(n, f.literal([(b":status", b"101")])), *BAD)
says("no-status", lambda n: f.headers(n, f.literal([(b"x", b"1")]), end=True), *BAD)
says("pseudo-in-trailers", lambda n: head(n) + f.data(n, HI) + f.headers(n, f.literal([(b":status", b"200")]), end=True), *BAD)  # fmt: skip
says("foreign-answer", lambda n: f.headers(n, f.literal([(b":status", b"200"), (b"content-type", b"text/html")]), end=True), *BAD)  # fmt: skip
says("length-short", lambda n: head(n, (b"content-length", b"3")) + f.data(n, HI) + f.headers(n, TRAILERS, end=True), *BAD)  # fmt: skip
says("length-long", lambda n: head(n, (b"content-length", b"30")) + f.data(n, HI) + f.headers(n, TRAILERS, end=True), *BAD)  # fmt: skip
says("window-overflow", lambda n: f.window_update(n, 0x7FFFFFFF), *BAD)

# truncation must stay visible; of a message cut short by an origin that calls it complete, the client is the judge
says("no-trailers", lambda n: head(n) + f.data(n, HI, end=True), *BAD)
says("half-a-message", lambda n: head(n) + f.data(n, HI[:-1]) + f.headers(n, TRAILERS, end=True), *SOME)
says("reset-in-the-middle", lambda n: head(n) + f.data(n, HI) + f.rst_stream(n, Code.INTERNAL_ERROR), *BAD)
for code in Code:
    says(f"reset-{code}", lambda n, code=code: f.rst_stream(n, code), *BAD, Status.CANCELLED, Status.RESOURCE_EXHAUSTED, Status.PERMISSION_DENIED)  # type: ignore[misc]  # fmt: skip
    says(f"goaway-{code}", lambda n, code=code: f.goaway(0, code), *BAD)  # type: ignore[misc]

# stalls
says("no-answer", lambda n: b"", *NEVER)
says("head-only", lambda n: head(n), *NEVER)
says("half-a-head", lambda n: f.headers(n, HEAD, end_headers=False), *BAD)
says("half-a-frame", lambda n: head(n)[:-1], *BAD)


@raw_origin(Status.UNAVAILABLE)
def says_nothing(peer: RawServer) -> None:
    """Not even SETTINGS."""
    time.sleep(3)


@raw_origin(Status.UNAVAILABLE, Status.INTERNAL)
def speaks_http_1(peer: RawServer) -> None:
    peer.send(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")


@raw_origin(Status.UNAVAILABLE)
def hangs_up_at_once(peer: RawServer) -> None:
    pass


@origin(Status.UNAVAILABLE, *NEVER, MAX_CONCURRENT_STREAMS=0)
def no_streams(peer: RawServer) -> None:
    """RFC 9113 section 5.1.2 allows it for a while."""
    peer.request()


@origin(*BAD, *NEVER, INITIAL_WINDOW_SIZE=0)
def no_window(peer: RawServer) -> None:
    peer.request()
    time.sleep(3)


@origin(Status.OK, HEADER_TABLE_SIZE=0xFFFFFFFF)
def table_of_4_gib(peer: RawServer) -> None:
    """Our encoder keeps its own size; a decoder of 4096 understands it all."""
    for stream_id, _ in peer.requests():
        peer.send(head(stream_id), f.data(stream_id, HI), f.headers(stream_id, TRAILERS, end=True))


@origin(Status.OK, MAX_CONCURRENT_STREAMS=1)
def one_stream(peer: RawServer) -> None:
    for stream_id, _ in peer.requests():
        peer.send(head(stream_id), f.data(stream_id, HI), f.headers(stream_id, TRAILERS, end=True))


@origin(*BAD, *NEVER)
def overruns(peer: RawServer) -> None:
    stream_id, _ = peer.request()
    peer.send(head(stream_id))
    pour(peer, f.data(stream_id, bytes(16384)) * 100, 20)  # type: ignore[arg-type]


@origin(*BAD)
def flaps(peer: RawServer) -> None:
    """Takes one request and is gone."""
    peer.request()


HOSTILE = PLAYS


@pytest.mark.parametrize("name", PLAYS)
def test_a_hostile_origin_harms_its_own_calls_only(siege: Siege, name: str) -> None:
    seen: list[Status | None] = []
    lasts = HELD if None in ENDS[name] else 4.0

    def attack() -> None:
        for _ in range(1 if None in ENDS[name] else 3):
            begun = time.monotonic()
            error = siege.call(name, timeout=lasts).exception()
            code = Status.OK if error is None else error.code()
            if code == Status.DEADLINE_EXCEEDED and time.monotonic() - begun >= lasts * 0.9:
                code = None
            seen.append(code)

    siege.under(attack, grows=24 * MIB, calls=20)
    assert set(seen) <= set(ENDS[name]), seen


def test_an_origin_that_ignores_its_window(siege: Siege) -> None:
    """RFC 9113 section 6.9.1: 32 MiB for a client that takes nothing; refused, and not kept."""
    siege_of = f.request(authority=b"overruns.gw.test")

    def attack() -> None:
        with siege.begun((Setting.INITIAL_WINDOW_SIZE, 0)) as raw:
            raw.send(f.headers(1, f.literal(siege_of), end=True))
            raw.expect(Type.HEADERS)
            time.sleep(0.5)
            raw.send(f.window_update(0, 1 << 26), f.window_update(1, 1 << 26))
            answer = raw.answer(1)
            assert answer.reset is not None or answer.grpc_status == Status.INTERNAL.value[0]
            assert len(answer.body) <= 2 * MIB

    siege.under(attack, grows=8 * MIB)


def test_many_calls_to_an_origin_that_flaps(siege: Siege) -> None:
    """Every call gets an answer, and the number of connections stays what the calls need."""
    before = siege.hostile["flaps"].peers

    def attack() -> None:
        for _ in range(20):
            error = siege.call("flaps").exception()
            assert error is not None
            assert error.code() in BAD

    siege.under(attack)
    assert siege.hostile["flaps"].peers - before <= 60


def test_an_origin_that_never_answers_many(siege: Siege) -> None:
    """A thousand calls wait there; their client leaves; nothing is left of them."""

    def attack() -> None:
        with contextlib.ExitStack() as stack:
            for _ in range(4):
                raw = stack.enter_context(siege.begun())
                raw.send(
                    b"".join(
                        f.headers(number, f.literal(f.request(authority=b"no-answer.gw.test")))
                        + f.data(number, f.message(bytes(1000)), end=True)
                        for number in range(1, 500, 2)
                    )
                )
                raw.expect_alive()

    siege.under(attack, grows=24 * MIB)
