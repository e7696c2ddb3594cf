"""Origins that cannot be reached, or not be trusted: each call ends with the reason, and nobody else waits."""

from __future__ import annotations

import contextlib
import datetime
import socket

import grpc
import pytest

from tests.support import frames as f
from tests.support.certs import Authority, Leaf
from tests.support.raw_origin import Play, RawOrigin, RawServer, echo_calls
from tests.support.siege import MIB, Siege

SETTINGS = 'origin_connect_timeout = "300ms", origin_handshake_timeout = "300ms"'
CALLS = 3
DAY = datetime.timedelta(days=1)

# how fastgw-error of the calls to `<name>.gw.test` begins
ENDS = {
    "refuses": "origin_refused; side=origin; phase=connect",
    "drops-syn": "origin_connect_timeout; side=origin; phase=connect",
    "mute-in-tls": "origin_tls_failed; side=origin; phase=tls",
    "leaves-in-tls": "origin_tls_failed; side=origin; phase=tls",
    "no-alpn": "origin_no_h2; side=origin; phase=tls",
    "http-1": "origin_no_h2; side=origin; phase=tls",
    "expired": "origin_cert_invalid; side=origin; phase=tls",
    "not-yet": "origin_cert_invalid; side=origin; phase=tls",
    "wrong-name": "origin_cert_invalid; side=origin; phase=tls",
    "unknown-ca": "origin_cert_invalid; side=origin; phase=tls",
}


def mute(peer: RawServer) -> None:
    while peer.sock.recv(65536):
        pass


def leaves(peer: RawServer) -> None:
    peer.sock.recv(5)


def refusing(stack: contextlib.ExitStack) -> int:
    """A port that is taken and where nobody listens."""
    held = stack.enter_context(socket.socket())
    held.bind(("127.0.0.1", 0))
    return int(held.getsockname()[1])


def full(stack: contextlib.ExitStack) -> int:
    """A port whose backlog is full: the kernel drops each SYN."""
    listener = stack.enter_context(socket.socket())
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    for _ in range(4):
        one = stack.enter_context(socket.socket())
        one.setblocking(False)
        one.connect_ex(listener.getsockname())
    return int(listener.getsockname()[1])


def others(ca: Authority, origin_leaf: Leaf, stack: contextlib.ExitStack) -> dict[str, int]:
    """The ports of these origins, by name."""
    folder = ca.folder / "stranger"
    folder.mkdir(exist_ok=True)
    stranger = Authority(folder, "a stranger").leaf("origin.test")
    expired = ca.leaf("origin.test", file="live-expired", starts=-30 * DAY, ends=-DAY)
    early = ca.leaf("origin.test", file="live-early", starts=DAY, ends=30 * DAY)
    rows: dict[str, tuple[Play, Leaf | None, tuple[str, ...]]] = {
        "mute-in-tls": (mute, None, ()),
        "leaves-in-tls": (leaves, None, ()),
        "no-alpn": (echo_calls, origin_leaf, ()),
        "http-1": (echo_calls, origin_leaf, ("http/1.1",)),
        "expired": (echo_calls, expired, ("h2",)),
        "not-yet": (echo_calls, early, ("h2",)),
        "wrong-name": (echo_calls, ca.leaf("else.test", file="live-else"), ("h2",)),
        "unknown-ca": (echo_calls, stranger, ("h2",)),
    }
    ports = {
        name: stack.enter_context(RawOrigin(play, leaf, alpn=alpn)).port
        for name, (play, leaf, alpn) in rows.items()
    }
    return {**ports, "refuses": refusing(stack), "drops-syn": full(stack)}


@pytest.mark.parametrize("name", ENDS)
def test_calls_to_an_origin_that_is_no_good(siege: Siege, name: str) -> None:
    def attack() -> None:
        for _ in range(CALLS):
            future = siege.call(name)
            error = future.exception()
            assert isinstance(error, grpc.RpcError)
            assert future.code() == grpc.StatusCode.UNAVAILABLE
            said = dict(future.trailing_metadata() or ())["fastgw-error"]
            assert said.startswith(f"{ENDS[name]}; endpoint=127.0.0.1:")

    siege.under(attack, grows=16 * MIB, calls=20)


def test_many_calls_to_an_origin_that_drops_every_syn(siege: Siege) -> None:
    """They wait together: a hundred calls end in the time of a few connects."""

    def attack() -> None:
        with siege.begun() as raw:
            for stream in range(1, 200, 2):
                raw.head(stream, f.request(authority=b"drops-syn.gw.test"), end=True)
            for stream in range(1, 200, 2):
                assert raw.answer(stream).grpc_status == grpc.StatusCode.UNAVAILABLE.value[0]

    siege.under(attack, grows=16 * MIB)
