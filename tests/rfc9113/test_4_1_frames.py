"""RFC 9113 section 4: frames, their size, and field blocks."""

import pytest

from tests.support import frames as f
from tests.support.frames import Type
from tests.support.malformed import BOTH, Case, cases
from tests.support.playbook import Playbook, pong, refused


@pytest.mark.rfc("9113 4.2")
@pytest.mark.parametrize("case", cases("4.2", "4.3"))
def test_refused(case: Case) -> None:
    refused(case)


@pytest.mark.rfc("9113 4.1")
@pytest.mark.parametrize("toward", BOTH)
def test_the_reserved_bit_is_ignored(toward: str) -> None:
    book = Playbook(toward)
    book << f.frame(Type.PING, 1 << 31, b"12345678")
    book >> pong(b"12345678")


@pytest.mark.rfc("9113 4.1")
@pytest.mark.parametrize("toward", BOTH)
def test_flags_without_meaning_are_ignored(toward: str) -> None:
    book = Playbook(toward)
    stream = book.stream()
    book << f.frame(Type.PING, 0, b"12345678", 0xFE) + f.frame(Type.DATA, stream, b"abc", 0xF6)
    book >> pong(b"12345678")
    assert book.events("data") == [("data", stream, b"abc", False)]


@pytest.mark.rfc("9113 4.2")
@pytest.mark.parametrize("toward", BOTH)
def test_the_largest_frame_we_allow_is_taken(toward: str) -> None:
    book = Playbook(toward)
    stream = book.stream()
    book << f.data(stream, bytes(16384)) + f.frame(0x77, 0, bytes(16384))
    assert sum(len(event[2]) for event in book.events("data")) == 16384
    assert book.door.reason == 0


@pytest.mark.rfc("9113 4.2")
def test_we_never_send_a_frame_larger_than_16384_octets() -> None:
    book = Playbook("client", theirs=f.settings((f.Setting.MAX_FRAME_SIZE, 1 << 20)))
    stream = book.stream(ended=True)
    book.door.send_head(stream, [(b":status", b"200"), (b"x-long", b"~" * 40000)])
    book.door.send_data(stream, bytes(40000), True)
    said = book.output()
    assert [frame.type for frame in said[:3]] == [Type.HEADERS, Type.CONTINUATION, Type.CONTINUATION]
    assert [bool(frame.flags & f.END_HEADERS) for frame in said[:3]] == [False, False, True]
    assert {frame.type for frame in said[3:]} == {Type.DATA}
    assert max(len(frame.payload) for frame in said) == 16384
    fields = dict(book.reader.fields(b"".join(frame.payload for frame in said[:3])))
    assert fields[b"x-long"] == b"~" * 40000


@pytest.mark.rfc("9113 4.3")
@pytest.mark.parametrize("ending", ["refused", "reset", "too-many"])
def test_the_tables_stay_in_step_whatever_becomes_of_the_stream(ending: str) -> None:
    book = Playbook("client", max_concurrent_streams=1)
    secret = (b"x-secret", b"of the first stream")
    first = f.request(b"/a.B/C", b"gw.test", secret)
    if ending == "refused":
        book << book.head(1, [*first, (b"connection", b"close")], end=True)
    elif ending == "reset":
        book.stream()
        book << f.rst_stream(1) + book.head(1, [(b"grpc-status", b"0"), secret], end=True)
    else:
        book << book.head(1) + book.head(3, first, end=True) + f.rst_stream(1)
    book.events()
    fields = [*f.request(b"/x.Y/Z"), (b"x-own", b"value"), secret]
    book << book.head(5, fields, end=True)
    assert book.events("head") == [("head", 5, fields, True)]


@pytest.mark.rfc("9113 4.3.1")
def test_a_table_that_shrank_and_grew_in_one_settings_is_emptied() -> None:
    size = f.Setting.HEADER_TABLE_SIZE
    book = Playbook("client")
    fields = [(b":status", b"200"), (b"x-kept", b"in the table")]
    for stream in (1, 3):
        book << book.head(stream, end=True)
        book.door.send_head(stream, fields, True)
        book.reader.fields(book.output()[-1].payload)
        if stream == 1:
            book << f.settings((size, 0), (size, 4096))
            decoder = book.reader._decoder
            decoder.max_allowed_table_size = decoder.header_table_size = 0
            decoder.max_allowed_table_size = 4096
            book.output()
    assert book.door.reason == 0
