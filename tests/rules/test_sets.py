"""Large sets against Python's own."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from random import Random

import pytest

from fastgw.rules.compile import merge
from tests.rules.heads import ASKER, Known, load


def asked(expression: str, members: list[str], knowns: list[Known]) -> list[bool]:
    program = load(expression, lists={"members": members})
    answers = []
    for known in knowns:
        assert ASKER.begin(program, known.head())
        answers.append(ASKER.decide()[0] == 0)
    return answers


@pytest.mark.parametrize("count", [0, 1, 2, 63, 64, 65, 3000])
@pytest.mark.parametrize("version", [4, 6])
def test_networks(count: int, version: int) -> None:
    chance = Random(count)
    bits, network, kind = (32, IPv4Network, IPv4Address) if version == 4 else (128, IPv6Network, IPv6Address)
    networks = []
    for _ in range(count):
        length = chance.choice((4, 8, 12, 20, 24, 31, bits))
        networks.append(network((chance.getrandbits(length) << (bits - length), length)))
    edges = [int(net[0]) + by for net in networks[:60] for by in (-1, 0)]
    edges += [int(net[-1]) + by for net in networks[:60] for by in (0, 1)]
    numbers = [number for number in edges if 0 <= number < 2**bits]
    numbers += [0, 2**bits - 1, *(chance.getrandbits(bits) for _ in range(60))]
    addresses = [kind(number) for number in numbers]
    knowns = [Known(client=str(address)) for address in addresses]
    spans = [(int(net[0]), int(net[-1])) for net in networks]
    wanted = [any(first <= number <= last for first, last in spans) for number in numbers]
    assert asked("ip.src in $members", [str(net) for net in networks], knowns) == wanted


def test_spans_that_are_longer_than_what_the_index_tells_apart() -> None:
    """IPv4 spans are found by their first 12 bits; these begin before them."""
    members = [f"{first}.0.15.7..{first}.200.0.9" for first in range(1, 201)]
    addresses = [(f"{first}.{second}.0.9", 0 < second <= 200 and first <= 200)
                 for first in (1, 2, 100, 200, 201) for second in (0, 1, 15, 16, 17, 100, 199, 200, 201)]  # fmt: skip
    knowns = [Known(client=address) for address, _ in addresses]
    assert asked("ip.src in $members", members, knowns) == [wanted for _, wanted in addresses]


def test_a_family_is_not_the_other() -> None:
    assert asked("ip.src in $members", ["0.0.0.0/0"], [Known(client="::1"), Known(client="1.1.1.1")]) == [
        False,
        True,
    ]
    assert asked("ip.src in $members", ["::/0"], [Known(client="::1"), Known(client="1.1.1.1")]) == [
        True,
        False,
    ]


@pytest.mark.parametrize("count", [0, 1, 2, 7, 5000])
def test_texts(count: int) -> None:
    members = [f"host{number}." * (number % 9) for number in range(count)]
    names = [*members[:100], "host", "host0", "", "x" * 300, *(name[:-1] for name in members[:50])]
    wanted = [name in set(members) for name in names]
    assert (
        asked("http.host in $members", members, [Known(hostname=name.encode()) for name in names]) == wanted
    )


@pytest.mark.parametrize("count", [0, 1, 2, 500])
def test_numbers(count: int) -> None:
    chance = Random(count)
    spans = [
        (low, low + chance.randrange(20)) for low in (chance.randrange(-5000, 5000) for _ in range(count))
    ]
    numbers = [number for first, last in spans[:40] for number in (first - 1, first, last, last + 1)]
    numbers += [0, -(2**63) + 1, 2**63 - 1]
    knowns = [Known(facts={"ip.src.asnum": number}) for number in numbers]
    wanted = [any(first <= number <= last for first, last in spans) for number in numbers]
    members = [f"{first}..{last}" if first > 0 else " ".join(map(str, (first,))) for first, last in spans]
    wanted = [any(f <= n <= (la if f > 0 else f) for f, la in spans) for n in numbers]
    members = [member if member != "0" else "0x0" for member in members]
    assert asked("ip.src.asnum in $members", members, knowns) == wanted


def test_spans_are_merged() -> None:
    assert merge([(5, 9), (1, 2), (3, 3), (8, 12), (20, 20)]) == ((1, 3), (5, 12), (20, 20))
    assert merge([]) == ()
