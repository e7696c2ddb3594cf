"""Looks names up among many zones, to be counted by valgrind: python -m bench.scale.lookup ZONES ROUNDS."""

from __future__ import annotations

import sys

from bench.scale.zones import make
from fastgw._core.proxy.endpoints import Endpoints
from fastgw._core.proxy.entries import HostEntry, OriginEntry, ZoneEntry
from fastgw._core.proxy.rows import ZoneBlock
from fastgw._core.proxy.snapshot import Snapshot, lookup_cost

NAMES = 10  # zones that are asked for, whatever their number


def snapshot(count: int) -> tuple[Snapshot, list[bytes]]:
    """A snapshot of `count` zones, and authorities to look up: exact, under a wildcard, unknown."""
    registry = Endpoints()
    blocks = []
    for number, zone in enumerate(make(count)):
        entry = ZoneEntry(zone.name, number, grpc=True, http=False, encrypted=True)
        hosts = [HostEntry(record.name, False, -1) for record in zone.records]
        blocks.append(ZoneBlock(entry, hosts, list[OriginEntry](), (), registry))
    names = [f"zone{number}.example{number % 97}.com" for number in range(NAMES)]
    asked = [
        f"{host}{name}".encode() for name in names for host in ("api.", "", "other.", "a.b.", "un.known-")
    ]
    return Snapshot(revision=1, added=blocks), asked


def main() -> None:
    count, rounds = int(sys.argv[1]), int(sys.argv[2])
    compiled, asked = snapshot(count)
    print(lookup_cost(compiled, asked, rounds))


if __name__ == "__main__":
    main()
