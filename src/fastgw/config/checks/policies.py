"""Rules and access, judged from plain values: who reads their tables calls these."""

from __future__ import annotations

from fastgw.config.checks.rules import Finding
from fastgw.policy.refusals import CHALLENGES
from fastgw.policy.settings import ENCRYPTED

__all__ = ["CHALLENGES", "check_access", "check_action", "check_ssl"]


def check_action(action: str, *, grpc: bool) -> Finding | None:
    """The action of a rule in a zone whose setting grpc is `grpc`."""
    if action not in CHALLENGES or not grpc:
        return None
    return Finding(
        "challenge-for-grpc",
        f'is "{action}", which no gRPC client can solve: it would be denied for good',
        'write "block", or "log" to see what the rule would hit',
    )


def check_access(mode: str, *, grpc: bool) -> Finding | None:
    """`access.grpc` of a zone: enforce, or bypass as the reference product does."""
    if mode != "bypass" or not grpc:
        return None
    return Finding(
        "access-bypass",
        'is "bypass": gRPC calls reach the origin unjudged, whatever the policies say',
        "leave it out, so that gRPC is judged like everything else",
    )


def check_ssl(mode: str, *, grpc: bool) -> Finding | None:
    """`ssl` that a rule sets for some calls of a zone whose setting grpc is `grpc`."""
    if mode in ENCRYPTED or not grpc:
        return None
    return Finding(
        "grpc-needs-tls",
        f'is "{mode}", but gRPC is on and is carried over TLS only',
        'write "full" or better; a cleartext origin is origin_protocol = "h2c" on its record',
    )
