"""wire.hpack: decoder and encoder against the hpack package, over sequences of blocks."""

import hpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastgw._core.reasons import Reason
from fastgw._core.wire.hpack_door import Decoder, Encoder, static_entries, static_name_index, table_idle_size

Section = list[tuple[bytes, bytes]]

NAMES = st.one_of(
    st.sampled_from(
        [
            b":path",
            b":method",
            b":status",
            b":authority",
            b"content-type",
            b"te",
            b"grpc-timeout",
            b"authorization",
            b"content-length",
            b"accept-encoding",
            b"grpc-message",
            b"cookie",
            b"accept",
        ]
    ),
    st.integers(0, 12).map(lambda number: b"x-name-%d" % number),
    st.binary(max_size=6),
)
VALUES = st.one_of(
    st.sampled_from([b"", b"GET", b"POST", b"200", b"/", b"gzip, deflate", b"trailers", b"application/grpc"]),
    st.integers(0, 5).map(lambda number: b"value-%d" % number),
    st.binary(max_size=30),
    st.integers(0, 600).map(lambda length: b"\x00" * length),
    st.integers(0, 3000).map(lambda length: b"a" * length),
)
SECTIONS = st.lists(st.tuples(NAMES, VALUES), max_size=14)
SIZES = st.one_of(
    st.none(), st.none(), st.sampled_from([0, 31, 33, 64, 100, 200, 1000, 4095, 4096]), st.integers(0, 4096)
)
LIVES = settings(deadline=None, max_examples=40)
STEPS = st.lists(st.tuples(SIZES, SIZES, SECTIONS), max_size=12)


def pairs(decoder: Decoder) -> Section:
    return [field[:2] for field in decoder.fields]


def plain(fields: object) -> Section:
    return [(bytes(name), bytes(value)) for name, value in fields]


class Bare:
    """An encoder for tests: says exactly which representation to use."""

    @staticmethod
    def indexed(index: int) -> bytes:
        octets = hpack.hpack.encode_integer(index, 7)
        octets[0] |= 0x80
        return bytes(octets)

    @staticmethod
    def literal(
        value: bytes, name: bytes = b"", index: int = 0, first: int = 0x40, coded: bool = False
    ) -> bytes:
        octets = hpack.hpack.encode_integer(index, 6 if first == 0x40 else 4)
        octets[0] |= first
        return bytes(octets) + (b"" if index else Bare.string(name, coded)) + Bare.string(value, coded)

    @staticmethod
    def string(text: bytes, coded: bool) -> bytes:
        text = hpack.Encoder().huffman_coder.encode(text) if coded else text
        octets = hpack.hpack.encode_integer(len(text), 7)
        octets[0] |= 0x80 if coded else 0
        return bytes(octets) + text

    @staticmethod
    def size(size: int) -> bytes:
        octets = hpack.hpack.encode_integer(size, 5)
        octets[0] |= 0x20
        return bytes(octets)


@given(STEPS, st.booleans())
@LIVES
def test_we_read_what_the_hpack_package_writes(steps: list, huffman: bool) -> None:
    theirs, ours = hpack.Encoder(), Decoder()
    for size, other, section in steps:
        for change in (size, other):
            # The package forgets a change that is set twice in a row.
            if change is not None and change != theirs.header_table_size:
                theirs.header_table_size = change
        assert ours.decode(theirs.encode(section, huffman=huffman)) == Reason.ACCEPTED
        assert pairs(ours) == section
        assert ours.table == list(theirs.header_table.dynamic_entries)
        assert ours.table_size == theirs.header_table._current_size


@given(STEPS)
@LIVES
def test_the_hpack_package_reads_what_we_write(steps: list) -> None:
    ours, theirs = Encoder(), hpack.Decoder()
    for size, other, section in steps:
        for change in (size, other):
            if change is not None:
                ours.resize(change)
        assert plain(theirs.decode(ours.encode(section), raw=True)) == section
        assert ours.table == list(theirs.header_table.dynamic_entries)
        assert ours.table_size == theirs.header_table._current_size


@given(STEPS)
@LIVES
def test_what_passes_through_us_arrives(steps: list) -> None:
    theirs, decoder, encoder, end = hpack.Encoder(), Decoder(), Encoder(), hpack.Decoder()
    for size, other, section in steps:
        if size is not None and size != theirs.header_table_size:
            theirs.header_table_size = size
        if other is not None:
            encoder.resize(other)
        assert decoder.decode(theirs.encode(section)) == Reason.ACCEPTED
        assert plain(end.decode(encoder.relay(decoder), raw=True)) == section
        assert encoder.table == list(end.header_table.dynamic_entries)


OPERATIONS = st.one_of(
    st.tuples(st.just("indexed"), st.integers(1, 70)),
    st.tuples(st.just("named"), st.integers(1, 70), st.integers(0, 90), st.booleans()),
    st.tuples(st.just("spelled"), st.integers(0, 60), st.integers(0, 90), st.booleans()),
    st.tuples(st.just("spelled"), st.just(1500), st.integers(0, 2600), st.booleans()),
)


@given(
    st.integers(0, 4096) | st.integers(0, 300),
    st.lists(st.lists(OPERATIONS, max_size=25), max_size=5),
    st.sampled_from([(65536, 65536), (65536, 700), (65536, 0), (20000, 65536)]),
)
@settings(deadline=None, max_examples=80)
def test_eviction_in_a_block_spares_the_fields_already_read(size: int, blocks: list, limits: tuple) -> None:
    """Entries that fields of the section point to are evicted by later fields of the same block."""
    ours, theirs = Decoder(*limits), hpack.Decoder(max_header_list_size=10**9)
    ours.decode(Bare.size(size))
    theirs.decode(Bare.size(size))
    tag = 0
    for operations in blocks:
        block = b""
        rehearsal = hpack.Decoder(max_header_list_size=10**9)
        rehearsal.header_table.maxsize = size
        rehearsal.header_table.dynamic_entries.extend(theirs.header_table.dynamic_entries)
        rehearsal.header_table._current_size = theirs.header_table._current_size
        section: Section = []
        for kind, *rest in operations:
            tag += 1
            if kind != "spelled":
                rest[0] = 1 + (rest[0] - 1) % (61 + len(rehearsal.header_table.dynamic_entries))
            if kind == "indexed":
                one = Bare.indexed(rest[0])
            elif kind == "named":
                one = Bare.literal((b"%d." % tag * rest[1])[: rest[1]], index=rest[0], coded=rest[2])
            else:
                one = Bare.literal(
                    (b"%d-" % tag * rest[1])[: rest[1]], (b"n%d" % tag * rest[0])[: rest[0]], coded=rest[2]
                )
            section += plain(rehearsal.decode(one, raw=True))
            block += one
        reason = ours.decode(block)
        assert plain(theirs.decode(block, raw=True)) == section
        if reason == Reason.FIELD_BLOCK_TOO_LARGE:
            assert sum(len(name) + len(value) + 32 for name, value in section) > 4 * limits[0]
            return
        assert reason == Reason.ACCEPTED
        assert pairs(ours) == section[: len(ours.fields)]
        assert ours.facts["too_large"] or len(ours.fields) == len(section)
        assert ours.facts["seen"] == len(section)
        assert ours.table == list(theirs.header_table.dynamic_entries)


@given(st.lists(st.binary(max_size=40), max_size=6))
@LIVES
def test_any_octets_are_taken_or_refused_alike(blocks: list[bytes]) -> None:
    ours, theirs = Decoder(2**28), hpack.Decoder(max_header_list_size=10**9)
    for block in blocks:
        try:
            section = plain(theirs.decode(block, raw=True))
        except hpack.HPACKError:
            section = None
        reason = ours.decode(block)
        assert (reason == Reason.ACCEPTED) == (section is not None)
        if section is None:
            return
        assert pairs(ours) == section


@given(SECTIONS, st.data())
@LIVES
def test_a_field_keeps_its_kind_and_fault_in_the_table(section: Section, data: st.DataObject) -> None:
    decoder = Decoder()
    for name, value in section:
        assert decoder.decode(Bare.literal(value, name, coded=data.draw(st.booleans()))) == Reason.ACCEPTED
        spelled = decoder.fields
        if decoder.table:
            assert decoder.decode(Bare.indexed(62)) == Reason.ACCEPTED
            assert decoder.fields == spelled


def test_the_static_table_is_the_rfc_s_and_is_found_by_name_and_value() -> None:
    known = hpack.table.HeaderTable.STATIC_TABLE
    assert static_entries() == [(name, value, index) for index, (name, value) in enumerate(known, 1)]
    for other in [
        b"",
        b"x",
        b":methoe",
        b"te",
        b"x-user-agent",
        b"a" * 300,
        *(name + b"x" for name, _ in known),
    ]:
        assert static_name_index(other) == 0


def test_a_repeated_grpc_head_costs_an_octet_a_field() -> None:
    head = [
        (b":method", b"POST"),
        (b":scheme", b"https"),
        (b":path", b"/helloworld.Greeter/SayHello"),
        (b":authority", b"greeter.example.com"),
        (b"content-type", b"application/grpc"),
        (b"te", b"trailers"),
        (b"grpc-accept-encoding", b"identity, deflate, gzip"),
        (b"user-agent", b"grpc-c/53"),
    ]
    encoder = Encoder()
    encoder.encode(head)
    assert len(encoder.encode(head)) == len(head)


@pytest.mark.parametrize(
    "name",
    [
        b"grpc-timeout",
        b"content-length",
        b"authorization",
        b"proxy-authorization",
        b"grpc-message",
        b"traceparent",
        b"date",
    ],
)
def test_values_not_worth_keeping_and_secrets_stay_out_of_our_table(name: bytes) -> None:
    encoder = Encoder()
    block = encoder.encode([(name, b"12345")])
    assert encoder.table == []
    assert block[0] & 0xF0 == 0x00
    assert plain(hpack.Decoder().decode(block, raw=True)) == [(name, b"12345")]


def test_a_field_of_most_of_the_table_stays_out_of_it() -> None:
    encoder = Encoder()
    largest = 4096 * 3 // 4 - 32 - 1
    encoder.encode([(b"x", b"a" * (largest + 1))])
    assert encoder.table == []
    encoder.encode([(b"x", b"a" * largest)])
    assert len(encoder.table) == 1


def test_a_table_costs_nothing_until_it_holds_something() -> None:
    decoder, encoder = Decoder(), Encoder()
    block = encoder.encode([(b":method", b"GET"), (b"authorization", b"secret")])
    assert decoder.decode(block) == Reason.ACCEPTED
    assert not decoder.table_allocated
    assert not encoder.table_allocated
    assert table_idle_size() < 64
    encoder.encode([(b"x", b"y")])
    assert encoder.table_allocated
    encoder.resize(0)
    assert not encoder.table_allocated


def test_a_long_life_of_insertions_finds_what_it_holds() -> None:
    """More insertions than the index's 16 bits count, so that old numbers come round."""
    encoder, theirs = Encoder(), hpack.Decoder()
    before: Section = []
    for turn in range(70):
        section = [(b"n%d" % (at % 7), b"%x" % (turn * 1000 + at)) for at in range(1000)]
        block = encoder.encode(section)
        if turn % 10 == 9 or turn > 66:
            theirs.header_table.dynamic_entries.clear()
            theirs.header_table.dynamic_entries.extend(before)
            theirs.header_table._current_size = sum(len(name) + len(value) + 32 for name, value in before)
            assert plain(theirs.decode(block, raw=True)) == section
        before = encoder.table
    assert len(encoder.encode(before[:20])) <= 40


def test_a_table_is_as_large_as_what_it_held() -> None:
    """The blocks a table moves through, each once; what it holds survives every move, on both sides."""
    encoder, decoder, theirs = Encoder(), Decoder(), hpack.Decoder()
    rooms: list[tuple[int, int]] = []
    for at in range(300):
        block = encoder.encode([(b"name-%d" % at, b"value-%d" % at)])
        assert decoder.decode(block) == Reason.ACCEPTED
        assert pairs(decoder) == plain(theirs.decode(block, raw=True))
        assert decoder.table == encoder.table
        assert decoder.table_room == encoder.table_room
        if encoder.table_room not in rooms[-1:]:
            rooms.append(encoder.table_room)
    assert rooms == [(4, 112), (8, 240), (16, 496), (32, 1008), (64, 2032), (128, 8128)]


@pytest.mark.parametrize("length", [230, 239, 240, 500, 2000, 4000])
def test_one_long_entry_gets_the_room_it_needs(length: int) -> None:
    decoder = Decoder()
    assert decoder.decode(Bare.literal(b"a" * length, b"x")) == Reason.ACCEPTED
    assert decoder.table == [(b"x", b"a" * length)]
    assert decoder.table_room[1] > length + 1


def test_a_larger_block_in_the_middle_of_a_section_spares_the_fields_already_read() -> None:
    """They, and the name of the entry that makes the table grow, pointed into the block that went."""
    decoder = Decoder()
    assert decoder.decode(Bare.literal(b"by the table", b"lent")) == Reason.ACCEPTED
    assert decoder.decode(Bare.indexed(62)) == Reason.ACCEPTED
    assert decoder.facts["arena_used"] == 0
    block = Bare.indexed(62) + Bare.literal(b"b" * 300, index=62)
    assert decoder.decode(block) == Reason.ACCEPTED
    assert pairs(decoder) == [(b"lent", b"by the table"), (b"lent", b"b" * 300)]
    assert decoder.facts["arena_used"] >= len(b"lentby the table")
    assert decoder.table == [(b"lent", b"b" * 300), (b"lent", b"by the table")]
