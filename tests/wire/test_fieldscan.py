"""The field scan: the table against the grammar, the vectors against the table, never an octet too far."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastgw._core.wire.fields import octet_classes, scan
from tests.support.island import island

SCALAR, SSE2, AVX2, NEON = range(4)
TWINS = [twin for twin in (SSE2, AVX2, NEON) if scan("name", b"x", twin) is not None]
LONGEST = 140

LOWER, UPPER, DIGIT = (
    set(text.encode()) for text in (string.ascii_lowercase, string.ascii_uppercase, string.digits)
)
TCHAR = set(b"!#$%&'*+-.^_`|~") | LOWER | UPPER | DIGIT  # RFC 9110 section 5.6.2
SUB_DELIMS = set(b"!$&'()*+,;=")  # RFC 3986 section 2.2
UNRESERVED = set(b"-._~") | LOWER | UPPER | DIGIT
LEGAL = {
    1: TCHAR - UPPER,
    2: TCHAR,
    4: set(range(256)) - set(range(0x20)) - {0x7F} | {0x09},
    8: set(range(0x21, 0x7F)) - set(b"#"),
    16: UNRESERVED | SUB_DELIMS | set(b"%:[]"),
}


@pytest.mark.parametrize("bit", LEGAL)
def test_the_table_is_the_grammar(bit):
    assert {octet for octet in range(256) if octet_classes(bytes([octet])) & bit} == LEGAL[bit]


def test_no_octets_at_all_are_legal():
    assert octet_classes(b"") == 31
    for twin in (SCALAR, *TWINS):
        assert scan("name", b"", twin) is True
        assert scan("value", b"", twin) is True


@pytest.mark.parametrize("what", ["name", "value"])
@pytest.mark.parametrize("twin", TWINS)
def test_one_octet_decides_wherever_it_stands(what, twin):
    legal = LEGAL[1 if what == "name" else 4]
    for length in (*range(1, 40), 63, 64, 65, 95, 96, 97, 128, 129):
        octets = bytearray(b"a" * length)
        for at in {0, 1, length // 2, length - 2, length - 1} & set(range(length)):
            for octet in (
                0,
                9,
                10,
                13,
                31,
                32,
                45,
                46,
                47,
                48,
                57,
                58,
                64,
                65,
                93,
                94,
                96,
                122,
                123,
                126,
                127,
                128,
                255,
            ):
                octets[at] = octet
                assert scan(what, octets, twin) is (octet in legal), (length, at, octet)
            octets[at] = ord("a")


mostly_legal = st.lists(
    st.one_of(st.sampled_from(sorted(LEGAL[1])), st.sampled_from(sorted(LEGAL[1])), st.integers(0, 255)),
    max_size=LONGEST,
).map(bytes)


@given(octets=st.one_of(mostly_legal, st.binary(max_size=LONGEST)), shift=st.integers(0, 31))
def test_vectors_and_table_agree(octets, shift):
    view = memoryview(b"\0" * shift + octets + b"\0")[shift : shift + len(octets)]
    for what, bit in (("name", 1), ("value", 4)):
        truth = all(octet in LEGAL[bit] for octet in octets)
        assert scan(what, view) is truth
        assert scan(what, view, SCALAR) is truth
        for twin in TWINS:
            assert scan(what, view, twin) is truth


@pytest.fixture(scope="module")
def page():
    with island() as view:
        yield view


@pytest.mark.parametrize("twin", [-1, SCALAR, *TWINS])
def test_nothing_outside_is_read(page, twin):
    page[:] = b"a" * len(page)
    for length in range(1, LONGEST):
        for view in (page[:length], page[len(page) - length :]):
            assert scan("name", view, twin) is True
            assert scan("value", view, twin) is True
