"""Databases of addresses: what the core finds in them against what the reader of their makers finds."""

import contextlib
import ipaddress
from pathlib import Path
from typing import Any

import maxminddb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmdb_writer import MMDBWriter
from netaddr import IPSet

from fastgw._core.inspect.places import Places, leaves_of
from fastgw.errors import StartupError
from fastgw.places import Atlas, atlas

GERMANY = {
    "country": {"iso_code": "DE", "is_in_european_union": True},
    "continent": {"code": "EU"},
    "city": {"names": {"en": "Berlin", "de": "Berlin"}},
    "subdivisions": [{"iso_code": "BE", "names": {"en": "Land Berlin"}}],
    "postal": {"code": "10115"},
    "location": {"latitude": 52.5, "longitude": 13.4, "time_zone": "Europe/Berlin", "metro_code": 7},
}
NETWORK = {"autonomous_system_number": 64496, "autonomous_system_organization": "Example"}
FLAT = {"country_code": "fr", "continent_code": "EU", "asn": "AS64497", "city": "Paris"}


def write(path: Path, networks: dict[str, dict[str, Any]], version: int = 6) -> Path:
    writer = MMDBWriter(ip_version=version, ipv4_compatible=version == 6, float_type="f64")
    for network, said in networks.items():
        writer.insert_network(IPSet([network]), said)
    writer.to_db_file(str(path))
    return path


def read(*files: Path) -> Atlas:
    found = atlas(files)
    assert found is not None
    return found


def find(places: Places, address: str) -> tuple[Any, ...]:
    return places.find(ipaddress.ip_address(address).packed)


@pytest.mark.parametrize("version", [4, 6])
def test_all_that_a_database_says(tmp_path: Path, version: int):
    places = read(write(tmp_path / "a", {"192.0.2.0/24": GERMANY}, version)).places
    assert find(places, "192.0.2.9") == (
        "DE", "EU", "Berlin", "Land Berlin", "BE", "DE-BE", None, "10115", "7", "52.5", "13.4",
        "Europe/Berlin", None, True,
    )  # fmt: skip
    assert set(find(places, "192.0.3.0")) == set(find(places, "2001:db8::1")) == {None}
    assert places.country(bytes([192, 0, 2, 1])) == int.from_bytes(b"DE")
    assert places.country(b"") == places.country(bytes(16)) == 0


def test_of_several_the_first_that_knows_is_believed(tmp_path: Path):
    first = write(tmp_path / "a", {"192.0.2.0/24": GERMANY, "2001:db8::/32": NETWORK})
    second = write(tmp_path / "b", {"192.0.2.0/25": FLAT, "2001:db8::/33": FLAT})
    places = read(first, second).places
    assert find(places, "192.0.2.9")[:3] == ("DE", "EU", "Berlin")
    assert find(places, "192.0.2.9")[12:] == (64497, True)
    assert find(places, "2001:db8::1")[:3] == ("FR", "EU", "Paris")
    assert find(places, "2001:db8::1")[12:] == (64496, None)


V4 = st.integers(0, 2**32 - 1).map(ipaddress.IPv4Address)
V6 = st.integers(0, 2**125).map(lambda low: ipaddress.IPv6Address(2**125 + low))
NETWORKS = st.lists(
    st.tuples(V4, st.integers(1, 32)).map(lambda pair: ipaddress.ip_network(pair, strict=False))
    | st.tuples(V6, st.integers(4, 128)).map(lambda pair: ipaddress.ip_network(pair, strict=False)),
    min_size=1,
    max_size=12,
    unique=True,
)


@settings(max_examples=60, deadline=None)
@given(NETWORKS, st.lists(V4 | V6, max_size=6))
def test_it_finds_what_the_makers_reader_finds(
    tmp_path_factory: pytest.TempPathFactory, networks: list[Any], others: list[Any]
):
    path = tmp_path_factory.mktemp("places") / "a"
    write(path, {str(network): {"asn": number} for number, network in enumerate(networks)})
    places = read(path).places
    with maxminddb.open_database(path) as reader:
        for address in (*others, *(edge for network in networks for edge in (network[0], network[-1]))):
            said = reader.get(address)
            assert find(places, str(address))[12] == (said["asn"] if isinstance(said, dict) else None)


@settings(max_examples=150, deadline=None)
@given(
    st.binary(max_size=60),
    st.integers(0, 10),
    st.sampled_from([24, 28, 32]),
    st.binary(min_size=16, max_size=16),
)
def test_a_damaged_tree_is_refused_or_says_nothing_it_does_not_have(
    tree: bytes, nodes: int, bits: int, address: bytes
):
    if len(tree) < nodes * bits // 4:
        with pytest.raises(ValueError, match="larger"):
            leaves_of(tree, nodes, bits)
        with pytest.raises(ValueError, match="larger"):
            Places([(tree, nodes, bits, 6, [], [])])
        return
    leaves = leaves_of(tree, nodes, bits)
    places = Places([(tree, nodes, bits, 6, leaves, [("x",) * 12 + (leaf, None) for leaf in leaves])])
    for asked in (address, address[:4], address[:7]):
        assert places.find(asked)[12] in (None, *leaves)


def test_what_is_no_database(tmp_path: Path):
    (tmp_path / "a").write_bytes(b"nothing of the kind")
    with pytest.raises(StartupError, match="is no database of addresses, or a damaged one"):
        atlas([tmp_path / "a"])
    with pytest.raises(StartupError, match="cannot be read: no such file"):
        atlas([tmp_path / "b"])
    whole = write(tmp_path / "c", {"192.0.2.0/24": GERMANY}).read_bytes()
    for cut in range(0, len(whole), 97):
        (tmp_path / "d").write_bytes(whole[cut:])
        with contextlib.suppress(StartupError):  # any other error is a defect
            atlas([tmp_path / "d"])


def test_files_that_are_the_same_are_not_read_again(tmp_path: Path):
    path = write(tmp_path / "a", {"192.0.2.0/24": GERMANY})
    before = read(path)
    assert atlas([path], before) is before
    assert atlas([], before) is None
    other = write(tmp_path / "b", {"192.0.2.0/24": FLAT})
    other.replace(path)
    after = atlas([path], before)
    assert after is not None
    assert after.places.country(bytes([192, 0, 2, 1])) == int.from_bytes(b"FR")
    assert after.places.octets > 0
