"""The score: recorded clients fit what they say they are, and do not fit what others say they are."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastgw._core.inspect.bots import FAMILIES, TABLE, BotReason, score, words
from fastgw._core.io.fingerprint import fingerprint
from fastgw._core.wire.opening import text

HEADS = Path(__file__).parent.parent / "managed/heads"
CLIENTS = {path.stem: json.loads(path.read_text()) for path in sorted(HEADS.glob("*.json"))}
Fields = list[tuple[bytes, bytes]]


def octets(head: Iterable[tuple[str, str]]) -> Fields:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in head]


def settings(client: dict[str, Any]) -> bytes:
    pairs = client["opening"]["settings"]
    return b"".join(number.to_bytes(2, "big") + value.to_bytes(4, "big") for number, value in pairs)


def ja4(client: dict[str, Any]) -> bytes | None:
    if not client["hello"]:
        return None
    message = base64.b64decode(client["hello"])
    found = fingerprint([b"\x16\x03\x01" + len(message).to_bytes(2, "big") + message])
    assert isinstance(found, dict)
    return found["ja4"]


def judged(client: dict[str, Any], head: Fields) -> tuple[int, list[str]]:
    return score(head, settings(client), client["opening"]["window_update"], ja4(client))


def agent(client: dict[str, Any]) -> bytes:
    return dict(octets(client["heads"][0]))[b"user-agent"]


@pytest.mark.parametrize("name", CLIENTS)
def test_a_client_that_is_what_it_says(name: str) -> None:
    client = CLIENTS[name]
    for head in client["heads"]:
        assert judged(client, octets(head)) == (99, [])


PAIRS = [(name, other) for name in CLIENTS for other in CLIENTS if name != other]


@pytest.mark.parametrize(("name", "claimed"), PAIRS)
def test_a_client_that_says_it_is_another(name: str, claimed: str) -> None:
    """With everything else as it really is, each lie costs at least what one difference costs."""
    client = CLIENTS[name]
    head = [(n, agent(CLIENTS[claimed]) if n == b"user-agent" else v) for n, v in octets(client["heads"][0])]
    number, reasons = judged(client, head)
    assert number <= 74
    assert {"order_differs", "settings_differ", "tls_differs", "window_differs"} & set(reasons)


GO = CLIENTS["grpc-go"]
WEB = CLIENTS["grpc-web-chrome"]


def changed(client: dict[str, Any], without: str = "", **fields: str) -> Fields:
    named = {name.replace("_", "-"): value for name, value in fields.items()}
    head = [(name, named.pop(name, value)) for name, value in client["heads"][0] if name != without]
    return octets([*head, *named.items()])


CASES = [
    (GO, changed(GO, "user-agent"), ["agent_missing"]),
    (GO, [*changed(GO), (b"user-agent", b"grpc-go/1.85.0")], ["agent_twice"]),
    (GO, changed(GO, user_agent="grpc-go/dev"), ["agent_malformed"]),
    (GO, changed(GO, user_agent="shop/1.0 grpc-go/1.85.0"), []),
    (GO, changed(GO, user_agent="shop-grpc-go/1.85.0"), ["agent_unknown"]),
    (GO, changed(GO, user_agent="my-client"), ["agent_unknown"]),
    (GO, changed(GO, user_agent="python-requests/2.32"), ["agent_tool"]),
    (GO, changed(GO, user_agent="Mozilla/5.0 Nikto/2.5"), ["agent_scanner"]),
    (GO, changed(GO, "te"), ["te_missing"]),
    (GO, changed(GO, content_type="text/html"), ["not_grpc"]),
    (WEB, changed(WEB, "origin"), ["origin_missing"]),
    (WEB, changed(WEB, "sec-fetch-site"), ["fetch_missing"]),
    (WEB, changed(WEB, content_type="application/grpc", te="trailers"), ["browser_native"]),
    (CLIENTS["grpc-js"], changed(CLIENTS["grpc-js"], "grpc-accept-encoding"), ["encodings_missing"]),
]


@pytest.mark.parametrize(("client", "head", "reasons"), CASES)
def test_each_reason_alone(client: dict[str, Any], head: Fields, reasons: list[str]) -> None:
    points = sum(TABLE[BotReason[reason.upper()]][0] for reason in reasons)
    assert judged(client, head) == (max(1, 99 - points), reasons)


def test_reasons_of_the_connection() -> None:
    head = octets(GO["heads"][0])
    good = ja4(GO)
    assert good is not None
    assert score(head, b"", 0, good) == (99, [])
    assert score(head, bytes.fromhex("000300000064"), 0, good)[1] == ["settings_differ"]
    assert score(head, b"", 0, good.replace(b"t13d09", b"t13d59"))[1] == ["tls_differs"]
    assert score(head, b"", 0, good.replace(b"h2_", b"h1_"))[1] == ["alpn_odd"]
    assert score(head, b"", 0, None, True)[1] == ["tls_odd"]
    assert score([head[1], head[0], *head[2:]], b"", 0, good)[1] == ["order_differs"]
    tonic = CLIENTS["grpc-dotnet"]
    assert score(octets(tonic["heads"][0]), settings(tonic), 0)[1] == ["window_differs"]
    assert score(head) == (99, [])


def test_every_reason_has_a_test() -> None:
    told = {reason for _, _, reasons in CASES for reason in reasons}
    told |= {"settings_differ", "tls_differs", "alpn_odd", "tls_odd", "order_differs", "window_differs"}
    assert told == {reason.name.lower() for reason in BotReason}
    assert len(FAMILIES) >= 15


def test_words_are_heaviest_first() -> None:
    every = sum(BotReason)
    points = [TABLE[BotReason[name.upper()]][0] for name in words(every)]
    assert points == sorted(points, reverse=True)


@given(
    st.lists(st.tuples(st.binary(max_size=30), st.binary(max_size=300)), max_size=12), st.binary(max_size=90)
)
def test_whatever_comes_has_a_score(fields: Fields, raw: bytes) -> None:
    head = [(b"user-agent", raw), *fields, (b"content-type", b"application/grpc")]
    number, _ = score(head, raw[: len(raw) // 6 * 6], 1, None, True)
    assert 1 <= number <= 99


@pytest.mark.parametrize("name", CLIENTS)
def test_an_opening_in_words(name: str) -> None:
    opening = CLIENTS[name]["opening"]
    names = [pair[0] for pair in octets(CLIENTS[name]["heads"][0])]
    pairs = ";".join(f"{number}:{value}" for number, value in opening["settings"])
    expected = f"{pairs}|{opening['window_update']}|0|{opening['order']}"
    assert text(settings(CLIENTS[name]), opening["window_update"], 0, names) == expected


def test_the_longest_opening_has_room() -> None:
    entry = b"\xff\xff\xff\xff\xff\xff"
    found = text(entry * 32, 0xFFFFFFFF, 0xFFFF, [b":path", b":method", b":scheme", b":authority"])
    assert found == ";".join(["65535:4294967295"] * 10) + ";...|4294967295|65535|p,m,s,a"
