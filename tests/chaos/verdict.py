"""What may become of a call while everything around it fails, and what may not."""

from __future__ import annotations

from collections import Counter

import grpc

from tests.chaos.calls import Call
from tests.chaos.fleet import Origin

KILLED = "origin_reset; side=origin; phase=stream"


def verdict(call: Call, origins: list[Origin], policy: bool) -> str:
    """Empty if it went well, "killed" if it failed because its origin was killed with it, else "lost" or "wrong".

    All else that happens to a call happens before an application takes it, or while a process waits for it: connecting,
    GOAWAY, REFUSED_STREAM, a graceful stop, a reload, a replacement. A gateway can save it from all of these. From a kill it
    cannot, unless the policy allows it to carry a call out twice and nothing of the first answer has been passed on.
    """
    if call.wrong:
        return "wrong"
    if call.code is grpc.StatusCode.OK:
        return ""
    named = call.code is grpc.StatusCode.UNAVAILABLE and call.error == KILLED
    if not named or not any(
        f"127.0.0.1:{origin.port} " in call.words and origin.killed(call.begun, call.ended)
        for origin in origins
    ):
        return "lost"
    return "lost" if policy and call.seen == 0 else "killed"


def sentence(call: Call, what: str, reached: int) -> str:
    """A finding."""
    took = f"after {call.ended - call.begun:.2f} s and {call.seen} messages"
    carried = f"it reached an application {reached} times"
    words = call.wrong or f"{call.code.name} {call.error!r} {call.words!r}"
    return f"{what}: {call.kind} {call.name} at {call.begun:.2f} {took}: {words}; {carried}"


def twice(calls: list[Call], reached: Counter[str]) -> list[str]:
    """Calls that no policy allowed to be carried out more than once, but were."""
    return [sentence(call, "carried out twice", reached[call.name]) for call in calls if reached[call.name] > 1]
