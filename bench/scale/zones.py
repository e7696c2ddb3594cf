"""Zones as the measurements want them: five records each, no two alike, no name that has to be resolved."""

from __future__ import annotations

import random
from dataclasses import replace

from fastgw.config import Config, Listen
from fastgw.policy.records import Record
from fastgw.policy.settings import Settings
from fastgw.policy.zone import Zone

HOSTS = ("@", "*", "api", "grpc", "www")


def make(count: int) -> tuple[Zone, ...]:
    """`count` zones of five proxied records."""
    draw = random.Random(count)
    settings = Settings(grpc=True, ssl="full")
    return tuple(_zone(f"zone{number}.example{number % 97}.com", settings, draw) for number in range(count))


def _zone(name: str, settings: Settings, draw: random.Random) -> Zone:
    records = tuple(
        Record(
            name if host == "@" else f"{host}.{name}",
            "A",
            f"10.{draw.randrange(256)}.{draw.randrange(256)}.{draw.randrange(1, 255)}",
            True,
        )
        for host in HOSTS
    )
    return Zone(name, settings, records)


def config(zones: tuple[Zone, ...], workers: int = 2) -> Config:
    """A gateway in cleartext on a free port."""
    return Config(zones=zones, listen=(Listen("127.0.0.1", 0, tls=False),), workers=workers)


def denying(zones: tuple[Zone, ...], number: int, error: str) -> tuple[Zone, ...]:
    """The same but for the zone of this number, which denies calls for this reason: no origin is needed."""
    zone = zones[number]
    settings = Settings(grpc=False) if error == "grpc_disabled" else Settings(grpc=True, ssl="off")
    changed = replace(zone, settings=settings)
    return (*zones[:number], changed, *zones[number + 1 :])


def documents(zones: tuple[Zone, ...]) -> list[dict[str, object]]:
    """The same zones as a store keeps them."""
    return [
        {
            "name": zone.name,
            "settings": {"grpc": "on", "ssl": zone.settings.ssl},
            "dns": [
                {
                    "name": record.name,
                    "type": record.type,
                    "content": record.content,
                    "proxied": record.proxied,
                }
                for record in zone.records
            ],
        }
        for zone in zones
    ]


def refusing(document: dict[str, object], error: str) -> dict[str, object]:
    """A stored zone whose apex refuses calls: its gRPC is off, or its apex is for DNS only."""
    if error == "grpc_disabled":
        return {**document, "settings": {"grpc": "off"}}
    records = document["dns"]
    assert isinstance(records, list)
    return {**document, "dns": [{**records[0], "proxied": False}, *records[1:]]}
