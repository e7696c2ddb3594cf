"""Collects what is wrong with a configuration and where; complaints of the model become sentences."""

from __future__ import annotations

import contextlib
import difflib
import functools
import re
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from fastgw.config.accesstables import (
    AccessTable,
    ApplicationTable,
    IdentityTable,
    JwtTable,
    PolicyTable,
    ServiceTokenTable,
)
from fastgw.config.fields import ComplaintError, Table, kind_of
from fastgw.config.lines import Path, key_lines, line_of
from fastgw.config.model import (
    AdminTable,
    LimitsTable,
    LogTable,
    RateLimitsTable,
    ServerTable,
    StoreTable,
    ZoneTable,
)
from fastgw.config.routing import HealthTable, MatchTable, OriginTable, RetryTable, RouteTable
from fastgw.config.ruletables import RateLimitTable, ResponseTable, RuleTable, SkipTable
from fastgw.config.settings import SettingsTable
from fastgw.errors import Problem
from fastgw.policy.inspection import Inspection
from fastgw.policy.names import hostname
from fastgw.policy.settings import Settings

Model = TypeVar("Model", bound=Table)

# Keys that people put one table too high or too low, and where they belong.
_HOMES: dict[str, tuple[type[Table], str]] = {
    "[server]": (ServerTable, "server"),
    "[log]": (LogTable, "log"),
    "[store]": (StoreTable, "store"),
    "[admin]": (AdminTable, "admin"),
    "[limits]": (LimitsTable, "limits"),
    "[rate_limits]": (RateLimitsTable, "rate_limits"),
    "[[zone]]": (ZoneTable, "zone"),
    "the zone's settings": (SettingsTable, "settings"),
    "[zone.origin]": (OriginTable, "origin"),
    "[[zone.route]]": (RouteTable, "route"),
    "a match": (MatchTable, "match"),
    "[zone.retry] or a route's retry": (RetryTable, "retry"),
    "[zone.origin.health]": (HealthTable, "health"),
    "[[zone.rule]]": (RuleTable, "rule"),
    "a rule's ratelimit": (RateLimitTable, "ratelimit"),
    "a rule's response": (ResponseTable, "response"),
    "a rule's skip": (SkipTable, "skip"),
    "[zone.access]": (AccessTable, "access"),
    "[[zone.access.applications]]": (ApplicationTable, "applications"),
    "a policy": (PolicyTable, "policies"),
    "[[zone.access.jwt]]": (JwtTable, "jwt"),
    "[[zone.access.service_tokens]]": (ServiceTokenTable, "service_tokens"),
    "[zone.access.identity]": (IdentityTable, "identity"),
}
_KINDS = {
    "string_type": ("text in quotes", ""),
    "bool_type": ("true or false", "without quotes"),
    "int_type": ("a whole number", "without quotes"),
    "list_type": ("an array", "put it in [ ]"),
}


_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_TELLING = 4  # characters: shorter values are part of too many words


class Report:
    """The problems of one configuration, and the knowledge of which line each key stands on."""

    def __init__(self, file: str, text: str = "", *, deep: bool = False) -> None:
        self.file = file
        self.text = text
        self.deep = deep  # are notes wanted, and what takes its time to find?
        self.failed = False  # is there an error among the problems?
        self.errors = 0
        self.places = False  # is there a database of addresses?
        self.lists: Mapping[str, tuple[str, ...]] = {}  # of [lists], for all zones
        self.inspections: dict[str, Inspection] = {}  # that are good, by what is written
        self.known: dict[Hashable, Any] = {}  # tables that are good, by what is written
        self.values: dict[int, Settings] = {}  # what these became, by the identity of the table
        self.hidden: dict[str, str] = {}  # what came from elsewhere, and how it is written: never shown
        self._found: dict[Problem, None] = {}

    def error(self, path: Path, sentence: str, hint: str = "", *, rule: str = "invalid") -> None:
        """`sentence` goes on where the name of the field ends."""
        self._add(path, Problem("", sentence, hint, rule=rule))
        self.failed = True
        self.errors += 1

    def warning(self, path: Path, sentence: str, hint: str = "", *, rule: str = "questionable") -> None:
        """Something that works, but hardly as meant."""
        self._add(path, Problem("", sentence, hint, warning=True, rule=rule))

    def note(self, path: Path, sentence: str, hint: str = "", *, rule: str) -> None:
        """Something worth knowing, as it may well be meant; for those who ask for all."""
        if self.deep:
            self._add(path, Problem("", sentence, hint, warning=True, rule=rule, note=True))

    def sorted(self) -> tuple[Problem, ...]:
        """The problems by line."""
        return tuple(sorted(self.problems, key=lambda problem: problem.line))

    @property
    def count(self) -> int:
        """How many problems were found so far."""
        return len(self._found)

    @property
    def problems(self) -> list[Problem]:
        """What was found so far, each thing once."""
        return list(self._found)

    def _add(self, path: Path, problem: Problem) -> None:
        line = line_of(self._lines, path)
        if self.hidden:
            problem = replace(
                problem, sentence=self._covered(problem.sentence), hint=self._covered(problem.hint)
            )
        self._found[replace(problem, field=field_text(path), file=self.file, line=line)] = None

    @functools.cached_property
    def _lines(self) -> dict[Path, int]:
        """Where each key of the text stands: most texts are good, and nobody asks."""
        return key_lines(self.text)

    def place(self, path: Path) -> Problem:
        """A problem there that nothing is said of yet."""
        return Problem(field_text(path), "", "", self.file, line_of(self._lines, path))

    def hide(self, value: str, written: str) -> None:
        """Never show `value`, but what is `written` in its place."""
        forms = {value, repr(value)[1:-1], value.lower()}
        with contextlib.suppress(ValueError):
            forms.add(hostname(value))
        for form in forms:
            self.hidden[form] = written

    def _covered(self, text: str) -> str:
        """`text` without what is hidden: neither whole nor in quoted parts of it."""
        for value, written in self.hidden.items():
            if len(value) >= _TELLING:
                text = text.replace(value, written)

            def quoted(found: re.Match[str], value: str = value, written: str = written) -> str:
                inside = found[0][1:-1]
                return f"'{written}'" if inside and (inside in value or value in inside) else found[0]

            text = _QUOTED.sub(quoted, text)
        return text

    def table(self, model: type[Model], data: object, path: Path) -> Model | None:
        """`data` as a `model`, or None if what is left of it is too little to go on with.

        A field that is refused is reported and takes its default, so that the rest can still be judged.
        """
        if not isinstance(data, Mapping):
            self.error(path, f"must be a table, not {kind_of(data)}")
            return None
        known = _fields(model)
        kept = {key: value for key, value in data.items() if key in known}
        if len(kept) < len(data):
            for key in data:
                if key not in kept:
                    self._unknown(model, key, path)
        try:
            return model.model_validate(kept)
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                location = (*path, *[part for part in detail["loc"] if part != "[key]"])
                self.error(location, *_sentence(detail, model))
                kept.pop(str(detail["loc"][0]), None)
        try:
            return model.model_validate(kept)
        except ValidationError:
            return None

    def tables(self, data: object, path: Path, written: str) -> list[Any]:
        """The entries of an array of tables; `written` is how one of them begins."""
        if isinstance(data, list):
            return data
        self.error(
            path, f"must be an array of tables, not {kind_of(data)}", f"write {written} with two brackets"
        )
        return []

    def _unknown(self, model: type[Table], key: str, path: Path) -> None:
        hint = did_you_mean(key, model.model_fields)
        if not hint:
            for home, (other, _) in _HOMES.items():
                if other is not model and key in other.model_fields:
                    hint = f"{key!r} belongs in {home}"
                    break
            else:
                hint = f"known here: {', '.join(model.model_fields)}"
        self.error((*path, key), "is not a known key", hint)


@functools.cache
def _fields(model: type[Table]) -> frozenset[str]:
    return frozenset(model.model_fields)


def field_text(path: Path) -> str:
    """`("zone", 0, "dns", 1, "name")` as `zone[0].dns[1].name`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """A hint if `word` looks like one of `known`, else nothing."""
    near = difflib.get_close_matches(str(word).lower(), list(known), n=1, cutoff=0.6)
    return f"did you mean {near[0]!r}?" if near else ""


def _sentence(detail: ErrorDetails, model: type[Table]) -> tuple[str, str]:
    """A complaint of the model as a sentence without its subject, and a hint."""
    kind, value = detail["type"], detail["input"]
    context: dict[str, Any] = detail.get("ctx", {})
    if kind == "extra_forbidden":
        return "is not a known key", ""
    if kind == "missing":
        return "is missing", _purpose(model, str(detail["loc"][-1]))
    if isinstance(context.get("error"), ComplaintError):
        complaint = context["error"]
        return complaint.sentence, complaint.hint
    if kind == "literal_error":
        words = [word.strip().strip("'") for word in context["expected"].replace(" or ", ", ").split(", ")]
        if words == ["1"]:
            return f"is {value}; this fastgw reads version 1", "write 1"
        listed = ", ".join(f'"{word}"' for word in words)
        return f"must be one of {listed}, not {kind_of(value)}", did_you_mean(value, words)
    if kind in _KINDS:
        wanted, hint = _KINDS[kind]
        return f"must be {wanted}, not {kind_of(value)}", hint
    if kind in ("string_too_short", "too_short"):
        return "is empty", _purpose(model, str(detail["loc"][0]))
    return detail["msg"][:1].lower() + detail["msg"][1:], ""


def _purpose(model: type[Table], field: str) -> str:
    known = model.model_fields.get(field)
    return (known.description or "") if known is not None else ""
