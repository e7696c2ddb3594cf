"""What stands behind the question mark: nested names with dots, lists as repeated keys or with commas."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from fastgw.admin.errors import INVALID, refuse

Row = TypeVar("Row")
Match = Callable[[str, str], bool]

PAGE_MOST = 1_000_000
TESTS: dict[str, Match] = {
    "equal": lambda value, wanted: value == wanted,
    "exact": lambda value, wanted: value == wanted,
    "not_equal": lambda value, wanted: value != wanted,
    "contains": lambda value, wanted: wanted in value,
    "startswith": lambda value, wanted: value.startswith(wanted),
    "starts_with": lambda value, wanted: value.startswith(wanted),
    "endswith": lambda value, wanted: value.endswith(wanted),
    "ends_with": lambda value, wanted: value.endswith(wanted),
}


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter, for the description of the API."""

    name: str
    description: str
    schema: dict[str, Any] = field(default_factory=lambda: {"type": "string"})


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the rows there are."""

    rows: Sequence[Any]
    page: int
    per_page: int
    total: int

    @property
    def info(self) -> dict[str, int]:
        """`result_info` of an answer."""
        return {
            "page": self.page,
            "per_page": self.per_page,
            "count": len(self.rows),
            "total_count": self.total,
            "total_pages": -(-self.total // self.per_page),
        }


@dataclass(frozen=True, slots=True)
class Cursor:
    """Some of the rows there are; `after` leads to the next ones, empty: there are none."""

    rows: Sequence[Any]
    after: str = ""

    @property
    def info(self) -> dict[str, Any]:
        """`result_info` of an answer."""
        return {"count": len(self.rows), "cursor": self.after, "cursors": {"after": self.after}}


class Query:
    """The parameters of a request. Raise ApiError for what cannot be meant."""

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        self._values: dict[str, list[str]] = {}
        for key, value in pairs:
            self._values.setdefault(key.removesuffix("[]"), []).append(value)

    def text(self, name: str, default: str = "") -> str:
        """The last value."""
        return self._values.get(name, [default])[-1]

    def given(self, name: str) -> bool:
        """Is it there, and not empty?"""
        return bool(self.text(name))

    def many(self, name: str) -> list[str]:
        """All values, those with commas taken apart."""
        return [part for value in self._values.get(name, ()) for part in value.split(",") if part]

    def word(self, name: str, words: Sequence[str], default: str) -> str:
        """One of `words`."""
        value = self.text(name, default).lower() or default
        if value not in words:
            raise refuse(400, INVALID, f"{name} is {value!r}; it must be one of {', '.join(words)}")
        return value

    def number(self, name: str, default: int, least: int, most: int) -> int:
        """A whole number within the range; 2.0 is one too."""
        text = self.text(name)
        if not text:
            return default
        try:
            value = float(text) if len(text) < 20 else float("nan")
            whole = int(value)
        except (ValueError, OverflowError):
            value, whole = 0.5, 0
        if whole != value or not least <= whole <= most:
            sentence = f"{name} is {text[:40]!r}; it must be a number from {least} to {most}"
            raise refuse(400, INVALID, sentence)
        return whole

    def truth(self, name: str) -> bool | None:
        """true, false, or None if it is not there."""
        if not self.given(name):
            return None
        return self.word(name, ("true", "false"), "true") == "true"

    def page(self, usual: int = 20, most: int = 1000) -> tuple[int, int]:
        """Which page, from 1 up, and how many rows it has."""
        return self.number("page", 1, 1, PAGE_MOST), self.number("per_page", usual, 1, most)

    def paged(self, rows: Sequence[Any], usual: int = 20, most: int = 1000) -> Page:
        """That page of `rows`; beyond the last it is empty."""
        page, per_page = self.page(usual, most)
        first = (page - 1) * per_page
        return Page(rows[first : first + per_page], page, per_page, len(rows))

    def filtered(
        self, rows: Sequence[Row], fields: dict[str, Callable[[Row], str]], lower: Sequence[str] = ()
    ) -> list[Row]:
        """The rows that pass every test asked for, or any with match=any; `name.contains=x` is a test.

        Values of `lower` are compared in lower case.
        """
        wanted: list[Callable[[Row], bool]] = []
        for name, value_of in fields.items():
            lowered = name in lower
            for test, match in (("", TESTS["exact"]), *TESTS.items()):
                key = f"{name}.{test}" if test else name
                value = self.text(key)
                if value:
                    wanted.append(_test(value_of, match, value.lower() if lowered else value, lowered))
        if not wanted:
            return list(rows)
        together = any if self.word("match", ("all", "any"), "all") == "any" else all
        return [row for row in rows if together(test(row) for test in wanted)]

    def ordered(
        self, rows: Sequence[Row], keys: dict[str, Callable[[Row], Any]], default: str = ""
    ) -> list[Row]:
        """The rows by `order` and `direction`."""
        order = self.word("order", tuple(keys), default or next(iter(keys)))
        downward = self.word("direction", ("asc", "desc"), "asc") == "desc"
        return sorted(rows, key=keys[order], reverse=downward)


def _test(value_of: Callable[[Row], str], match: Match, wanted: str, lowered: bool) -> Callable[[Row], bool]:
    def test(row: Row) -> bool:
        value = value_of(row)
        return match(value.lower() if lowered else value, wanted)

    return test


def text_params(
    name: str, what: str, tests: Sequence[str] = ("exact", "contains", "startswith", "endswith")
) -> tuple[Param, ...]:
    """The parameters that `filtered` knows for a field."""
    return (Param(name, what), *(Param(f"{name}.{test}", f"{what}: {test}") for test in tests))


def words_param(name: str, words: Sequence[str], what: str) -> Param:
    """A parameter that is one of some words."""
    return Param(name, what, {"type": "string", "enum": list(words)})


DIRECTION = words_param("direction", ("asc", "desc"), "order of the rows")
MATCH = words_param("match", ("all", "any"), "must all tests be passed, or is one enough")
PAGING = (
    Param("page", "from 1 up", {"type": "integer", "minimum": 1, "maximum": PAGE_MOST}),
    Param("per_page", "rows of a page", {"type": "integer", "minimum": 1, "maximum": 1000}),
)
CURSORING = (
    Param("cursor", "of the answer before"),
    Param("per_page", "rows", {"type": "integer", "minimum": 1, "maximum": 1000}),
)
