"""RFC 8446 section 7: secrets from secrets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastgw._core.io import secrets
from tests.io.records_support import expand

# RFC 8448 section 3
SERVER = bytes.fromhex("a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643")
CLIENT = bytes.fromhex("9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5")


@pytest.mark.rfc("8446 7.3")
@pytest.mark.parametrize(
    ("secret", "label", "wanted"),
    [
        (SERVER, b"key", "9f02283b6c9c07efc26bb9f2ac92e356"),
        (SERVER, b"iv", "cf782b88dd83549aadf1e984"),
        (CLIENT, b"key", "17422dda596ed5d9acd890e3c63f5051"),
        (CLIENT, b"iv", "5b78923dee08579033e523d9"),
    ],
)
def test_the_keys_of_a_recorded_connection(secret, label, wanted):
    assert secrets.expand(secret, label, len(wanted) // 2).hex() == wanted


@pytest.mark.rfc("8446 7.1")
@given(secret=st.binary(min_size=32, max_size=32), label=st.binary(max_size=12), length=st.integers(1, 32))
def test_the_same_as_cryptography(secret, label, length):
    label = label.replace(b"\0", b"")
    assert secrets.expand(secret, label, length) == expand(secret, label, length)


@pytest.mark.rfc("8446 7.2")
def test_the_next_secret():
    assert secrets.step(SERVER) == expand(SERVER, b"traffic upd", 32)


def test_a_line_of_a_key_log():
    label = b"CLIENT_TRAFFIC_SECRET_0"
    line = b" ".join([label, b"11" * 32, CLIENT.hex().encode()])
    assert secrets.told(line, label) == CLIENT
    assert secrets.told(line.upper(), label) == CLIENT
    for other in (
        b"SERVER" + line[6:],
        line[:-2],
        line + b"00",  # a suite with SHA-384 has longer ones
        b"CLIENT_TRAFFIC_SECRET_0",
        b"",
    ):
        assert secrets.told(other, label) is None
