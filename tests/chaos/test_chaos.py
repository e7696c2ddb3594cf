"""The short form: `make chaos` is the long one; and what the verdict on a call depends on."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import grpc
import pytest

from tests.chaos.calls import Call
from tests.chaos.chaos import Chaos
from tests.chaos.fleet import Origin, Spell
from tests.chaos.verdict import HIDDEN, KILLED, verdict

SECONDS = 4.0
UNAVAILABLE, CANCELLED, INTERNAL = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.INTERNAL,
)


@pytest.mark.timeout(150)
@pytest.mark.parametrize("policy", [False, True], ids=["by default", "with retries"])
def test_no_call_is_lost_that_can_be_saved(policy) -> None:
    seed = int(os.environ.get("FASTGW_CHAOS_SEED", "1"))
    chaos = Chaos(SECONDS, seed, policy=policy, replacements=1, pause=0.2, rate=100)
    assert chaos.run() == []


@pytest.fixture
def origins() -> list[Origin]:
    """One that was killed at 10 and one that was stopped at 20."""
    killed, stopped = (Origin("none", Path(name), port=port) for name, port in (("a", 1111), ("b", 2222)))
    killed.spells = [Spell(signal.SIGKILL, 10, 11)]
    stopped.spells = [Spell(signal.SIGTERM, 20, 21)]
    return [killed, stopped]


A, B = "origin 127.0.0.1:1111 closed", "origin 127.0.0.1:2222 closed"


@pytest.mark.parametrize(
    ("begun", "code", "words", "error", "seen", "reached", "policy", "expected"),
    [
        (9.8, UNAVAILABLE, A, KILLED, 0, 1, False, "killed"),
        (9.8, UNAVAILABLE, A, KILLED, 0, 1, True, "lost"),
        (9.8, UNAVAILABLE, A, KILLED, 1, 1, True, "killed"),
        (9.8, UNAVAILABLE, B, KILLED, 0, 1, False, "lost"),
        (9.8, UNAVAILABLE, A, "", 0, 1, False, "lost"),
        (9.8, CANCELLED, A, KILLED, 0, 1, False, "lost"),
        (9.8, INTERNAL, HIDDEN, "", 0, 1, False, "killed"),
        (12.0, INTERNAL, HIDDEN, "", 0, 1, False, "lost"),
        (10.5, UNAVAILABLE, A, KILLED, 0, 1, False, "lost"),
        (19.8, UNAVAILABLE, B, KILLED, 0, 1, False, "lost"),
        (19.8, CANCELLED, "CANCELLED", "", 0, 0, False, "cancelled"),
        (19.8, CANCELLED, "CANCELLED", "", 0, 1, False, "lost"),
        (19.8, CANCELLED, "CANCELLED", KILLED, 0, 0, False, "lost"),
        (19.8, INTERNAL, HIDDEN, "", 0, 0, False, "cancelled"),
        (19.8, INTERNAL, HIDDEN, "", 0, 1, False, "lost"),
        (12.0, CANCELLED, "CANCELLED", "", 0, 0, False, "lost"),
    ],
)
def test_verdict(origins, begun, code, words, error, seen, reached, policy, expected) -> None:
    call = Call("1", "unary", begun, begun + 0.4, code, words, error, seen)
    assert verdict(call, reached, origins, policy) == expected


def test_another_answer_is_wrong_whatever_happened(origins) -> None:
    assert verdict(Call("1", "chat", 9.8, 10.2, wrong="another message"), 1, origins, False) == "wrong"
    assert verdict(Call("1", "chat", 9.8, 10.2), 1, origins, False) == ""
