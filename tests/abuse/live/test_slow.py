"""Peers that are slow, stall or vanish: every wait has an end, and what they held is given back."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable

import pytest

from tests.support import frames as f
from tests.support.frames import ACK, Code, Setting, Type
from tests.support.raw import ClosedError, RawClient
from tests.support.siege import MIB, Siege, goaway_of, pour
from tests.support.steady import clock

LIMITS = "\n".join(
    (
        'handshake_timeout = "400ms"',
        'begin_timeout = "400ms"',
        'settings_timeout = "400ms"',
        'head_timeout = "400ms"',
        'client_idle_timeout = "1500ms"',
        'stall_timeout = "800ms"',
    )
)
LATE = 5.0  # seconds: by then any of these limits has struck, and who was told why is not read any more (2 s)
STEP = 0.03  # seconds between the octets of a drip
ASK = f.literal(f.request())
ENDLESS = f.literal(f.request(b"/fastgw.test.Echo/Endless"))
SLEEP = f.literal(f.request(b"/fastgw.test.Echo/Sleep"))


def dripped(send: Callable[[bytes], object], octets: bytes) -> float:
    """One octet after the other until the peer ends the connection; the seconds that took."""
    begun = clock.now()
    try:
        for at in range(len(octets)):
            send(octets[at : at + 1])
            time.sleep(STEP)
            if clock.now() - begun > LATE:
                break
    except OSError:
        pass
    return clock.now() - begun


def told(raw: RawClient, octets: bytes) -> tuple[Code, bytes]:
    """Drip until the gateway has had enough; what it says then. It must, by the time of LATE."""
    ends = clock.now() + LATE
    for at in range(len(octets)):
        raw.send(octets[at : at + 1])
        with contextlib.suppress(TimeoutError):
            frame = raw.read(STEP)
            if frame.type == Type.GOAWAY:
                return frame.code, frame.debug
        assert clock.now() < ends, "nothing was said"
    return goaway_of(raw)


def ended_within(sock: socket.socket, seconds: float) -> bool:
    """Does the gateway end the connection in time? What it sends before is read and dropped."""
    ends = clock.now() + seconds
    try:
        while (left := ends - clock.now()) > 0:
            sock.settimeout(left)
            if not sock.recv(65536):
                return True
    except TimeoutError:
        return False
    except OSError:
        return True
    return False


# ---- before HTTP/2


def test_slowloris_on_tcp(siege: Siege) -> None:
    """200 connections that say nothing."""

    def attack() -> None:
        with contextlib.ExitStack() as stack:
            socks = [stack.enter_context(socket.create_connection(siege.address, 5)) for _ in range(200)]
            time.sleep(0.5)
            assert all(ended_within(sock, 1.0) for sock in socks)

    siege.under(attack, grows=16 * MIB)


def test_slowloris_on_the_client_hello(siege: Siege) -> None:
    """Octets that come steadily do not move the end of the handshake."""
    hello = bytes.fromhex("1603010200010001fc0303") + bytes(500)

    def attack() -> None:
        with socket.create_connection(siege.address, 5) as sock:
            assert dripped(sock.sendall, hello) < LATE

    siege.under(attack)


def test_half_a_handshake(siege: Siege) -> None:
    """A ClientHello, and then nothing more."""
    import ssl

    def attack() -> None:
        with socket.create_connection(siege.address, 5) as sock:
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            context = ssl.create_default_context(cafile=str(siege.ca.file))
            context.set_alpn_protocols(["h2"])
            tls = context.wrap_bio(incoming, outgoing, server_hostname="gw.test")
            with contextlib.suppress(ssl.SSLWantReadError):
                tls.do_handshake()
            sock.sendall(outgoing.read())
            assert ended_within(sock, LATE)

    siege.under(attack)


@pytest.mark.parametrize(
    "octets",
    [b"", f.PREFACE[:10], f.PREFACE, f.PREFACE + f.settings()[:5]],
    ids=["nothing", "half-preface", "no-settings", "half-settings"],
)
def test_a_connection_that_does_not_begin(siege: Siege, octets: bytes) -> None:
    def attack() -> None:
        with contextlib.ExitStack() as stack:
            raws = [stack.enter_context(siege.raw()) for _ in range(10)]
            for raw in raws:
                raw.send(octets)
            assert all(ended_within(raw.sock, LATE) for raw in raws)

    siege.under(attack)


def test_a_dripped_preface(siege: Siege) -> None:
    def attack() -> None:
        with siege.raw() as raw:
            assert dripped(raw.send, f.PREFACE + f.settings() * 20) < LATE

    siege.under(attack)


def test_settings_never_acknowledged(siege: Siege) -> None:
    """RFC 9113 section 6.5.3."""

    def attack() -> None:
        with siege.raw() as raw:
            raw.send(f.PREFACE, f.settings())
            assert goaway_of(raw) == (Code.SETTINGS_TIMEOUT, b"settings_ack_timeout")

    siege.under(attack)


# ---- heads


def test_cve_2024_27316_slow_continuation(siege: Siege) -> None:
    """The clock of a field block begins with it, whatever else comes."""

    def attack() -> None:
        with siege.begun() as raw:
            raw.send(f.headers(1, ASK, end_headers=False))
            drop = f.continuation(1, b"", end_headers=False)
            assert told(raw, drop * 7) == (Code.ENHANCE_YOUR_CALM, b"head_timeout")

    siege.under(attack)


def test_a_head_whose_end_never_comes(siege: Siege) -> None:
    def attack() -> None:
        with siege.begun() as raw:
            raw.send(f.headers(1, ASK, end_headers=False))
            assert goaway_of(raw) == (Code.ENHANCE_YOUR_CALM, b"head_timeout")

    siege.under(attack)


@pytest.mark.parametrize(
    "octets",
    [
        f.headers(1, ASK + f.literal([(b"x", b"v" * 4000)]), end=True),
        f.frame(0x77, 0, bytes(16384)),
        f.settings(*[(0x99, 1)] * 60),
        f.goaway(debug=bytes(4000)),
    ],
    ids=["headers", "unknown", "settings", "goaway"],
)
def test_a_dripped_frame(siege: Siege, octets: bytes) -> None:
    """A frame other than DATA that comes octet by octet holds memory and must end."""

    def attack() -> None:
        with siege.begun() as raw:
            assert told(raw, octets) == (Code.ENHANCE_YOUR_CALM, b"head_timeout")

    siege.under(attack)


def test_half_a_frame(siege: Siege) -> None:
    def attack() -> None:
        with siege.begun() as raw:
            raw.send(f.headers(1, ASK)[:-1])
            assert ended_within(raw.sock, LATE)

    siege.under(attack)


# ---- idle


def test_idle_after_a_call(siege: Siege) -> None:
    def attack() -> None:
        with siege.begun() as raw:
            raw.head(1, f.request())
            raw.send(f.data(1, f.message(b"x"), end=True))
            assert raw.answer(1).grpc_status == 0
            assert goaway_of(raw) == (Code.NO_ERROR, b"")
            assert ended_within(raw.sock, LATE)

    siege.under(attack)


def test_a_body_that_drips_is_a_call_like_any_other(siege: Siege) -> None:
    """Long uploads are what gRPC is for: no clock runs against them, and they cost next to nothing."""

    def attack() -> None:
        with siege.begun() as raw:
            raw.head(1, f.request(b"/fastgw.test.Echo/Collect"))
            message = f.message(b"x" * 40)
            for octet in message:
                raw.send(f.data(1, bytes((octet,))))
                time.sleep(STEP)
            raw.send(f.data(1, end=True))
            assert raw.answer(1).body == message

    siege.under(attack)


# ---- peers who do not read


def test_cve_2019_9517_nothing_is_read(siege: Siege) -> None:
    """A TCP window of zero ends the connection, and frees what waited for it."""

    def attack() -> None:
        with siege.raw(receive_buffer=4096) as raw:
            raw.begin((Setting.INITIAL_WINDOW_SIZE, (1 << 31) - 1))
            raw.send(f.window_update(0, 0x7FFFFFFF - 65535))
            for number in (1, 3):
                raw.send(f.headers(number, ENDLESS), f.data(number, f.message(b"x" * 8192), end=True))
            siege.origin_is_idle()

    siege.under(attack, grows=32 * MIB)


def test_a_stream_window_of_zero(siege: Siege) -> None:
    """An answer held back by HTTP/2 windows: what waits is one window of the origin, for as long as it takes."""

    def attack() -> None:
        with siege.begun((Setting.INITIAL_WINDOW_SIZE, 0)) as raw:
            for number in range(1, 8, 2):
                raw.send(f.headers(number, ENDLESS), f.data(number, f.message(b"x" * 8192), end=True))
            time.sleep(0.3)
            sent = siege.origin.sent
            time.sleep(0.3)
            assert siege.origin.sent - sent < 2 * MIB, "nobody holds the origin back"

    siege.under(attack, grows=24 * MIB)
    siege.origin_is_idle()


def test_one_octet_of_window_at_a_time(siege: Siege) -> None:
    """Drips: the peer takes something, so it is served; it gets what it asked for and no more."""

    def attack() -> None:
        with siege.begun((Setting.INITIAL_WINDOW_SIZE, 1)) as raw:
            raw.send(f.headers(1, ASK), f.data(1, f.message(b"y" * 15), end=True))
            got = b""
            while len(got) < 20:
                frame = raw.expect(Type.DATA)
                assert len(frame.payload) == 1
                got += frame.payload
                raw.send(f.window_update(1, 1))
            assert got == f.message(b"y" * 15)

    siege.under(attack)


# ---- peers who go away


def hang_up(raw: RawClient) -> None:
    raw.sock.close()


def hang_up_hard(raw: RawClient) -> None:
    """A TCP reset instead of a FIN."""
    raw.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    raw.sock.close()


def half_close(raw: RawClient) -> None:
    raw.sock.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize("goes", [hang_up, hang_up_hard, half_close], ids=lambda goes: goes.__name__)
def test_clients_that_vanish_leave_no_calls_at_the_origin(siege: Siege, goes: Callable) -> None:
    """gRPC: the origin's streams are reset when the client is gone."""
    before = siege.origin.calls

    def attack() -> None:
        for _ in range(5):
            with siege.begun() as raw:
                for number in range(1, 6, 2):
                    raw.send(f.headers(number, SLEEP), f.data(number, f.message(b"30"), end=True))
                raw.expect_alive()
                time.sleep(0.02)
                goes(raw)
                if goes is half_close:
                    assert ended_within(raw.sock, LATE)

    siege.under(attack)
    assert siege.origin.calls > before
    siege.origin_is_idle(3.0)


def test_cancelled_calls_end_at_the_origin(siege: Siege) -> None:
    """A storm of cancellations by an ordinary client, below any budget."""

    def attack() -> None:
        with siege.begun() as raw:
            for number in range(1, 400, 2):
                raw.head(number, f.request(b"/fastgw.test.Echo/Sleep"))
                raw.send(f.data(number, f.message(b"30"), end=True), f.rst_stream(number))
            raw.expect_alive()

    siege.under(attack)
    siege.origin_is_idle(3.0)


def test_pings_do_not_keep_a_connection_that_has_no_calls(siege: Siege) -> None:
    """gRPC keepalive may ping without calls; that is activity, but it is bounded by the budget of PINGs."""
    with siege.begun() as raw:
        answered = 0
        for _ in range(10):
            if not pour(raw, f.ping()):
                break
            with contextlib.suppress(ClosedError):
                raw.expect(Type.PING, where=lambda frame: bool(frame.flags & ACK))
                answered += 1
            time.sleep(0.2)
        assert answered == 10
