"""Hooks from end to end: grpcio calls through a gateway that asks Python about them."""

from __future__ import annotations

import asyncio
import socket
import threading
import time

import grpc
import pytest

import fastgw
from fastgw import Deny, Pass
from tests.support.calls import eventually, record, toml
from tests.support.grpc_echo import SERVICE, Echo, same
from tests.support.house import alive, host_and_port

SERVED = SERVICE.strip("/")


@pytest.fixture
def begin(config_file, origin, open_channel):
    """`begin(hook, **terms)`: a gateway with one hook, or none, and a client."""
    begun = []

    def start(hook=None, *, more: str = "", **terms):
        gateway = fastgw.Gateway(config_file(toml(record("@", origin.port)) + more))
        if hook is not None:
            gateway.on_request(**{"budget": 5, **terms})(hook)
        gateway.start()
        begun.append(gateway)
        return gateway, Echo(open_channel(host_and_port(gateway.addresses[0])))

    yield start
    for gateway in begun:
        gateway.stop()
        assert alive(gateway) == {}


def refusal(call) -> tuple[str, str]:
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return caught.value.code().name, caught.value.details()


def total(gateway, name: str) -> int:
    return gateway.stats()["total"][name]


def test_none_lets_a_call_pass_and_the_head_is_there(begin):
    seen = []

    def hook(head):
        seen.append((head.service, head.method, head.host, head.get("x-who"), head.get("missing"), head.peer))
        seen.append(dict(head.items())[":method"])

    gateway, echo = begin(hook)
    assert echo.unary(b"hello", metadata=[("x-who", "me")], timeout=5) == b"hello"
    assert seen == [(SERVED, "Unary", "gw.test", "me", "", "127.0.0.1"), "POST"]
    assert total(gateway, "hooks_asked") == 1


def test_a_denial_reaches_the_client_and_no_origin_is_asked(begin, origin):
    gateway, echo = begin(lambda head: Deny("UNAUTHENTICATED", "who are you? ünknown"))
    assert refusal(lambda: echo.unary(b"", timeout=5)) == ("UNAUTHENTICATED", "who are you? ünknown")
    assert origin.calls == 0
    assert gateway.stats()["total"]["replies"] == {"hook_denied": 1}


def test_metadata_is_changed_for_the_origin(begin, origin):
    def hook(head):
        return Pass(set={"x-user": "alice"}, add=[("x-role", "a"), ("x-role", "b")], remove=["authorization"])

    _, echo = begin(hook)
    sent = [("authorization", "secret"), ("x-user", "mallory"), ("x-user", "eve"), ("x-kept", "k")]
    echo.unary(b"", metadata=sent, timeout=5)
    came = [(key, value) for key, value in origin.metadata if key.startswith(("x-", "auth"))]
    assert sorted(came) == [("x-kept", "k"), ("x-role", "a"), ("x-role", "b"), ("x-user", "alice")]


@pytest.mark.parametrize(
    "name", [":path", "grpc-timeout", "te", "content-type", "connection", "", "x y", "UP\n"]
)
def test_what_must_not_be_changed_is_not(begin, name, caplog):
    _, echo = begin(lambda head: Pass(set={name: "x"}))
    code, why = refusal(lambda: echo.unary(b"", timeout=5))
    assert code == "UNAVAILABLE"
    assert "hook" in why


def test_a_value_that_no_field_may_have_is_not_sent(begin, origin):
    _, echo = begin(lambda head: Pass(set={"x-a": b"a\r\nx-b: b"}))
    code, _ = refusal(lambda: echo.unary(b"", timeout=5))
    assert (code, origin.calls) == ("UNAVAILABLE", 0)


@pytest.mark.parametrize(
    ("terms", "asked"),
    [
        ({}, True),
        ({"host": "gw.test"}, True),
        ({"host": "GW.test."}, True),
        ({"host": "*.gw.test"}, False),
        ({"host": "other.test"}, False),
        ({"service": SERVED}, True),
        ({"service": "fastgw.test"}, False),
        ({"service": SERVED, "method": "Unary"}, True),
        ({"service": SERVED, "method": "Una"}, False),
        ({"service": SERVED, "method": "Chat"}, False),
    ],
)
def test_only_those_are_asked_that_are_meant(begin, terms, asked):
    gateway, echo = begin(lambda head: None, **terms)
    echo.unary(b"", timeout=5)
    assert total(gateway, "hooks_asked") == asked


def test_hooks_are_asked_in_order_and_the_first_denial_ends_it(config_file, origin, open_channel):
    order = []
    gateway = fastgw.Gateway(config_file(toml(record("@", origin.port))))

    @gateway.on_request(budget=5)
    def first(head):
        order.append("first")
        return Pass(set={"x-by": "first"})

    @gateway.on_request(budget=5)
    async def second(head):
        order.append("second " + head.get("x-by"))
        return Deny("NOT_FOUND", "no") if head.get("x-deny") else None

    @gateway.on_request(budget=5)
    def third(head):
        order.append("third")

    with gateway:
        echo = Echo(open_channel(host_and_port(gateway.addresses[0])))
        echo.unary(b"", timeout=5)
        assert order == ["first", "second first", "third"]
        assert refusal(lambda: echo.unary(b"", metadata=[("x-deny", "1")], timeout=5)) == ("NOT_FOUND", "no")
        assert order[3:] == ["first", "second first"]


def test_messages_wait_while_a_hook_thinks_and_arrive_whole(begin):
    def hook(head):
        time.sleep(0.3)

    _, echo = begin(hook, budget=5)
    messages = [bytes([number]) * 50_000 for number in range(20)]
    assert echo.collect(iter(messages), timeout=10) == b"".join(messages)


@pytest.mark.parametrize(("on_failure", "passes"), [("deny", False), ("pass", True)])
@pytest.mark.parametrize("how", ["raises", "late", "late coroutine", "nonsense"])
def test_without_an_answer(begin, on_failure, passes, how, caplog):
    release = threading.Event()

    def raises(head):
        raise KeyError("x")

    def late(head):
        release.wait(5)
        return Deny()

    async def slow(head):
        await asyncio.sleep(5)

    functions = {"raises": raises, "late": late, "late coroutine": slow, "nonsense": lambda head: 7}
    gateway, echo = begin(functions[how], on_failure=on_failure, budget=0.05)
    try:
        if passes:
            assert echo.unary(b"x", timeout=5) == b"x"
        else:
            code, why = refusal(lambda: echo.unary(b"", timeout=5))
            assert code == "UNAVAILABLE"
            assert "hook" in why
    finally:
        release.set()
    if how.startswith("late"):
        assert total(gateway, "hooks_late") == 1
    else:
        assert total(gateway, "hooks_failed") == 1
    assert total(gateway, "replies") == ({} if passes else {"hook_failed": 1})


def test_a_client_that_leaves_is_forgotten(begin):
    entered, release = threading.Event(), threading.Event()

    def hook(head):
        entered.set()
        release.wait(5)
        return Pass(set={"x": "y"})

    gateway, echo = begin(hook, budget=10)
    call = echo.unary.future(b"", timeout=5)
    assert entered.wait(5)
    call.cancel()
    eventually(lambda: total(gateway, "exchanges_open") == 0)
    release.set()
    assert echo.unary(b"x", timeout=5) == b"x"


def test_a_head_cannot_be_read_once_its_call_has_gone_on(begin):
    kept = []
    _, echo = begin(kept.append)
    echo.unary(b"", timeout=5)
    with pytest.raises(RuntimeError, match="until the answer is given"):
        kept[0].get("x")
    with pytest.raises(RuntimeError, match="until the answer is given"):
        kept[0].items()


def test_answers_are_remembered_by_the_fields_that_are_named(begin):
    asked = []

    def hook(head):
        who = head.get("x-who")
        asked.append(who)
        return Deny("NOT_FOUND", f"not {who}", remember=True) if who == "eve" else Pass(remember=True)

    _, echo = begin(hook, cache_by=["x-who"], cache_for=60)
    for _ in range(3):
        echo.unary(b"", metadata=[("x-who", "alice"), ("x-other", str(time.time()))], timeout=5)
        refused = refusal(lambda: echo.unary(b"", metadata=[("x-who", "eve")], timeout=5))
        assert refused == ("NOT_FOUND", "not eve")
    echo.unary(b"", metadata=[("x-who", "ali"), ("x-who", "ce")], timeout=5)
    echo.unary(b"", timeout=5)
    assert asked == ["alice", "eve", "ali", ""]


def test_remembered_answers_end(begin):
    asked = []

    def hook(head):
        asked.append(1)
        return Pass(remember=True)

    _, echo = begin(hook, cache_by=[":path"], cache_for=0.2)
    echo.unary(b"", timeout=5)
    echo.unary(b"", timeout=5)
    time.sleep(0.25)
    echo.unary(b"", timeout=5)
    assert len(asked) == 2


def test_too_many_that_wait_are_shed(begin):
    release = threading.Event()
    gateway, echo = begin(
        lambda head: release.wait(5) and None, budget=10, more="\n[limits]\nhook_calls = 2\n"
    )
    calls = []
    threads = [threading.Thread(target=lambda: calls.append(echo.unary(b"x", timeout=8))) for _ in range(2)]
    for thread in threads:
        thread.start()
    eventually(lambda: total(gateway, "hooks_asked") == 2)
    code, why = refusal(lambda: echo.unary(b"", timeout=5))
    assert (code, why) == ("UNAVAILABLE", "too many calls wait for the hooks of this gateway")
    release.set()
    for thread in threads:
        thread.join()
    assert calls == [b"x", b"x"]
    assert echo.unary(b"x", timeout=5) == b"x", "those that wait are counted, not those that came"


def test_a_busy_honest_client_is_not_shed(begin):
    gateway, echo = begin(lambda head: None, budget=10)
    threads = [
        threading.Thread(target=lambda: [echo.unary(b"x", timeout=8) for _ in range(50)]) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert total(gateway, "hooks_asked") == 400
    assert total(gateway, "replies") == {}


def test_coroutines_run_on_the_loop_that_started_the_gateway(config_file, origin, ca):
    async def main():
        gateway = fastgw.Gateway(config_file(toml(record("@", origin.port))))
        loops = []

        @gateway.on_request(budget=5)
        async def hook(head):
            loops.append(asyncio.get_running_loop())

        async with gateway:
            credentials = grpc.ssl_channel_credentials(ca.pem)
            options = (("grpc.ssl_target_name_override", "gw.test"), ("grpc.default_authority", "gw.test"))
            async with grpc.aio.secure_channel(gateway.addresses[0], credentials, options) as channel:
                assert await channel.unary_unary(SERVICE + "Unary", same, same)(b"hi", timeout=5) == b"hi"
        assert loops == [asyncio.get_running_loop()]

    asyncio.run(main())


def test_stopping_does_not_wait_for_a_hook_that_hangs(begin):
    release = threading.Event()
    gateway, echo = begin(lambda head: release.wait(20) and None, budget=30)
    thread = threading.Thread(target=lambda: refusal(lambda: echo.unary(b"", timeout=3)))
    thread.start()
    eventually(lambda: total(gateway, "hooks_asked") == 1)
    began = time.monotonic()
    gateway.stop(drain=False)
    assert time.monotonic() - began < 10
    release.set()
    thread.join()


@pytest.mark.parametrize(
    ("terms", "why"),
    [
        ({"method": "M"}, "with its service"),
        ({"budget": 0}, "budget is 0"),
        ({"budget": 61}, "budget is 61"),
        ({"on_failure": "open"}, "must be"),
        ({"cache_for": 4000}, "cache_for is 4000"),
        ({"cache_for": 1}, "cache_by names"),
        ({"host": "no host"}, "host is"),
    ],
)
def test_terms_that_make_no_sense(config_file, terms, why):
    gateway = fastgw.Gateway(config_file(toml(record("@", 1))))
    with pytest.raises(ValueError, match=why):
        gateway.on_request(**terms)(lambda head: None)


def test_hooks_come_before_the_start(begin):
    gateway, _ = begin()
    with pytest.raises(fastgw.StartupError, match="before the gateway starts"):
        gateway.on_request()


def test_a_denial_has_a_status_of_a_failure():
    with pytest.raises(ValueError, match="status"):
        Deny("OK")


def test_the_wire_without_a_gateway_is_not_asked(begin):
    """A connection that sends no request asks nothing."""
    gateway, _ = begin(lambda head: None)
    with socket.create_connection(host_and_port(gateway.addresses[0])):
        pass
    assert total(gateway, "hooks_asked") == 0
