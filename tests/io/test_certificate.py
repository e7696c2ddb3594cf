"""The names in a certificate: as the cryptography package reads them, and never beyond the octets given."""

import ssl

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastgw._core.io.certificate import is_for, names_of
from fastgw._core.io.hello import server_name
from fastgw.policy.names import covers
from tests.io.io_support import Identity, identity

LABELS = st.sampled_from(["a", "b", "xn--a", "wild", "test", "example"])
NAMES = st.lists(LABELS, min_size=1, max_size=4).map(".".join)
PATTERNS = st.one_of(NAMES, NAMES.map(lambda name: f"*.{name}"))
ADDRESSES = st.sampled_from(["10.0.0.1", "10.0.0.2", "::1", "2001:db8::7"])


def test_names_are_listed_and_the_rest_is_counted():
    assert names_of(identity("long").der) == ("0.long.test, 1.long.test, 2.long.test and 1997 more", b"long")
    assert names_of(identity("origin").der) == ("origin.test, 127.0.0.1, ::1", b"origin")
    assert names_of(identity("ca").der) == ("", b"ca")
    assert names_of(identity("long").der, 20)[0] == "0.long.test, 1.long"


@pytest.fixture(scope="module")
def made():
    """Certificates by their names: making one takes long."""
    return {}


@settings(max_examples=60, deadline=None)
@given(
    names=st.lists(st.one_of(PATTERNS, ADDRESSES), min_size=1, max_size=3), wanted=st.one_of(NAMES, ADDRESSES)
)
def test_a_name_is_covered_as_the_control_plane_says(made, names, wanted):
    key = tuple(names)
    der = made[key] = made.get(key) or Identity("common", hosts=names).der
    literal = wanted[0].isdigit() or ":" in wanted
    found = any(
        name == wanted
        if literal or name[0].isdigit() or ":" in name
        else covers(name, wanted) and (name.count(".") > 1 or name == wanted)
        for name in names
    )
    assert is_for(der, wanted.encode()) == found
    assert is_for(der, wanted.upper().encode()) == found or literal


@pytest.mark.parametrize(
    ("hosts", "wanted", "common", "good"),
    [
        ((), "gw.test", True, True),
        ((), "gw.test", False, False),
        ((), "else.test", True, False),
        (("else.test",), "gw.test", True, False),
    ],
)
def test_the_common_name_counts_only_alone_and_if_allowed(hosts, wanted, common, good):
    assert is_for(Identity("gw.test", hosts=hosts).der, wanted.encode(), common) is good


def test_a_part_of_a_certificate_is_none_or_has_its_names():
    der = identity("origin").der
    whole = names_of(der)
    for size in range(len(der)):
        assert names_of(bytes(bytearray(der[:size]))) in (None, whole)
    assert names_of(der[: len(der) // 2]) is None


@settings(max_examples=200)
@given(at=st.integers(0, 2000), octet=st.integers(0, 255), cut=st.integers(0, 2000))
def test_a_damaged_certificate_harms_nobody(at, octet, cut):
    der = bytearray(identity("origin").der)
    der[at % len(der)] = octet
    found = names_of(bytes(der[: max(1, cut)]))
    assert found is None or isinstance(found[0], str)


def hello(name):
    context = ssl.create_default_context()
    out = ssl.MemoryBIO()
    tls = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=name)
    if name is None:
        context.check_hostname = False
        tls = context.wrap_bio(ssl.MemoryBIO(), out)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return out.read()[5:]


def test_the_name_of_a_hello():
    assert server_name(hello("gw.test")) == b"gw.test"
    whole = hello("a" * 60 + ".test")
    assert server_name(whole) == b"a" * 60 + b".test"
    found = {server_name(bytes(bytearray(whole[:size]))) for size in range(len(whole))}
    assert found == {None}


@given(st.binary(max_size=300))
def test_any_octets_are_no_hello_or_one(octets):
    found = server_name(octets)
    assert found is None or found in octets
