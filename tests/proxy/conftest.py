"""Origins that play what a test tells them."""

from __future__ import annotations

import pytest

from tests.support.stage import Stage, Theatre


@pytest.fixture
def theatre():
    return Theatre()


@pytest.fixture
def one(theatre):
    with Stage(theatre) as stage:
        yield stage
