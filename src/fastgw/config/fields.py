"""What the fields of the file are made of: durations, switches, ports, and sentences for what is none."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_UNIT_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}
DURATION_MAX_MS = 24 * 3_600_000


class ComplaintError(ValueError):
    """A value is refused: a sentence without its subject, and what to do instead."""

    def __init__(self, sentence: str, hint: str = "") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.hint = hint


def duration_ms(value: object) -> object:
    """`"1.5s"` as milliseconds."""
    hint = 'write a number and a unit in quotes, as in "30s", "500ms" or "2m"'
    if not isinstance(value, str):
        raise ComplaintError(f"must be a duration in quotes, not {kind_of(value)}", hint)
    found = _DURATION.fullmatch(value.strip())
    if found is None:
        raise ComplaintError(f"is {value!r}, which is not a duration", hint)
    milliseconds = float(found[1]) * _UNIT_MS[found[2]]
    if milliseconds > DURATION_MAX_MS:
        raise ComplaintError(f"is {value!r}, more than the 24 hours that are allowed", hint)
    return round(milliseconds)


def switch(value: object) -> object:
    """A truth is not a switch; all else is left to the type."""
    if isinstance(value, bool):
        word = "on" if value else "off"
        raise ComplaintError(f'must be "on" or "off" in quotes, not {kind_of(value)}', f'write "{word}"')
    return value


def _port(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool) and not 1 <= value <= 65535:
        raise ComplaintError(f"is {value}, which is not a port", "ports are 1 to 65535")
    return value


def kind_of(value: object) -> str:
    """What people call the type of a TOML value."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"the number {value}"
    if isinstance(value, str):
        return f"the text {value!r}"
    if isinstance(value, list):
        return "an array"
    if isinstance(value, dict):
        return "a table"
    return f"the value {value}"


DurationText = Annotated[str, Field(pattern=f"^{_DURATION.pattern}$")]
Duration = Annotated[int, BeforeValidator(duration_ms, json_schema_input_type=DurationText)]
OnOff = Annotated[Literal["on", "off"], BeforeValidator(switch)]
Port = Annotated[int, BeforeValidator(_port)]
Text = Annotated[str, Field(min_length=1)]


class Table(BaseModel):
    """A table of the file: exact types, no unknown keys."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
