"""Origins that fail: each failure has its status, name, side and phase within a second; others go on."""

from __future__ import annotations

import datetime
import json
import socket
import time

import grpc
import pytest

from tests.support import frames
from tests.support.calls import Refused, record, toml, tried
from tests.support.certs import Authority
from tests.support.grpc_echo import Echo, Origin
from tests.support.raw_origin import GRPC_HEAD, OK, RawOrigin, echo_calls

UNAVAILABLE, INTERNAL = grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL
QUICK = 'origin_connect_timeout = "300ms", origin_handshake_timeout = "300ms"'
DAY = datetime.timedelta(days=1)


@pytest.fixture
def leafs(ca, origin_leaf, tmp_path):
    (tmp_path / "stranger").mkdir()
    stranger = Authority(tmp_path / "stranger", "a stranger")
    return {
        "good": origin_leaf,
        "unknown CA": stranger.leaf("origin.test"),
        "wrong name": ca.leaf("else.test", file="else"),
        "expired": ca.leaf("origin.test", file="expired", starts=-30 * DAY, ends=-DAY),
        "not yet": ca.leaf("origin.test", file="early", starts=DAY, ends=30 * DAY),
    }


def say(octets):
    """A script: these octets, then silence."""

    def play(peer):
        peer.send(octets)
        peer.expect_closed()

    return play


def silence(peer):
    peer.timeout = 5
    peer.sock.settimeout(5)
    while peer.sock.recv(65536):
        pass


def hang_up(peer):
    """Ends as soon as it begins."""


TLS_ALERT = bytes.fromhex("15030300020228")  # fatal, handshake_failure

# what the origin does: script, its certificate (None: no TLS), its ALPN; then status, name, phase, words
FAILURES = {
    "no ALPN": (echo_calls, "good", (), UNAVAILABLE, "origin_no_h2", "tls", "ALPN"),
    "only HTTP/1.1": (echo_calls, "good", ("http/1.1",), UNAVAILABLE, "origin_no_h2", "tls", "ALPN"),
    "unknown CA": (
        echo_calls, "unknown CA", ("h2",),
        UNAVAILABLE, "origin_cert_invalid", "tls", "unknown authority",
    ),
    "wrong name": (
        echo_calls, "wrong name", ("h2",),
        UNAVAILABLE, "origin_cert_invalid", "tls", "wrong name",
    ),
    "expired": (echo_calls, "expired", ("h2",), UNAVAILABLE, "origin_cert_invalid", "tls", "expired"),
    "not yet valid": (echo_calls, "not yet", ("h2",), UNAVAILABLE, "origin_cert_invalid", "tls", "not yet"),
    "silence": (silence, None, (), UNAVAILABLE, "origin_tls_failed", "tls", "the TLS handshake"),
    "hangs up": (hang_up, None, (), UNAVAILABLE, "origin_tls_failed", "tls", "the TLS handshake"),
    "garbage for TLS": (
        say(b"SSH-2.0-x\r\n" * 9), None, (),
        UNAVAILABLE, "origin_tls_failed", "tls", "the TLS handshake",
    ),
    "a TLS alert": (say(TLS_ALERT), None, (), UNAVAILABLE, "origin_tls_failed", "tls", "handshake failure"),
    "garbage for HTTP/2": (
        say(b"x" * 99), "good", ("h2",),
        INTERNAL, "origin_bad_response", "settings", "HTTP/2",
    ),
    "HTTP/1.1 under h2": (
        say(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "good", ("h2",),
        INTERNAL, "origin_bad_response", "settings", "HTTP/2",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", FAILURES)
def test_a_failure_in_both_tongues(leafs, origin, gateway, open_channel, case):
    play, leaf, alpn, code, name, phase, words = FAILURES[case]
    with RawOrigin(play, leafs[leaf] if leaf else None, alpn=alpn) as bad:
        both = record("@", bad.port), record("api", origin.port)
        # Who stays silent is waited for; a busy machine may need long for the others' handshakes.
        limits = QUICK if play is silence else f'{QUICK.partition(",")[0]}, origin_handshake_timeout = "5s"'
        house = gateway(toml=toml(*both, settings=f'http = "on", {limits}'))
        echo = Echo(open_channel(house.address))
        for _ in range(2):
            refused = Refused(lambda: echo.unary(b"x", timeout=5))
            assert refused.code == code
            assert refused.fastgw_error == tried(f"{name}; side=origin; phase={phase}", bad.port)
            assert f":{bad.port}" in refused.message
            assert words in refused.message
            assert refused.seconds < 2
        refused = Refused(lambda: echo.collect(iter([b"x" * 1000] * 100), timeout=5))
        assert refused.code == code, "a call with DATA behind its head is no different"
        assert Echo(open_channel(house.address, name="api.gw.test")).unary(b"next", timeout=5) == b"next"
        with house.raw() as client:
            client.begin()
            fields = [
                (b":method", b"GET"),
                (b":scheme", b"https"),
                (b":path", b"/"),
                (b":authority", b"gw.test"),
            ]
            client.head(1, fields, end=True)
            answer = client.answer(1)
            assert answer.head[b":status"] == b"502"
            assert answer.head[b"fastgw-error"].decode() == refused.fastgw_error
            assert json.loads(answer.body)["error"] == name


def test_an_origin_that_is_down_and_comes_back(origin_leaf, gateway, open_channel):
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # taken, but nobody listens
        port = held.getsockname()[1]
        house = gateway(toml=toml(record("@", port)))
        echo = Echo(open_channel(house.address))
        for _ in range(3):
            refused = Refused(lambda: echo.unary(b"x", timeout=5))
            assert refused.code == UNAVAILABLE
            assert refused.fastgw_error == tried("origin_refused; side=origin; phase=connect", port)
            assert "refused" in refused.message
            assert str(port) in refused.message
            assert refused.seconds < 2
    with Origin(origin_leaf, port=port):
        assert echo.unary(b"back", timeout=5) == b"back"


def test_an_origin_that_restarts(origin_leaf, gateway, open_channel):
    with Origin(origin_leaf) as first:
        port = first.port
        echo = Echo(open_channel(gateway(first).address))
        assert echo.unary(b"one", timeout=5) == b"one"
    assert Refused(lambda: echo.unary(b"down", timeout=5)).code == UNAVAILABLE
    with Origin(origin_leaf, port=port):
        assert echo.unary(b"two", timeout=5) == b"two"


def test_a_full_backlog_is_a_connect_timeout(gateway, open_channel):
    """The origin's kernel answers no more SYN."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        filling = [socket.socket() for _ in range(4)]
        for one in filling:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        echo = Echo(open_channel(gateway(toml=toml(record("@", port), settings=QUICK)).address))
        refused = Refused(lambda: echo.unary(b"x", timeout=5))
        for one in filling:
            one.close()
    assert refused.code == UNAVAILABLE
    assert refused.fastgw_error == tried("origin_connect_timeout; side=origin; phase=connect", port)
    assert refused.seconds < 2


def test_a_cleartext_origin_behind_a_tls_record(gateway, open_channel):
    with Origin(None) as origin:
        house = gateway(toml=toml(record("@", origin.port), settings=QUICK))
        refused = Refused(lambda: Echo(open_channel(house.address)).unary(b"x", timeout=5))
    assert refused.code == UNAVAILABLE
    assert refused.fastgw_error == tried("origin_tls_failed; side=origin; phase=tls", origin.port)
    assert refused.seconds < 2


def test_a_tls_origin_behind_a_cleartext_record(origin, gateway, open_channel):
    house = gateway(toml=toml(record("@", origin.port, 'origin_protocol = "h2c"'), settings=QUICK))
    refused = Refused(lambda: Echo(open_channel(house.address)).unary(b"x", timeout=5))
    assert refused.code == UNAVAILABLE
    assert refused.fastgw_error == tried("origin_unreachable; side=origin; phase=settings", origin.port)
    assert "before HTTP/2 SETTINGS came" in refused.message
    assert refused.seconds < 2


def test_a_name_that_does_not_resolve(gateway, open_channel):
    target = '{ name = "@", type = "CNAME", content = "nowhere.invalid", proxied = true }'
    refused = Refused(lambda: Echo(open_channel(gateway(toml=toml(target)).address)).unary(b"x", timeout=5))
    assert refused.code == UNAVAILABLE
    assert refused.fastgw_error == tried("origin_dns; side=origin; phase=dns", 443, host="nowhere.invalid")
    assert "nowhere.invalid" in refused.message


def test_full_does_not_judge_the_certificate(leafs, gateway, open_channel):
    with Origin(leafs["unknown CA"]) as origin:
        house = gateway(origin, ssl="full")
        assert Echo(open_channel(house.address)).unary(b"x", timeout=5) == b"x"


def test_all_calls_that_wait_fail_with_the_connection(gateway, leafs):
    """Fifty calls queued behind one handshake: each hears of its end, and none is left."""
    with RawOrigin(silence, None) as origin:
        house = gateway(toml=toml(record("@", origin.port), settings=QUICK))
        with house.raw() as client:
            client.begin()
            for stream_id in range(1, 101, 2):
                client.head(stream_id, frames.request())
                client.send(frames.data(stream_id, b"x" * 500))
            answers = [client.answer(stream_id) for stream_id in range(1, 101, 2)]
            assert {answer.grpc_status for answer in answers} == {14}
            assert origin.peers == 1, "they waited for one connection"


def test_a_slow_handshake_is_waited_for(gateway, leafs):
    def play(peer):
        peer.begin()
        for stream_id, _ in peer.requests():
            peer.head(stream_id, [*GRPC_HEAD, *OK], end=True)

    def slow(peer):
        time.sleep(0.3)
        play(peer)

    with (
        RawOrigin(slow, leafs["good"]) as origin,
        gateway(toml=toml(record("@", origin.port))).raw() as client,
    ):
        client.begin()
        for stream_id in range(1, 101, 2):
            client.head(stream_id, frames.request(), end=True)
        assert {client.answer(stream_id).grpc_status for stream_id in range(1, 101, 2)} == {0}
        assert origin.peers == 1
