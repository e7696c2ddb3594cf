"""Heads for managed rules, and the set as one program of the core."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from fastgw._core.rules.door import Asker, Head
from fastgw._core.rules.program import Rules
from fastgw._core.rules.regex import CompiledRegex
from fastgw.managed.row import Example
from fastgw.managed.rules import SET, SPARE_QUIET
from fastgw.rules.compile import Rule, compile_rules
from fastgw.rules.regex.tables import compile_one

HERE = Path(__file__).parent
HEADS = [path for room in ("heads", "browsers") for path in sorted((HERE / room).glob("*.json"))]
Fields = list[tuple[bytes, bytes]]

ORDINARY = [
    ("content-type", "application/grpc"),
    ("user-agent", "grpc-go/1.85.0"),
    ("te", "trailers"),
]


def octets(text: str) -> bytes:
    return text.encode("latin-1")


def fields(example: Example) -> Fields:
    """The whole head of an example."""
    pairs = [(":method", example.method), (":scheme", "https"), (":path", example.path)]
    pairs += [(":authority", "shop.example.com")]
    pairs += [pair for pair in ORDINARY if pair[0] not in example.without]
    return [(octets(name), octets(value)) for name, value in (*pairs, *example.fields)]


def recorded() -> Iterable[tuple[str, Fields]]:
    for path in HEADS:
        for number, head in enumerate(json.loads(path.read_text())["heads"]):
            yield f"{path.stem}-{number}", [(octets(name), octets(value)) for name, value in head]


def head(given: Fields) -> Head:
    return Head(given, b"shop.example.com", "198.51.100.7", "192.0.2.1", True, 1_763_800_000_000)


def program(rules: Sequence[tuple[str, bool]]) -> Rules:
    """Rules, and whether each ends the phase."""
    image = compile_rules([[Rule(*rule) for rule in rules]], {})
    return Rules(image, [CompiledRegex(compile_one(pattern.decode())) for pattern in image.regexes])


@cache
def _set(quiet: bool) -> tuple[list[str], Rules]:
    rules = [rule for rule in SET if quiet or rule is not SPARE_QUIET]
    return [rule.id for rule in rules], program([(rule.expression, rule is SPARE_QUIET) for rule in rules])


_ASKER = Asker(scratch_size=1 << 20)


def hits(given: Fields, quiet: bool = True) -> set[str]:
    """Ids of the rules that hold for a head; without `quiet`, no head is spared any."""
    ids, rules = _set(quiet)
    assert _ASKER.begin(rules, head(given))
    counts = [0] * rules.rule_count
    _ASKER.decide(0, counts)
    assert not _ASKER.exhausted
    return {name for name, count in zip(ids, counts, strict=True) if count} - {SPARE_QUIET.id}


def is_quiet(given: Fields) -> bool:
    _, rules = _set(True)
    assert _ASKER.begin(rules, head(given))
    return _ASKER.decide(0)[0] is not None
