"""The set of managed rules as a whole: its version, its groups, and what a zone has chosen of it."""

from __future__ import annotations

from fastgw.managed import encoding, exploits, injection, path, protocol, scanners
from fastgw.managed.quiet import QUIET
from fastgw.managed.row import ManagedRule
from fastgw.policy.inspection import Managed, Rule, Skip

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

QUIET_ID = "quiet"


def whole(actions: dict[str, str] | None = None) -> tuple[Rule, ...]:
    """The set as rules of the managed phase, with their actions of `actions`, or their default ones.

    Behind the early rules stands one that is none of the set: it ends the phase of quiet heads.
    """
    actions = actions or {rule.id: rule.action for rule in RULES}
    early = [_rule(rule, actions) for rule in RULES if rule.early]
    late = [_rule(rule, actions) for rule in RULES if not rule.early]
    quiet = Rule(QUIET_ID, QUIET, "skip", "nothing stands out", logging=False, skip=Skip(current=True))
    return tuple(rule for rule in (*early, quiet, *late) if rule is not None)


def _rule(rule: ManagedRule, actions: dict[str, str]) -> Rule | None:
    action = actions[rule.id]
    if action == "block":
        return Rule(rule.id, rule.expression, "block", rule.description)
    return Rule(rule.id, rule.expression, "log", rule.description) if action == "log" else None


def chosen(managed: Managed) -> tuple[Rule, ...]:
    """The rules that a zone has on, with what is done on a hit, ready for the managed phase.

    Later overrides win, and those of an id over those of its group.
    """
    if not managed.enabled:
        return ()
    said = dict(managed.overrides)
    return whole({rule.id: said.get(rule.id, said.get(rule.group, rule.action)) for rule in RULES})


def unknown(managed: Managed) -> tuple[str, ...]:
    """Names in the overrides that are neither a rule's nor a group's."""
    known = {rule.id for rule in RULES} | set(GROUPS)
    return tuple(name for name, _ in managed.overrides if name not in known)
