"""What a local answer and the access log say of a call: who failed, when, where, and how long it took."""

from __future__ import annotations

import contextlib
import json
import socket
import time

import pytest

from tests.support import frames
from tests.support.calls import Refused, eventually, record, toml, tried
from tests.support.frames import Code, Setting, Type, message
from tests.support.grpc_echo import Echo
from tests.support.raw_origin import GRPC_HEAD, RawOrigin

UNKNOWN_CODE = 99


@pytest.fixture
def logged(gateway, tmp_path):
    """`logged(text)`: a gateway with an access log; `logged.lines()` is what stands there."""
    file = tmp_path / "access.log"

    def start(text):
        return gateway(toml=text.replace("[[zone]]", f'[log]\naccess = "{file}"\n[[zone]]', 1))

    def lines(count):
        eventually(lambda: file.exists() and len(file.read_text().splitlines()) >= count)
        return [json.loads(line) for line in file.read_text().splitlines()]

    start.lines = lines
    return start


def closed_port(stack):
    """A port that refuses connections until the test ends."""
    held = stack.enter_context(socket.socket())
    held.bind(("127.0.0.1", 0))
    return held.getsockname()[1]


def test_the_last_of_several_endpoints_is_named(logged, open_channel):
    with contextlib.ExitStack() as stack:
        ports = [closed_port(stack) for _ in range(3)]
        house = logged(toml(*(record("@", port) for port in ports)))
        refused = Refused(lambda: Echo(open_channel(house.address)).unary(b"x", timeout=5))
    error = "origin_refused; side=origin; phase=connect"
    assert refused.fastgw_error in [tried(error, port, 3) for port in ports]
    row = logged.lines(1)[0]
    assert (row["attempts"], row["lease_ns"], row["first_ns"]) == (3, -1, 0)
    assert refused.fastgw_error == (
        f"{row['error']}; side={row['side']}; phase={row['phase']}"
        f"; endpoint={row['endpoint']}; attempt={row['attempts']}"
    )


def test_a_denial_has_tried_nothing(logged, origin, open_channel):
    house = logged(toml(record("@", origin.port), grpc="off"))
    refused = Refused(lambda: Echo(open_channel(house.address)).unary(b"x", timeout=5))
    assert refused.fastgw_error == "grpc_disabled; side=gateway; phase=policy"
    row = logged.lines(1)[0]
    assert (row["endpoint"], row["attempts"], row["lease_ns"]) == ("", 0, -1)


def test_an_endpoint_is_named_in_what_a_field_may_carry(gateway, open_channel, tmp_path):
    path = tmp_path / "a; b=\u00fc"
    name = f'name = "@", content = "unix:{path}", proxied = true, origin_protocol = "h2c"'
    house = gateway(toml=toml(f"{{ {name} }}"))
    refused = Refused(lambda: Echo(open_channel(house.address)).unary(b"x", timeout=5))
    shown = f"unix:{tmp_path}/a__b=__"
    assert refused.fastgw_error == (
        f"origin_refused; side=origin; phase=connect; endpoint={shown}; attempt=1"
    )


def test_a_long_name_is_cut(gateway, open_channel):
    long = ".".join(["x" * 60] * 3 + ["invalid"])
    target = f'{{ name = "@", type = "CNAME", content = "{long}", proxied = true }}'
    refused = Refused(lambda: Echo(open_channel(gateway(toml=toml(target)).address)).unary(b"x", timeout=5))
    assert refused.fastgw_error == (f"origin_dns; side=origin; phase=dns; endpoint={long[:128]}; attempt=1")


def test_a_line_has_all_of_a_call(logged, origin_leaf):
    """Two messages up, three down, a slow connection, a slow answer; the status stands in the trailers."""

    def play(peer):
        time.sleep(0.15)
        peer.begin()
        stream_id, _ = peer.request()
        peer.expect(Type.DATA, where=lambda frame: frame.ends_stream)
        time.sleep(0.1)
        peer.head(stream_id, GRPC_HEAD)
        peer.send(frames.data(stream_id, message(b"a") + message(b"b") + message(b"c")))
        time.sleep(0.05)
        peer.head(stream_id, [(b"grpc-status", b"9")], end=True)
        peer.expect_closed()

    with RawOrigin(play, origin_leaf) as origin:
        house = logged(toml(record("@", origin.port)))
        with house.raw() as client:
            client.begin()
            client.head(1, frames.request(b"/s/M"))
            client.send(frames.data(1, message(b"1") + message(b"22"), end=True))
            assert client.answer(1).grpc_status == 9
        row = logged.lines(1)[0]
    assert row["grpc_status"] == 9
    assert (row["request_messages"], row["response_messages"]) == (2, 3)
    assert (row["endpoint"], row["attempts"]) == (f"127.0.0.1:{origin.port}", 1)
    assert (row["error"], row["side"], row["path"], row["status"]) == ("", "", "/s/M", 200)
    times = [0, 150_000_000, row["lease_ns"], row["lease_ns"] + 100_000_000, row["first_ns"]]
    assert times == sorted(times), times
    assert row["first_ns"] + 50_000_000 <= row["duration_ns"] < 5_000_000_000


def test_a_call_on_an_open_connection_does_not_wait(logged, origin, open_channel):
    echo = Echo(open_channel(logged(toml(record("@", origin.port))).address))
    for _ in range(2):
        echo.unary(b"x", timeout=5)
    first, second = logged.lines(2)
    assert first["lease_ns"] > second["lease_ns"] == 0
    assert second["first_ns"] > 0


# ---- resets


def test_a_clients_reset_is_translated_by_the_table(logged, origin_leaf):
    """Each code, what the origin hears and what the log says."""
    from fastgw._core.proxy.resets import meaning

    heard = []
    codes = [*Code, UNKNOWN_CODE]

    def play(peer):
        peer.begin((Setting.MAX_CONCURRENT_STREAMS, 100))
        for _ in codes:
            stream_id, _ = peer.request()
            peer.head(stream_id, GRPC_HEAD)
            heard.append(peer.expect(Type.RST_STREAM).code)
        peer.expect_closed()

    with RawOrigin(play, origin_leaf) as origin, logged(toml(record("@", origin.port))).raw() as client:
        client.begin()
        for number, code in enumerate(codes):
            client.head(2 * number + 1, frames.request())
            client.expect(Type.HEADERS)
            client.send(frames.rst_stream(2 * number + 1, code))
            eventually(lambda number=number: len(heard) > number)
        rows = logged.lines(len(codes))
    assert heard == [meaning(code)[0] for code in codes]
    assert [row["grpc_status"] for row in rows] == [meaning(code)[1] for code in codes]
    assert {(row["side"], row["phase"]) for row in rows} == {("client", "stream")}


@pytest.mark.parametrize("answered", [False, True])
def test_an_origins_reset_is_translated_by_the_table(gateway, origin_leaf, answered):
    from fastgw._core.proxy.resets import meaning

    codes = [code for code in [*Code, UNKNOWN_CODE] if answered or code != Code.REFUSED_STREAM]
    saying = iter(codes)

    def play(peer):
        peer.begin()
        for stream_id, _ in peer.requests():
            if answered:
                peer.head(stream_id, GRPC_HEAD)
            peer.send(frames.rst_stream(stream_id, next(saying)))

    with RawOrigin(play, origin_leaf) as origin:
        text = toml(record("@", origin.port)) + "[zone.origin]\neject_after = 0\n"
        with gateway(toml=text).raw() as client:
            client.begin()
            for number, code in enumerate(codes):
                client.head(2 * number + 1, frames.request(), end=True)
                answer = client.answer(2 * number + 1)
                assert answer.grpc_status == meaning(code)[3 if answered else 2], code


def turns_of(house):
    return house.gateway.stats()["total"]["turns"]


def test_a_reset_reaches_the_other_side_within_one_turn(gateway, origin_leaf):
    """Turns counted while nothing else goes on; a timer may add one, so the least of several counts."""
    needed, heard, said = {"client": [], "origin": []}, [], []

    def play(peer):
        peer.begin()
        for stream_id, fields in peer.requests():
            peer.head(stream_id, GRPC_HEAD)
            if dict(fields)[b":path"] == b"/s/Client":
                heard.append(peer.expect(Type.RST_STREAM).code)
            else:
                eventually(lambda: said)
                peer.send(frames.rst_stream(stream_id, said.pop()))

    with RawOrigin(play, origin_leaf) as origin:
        house = gateway(toml=toml(record("@", origin.port)))
        with house.raw() as client:
            client.begin()
            for stream_id in range(1, 21, 2):
                side = "client" if stream_id % 4 == 1 else "origin"
                client.head(stream_id, frames.request(b"/s/Client" if side == "client" else b"/s/Origin"))
                client.expect(Type.HEADERS)
                time.sleep(0.02)
                before = turns_of(house)
                if side == "client":
                    client.send(frames.rst_stream(stream_id, Code.CANCEL))
                    eventually(lambda: heard)
                    heard.clear()
                else:
                    said.append(Code.CANCEL)
                    client.expect(Type.HEADERS)  # trailers
                needed[side].append(turns_of(house) - before)
    assert min(needed["client"]) == 1, needed
    assert min(needed["origin"]) == 1, needed
