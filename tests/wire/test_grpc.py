"""Messages wherever the pieces are cut; media types, timeouts and percent-encoding against short models."""

import itertools
import re
import struct
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastgw._core.wire.grpc import Messages, is_grpc, percent_encoded, timeout

INT64_MAX = (1 << 63) - 1


def message(size, flag=0):
    return struct.pack(">BI", flag, size) + b"x" * size


def model(octets):
    """What a scan of `octets` must say, read in one go."""
    messages = largest = at = 0
    flag_invalid = False
    while len(octets) - at >= 5:
        flag, size = struct.unpack_from(">BI", octets, at)
        flag_invalid |= flag > 1
        largest = max(largest, size)
        state = {"messages": messages, "largest": largest, "flag_invalid": flag_invalid}
        if len(octets) - at - 5 < size:
            return state | {"left": size - (len(octets) - at - 5), "prefix": None, "at_boundary": False}
        at += 5 + size
        messages += 1
    state = {"messages": messages, "largest": largest, "flag_invalid": flag_invalid}
    return state | {"left": 0, "prefix": octets[at:], "at_boundary": at == len(octets)}


def scanned(*pieces):
    scan = Messages()
    for piece in pieces:
        scan.feed(piece)
    return scan.state()


streams = st.one_of(
    st.lists(st.builds(message, st.integers(0, 40), st.sampled_from([0, 1, 1, 2, 255])), max_size=6).map(
        b"".join
    ),
    st.binary(max_size=60),
    st.lists(st.sampled_from([b"\0", b"\1", b"\0\0\0\0", b"\3abc"]), max_size=20).map(b"".join),
)


@given(octets=streams, cuts=st.lists(st.integers(0, 300), max_size=12), tail=st.integers(0, 10))
def test_cutting_changes_nothing(octets, cuts, tail):
    octets = octets[: len(octets) - tail] if tail < len(octets) else octets
    edges = sorted({0, len(octets), *(cut for cut in cuts if cut < len(octets))})
    pieces = [octets[start:end] for start, end in itertools.pairwise(edges)]
    assert scanned(*pieces) == model(octets)
    assert scanned(*(octets[at : at + 1] for at in range(len(octets)))) == model(octets)


def test_a_call_begins_at_a_boundary_and_an_empty_message_is_one():
    assert scanned()["at_boundary"]
    assert scanned(message(0)) == model(message(0))
    assert scanned(message(0))["messages"] == 1


def test_a_message_that_is_cut_is_seen():
    assert not scanned(message(3)[:-1])["at_boundary"]
    assert not scanned(message(3), b"\0")["at_boundary"]
    assert scanned(message(3)[:-1])["messages"] == 0


def test_the_largest_message_counts_as_soon_as_it_is_announced():
    state = scanned(message(2), b"\0\xff\xff\xff\xff", b"x")
    assert (state["largest"], state["left"], state["messages"]) == (0xFFFFFFFF, 0xFFFFFFFE, 1)


@pytest.mark.parametrize(
    "value",
    [
        b"application/grpc",
        b"application/grpc+proto",
        b"application/grpc+x",
        b"APPLICATION/gRPC",
        b"Application/Grpc+JSON",
        b"application/grpc;charset=utf-8",
        b"application/grpc ; q=1",
        b"application/grpc\t",
        b"application/grpc+proto;a=b",
        b"application/grpc++",
    ],
)
def test_what_is_grpc(value):
    assert is_grpc(value)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b";",
        b"application/grp",
        b"application/grpcfoo",
        b"application/grpc-web",
        b"application/grpc-web+proto",
        b"application/grpc-web-text",
        b"application/grpc+",
        b"application/grpc+;a=b",
        b"application/grpc+ ;a=b",
        b"application/grpc proto",
        b"application/grpc,",
        b"application/json;application/grpc",
        b"application\x0fgrpc",
        b"application/\x67\x52pc\x00",
        b"xapplication/grpc",
        b"text/plain",
    ],
)
def test_what_is_not_grpc(value):
    assert not is_grpc(value)


@given(
    st.text("aApPlLiIcCtToOnN/gGrR+;- \t", max_size=24).map(str.encode)
    | st.text("gc+;- p", max_size=4).map(lambda more: b"application/grpc" + more.encode())
)
def test_media_types_like_the_model(value):
    kind = value.lower().split(b";")[0].rstrip(b" \t")
    assert is_grpc(value) == bool(re.fullmatch(rb"application/grpc(\+.+)?", kind))


UNITS = {b"H": 3600 * 10**9, b"M": 60 * 10**9, b"S": 10**9, b"m": 10**6, b"u": 10**3, b"n": 1}


@given(number=st.integers(0, 99999999), width=st.integers(1, 8), unit=st.sampled_from(sorted(UNITS)))
def test_timeouts_in_nanoseconds(number, width, unit):
    assert timeout(b"%0*d%s" % (width, number, unit)) == min(number * UNITS[unit], INT64_MAX)


def test_a_timeout_that_does_not_fit_becomes_the_largest():
    assert timeout(b"99999999H") == INT64_MAX
    assert timeout(b"2562047H") == 2562047 * UNITS[b"H"]
    assert timeout(b"2562048H") == INT64_MAX


@pytest.mark.parametrize(
    "value",
    b",S,1,12,1s,1h,-1S,+1S, 1S,1 S,1S ,1.5S,123456789S,1SS,\xb2S".split(b","),
)
def test_malformed_timeouts(value):
    assert timeout(value) == -1


def test_percent_encoding():
    assert percent_encoded(b"a b~%\x7f\x00\r\n", 100) == (b"a b~%25%7F%00%0D%0A", False)
    assert percent_encoded("naïve".encode(), 100)[0] == b"na%C3%AFve"
    assert percent_encoded(b"", 0) == (b"", False)


@given(text=st.one_of(st.text(max_size=40).map(str.encode), st.binary(max_size=40)), room=st.integers(0, 130))
def test_percent_encoding_round_trips_and_keeps_to_its_room(text, room):
    encoded, overrun = percent_encoded(text, room)
    assert not overrun
    assert len(encoded) <= room
    assert all(0x20 <= octet <= 0x7E for octet in encoded)
    decoded = unquote_to_bytes(encoded)
    assert text.startswith(decoded)
    whole = percent_encoded(text, 3 * len(text))[0]
    assert unquote_to_bytes(whole) == text
    if len(whole) <= room:
        assert encoded == whole


@given(text=st.text(max_size=40), room=st.integers(0, 100))
def test_what_is_left_off_leaves_no_half_character(text, room):
    decoded = unquote_to_bytes(percent_encoded(text.encode(), room)[0]).decode()
    assert text.startswith(decoded)
    if len(decoded) < len(text):
        assert len(percent_encoded(text[: len(decoded) + 1].encode(), 1000)[0]) > room
