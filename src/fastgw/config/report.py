"""Collects what is wrong with a configuration and where; complaints of the model become sentences."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from fastgw.config.fields import ComplaintError, Table, kind_of
from fastgw.config.lines import Path, line_of
from fastgw.config.model import LimitsTable, LogTable, ServerTable, SettingsTable, StoreTable, ZoneTable
from fastgw.config.routing import HealthTable, MatchTable, OriginTable, RetryTable, RouteTable
from fastgw.errors import Problem

Model = TypeVar("Model", bound=Table)

# Keys that people put one table too high or too low, and where they belong.
_HOMES: dict[str, tuple[type[Table], str]] = {
    "[server]": (ServerTable, "server"),
    "[log]": (LogTable, "log"),
    "[store]": (StoreTable, "store"),
    "[limits]": (LimitsTable, "limits"),
    "[[zone]]": (ZoneTable, "zone"),
    "the zone's settings": (SettingsTable, "settings"),
    "[zone.origin]": (OriginTable, "origin"),
    "[[zone.route]]": (RouteTable, "route"),
    "a match": (MatchTable, "match"),
    "[zone.retry] or a route's retry": (RetryTable, "retry"),
    "[zone.origin.health]": (HealthTable, "health"),
}
_KINDS = {
    "string_type": ("text in quotes", ""),
    "bool_type": ("true or false", "without quotes"),
    "int_type": ("a whole number", "without quotes"),
    "list_type": ("an array", "put it in [ ]"),
}


class Report:
    """The problems of one configuration, and the knowledge of which line each key stands on."""

    def __init__(self, file: str, lines: dict[Path, int]) -> None:
        self.file = file
        self.lines = lines
        self.problems: list[Problem] = []

    def error(self, path: Path, sentence: str, hint: str = "") -> None:
        """`sentence` goes on where the name of the field ends."""
        self._add(path, sentence, hint, warning=False)

    def warning(self, path: Path, sentence: str, hint: str = "") -> None:
        """Something that works, but hardly as meant."""
        self._add(path, sentence, hint, warning=True)

    @property
    def failed(self) -> bool:
        """Is there an error among the problems?"""
        return any(not problem.warning for problem in self.problems)

    def sorted(self) -> tuple[Problem, ...]:
        """The problems by line."""
        return tuple(sorted(self.problems, key=lambda problem: problem.line))

    def _add(self, path: Path, sentence: str, hint: str, *, warning: bool) -> None:
        line = line_of(self.lines, path)
        problem = Problem(field_text(path), sentence, hint, self.file, line, warning)
        if problem not in self.problems:
            self.problems.append(problem)

    def table(self, model: type[Model], data: object, path: Path) -> Model | None:
        """`data` as a `model`, or None if what is left of it is too little to go on with.

        A field that is refused is reported and takes its default, so that the rest can still be judged.
        """
        if not isinstance(data, Mapping):
            self.error(path, f"must be a table, not {kind_of(data)}")
            return None
        kept = {key: value for key, value in data.items() if key in model.model_fields}
        for key in data:
            if key not in kept:
                self._unknown(model, key, path)
        try:
            return model.model_validate(kept)
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                location = (*path, *detail["loc"])
                self.error(location, *_sentence(detail, model))
                kept.pop(str(detail["loc"][0]), None)
        try:
            return model.model_validate(kept)
        except ValidationError:
            return None

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
