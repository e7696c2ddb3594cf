"""A raw origin, and a gateway in front of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.abuse.peers import RawOrigin, toml
from tests.support.house import House


@pytest.fixture
def raw_origin() -> Iterator[RawOrigin]:
    origin = RawOrigin()
    yield origin
    origin.close()


@pytest.fixture
def house(raw_origin: RawOrigin, gateway: Callable[..., House]) -> House:
    return gateway(toml=toml(raw_origin.port))
