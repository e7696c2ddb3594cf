"""The short form of `python -m bench.reload`: judged by failed calls and by growth, not by time."""

from __future__ import annotations

import pytest

from bench.reload import EVERY, Run

SECONDS = 3.0


@pytest.mark.timeout(120)
def test_no_call_feels_a_reload_and_nothing_grows() -> None:
    run = Run(SECONDS, rate=150)
    assert run.run() == []
    assert run.caller.begun > 150, "there were calls"
    assert run.gateway.reloads > SECONDS / EVERY / 4, "there were reloads"
