"""One gateway process per file; LIMITS, SERVER and HOSTILE of a file say what it needs beside the defaults."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.certs import Authority, Leaf
from tests.support.siege import Siege


@pytest.fixture(scope="module")
def siege(
    request: pytest.FixtureRequest,
    ca: Authority,
    gateway_leaf: Leaf,
    origin_leaf: Leaf,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Siege]:
    wants = request.module
    with Siege(
        ca,
        gateway_leaf,
        origin_leaf,
        tmp_path_factory.mktemp("siege"),
        hostile=getattr(wants, "HOSTILE", None),
        limits=getattr(wants, "LIMITS", ""),
        server=getattr(wants, "SERVER", ""),
    ) as started:
        yield started
        started.origin_is_idle()
