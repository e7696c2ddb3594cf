"""A zone with rules, and what is said of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from fastgw.config import load_text
from fastgw.config.load import examine
from fastgw.errors import ConfigError
from fastgw.policy.inspection import Inspection, Rule

ZONE = """\
[server]
listen = ["h2c://127.0.0.1:0"]
[lists]
office = ["192.0.2.0/24", "2001:db8::/32"]
tenants = ["acme", "7"]
ports = [80, 443]
[[zone]]
name = "gw.test"
grpc = "on"
dns = [
  { name = "@", content = "127.0.0.1", proxied = true, origin_protocol = "h2c" },
  { name = "b", content = "127.0.0.2", proxied = true, origin_protocol = "h2c" },
]
"""
LINE = ZONE.count("\n") + 1
"""Where what is added begins."""


def rule(text: str, expression: str = "ssl") -> str:
    return f"[[zone.rule]]\nexpression = '''{expression}'''\n{text}\n"


def judged(text: str, zone: str = ZONE, *, warned: bool = False) -> Inspection:
    config = load_text(zone + text, Path("f"))
    assert warned or config.warnings == ()
    return config.zones[0].inspection


def only(text: str) -> Rule:
    """The one rule of the only phase."""
    (phased,) = judged(text).phases
    (found,) = phased.rules
    return found


def complaints(text: str, zone: str = ZONE) -> list[str]:
    """What is wrong, without hints and without the name of the zone."""
    with pytest.raises(ConfigError) as error:
        load_text(zone + text, Path("f"))
    return [
        f"{problem.line - LINE}: {problem.field.removeprefix('zone[0].')} {problem.sentence}"
        for problem in error.value.problems
        if not problem.warning
    ]


def remarks(text: str, zone: str = ZONE) -> dict[str, str]:
    """Warnings and notes by rule; nothing is wrong."""
    verdict = examine(Path("f"), zone + text)
    assert verdict.config is not None, verdict.problems
    return {
        problem.rule: f"{problem.level} {problem.field.removeprefix('zone[0].')} {problem.sentence}"
        for problem in verdict.problems
        if problem.rule not in ("origin-port", "private-name", "wildcard-stopped")
    }
