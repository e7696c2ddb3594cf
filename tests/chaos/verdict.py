"""What may become of a call while everything around it fails, and what may not."""

from __future__ import annotations

from collections import Counter

import grpc

from tests.chaos.calls import Call
from tests.chaos.fleet import Origin

# What grpcio says of a call whose end came while it was writing, whatever the status was.
HIDDEN = "Internal error from Core"
OUTCOMES = ("", "killed", "cancelled", "lost", "wrong")
Event = tuple[float, str]
KILLED = "origin_reset; side=origin; phase=stream"


def verdict(call: Call, reached: int, origins: list[Origin], policy: bool) -> str:
    """Empty if it went well; "killed" or "cancelled" if its origin was ended; else "lost" or "wrong".

    All else that happens to a call happens before an application takes it, or while a process waits for it:
    connecting, GOAWAY, REFUSED_STREAM, a graceful stop, a reload, a replacement. A gateway can save it from
    all of these. From a kill it cannot, unless the policy allows it to carry a call out twice and nothing of
    the first answer has been passed on.

    A grpcio server that is stopped answers what it has read and not yet given to its application with the
    status CANCELLED: an answer like any other for whoever is not the server.
    """
    if call.wrong:
        return "wrong"
    if call.code is grpc.StatusCode.OK:
        return ""
    hidden = call.words == HIDDEN
    stopping = any(origin.stopping(call.begun, call.ended) for origin in origins)
    if hidden and any(origin.killed(call.begun, call.ended) for origin in origins):
        return "killed"
    if (hidden or call.code is grpc.StatusCode.CANCELLED) and not call.error and reached == 0:
        return "cancelled" if stopping else "lost"
    named = call.code is grpc.StatusCode.UNAVAILABLE and call.error.startswith(KILLED)
    if not named or not any(
        f"127.0.0.1:{origin.port} " in call.words and origin.killed(call.begun, call.ended)
        for origin in origins
    ):
        return "lost"
    return "lost" if policy and call.seen == 0 else "killed"


def sentence(call: Call, what: str, reached: int, events: list[Event]) -> str:
    """A finding, with what happened just then."""
    took = f"after {call.ended - call.begun:.2f} s and {call.seen} messages"
    carried = f"it reached an application {reached} times"
    words = call.wrong or f"{call.code.name} {call.error!r} {call.words!r}"
    meanwhile = [
        f"{at - call.begun:+.2f} s: {event}" for at, event in events if call.begun - 1 < at < call.ended + 1
    ]
    return f"{what}: {call.kind} {call.name} {took}: {words}; {carried}; {', '.join(meanwhile)}"


def twice(calls: list[Call], reached: Counter[str], events: list[Event]) -> list[str]:
    """Calls that no policy allowed to be carried out more than once, but were."""
    more = [call for call in calls if reached[call.name] > 1]
    return [sentence(call, "carried out twice", reached[call.name], events) for call in more]
