"""Problems as SARIF 2.1.0 (OASIS, 27 March 2020), which code hosts and editors show beside the lines."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fastgw import __version__
from fastgw.config.checks import RULES, Rule
from fastgw.errors import Problem

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def sarif(problems: Iterable[Problem]) -> dict[str, Any]:
    """One run with all rules and a result for each problem."""
    places = {name: index for index, name in enumerate(RULES)}
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "fastgw check",
                        "semanticVersion": __version__,
                        "rules": [_rule(rule) for rule in RULES.values()],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "results": [_result(problem, places[problem.rule]) for problem in problems],
            }
        ],
    }


def _rule(rule: Rule) -> dict[str, Any]:
    described: dict[str, Any] = {
        "id": rule.id,
        "shortDescription": {"text": rule.sentence},
        "defaultConfiguration": {"level": rule.level},
        "properties": {"reference": rule.reference, "needs": rule.needs},
    }
    if rule.help:
        described["help"] = {"text": rule.help}
    return described


def _result(problem: Problem, place: int) -> dict[str, Any]:
    named = f"{problem.field}: " if problem.field else ""
    hint = f" Hint: {problem.hint}." if problem.hint else ""
    location: dict[str, Any] = {"artifactLocation": {"uri": _uri(problem.file)}}
    if problem.line:
        location["region"] = {"startLine": problem.line}
    return {
        "ruleId": problem.rule,
        "ruleIndex": place,
        "level": problem.level,
        "message": {"text": f"{named}{problem.sentence}.{hint}"},
        "locations": [{"physicalLocation": location}],
    }


def _uri(file: str) -> str:
    path = Path(file)
    if path.is_absolute():
        return path.as_uri()
    from urllib.parse import quote

    return quote(path.as_posix())
