"""Judges the answer to one gRPC call: its head, its trailers, and what the health service says in it."""

from __future__ import annotations

from typing import Literal

from fastgw.doctor.facts import Call
from fastgw.probe.health_message import SERVING_NAMES, serving_status
from fastgw.probe.message import STATUS_NAMES, percent_decode

Judged = tuple[Literal["ok", "warning", "failed", "skipped"], str, str]

_OK, _NOT_FOUND, _PERMISSION_DENIED, _UNIMPLEMENTED, _UNAUTHENTICATED = 0, 5, 7, 12, 16

# What answers like this where gRPC should answer with 200.
_HTTP = {
    403: "an edge network answers so if gRPC is off for the zone, or a rule forbids it: switch gRPC on there",
    404: "the path is not passed on: route /package.Service/ to the gRPC server",
    405: "POST is not allowed there: is this the gRPC server's port?",
    411: "a proxy wants a content-length: it does not stream requests",
    415: "it does not take application/grpc: is this the gRPC server's port?",
    421: "the server does not know the name: see --server-name",
    464: "a load balancer answers so if its target group does not speak gRPC or HTTP/2",
    502: "a proxy answers, but what is behind it does not speak gRPC over HTTP/2",
    503: "a proxy answers, but nothing behind it is ready",
    504: "a proxy answers, but what is behind it does not answer",
}


def content(call: Call | None, talk_error: str) -> Judged:
    """Is the head of the answer that of a gRPC server?"""
    if call is None or not call.head:
        why = (call.error if call is not None else talk_error) or "the call ended without an answer"
        return "failed", why, ""
    head = dict(call.head)
    status = head.get(b":status", b"").decode("latin-1")
    kind = head.get(b"content-type", b"").decode("latin-1")
    seen = f"status {status or 'missing'}, content-type {kind or 'missing'}"
    if status != "200":
        number = int(status) if status.isascii() and status.isdigit() and len(status) == 3 else 0
        hint = _HTTP.get(number, "")
        if 520 <= number <= 530:
            hint = "an edge network answers so if it cannot reach its origin"
        return "failed", seen, hint
    media = kind.lower().partition(";")[0].strip()
    if media != "application/grpc" and not media.startswith("application/grpc+"):
        return "failed", f"{seen}, which is not gRPC", ""
    return "ok", seen, ""


def trailers(call: Call | None) -> Judged:
    """Does the call end with a status?"""
    assert call is not None
    code = _code(call.trailers)
    if code is None and call.error:
        return "failed", call.error, ""
    if code is not None:
        if call.trailers_only:
            return "ok", f"grpc-status {code} in a head that is also the end (Trailers-Only)", ""
        return "ok", f"grpc-status {code} in the trailers", ""
    if b"grpc-status" in dict(call.trailers):
        return "failed", "grpc-status is not a number", ""
    early = _code(call.head)
    if early is not None:
        return (
            "warning",
            f"grpc-status {early} came in a head that was not the end; some clients do not see it there",
            "",
        )
    return "failed", "the answer ended without trailers, so grpc-status was lost", ""


def health(call: Call | None, service: str) -> Judged:
    """What does the health service say?"""
    assert call is not None
    ends = call.trailers if _code(call.trailers) is not None else call.head
    code = _code(ends)
    fields = dict(ends)
    about = f" for {service}" if service else ""
    if code == _OK:
        return _serving(call, about)
    if code == _UNIMPLEMENTED:
        if b"fastgw-error" in fields:
            return "failed", _denied(fields), "the gateway says why; see docs/reasons.md"
        return "warning", "grpc.health.v1.Health is not implemented", ""
    name = STATUS_NAMES[code] if code is not None and code < len(STATUS_NAMES) else str(code)
    words = percent_decode(fields.get(b"grpc-message", b"")[:200])
    seen = f"{name}{about}{': ' if words else ''}{words}"
    if code in (_UNAUTHENTICATED, _PERMISSION_DENIED) and b"fastgw-error" not in fields:
        return "warning", f"it does not tell strangers: {seen}", "health checks need what other calls need"
    if code == _NOT_FOUND and service:
        return "failed", f"it does not know the service {service}", "correct --service, or set its status"
    hint = "the gateway says why; see docs/reasons.md" if b"fastgw-error" in fields else ""
    return "failed", f"Check answered {seen}", hint


def _serving(call: Call, about: str) -> Judged:
    if call.message is None:
        return "failed", "Check answered OK without a message", ""
    try:
        status = serving_status(call.message)
    except ValueError:
        return "failed", "Check answered with something that is no HealthCheckResponse", ""
    name = SERVING_NAMES[status] if status < len(SERVING_NAMES) else str(status)
    return ("ok" if name == "SERVING" else "failed"), f"{name}{about}", ""


def _denied(fields: dict[bytes, bytes]) -> str:
    name = fields[b"fastgw-error"].decode("latin-1").partition(";")[0]
    return f"the gateway answered {name}: {percent_decode(fields.get(b'grpc-message', b'')[:200])}"


def _code(fields: list[tuple[bytes, bytes]]) -> int | None:
    """The number of grpc-status; None if there is none or it is no number."""
    value = dict(fields).get(b"grpc-status", b"")
    return int(value) if value.isdigit() and len(value) <= 3 else None
