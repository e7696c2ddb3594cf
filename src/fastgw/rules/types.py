"""The types of values in the rules language."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Type:
    """A plain type, or an array or a map of another type; the keys of a map are text."""

    name: str
    of: Type | None = None

    def __str__(self) -> str:
        return f"{self.name} of {self.of}" if self.of else self.name


BOOL = Type("boolean")
INT = Type("integer")
IP = Type("address")
TEXT = Type("text")


def array(of: Type) -> Type:
    return Type("array", of)


def mapping(of: Type) -> Type:
    return Type("map", of)


TEXTS = array(TEXT)
BOOLS = array(BOOL)
TEXTS_BY_KEY = mapping(TEXTS)
