"""The shared fixtures carry real calls: grpcio client, gateway, grpcio server, TLS on both sides."""

from collections.abc import Callable

import grpc
import pytest

from tests.support import frames
from tests.support.grpc_echo import Echo, Origin
from tests.support.house import House


def test_the_four_kinds(echo: Echo, origin: Origin) -> None:
    assert echo.unary(b"hello", timeout=5) == b"hello"
    assert echo.collect(iter([b"a", b"b"]), timeout=5) == b"ab"
    assert list(echo.count(b"3", timeout=5)) == [b"m0", b"m1", b"m2"]
    assert list(echo.chat(iter([b"x", b"y"]), timeout=5)) == [b"x", b"y"]
    assert (origin.calls, len(origin.peers)) == (4, 1)


def test_an_error_status_comes_through(echo: Echo) -> None:
    with pytest.raises(grpc.RpcError) as failed:
        echo.fail("100% spaß".encode(), timeout=5, metadata=[("x-code", "ABORTED")])
    assert (failed.value.code(), failed.value.details()) == (grpc.StatusCode.ABORTED, "100% spaß")


def test_a_call_made_of_octets(gateway: Callable[..., House], origin: Origin) -> None:
    with gateway(origin).raw() as raw:
        raw.begin()
        raw.head(1, frames.request())
        raw.send(frames.data(1, frames.message(b"hi"), end=True))
        answer = raw.answer(1)
        assert (answer.body, answer.grpc_status) == (frames.message(b"hi"), 0)
        raw.expect_alive()
