"""AES-128-GCM by the processor: known answers, and `cryptography` as another opinion on every length."""

import itertools

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from fastgw._core.io.records import AesGcmDoor, ways

WAYS = [number for number in (1, 4) if number <= ways()]
LENGTHS = [*range(1, 401), 511, 512, 513, 4095, 4096, 16367, 16383, 16384, 16385]
KEY, NONCE, HEAD = bytes(range(16)), bytes(range(100, 112)), b"\x17\x03\x03\x40\x11"
TEXT = bytes(number * 7 & 255 for number in range(20000))

pytestmark = pytest.mark.skipif(not WAYS, reason="this processor has no instructions for it")

# Test cases 2 and 3 of the paper in which McGrew and Viega proposed GCM to NIST.
KNOWN = [
    ("00" * 16, "00" * 12, "00" * 16, "0388dace60b6a392f328c2b971b2fe78", "ab6e47d42cec13bdf53a67b21257bddf"),
    (
        "feffe9928665731c6d6a8f9467308308",
        "cafebabefacedbaddecaf888",
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
        "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255",
        "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e"
        "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091473f5985",
        "4d5c2af327cd64a62cf35abd2ba6fab4",
    ),
]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("key", "nonce", "text", "sealed", "tag"), KNOWN)
def test_known_answers(way, key, nonce, text, sealed, tag):
    door = AesGcmDoor(bytes.fromhex(key), way)
    whole = bytes.fromhex(sealed + tag)
    assert door.seal(bytes.fromhex(nonce), b"", bytes.fromhex(text)) == whole
    assert door.unseal(bytes.fromhex(nonce), b"", whole) == (True, bytes.fromhex(text))


@pytest.mark.parametrize("way", WAYS)
def test_every_length_as_cryptography_has_it(way):
    """Whole blocks, runs, strides, and each rest of them; to another place and in place."""
    door, other = AesGcmDoor(KEY, way), AESGCM(KEY)
    for length in LENGTHS:
        sealed = other.encrypt(NONCE, TEXT[:length], HEAD)
        assert door.seal(NONCE, HEAD, TEXT[:length]) == sealed
        assert door.unseal(NONCE, HEAD, sealed) == (True, TEXT[:length])
        assert door.unseal(NONCE, HEAD, sealed, in_place=True) == (True, TEXT[:length])


@pytest.mark.parametrize("way", WAYS)
@given(
    key=st.binary(min_size=16, max_size=16),
    nonce=st.binary(min_size=12, max_size=12),
    head=st.binary(max_size=16),
    text=st.binary(min_size=1, max_size=900),
    shift=st.integers(0, 63),
)
def test_the_same_as_cryptography(way, key, nonce, head, text, shift):
    door = AesGcmDoor(key, way)
    sealed = AESGCM(key).encrypt(nonce, text, head)
    assert door.seal(nonce, head, text, shift) == sealed
    assert door.unseal(nonce, head, sealed, shift) == (True, text)


@pytest.mark.parametrize("way", WAYS)
def test_no_octet_at_all_can_be_opened(way):
    assert AesGcmDoor(KEY, way).unseal(NONCE, HEAD, AESGCM(KEY).encrypt(NONCE, b"", HEAD)) == (True, b"")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("length", [1, 16, 100, 128, 129, 700])
def test_a_changed_bit_opens_nothing(way, length):
    """In each octet of text and tag, of the head and of the nonce: zeros are handed out, and no plaintext."""
    door = AesGcmDoor(KEY, way)
    sealed = door.seal(NONCE, HEAD, TEXT[:length])
    for at, in_place in itertools.product(range(len(sealed)), (False, True)):
        changed = sealed[:at] + bytes([sealed[at] ^ 1 << at % 8]) + sealed[at + 1 :]
        assert door.unseal(NONCE, HEAD, changed, in_place=in_place) == (False, bytes(length))
    assert door.unseal(NONCE, b"\x16" + HEAD[1:], sealed) == (False, bytes(length))
    assert door.unseal(NONCE[:-1] + b"\0", HEAD, sealed) == (False, bytes(length))
    assert door.unseal(NONCE, HEAD, sealed) == (True, TEXT[:length])
