"""The set of managed rules as a whole: its version, its groups, its order."""

from __future__ import annotations

from fastgw.managed import encoding, exploits, injection, path, protocol, scanners
from fastgw.managed.quiet import QUIET
from fastgw.managed.row import ManagedRule
from fastgw.policy.inspection import Managed

VERSION = "1.0.0"
"""Third number: an expression reads better; second: rules more or fewer; first: ids mean something else."""

DATE = "2026-11-22"

GROUPS = {
    "protocol": "what gRPC clients do not do",
    "path": "paths that parties read differently",
    "injection": "values and paths that another program might take for its own language",
    "exploits": "single holes in well-known software",
    "scanners": "software that looks for holes",
    "encoding": "metadata that is larger or less readable than it has to be",
}
"""Group -> what its rules are about."""

_ALL = (*protocol.RULES, *path.RULES, *injection.RULES, *exploits.RULES, *scanners.RULES, *encoding.RULES)

RULES: tuple[ManagedRule, ...] = tuple(sorted(_ALL, key=lambda rule: not rule.early))
"""In the order they are asked: early ones, then those that quiet heads are spared."""

SPARE_QUIET = ManagedRule(
    "quiet-head", "Nothing stands out: the rest of the set is spared.", (), QUIET, "quiet", (), (), early=True
)
"""No rule of the set and nothing to choose: where it holds, the phase ends."""

SET = (*(rule for rule in RULES if rule.early), SPARE_QUIET, *(rule for rule in RULES if not rule.early))
"""What the managed phase runs, in order."""


def unknown(managed: Managed) -> tuple[str, ...]:
    """Names in the overrides that are neither a rule's nor a group's."""
    known = {rule.id for rule in RULES} | set(GROUPS)
    return tuple(name for name, _ in managed.overrides if name not in known)
