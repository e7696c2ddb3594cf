"""Hostnames against a plain model, SipHash against two others; what a snapshot keeps or refuses."""

import json
import socket
import string
import struct
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastgw._core.proxy.endpoints import Endpoints
from fastgw._core.proxy.entries import EndpointEntry, HostEntry, OriginEntry, ZoneEntry
from fastgw._core.proxy.route import hash_of, hostname_of, sockaddr
from fastgw._core.proxy.rows import Certificate, ZoneBlock
from fastgw._core.proxy.snapshot import Snapshot, certificate_of, covers

ZONE = ZoneEntry("example.com", 0, grpc=True, http=False, encrypted=True)
ENDPOINTS = Endpoints()
ENDPOINT = EndpointEntry(
    address=sockaddr("127.0.0.1", 443),
    context=0,
    server_name="o.example",
    verify=True,
    connect_timeout_ms=1000,
    handshake_timeout_ms=2000,
    label="127.0.0.1:443",
    state=ENDPOINTS.number_of(b"id\0entity", "127.0.0.1:443"),
)
ORIGIN = OriginEntry("o.example", (ENDPOINT,))


def block(hosts=(), *, zone=ZONE, origins=(ORIGIN,), certificates=()):
    return ZoneBlock(zone, [HostEntry(*row) for row in hosts], origins, certificates, ENDPOINTS)


def snapshot(hosts=(), *, default=None, **rows):
    return Snapshot(revision=7, added=[block(hosts, **rows)], default=default)


# Hostnames


@pytest.mark.parametrize(
    ("authority", "hostname"),
    [
        (b"a.example", b"a.example"),
        (b"A.eXample.:443", b"a.example"),
        (b"a.example:", b"a.example"),
        (b"a_b.c-d.9", b"a_b.c-d.9"),
        (b"localhost:65535", b"localhost"),
        (b"127.0.0.1:1", b"127.0.0.1"),
        (b"[2001:DB8::1]:443", b"2001:db8::1"),
        (b"[::ffff:1.2.3.4]", b"::ffff:1.2.3.4"),
        (b"x" * 63 + b".y", b"x" * 63 + b".y"),
        (b"a." * 126 + b"a", b"a." * 126 + b"a"),
        (b"a." * 126 + b"a.", b"a." * 126 + b"a"),
        (b"a." * 126 + b"a.:65535", b"a." * 126 + b"a"),
        *(
            (bad, None)
            for bad in (
                b"",
                b".",
                b":",
                b":443",
                b"..",
                b".a",
                b"a..b",
                b"a..",
                b"a b",
                b"*.a",
                b"a/b",
                b"u@a",
            )
        ),
        *(
            (bad, None)
            for bad in (b"a:x", b"a:65536", b"a:000443", b"a:-1", b"a:1:2", b"::1", b"a:443 ", "é".encode())
        ),
        *(
            (bad, None)
            for bad in (
                b"[",
                b"[]",
                b"[::1",
                b"[::1]x",
                b"[::1]:x",
                b"[g::]",
                b"[1.2.3.4]",
                b"[fe80::1%1]",
                b"[::1\0]",
                b"[a:1]",
            )
        ),
        (b"x" * 64, None),
        (b"a." * 126 + b"aa", None),
        (b"a." * 126 + b"aa.", None),
        (b"a." * 127 + b"a", None),
        (b"a." * 1000, None),
        (b"[" + b":" * 1000 + b"]", None),
        (b"[" + b":" * 1000, None),
        (b"a\0b", None),
    ],
)
def test_normal_hostnames(authority, hostname):
    assert hostname_of(authority) == hostname


@given(st.binary(max_size=300) | st.text("aB.-:[]1*", max_size=300).map(str.encode))
def test_a_normal_hostname_is_lower_case_and_stays_what_it_is(authority):
    hostname = hostname_of(authority)
    if hostname is not None:
        assert 0 < len(hostname) <= 253
        assert set(hostname) <= set((string.ascii_lowercase + string.digits + "-_.:").encode())
        assert hostname_of(b"[%s]:1" % hostname if b":" in hostname else hostname) == hostname


# Lookup

labels = st.sampled_from(["a", "b", "c"])
names = st.lists(labels, min_size=1, max_size=4).map(".".join)
host_sets = st.dictionaries(st.tuples(names, st.booleans()), st.booleans(), max_size=12)


def model(hosts, name):
    """`hosts`: {(name, wildcard): proxied}; the row's key or None."""
    if (name, False) in hosts:
        return (name, False)
    parts = name.split(".")
    for at in range(1, len(parts)):
        above = ".".join(parts[at:])
        if (above, True) in hosts:
            return (above, True)
        if (above, False) in hosts:
            return None
    return None


@given(
    hosts=host_sets,
    asked=st.lists(st.lists(labels, min_size=1, max_size=6).map(".".join), min_size=1, max_size=12),
)
def test_lookup_is_the_model(hosts, asked):
    rows = [
        (("*." if wildcard else "") + name, proxied, 0 if proxied else -1)
        for (name, wildcard), proxied in hosts.items()
    ]
    compiled = snapshot(rows)
    for name in asked:
        key = model(hosts, name)
        if key is None:
            expected = ("unknown", "", "", "")
        else:
            record = ("*." if key[1] else "") + key[0]
            expected = (
                "proxied" if hosts[key] else "dns_only",
                "example.com",
                record,
                "o.example" if hosts[key] else "",
            )
        assert compiled.explain(name) == expected
        assert compiled.explain(name.upper() + ".:443") == expected


def test_a_wildcard_covers_any_depth_but_not_its_own_name():
    compiled = snapshot([("*.example.com", True, 0)])
    found = ("proxied", "example.com", "*.example.com", "o.example")
    assert compiled.explain("a.example.com") == found
    assert compiled.explain("a.b.c.example.com") == found
    assert compiled.explain("example.com")[0] == "unknown"
    assert compiled.explain("aexample.com")[0] == "unknown"


def test_a_record_stops_the_wildcard_for_its_name_and_below():
    rows = [("*.example.com", True, 0), ("b.example.com", False, -1), ("*.x.b.example.com", True, 0)]
    compiled = snapshot([*rows, ("example.com", True, 0)])
    assert compiled.explain("b.example.com") == ("dns_only", "example.com", "b.example.com", "")
    assert compiled.explain("a.b.example.com")[0] == "unknown"
    assert compiled.explain("x.b.example.com")[0] == "unknown"
    assert compiled.explain("y.x.b.example.com")[0] == "proxied"
    assert compiled.explain("c.example.com")[0] == "proxied"


def test_nothing_is_known_to_an_empty_snapshot():
    empty = Snapshot(revision=1)
    assert empty.explain("a.example") == ("unknown", "", "", "")
    assert empty.explain("") == ("unknown", "", "", "")
    assert empty.explain("é\udcff") == ("unknown", "", "", "")
    assert certificate_of(empty, b"a.example") is None


def test_an_ipv6_literal_may_be_a_host():
    assert snapshot([("2001:db8::1", True, 0)]).explain("[2001:DB8::1]:443")[0] == "proxied"


# Certificates


def test_a_certificate_covers_exact_names_and_one_label_of_a_wildcard():
    one = Certificate(0, ["A.example", "*.B.example", "*", "f*.c.example", "*."], b"f")
    other = Certificate(0, [], b"g")
    for name in (b"a.example", b"x.b.example"):
        assert covers(one, name)
        assert not covers(other, name)
    for name in (
        b"",
        b"b.example",
        b"x.y.b.example",
        b".b.example",
        b"x.a.example",
        b"foo.c.example",
        b"example",
        b"x.",
    ):
        assert not covers(one, name)


@given(
    listed=st.lists(st.tuples(st.booleans(), names), max_size=4),
    hostname=st.lists(labels, min_size=1, max_size=5).map(".".join),
)
def test_covering_is_the_model(listed, hostname):
    certificate = Certificate(0, ["*." + name if star else name for star, name in listed], b"f")
    above = hostname.partition(".")[2]
    assert covers(certificate, hostname.encode()) == any(
        name == (above if star else hostname) for star, name in listed
    )


# The hash


def siphash(low, high, octets, compressions, finalizations):
    """SipHash-c-d, written from its description."""
    mask = (1 << 64) - 1

    def turn(word, bits):
        return (word << bits | word >> 64 - bits) & mask

    v = [
        low ^ 0x736F6D6570736575,
        high ^ 0x646F72616E646F6D,
        low ^ 0x6C7967656E657261,
        high ^ 0x7465646279746573,
    ]

    def rounds(count):
        for _ in range(count):
            v[0] = v[0] + v[1] & mask
            v[1] = turn(v[1], 13) ^ v[0]
            v[0] = turn(v[0], 32)
            v[2] = v[2] + v[3] & mask
            v[3] = turn(v[3], 16) ^ v[2]
            v[0] = v[0] + v[3] & mask
            v[3] = turn(v[3], 21) ^ v[0]
            v[2] = v[2] + v[1] & mask
            v[1] = turn(v[1], 17) ^ v[2]
            v[2] = turn(v[2], 32)

    padded = octets + bytes(-(len(octets) + 1) % 8) + bytes([len(octets) & 255])
    for (word,) in struct.iter_unpack("<Q", padded):
        v[3] ^= word
        rounds(compressions)
        v[0] ^= word
    v[2] ^= 255
    rounds(finalizations)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def test_the_reference_gives_the_published_value():
    low, high = struct.unpack("<QQ", bytes(range(16)))
    assert siphash(low, high, bytes(range(15)), 2, 4) == 0xA129CA6149BE45E5


@given(low=st.integers(0, 2**64 - 1), high=st.integers(0, 2**64 - 1), octets=st.binary(max_size=300))
def test_keyed_hash_is_siphash_1_3(low, high, octets):
    assert hash_of(low, high, octets) == siphash(low, high, octets, 1, 3)


@pytest.mark.skipif(sys.hash_info.algorithm != "siphash13", reason="this Python hashes otherwise")
@pytest.mark.skipif(
    sys.hash_info.cutoff != 0 or sys.byteorder != "little", reason="this Python hashes otherwise"
)
def test_keyed_hash_is_that_of_python_under_the_zero_key():
    texts = [bytes(range(size)) for size in range(1, 40)]
    program = f"print([hash(text) for text in {texts!r}])"
    answer = subprocess.run(
        [sys.executable, "-S", "-c", program],
        env={"PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert [hash_of(0, 0, text) for text in texts] == [number % 2**64 for number in json.loads(answer)]


# Building


def test_what_a_snapshot_says_of_itself():
    compiled = snapshot()
    assert (compiled.revision, compiled.users, compiled.seekers) == (7, 0, 0)


@pytest.mark.parametrize(
    "hostname",
    [
        "",
        "*",
        "*.",
        "A.example",
        "a.example.",
        "a..b",
        "*.*.a",
        "a.*.b",
        "é.example",
        "a:443",
        "a b",
        "x" * 64,
    ],
)
def test_hostnames_must_be_normal(hostname):
    with pytest.raises(ValueError, match="not a hostname"):
        snapshot([("ok.example", True, 0), (hostname, True, 0)])


@pytest.mark.parametrize(
    "wrong",
    [
        {"hosts": [("a", True, 1)]},
        {"hosts": [("a", True, -2)]},
        {"hosts": [("a", True, -1)]},
        {"hosts": [("a", True, 0), ("a", False, -1)]},
        {"hosts": [("*.a", True, 0), ("*.a", False, -1)]},
        {"origins": [ORIGIN._replace(endpoints=[ENDPOINT._replace(address=b"x" * 129)])]},
        {"origins": [ORIGIN._replace(endpoints=[ENDPOINT._replace(state=1)])]},
        {"origins": [ORIGIN._replace(endpoints=[])]},
        {"origins": [ORIGIN._replace(endpoints=[ENDPOINT] * 65)]},
        {"zone": ZONE._replace(name="zo\0ne")},
        {"zone": ZONE._replace(routes=())},
    ],
)
def test_rows_that_do_not_fit_are_refused(wrong):
    with pytest.raises(
        ValueError, match=r"there is no|no origin|twice|zero octet|too long|are possible|last route"
    ):
        snapshot(**wrong)


def test_a_name_with_a_zero_octet_is_refused():
    with pytest.raises(ValueError, match="zero octet"):
        Certificate(0, ["a\0b"], b"f")


def test_rows_of_other_types_are_refused():
    for wrong in (
        {"hosts": [("a", None, "x")]},
        {"zone": None},
        {"origins": [(None,) * 8]},
        {"certificates": [None]},
    ):
        with pytest.raises((TypeError, ValueError, AttributeError)):
            snapshot(**wrong)


def test_an_exact_name_and_a_wildcard_of_the_same_text_are_two_rows():
    compiled = snapshot([("a", True, 0), ("*.a", False, -1)])
    assert compiled.explain("a")[0] == "proxied"
    assert compiled.explain("b.a")[0] == "dns_only"


@pytest.mark.parametrize(("host", "port"), [("127.0.0.1", 443), ("::1", 50051), ("2001:db8::1", 65535)])
def test_socket_addresses_are_what_the_kernel_takes(host, port):
    octets = sockaddr(host, port)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    assert struct.unpack_from("=H", octets)[0] == family
    assert struct.unpack_from("!H", octets, 2)[0] == port
    at, size, length = (8, 16, 28) if ":" in host else (4, 4, 16)
    assert len(octets) == length
    assert octets[at : at + size] == socket.inet_pton(family, host)


@pytest.mark.parametrize(
    ("host", "port"),
    [
        ("localhost", 1),
        ("", 1),
        ("1.2.3", 1),
        ("[::1]", 1),
        ("::1%lo", 1),
        ("1.2.3.4\0", 1),
        ("::1", 0),
        ("::1", 65536),
    ],
)
def test_other_addresses_are_refused(host, port):
    with pytest.raises(ValueError, match="is not"):
        sockaddr(host, port)
