"""What a ClientHello looks like: JA3, JA4 and digests, against hashlib and a plain reading in Python."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastgw._core.io.fingerprint import digest, fingerprint

HEADS = sorted((Path(__file__).parent.parent / "managed/heads").glob("*.json"))
RECORDED = {
    path.stem: base64.b64decode(known["hello"])
    for path in HEADS
    if (known := json.loads(path.read_text())).get("hello")
}
GREASE = {number * 0x1010 + 0x0A0A for number in range(16)}


def two(number: int) -> bytes:
    return number.to_bytes(2, "big")


def numbers(octets: bytes, size: int = 2) -> list[int]:
    whole = len(octets) // size * size
    return [int.from_bytes(octets[at : at + size], "big") for at in range(0, whole, size)]


def listed(octets: bytes, head: int = 2) -> bytes:
    return len(octets).to_bytes(head, "big") + octets


def extension(number: int, content: bytes = b"") -> bytes:
    return two(number) + listed(content)


def hello(
    ciphers: list[int], extensions: list[bytes], version: int = 0x0303, random: bytes = bytes(32)
) -> bytes:
    body = two(version) + random + b"\x00" + listed(b"".join(map(two, ciphers))) + b"\x01\x00"
    body += listed(b"".join(extensions)) if extensions else b""
    return b"\x01" + len(body).to_bytes(3, "big") + body


def records(message: bytes, size: int = 16384) -> bytes:
    return b"".join(b"\x16\x03\x01" + listed(message[at : at + size]) for at in range(0, len(message), size))


def look(message: bytes) -> dict:
    found = fingerprint([records(message)])
    assert isinstance(found, dict)
    return found


class Read:
    """A hello read without haste, from the notations' descriptions."""

    def __init__(self, message: bytes) -> None:
        self.version, self.random = numbers(message[4:6])[0], message[6:38]
        at = 38 + 1 + message[38]
        size = numbers(message[at : at + 2])[0]
        self.ciphers = numbers(message[at + 2 : at + 2 + size])
        at += 2 + size
        at += 1 + message[at] + 2
        self.extensions: list[tuple[int, bytes]] = []
        while at < len(message):
            number, size = numbers(message[at : at + 4])
            self.extensions.append((number, message[at + 4 : at + 4 + size]))
            at += 4 + size

    def content(self, number: int, head: int) -> bytes:
        return next((content[head:] for known, content in self.extensions if known == number), b"")

    def ja3(self) -> bytes:
        lists = (self.ciphers, [number for number, _ in self.extensions], numbers(self.content(10, 2)))
        texts = [
            str(self.version),
            *("-".join(str(n) for n in each if n not in GREASE) for each in lists),
            "-".join(map(str, self.content(11, 1))),
        ]
        return hashlib.md5(",".join(texts).encode()).hexdigest().encode()

    def ja4(self) -> bytes:
        ciphers = sorted(f"{n:04x}" for n in self.ciphers if n not in GREASE)
        known = [n for n, _ in self.extensions if n not in GREASE]
        versions = [n for n in numbers(self.content(43, 1)) if n not in GREASE] or [self.version]
        version = {0x304: "13", 0x303: "12", 0x302: "11", 0x301: "10"}.get(max(versions), "00")
        protocol = self.content(16, 3).decode("latin-1")[: (self.content(16, 2) or b"\0")[0]]
        ends = protocol[:1] + protocol[-1:] if protocol else "00"
        first = (
            f"t{version}{'d' if 0 in known else 'i'}{min(len(ciphers), 99):02}{min(len(known), 99):02}{ends}"
        )
        sorted_ = ",".join(sorted(f"{n:04x}" for n in known if n not in (0, 16)))
        signatures = ",".join(f"{n:04x}" for n in numbers(self.content(13, 2)) if n not in GREASE)
        rest = sorted_ + ("_" + signatures if signatures else "")
        cut = hashlib.sha256(",".join(ciphers).encode()).hexdigest()[:12] if ciphers else "0" * 12
        end = hashlib.sha256(rest.encode()).hexdigest()[:12] if known else "0" * 12
        return f"{first}_{cut}_{end}".encode()


@given(st.lists(st.binary(max_size=200), max_size=4))
def test_digests_are_those_of_hashlib(pieces: list[bytes]) -> None:
    whole = b"".join(pieces)
    assert digest("md5", pieces) == hashlib.md5(whole).digest()
    assert digest("sha1", pieces) == hashlib.sha1(whole).digest()


@pytest.mark.parametrize("size", [0, 1, 54, 55, 56, 57, 63, 64, 65, 119, 120, 128, 100_000])
def test_digests_of_each_length_of_padding(size: int) -> None:
    octets = bytes(at % 251 for at in range(size))
    assert digest("md5", [octets]) == hashlib.md5(octets).digest()
    assert digest("sha1", [octets]) == hashlib.sha1(octets).digest()


def test_the_published_examples_of_ja3() -> None:
    old = hello([4, 5, 10, 9, 100, 98, 3, 6, 19, 18, 99], [], 0x0301)
    assert look(old)["ja3"] == b"de350869b8c85de67a350c8d186f11e6"
    ciphers = [47, 53, 5, 10, 49161, 49162, 49171, 49172, 50, 56, 19, 4]
    groups = extension(10, listed(b"".join(map(two, (23, 24, 25)))))
    known = hello(ciphers, [extension(0), groups, extension(11, b"\x01\x00")], 0x0301)
    assert look(known)["ja3"] == b"ada70206e40642a3e4461f35503241d5"


def test_the_published_example_of_ja4() -> None:
    suites = "0a0a 1301 1302 1303 c02b c02f c02c c030 cca9 cca8 c013 c014 009c 009d 002f 0035"
    plain = "001b 0017 ff01 000a 000b 0023 0005 0012 0033 002d 4469 0015"
    signatures = "0403 0804 0401 0503 0805 0501 0806 0601"
    read = [int(word, 16) for word in suites.split()]
    extensions = [extension(0x1A1A), extension(0, b"\x00\x01"), extension(16, listed(b"\x02h2\x08http/1.1"))]
    extensions += [extension(int(word, 16)) for word in plain.split()]
    extensions += [extension(43, listed(bytes.fromhex("2a2a03040303"), 1))]
    extensions += [extension(13, listed(bytes.fromhex(signatures.replace(" ", ""))))]
    assert look(hello(read, extensions))["ja4"] == b"t13d1516h2_8daaf6152771_e5627efa2ab1"


@pytest.mark.parametrize("client", RECORDED)
def test_recorded_clients(client: str) -> None:
    message = RECORDED[client]
    known, found = Read(message), look(message)
    suites = b"".join(map(two, known.ciphers))
    kinds = [number for number, _ in known.extensions]
    assert found == {
        "length": len(message),
        "random": base64.b64encode(known.random),
        "ciphers": base64.b64encode(hashlib.sha1(suites).digest()),
        "extensions": base64.b64encode(hashlib.sha1(b"".join(map(two, kinds))).digest()),
        "extensions_le": base64.b64encode(hashlib.sha1(b"".join(two(kind)[::-1] for kind in kinds)).digest()),
        "ja3": known.ja3(),
        "ja4": known.ja4(),
    }


GREASED = st.one_of(st.sampled_from(sorted(GREASE)), st.integers(0, 0xFFFF))


@st.composite
def hellos(draw: st.DrawFn) -> bytes:
    made = []
    for number in draw(st.lists(GREASED, max_size=20, unique=True)):
        content = b""
        if number in (10, 13):
            content = listed(b"".join(map(two, draw(st.lists(GREASED, max_size=9)))))
        elif number == 43:
            content = listed(b"".join(map(two, draw(st.lists(GREASED, max_size=5)))), 1)
        elif number == 11:
            content = listed(draw(st.binary(max_size=4)), 1)
        elif number == 16:
            content = listed(listed(draw(st.sampled_from([b"h2", b"x", b"http/1.1"])), 1))
        made.append(extension(number, content))
    for number, content in ((0, b""), (16, listed(b"\x02h2")), (13, listed(b"\x04\x03\x08\x04"))):
        if draw(st.booleans()) and not any(each[:2] == two(number) for each in made):
            made.append(extension(number, content))
    version = draw(st.sampled_from([0x0301, 0x0302, 0x0303]))
    return hello(
        draw(st.lists(GREASED, max_size=20)), made, version, draw(st.binary(min_size=32, max_size=32))
    )


@given(hellos())
def test_any_hello_reads_as_in_python(message: bytes) -> None:
    assert look(message)["ja3"] == Read(message).ja3()
    assert look(message)["ja4"] == Read(message).ja4()


@given(hellos(), st.integers(1, 300), st.lists(st.integers(0, 2000), max_size=8))
def test_cutting_changes_nothing(message: bytes, record: int, cuts: list[int]) -> None:
    """Records and reads may be cut anywhere."""
    octets = records(message, record) + b"\x14\x03\x03\x00\x01\x01"
    places = [0, *sorted(min(cut, len(octets)) for cut in cuts), len(octets)]
    pieces = [octets[first:last] for first, last in itertools.pairwise(places)]
    assert fingerprint(pieces) == look(message)


def test_octet_by_octet() -> None:
    message = RECORDED["grpcio"]
    octets = records(message, 1)
    assert fingerprint([bytes([octet]) for octet in octets]) == look(message)
    assert fingerprint([octets[:-1]]) is None


@given(st.sampled_from(sorted(RECORDED)), st.data())
def test_a_damaged_hello_has_no_effect_beyond_itself(client: str, data: st.DataObject) -> None:
    """Run with AddressSanitizer this also shows that nothing behind it is read."""
    message = bytearray(RECORDED[client])
    for _ in range(data.draw(st.integers(1, 4))):
        message[data.draw(st.integers(4, len(message) - 1))] = data.draw(st.integers(0, 255))
    assert fingerprint([records(bytes(message))]) is not None
    assert fingerprint([records(bytes(message[: data.draw(st.integers(1, len(message) - 1))]))]) is None


@pytest.mark.parametrize(
    "octets",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x00\x00",
        b"\x17\x03\x03\x00\x01\x01",
        records(b"\x02\x00\x00\x00"),
        records(b"\x01\x00\x40\x01" + bytes(0x4001)),
        records(b"\x01\x00\x00\x05" + bytes(5)),
        records(hello(list(range(257)), [])),
        records(hello([1], [extension(number) for number in range(257)])),
    ],
    ids=["http", "empty record", "no handshake", "no hello", "too long", "short", "ciphers", "extensions"],
)
def test_what_is_no_hello_or_too_large_has_no_fingerprint(octets: bytes) -> None:
    assert fingerprint([octets]) is False
