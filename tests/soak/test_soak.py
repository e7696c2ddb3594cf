"""The short form of the soak: `python -m tests.soak --seconds 600` is the long one."""

from __future__ import annotations

import os

import pytest

from tests.soak.storm import MIB, Storm

SECONDS = 5.0


@pytest.mark.timeout(150)
def test_a_short_storm() -> None:
    storm = Storm(SECONDS, int(os.environ.get("FASTGW_SOAK_SEED", "1")), last=4 * MIB)
    assert storm.run() == []
