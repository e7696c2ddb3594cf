"""Functions against Python's own, on random arguments."""

import base64
import hashlib
import hmac
import json
import time
import urllib.parse
import uuid
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastgw._core.rules import door
from tests.rules.heads import ASKER, USUAL, Known, load
from tests.rules.model import url_decode

_QUICK = settings(max_examples=150, deadline=None)


def literal(octets: bytes) -> str:
    return '"' + "".join(f"\\x{octet:02x}" for octet in octets) + '"'


def computed(call: str, header: bytes, type_: str = "") -> Any:
    """The value of a call of which VALUE is the header."""
    expression = call.replace("VALUE", 'http.request.headers["x"][0]')
    program = load(
        f"{expression} eq 1" if type_ == "int" else f'{expression} eq ""' if not type_ else expression
    )
    assert ASKER.begin(program, Known([*USUAL, (b"x", header)]).head())
    return ASKER.value(program.node_count - 1)


@_QUICK
@given(st.text("abAB%0123456789fFuU+ é", max_size=30).map(str.encode), st.sampled_from(("", "r", "u", "ru")))
def test_url_decode(text: bytes, options: str) -> None:
    call = f'url_decode(VALUE, "{options}")' if options else "url_decode(VALUE)"
    assert computed(call, text) == url_decode(text, options.encode())


@_QUICK
@given(st.binary(max_size=40))
def test_url_decode_is_that_of_forms(text: bytes) -> None:
    coded = urllib.parse.quote_plus(text).encode()
    assert computed("url_decode(VALUE)", coded) == text
    assert computed('url_decode(VALUE, "r")', urllib.parse.quote_plus(coded).encode()) == url_decode(
        coded, b"r"
    )


@_QUICK
@given(st.binary(max_size=40))
def test_base64(text: bytes) -> None:
    assert computed("encode_base64(VALUE)", text) == base64.b64encode(text).rstrip(b"=")
    assert computed('encode_base64(VALUE, "p")', text) == base64.b64encode(text)
    assert computed('encode_base64(VALUE, "up")', text) == base64.urlsafe_b64encode(text)
    for coded in (
        base64.b64encode(text),
        base64.urlsafe_b64encode(text),
        base64.b64encode(text).rstrip(b"="),
    ):
        assert computed("decode_base64(VALUE)", coded) == text


@pytest.mark.parametrize("text", [b"a", b"abcde", b"a*==", b"ab=c", b"===="])
def test_what_is_not_base64_is_missing(text: bytes) -> None:
    assert computed("decode_base64(VALUE)", text) is None


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), st.text(max_size=6)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text("ab\"\\é\n", max_size=3), inner, max_size=4)),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(
    JSON,
    st.lists(st.one_of(st.text('ab"\\é\n', max_size=3), st.integers(0, 3)), min_size=1, max_size=3),
    st.booleans(),
    st.data(),
)
def test_lookup_json(value: Any, path: list[Any], ascii_: bool, data: st.DataObject) -> None:
    text = json.dumps(value, ensure_ascii=ascii_, indent=data.draw(st.sampled_from((None, 1)))).encode(
        "utf-8", "replace"
    )
    there: Any = json.loads(text)
    for key in path:
        fits = isinstance(there, dict) if isinstance(key, str) else isinstance(there, list)
        there = there[key] if fits and (key in there if isinstance(key, str) else key < len(there)) else None
    keys = ", ".join(literal(key.encode()) if isinstance(key, str) else str(key) for key in path)
    wanted = there.encode("utf-8", "replace").replace(b"?", b"?") if isinstance(there, str) else None
    got = computed(f"lookup_json_string(VALUE, {keys})", text)
    if wanted is None or not any(0xD800 <= ord(char) < 0xE000 for char in there):
        assert got == wanted
    number = there if isinstance(there, int) and not isinstance(there, bool) else None
    assert computed(f"lookup_json_integer(VALUE, {keys})", text, "int") == number


@pytest.mark.parametrize(
    ("text", "string"),
    [
        (b'{"a": "\\u00e9\\ud83d\\ude00\\ud800x"}', "é😀\ufffdx".encode()),
        (b'{"a": "\\x"}', None),
        (b'{"a": "x', None),
        (b'{"a" "x"}', None),
        (b'{"a"', None),
        (b'{"b": [1, {"c": "]"}], "a": "x"}', b"x"),
        (b'{"b": [[[[', None),
        (b"{" * 500, None),
        (b"", None),
        (b'["x"]', None),
    ],
)
def test_json_that_is_odd(text: bytes, string: bytes | None) -> None:
    assert computed('lookup_json_string(VALUE, "a")', text) == string


@_QUICK
@given(st.binary(max_size=200))
def test_json_that_is_none(text: bytes) -> None:
    computed('lookup_json_string(VALUE, "a", 0)', b'{"a": [' + text)
    computed("lookup_json_integer(VALUE, 0)", b"[" + text, "int")


@_QUICK
@given(st.binary(max_size=200), st.binary(max_size=200), st.binary(max_size=200))
def test_hmac(key: bytes, first: bytes, second: bytes) -> None:
    assert door.hmac(key, first, second) == hmac.digest(key, first + second, "sha256")


@pytest.mark.parametrize("length", [*range(50, 70), *range(115, 130), 1000, 16384])
def test_sha256_at_the_edges_of_its_blocks(length: int) -> None:
    text = bytes(range(256)) * (length // 256 + 1)
    assert door.hmac(b"k", text[:length], b"") == hmac.new(b"k", text[:length], hashlib.sha256).digest()


NOW = 1_763_800_000
TOKEN = b"/path"


def token(when: int, key: bytes = b"secret", separator: bytes = b"", url: bool = False) -> bytes:
    mac = hmac.digest(key, TOKEN + str(when).encode(), "sha256")
    coded = (
        base64.urlsafe_b64encode(mac).rstrip(b"=")
        if url
        else urllib.parse.quote(base64.b64encode(mac)).encode()
    )
    return TOKEN + separator + str(when).encode() + b"-" + coded


@pytest.mark.parametrize(
    ("text", "more", "valid"),
    [
        (token(NOW), "", True),
        (token(NOW - 10), "", True),
        (token(NOW - 11), "", False),
        (token(NOW, b"other"), "", False),
        (token(NOW).replace(b"/path", b"/parh"), "", False),
        (token(NOW, separator=b"?t="), ", 3", True),
        (token(NOW, separator=b"?t="), "", False),
        (token(NOW, url=True), ', 0, "s"', True),
        (b"", "", False),
        (b"-", "", False),
        (b"1763800000-", "", False),
        (b"12345-1763800000-%", "", False),
    ],
)
def test_timed_hmac(text: bytes, more: str, valid: bool) -> None:
    call = f'is_timed_hmac_valid_v0("secret", VALUE, 10, {NOW}{more})'
    assert computed(call, text, "bool") is valid


def test_uuid() -> None:
    made = uuid.UUID(computed("uuidv4(VALUE)", bytes(range(240, 256))).decode())
    assert (made.version, made.variant) == (4, uuid.RFC_4122)
    assert computed("uuidv4(VALUE)", b"short") is None


@pytest.mark.parametrize(
    ("text", "pattern", "replacement", "flags", "result"),
    [
        (b"/api/users", "/api/*", "/v2/${1}", "", b"/v2/users"),
        (b"/API/Users", "/api/*", "/v2/${1}", "", b"/v2/Users"),
        (b"/API/Users", "/api/*", "/v2/${1}", "s", b"/API/Users"),
        (b"a-b-c", "*-*-*", "${3}${2}${1}${4}$$", "", b"cba${4}$"),
        (b"abc", "abc", "x", "", b"x"),
        (b"abc", "ab", "x", "", b"abc"),
        (b"a*c", r"a\\*c", "x", "", b"x"),
        (b"", "*", "[${1}]", "", b"[]"),
    ],
)
def test_wildcard_replace(text: bytes, pattern: str, replacement: str, flags: str, result: bytes) -> None:
    more = f', "{flags}"' if flags else ""
    assert computed(f'wildcard_replace(VALUE, "{pattern}", "{replacement}"{more})', text) == result


def test_mapped_functions_leave_out_what_is_missing() -> None:
    program = load('any(decode_base64(http.request.headers["x"][*])[*] == "a")')
    assert ASKER.begin(program, Known([*USUAL, (b"x", b"YQ"), (b"x", b"!"), (b"x", b"Yg==")]).head())
    assert ASKER.decide()[0] == 0
    assert ASKER.value(program.node_count - 1) == [b"a", b"b"]


@_QUICK
@given(st.binary(max_size=80), st.binary(max_size=6), st.integers(0, 80))
def test_find(text: bytes, part: bytes, at: int) -> None:
    assert door.find(text, part) == text.find(part) == door.find(text, part, plain=True)
    planted = text[:at] + part + text[at:]
    assert door.find(planted, part) == planted.find(part)


@pytest.mark.parametrize("length", [1, 2, 15, 16, 17, 47, 48, 49, 64, 200])
def test_find_at_each_place(length: int) -> None:
    part = bytes(range(1, length + 1))
    for before in range(40):
        for after in range(0, 40, 3):
            text = b"\0" * before + part + b"\0" * after
            assert door.find(text, part) == before
            assert door.find(text[:-1] if not after else text[: before + length - 1], part) == -1


def test_find_in_hostile_text_takes_linear_time() -> None:
    def cost(size: int, part: bytes) -> float:
        begun = time.process_time()
        for _ in range(3):
            door.find(b"a" * size, part)
        return time.process_time() - begun

    for part in (b"a" * 46 + b"ba", b"a" * 2000 + b"b"):
        cost(1 << 18, part)
        assert cost(1 << 21, part) < 40 * max(cost(1 << 18, part), 0.001)
