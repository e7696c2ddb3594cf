"""fastgw explain: what it prints for recorded octets, by text, and its exit codes."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from unittest import mock

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from fastgw._core.h2.conn_door import ConnDoor
from fastgw._core.reasons import TABLE
from fastgw.cli import group
from fastgw.explain import explain, refusal
from tests.support import frames
from tests.support.frames import PREFACE, Code, literal

BEGIN = PREFACE + frames.settings()
REQUEST = literal(frames.request(b"/s/M", b"gw.test"))
FIELDS = (
    "{:method: POST, :scheme: https, :path: /s/M, :authority: gw.test, "
    "content-type: application/grpc, te: trailers}"
)


def run(*arguments: str, given: bytes | str | None = None) -> Result:
    return CliRunner().invoke(group, ["explain", *arguments], prog_name="fastgw", input=given)


def lines(octets: bytes, *options: str) -> list[str]:
    """What is printed, with blanks at the left taken off."""
    return [line.strip() for line in run(*options, octets.hex()).stdout.splitlines()]


def test_an_honest_call_of_a_client():
    octets = (
        PREFACE
        + frames.settings((4, 1_048_576), (3, 100), (0x99, 1))
        + frames.window_update(0, 65_535)
        + frames.headers(1, REQUEST)
        + frames.data(1, frames.message(b"hello"), end=True, padding=3)
        + frames.settings(ack=True)
        + frames.ping(b"12345678")
        + frames.priority(3, 1, 15)
        + frames.rst_stream(1, Code.CANCEL)
        + frames.goaway(0, 0, b"bye\x1b[2J")
    )
    result = run(octets.hex())
    assert result.exit_code == 0
    assert [line.strip() for line in result.stdout.splitlines()] == [
        "0  preface",
        "24  SETTINGS      stream 0  length 18  -  "
        "INITIAL_WINDOW_SIZE=1048576 MAX_CONCURRENT_STREAMS=100 0x99=1",
        "51  WINDOW_UPDATE stream 0  length 4  -  +65535",
        f"64  HEADERS       stream 1  length 105  END_HEADERS  {FIELDS}",
        "178  DATA          stream 1  length 14  END_STREAM,PADDED  3 of them padding",
        "201  SETTINGS      stream 0  length 0  ACK",
        "210  PING          stream 0  length 8  -  3132333435363738",
        "227  PRIORITY      stream 3  length 5  -  depends on stream 1, weight 16",
        "241  RST_STREAM    stream 1  length 4  -  CANCEL",
        "254  GOAWAY        stream 0  length 15  -  last stream 0, NO_ERROR bye\\x1b[2J",
        "nothing was refused",
    ]


def test_an_answer_of_an_origin():
    head = literal([(b":status", b"200"), (b"content-type", b"application/grpc")])
    trailers = literal([(b"grpc-status", b"0")])
    octets = (
        frames.settings()
        + frames.headers(5, head)
        + frames.data(5, frames.message(b""))
        + frames.headers(5, trailers, end=True)
    )
    result = run("--side", "origin", octets.hex())
    assert result.exit_code == 0
    assert "{:status: 200, content-type: application/grpc}" in result.stdout
    assert "END_STREAM,END_HEADERS  {grpc-status: 0}" in result.stdout


def test_a_block_over_several_frames_is_shown_where_it_ends():
    octets = (
        BEGIN
        + frames.headers(1, REQUEST[:20], end_headers=False)
        + frames.continuation(1, REQUEST[20:50], end_headers=False)
        + frames.continuation(1, REQUEST[50:])
    )
    assert lines(octets)[2:] == [
        "33  HEADERS       stream 1  length 20  -",
        "62  CONTINUATION  stream 1  length 30  -",
        f"101  CONTINUATION  stream 1  length 55  END_HEADERS  {FIELDS}",
        "nothing was refused",
    ]


BEHIND = frames.ping() + frames.ping()
BROKEN = {
    "increment zero": (
        frames.window_update(0, 0) + BEHIND,
        [
            "33  WINDOW_UPDATE stream 0  length 4  -  +0",
            "refused: connection_window_increment_zero: ends the connection with GOAWAY PROTOCOL_ERROR "
            "(RFC 9113 section 6.9)",
            "46  34 octets more, which are not read",
            "1 refused; the first is connection_window_increment_zero, at octet 33",
        ],
    ),
    "field name": (
        frames.headers(1, literal([*frames.request(b"/s/M", b"gw.test"), (b"Upper", b"x")])) + frames.ping(),
        [
            f"33  HEADERS       stream 1  length 114  END_HEADERS  {FIELDS[:-1]}, Upper: x}}",
            "refused: field_name_invalid: ends the stream with RST_STREAM PROTOCOL_ERROR "
            "(RFC 9113 section 8.2.1)",
            "156  PING          stream 0  length 8  -  0000000000000000",
            "1 refused; the first is field_name_invalid, at octet 33",
        ],
    ),
    "block": (
        frames.headers(1, b"\xff\xff\xff\xff\xff\xff\xff"),
        [
            "33  HEADERS       stream 1  length 7  END_HEADERS  (cannot be decoded: hpack_integer_overflow)",
            "refused: hpack_integer_overflow: ends the connection with GOAWAY COMPRESSION_ERROR "
            "(RFC 7541 section 5.1)",
            "1 refused; the first is hpack_integer_overflow, at octet 33",
        ],
    ),
    "too long": (
        frames.frame(frames.Type.DATA, 1, b"", length=1 << 20),
        [
            "33  DATA          stream 1  length 1048576  -  cut short after 0 octets",
            "refused: frame_too_large: ends the connection with GOAWAY FRAME_SIZE_ERROR "
            "(RFC 9113 section 4.2)",
            "1 refused; the first is frame_too_large, at octet 33",
        ],
    ),
    "push": (
        frames.frame(frames.Type.PUSH_PROMISE, 1, b"\0\0\0\2" + literal([(b"a", b"b")]), 4),
        [
            "33  PUSH_PROMISE  stream 1  length 9  END_HEADERS  promises stream 2  {a: b}",
            "refused: push_not_allowed: ends the connection with GOAWAY PROTOCOL_ERROR "
            "(RFC 9113 section 6.6)",
            "1 refused; the first is push_not_allowed, at octet 33",
        ],
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_rule_is_broken(case):
    octets, wanted = BROKEN[case]
    assert run((BEGIN + octets).hex()).exit_code == 1
    assert lines(BEGIN + octets)[2:] == wanted


def test_what_is_ignored_is_shown_and_not_refused():
    octets = BEGIN + frames.frame(0xFA, 7, b"grease", 0x80) + frames.ping()[:12]
    assert lines(octets)[2:] == [
        "33  type 0xfa     stream 7  length 6  0x80",
        "48  PING          stream 0  length 8  -  cut short after 3 octets",
        "nothing was refused",
    ]
    assert lines(BEGIN + b"\0\0\0")[2:] == [
        "33  3 of the 9 octets of a frame header: 000000",
        "nothing was refused",
    ]


def test_a_recording_that_is_no_http2():
    result = run(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".hex())
    assert result.exit_code == 1
    assert result.stdout.splitlines()[:2] == [
        "       0  not the preface: GET / HTTP/1.1\\r\\nHost: a\\r",
        "          refused: preface_invalid: ends the connection with GOAWAY PROTOCOL_ERROR "
        "(RFC 9113 section 3.4)",
    ]
    assert "say --after-preface" in result.stderr
    assert lines(PREFACE[:5]) == ["0  preface, cut short: PRI *", "nothing was refused"]


def test_behind_the_preface():
    octets = frames.headers(1, REQUEST) + frames.rst_stream(3)
    assert lines(octets, "--after-preface")[1:] == [
        "114  RST_STREAM    stream 3  length 4  -  CANCEL",
        "refused: frame_on_idle_stream: ends the connection with GOAWAY PROTOCOL_ERROR "
        "(RFC 9113 section 5.1)",
        "1 refused; the first is frame_on_idle_stream, at octet 114",
    ]
    assert run("--after-preface", BEGIN.hex()).exit_code == 0, "a preface that is there is read as one"
    assert run("--after-preface", "--side", "origin", frames.ping().hex()).exit_code == 0
    assert "first_frame_not_settings" in run("--side", "origin", frames.ping().hex()).stdout


def test_a_long_recording_is_not_refused_for_answers_it_cannot_show():
    """Each call has ended for the client; it may open the next ones as the gateway answers."""
    calls = b"".join(frames.headers(number, REQUEST, end=True) for number in range(1, 1201, 2))
    assert run((BEGIN + calls).hex()).exit_code == 0
    unfinished = b"".join(frames.headers(number, REQUEST) for number in range(1, 516, 2))
    assert "stream_limit_exceeded: ends the stream with RST_STREAM REFUSED_STREAM" in (
        run((BEGIN + unfinished).hex()).stdout
    )


def test_a_long_value_is_cut_and_cannot_reach_the_terminal():
    fields = [*frames.request(), (b"x-long", b"v" * 300), (b"x-odd", b"\xe2\x82\xac\x07")]
    text = run((BEGIN + frames.headers(1, literal(fields))).hex()).stdout
    assert f"x-long: {'v' * 200}... (300 octets), x-odd: \\xe2\\x82\\xac\\x07" in text


HEX = BEGIN.hex(" ")


@pytest.mark.parametrize(
    "text", [HEX, HEX.upper(), HEX.replace(" ", ":"), HEX.replace(" ", ", "), "0x" + HEX.replace(" ", " 0x")]
)
def test_hex_may_be_written_in_many_ways(text, tmp_path: Path):
    assert run(text).exit_code == 0
    assert run("-", given=text).exit_code == 0
    file = tmp_path / "recorded"
    file.write_text(text + "\n")
    assert run(str(file)).stdout == run(BEGIN.hex()).stdout


def test_a_file_or_standard_input_may_hold_the_octets(tmp_path: Path):
    file = tmp_path / "recorded"
    file.write_bytes(BEGIN + frames.ping(b"\xff" * 8))
    assert "PING          stream 0  length 8  -  ffffffffffffffff" in run(str(file)).stdout
    assert run("-", given=file.read_bytes()).stdout == run(str(file)).stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["hello"], "'hello' is neither a file nor hex digits."),
        (["z" * 99], f"'{'z' * 40}...' is neither a file nor hex digits."),
        (["abc"], "HEX has 3 hex digits; two make an octet, so one is missing."),
        ([" "], "There is nothing to explain: no octets were given."),
        (["."], ". cannot be read: is a directory."),
        (["00", "--side", "server"], "'server' is not one of 'client', 'origin'"),
        ([], "Missing argument 'HOST PATH | HEX|FILE|-'"),
    ],
)
def test_wrong_usage_is_exit_code_2(arguments, sentence):
    result = run(*arguments)
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("reason", TABLE, ids=lambda reason: reason.name)
def test_each_reason_can_be_put_in_words(reason):
    found = refusal(reason)
    assert found.name == reason.name.lower()
    assert found.scope in ("stream", "connection")
    assert found.code.isupper()
    assert " section " in found.rule


PIECES = st.one_of(
    st.binary(max_size=40),
    st.builds(
        frames.frame,
        st.integers(0, 12),
        st.sampled_from([0, 1, 2, 3, 5, 0x7FFFFFFE, 0x80000001]),
        st.binary(max_size=20),
        st.integers(0, 255),
    ),
    st.builds(frames.headers, st.sampled_from([1, 3, 5]), st.just(REQUEST), end=st.booleans()),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(PIECES, max_size=8), st.sampled_from(["client", "origin"]))
def test_any_octets_are_explained_and_judged_as_the_connection_judges_them(pieces, side):
    octets = (BEGIN if side == "client" else frames.settings()) + b"".join(pieces)
    with mock.patch("fastgw.explain.OPENED_MAX", 10):
        findings = list(explain(octets, side))
    offsets = [finding.offset for finding in findings]
    assert offsets == sorted(set(offsets))
    assert all(finding.text.isprintable() for finding in findings)
    if side == "client":
        whole = ConnDoor("client", max_concurrent_streams=256, initial_window_size=1_048_576)
        whole.feed(octets)
        assert {one.name for finding in findings for one in finding.refusals} == set(whole.refusals)


def test_standard_input_is_read_as_octets(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(BEGIN), encoding="ascii"))
    result = CliRunner().invoke(group, ["explain", "-"], input=BEGIN)
    assert result.exit_code == 0
