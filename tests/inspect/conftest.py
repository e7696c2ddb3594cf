"""What tests of inspection share: a gateway in front of an echo origin whose zone asks what a test says."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from fastgw.policy.inspection import Inspection
from tests.inspect.words import asking
from tests.support.grpc_echo import Origin
from tests.support.house import House

Ask = Callable[..., House]


@pytest.fixture
def ask(gateway: Callable[..., House], origin: Origin) -> Ask:
    """`ask(Phased(...), ...)`: a gateway whose zone gw.test asks this; `ask.again(...)` changes it."""
    houses: list[House] = []

    def start(*phases: object, **more: object) -> House:
        if not houses:
            houses.append(gateway(origin, http="on"))
        put(houses[0], asking(*phases, **more))
        return houses[0]

    return start


def put(house: House, inspection: Inspection) -> None:
    """Let zone gw.test ask this from now on."""
    config = house.gateway.config
    zones = tuple(
        dataclasses.replace(zone, inspection=inspection) if zone.name == "gw.test" else zone
        for zone in config.zones
    )
    house.gateway.publish(dataclasses.replace(config, zones=zones))
