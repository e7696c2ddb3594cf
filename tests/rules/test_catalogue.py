"""The numbers of fields, functions and operations are the same in Python and in the core."""

import re

import pytest

from fastgw._core.rules import door, functions, run
from fastgw.rules.fields import FIELDS, NUMBER_FACTS, SOURCES, TEXT_FACTS
from fastgw.rules.functions import ARGUMENTS_MOST, FUNCTIONS
from fastgw.rules.grammar import parse
from fastgw.rules.image import NODES, OPERATIONS
from fastgw.rules.types import BOOL, INT, IP, TEXT, TEXTS
from tests.guards.tree import CORE
from tests.rules.heads import Known, load


def test_operations() -> None:
    assert [member.name for member in run.Operation] == list(OPERATIONS)


def test_nodes() -> None:
    assert [member.name.removeprefix("NODE_") for member in run.NodeKind] == list(NODES)


def test_functions() -> None:
    assert [member.name.lower() for member in functions.Function] == list(FUNCTIONS)
    assert max(function.most for function in FUNCTIONS.values()) <= ARGUMENTS_MOST


def test_sources_and_facts() -> None:
    """These are declared only, so the declaration is read."""
    text = (CORE / "rules" / "facts.pxd").read_text()
    block = re.search(r"cdef enum Source:(.*?)\n\n", text, re.S)[1]
    assert tuple(re.findall(r"\b[A-Z][A-Z_]+\b", re.sub("#.*", "", block))) == SOURCES
    counts = dict(re.findall(r"(\w+_FACTS) = (\d+)", text))
    assert counts == {"TEXT_FACTS": str(len(TEXT_FACTS)), "NUMBER_FACTS": str(len(NUMBER_FACTS))}


@pytest.mark.parametrize("name", FIELDS)
def test_each_field_has_the_value_that_the_model_reads(name: str) -> None:
    """On a usual head where no fact is known."""
    row = FIELDS[name]
    if row.type.name == "map":
        asked = f'any({name}[*][*] == "a")'
    else:
        asked = {BOOL: name, INT: f"{name} == 1", IP: f"{name} == ::1", TEXT: f'{name} == "a"',
                 TEXTS: f'any({name}[*] == "a")'}[row.type]  # fmt: skip
    parse(asked)
    known, asker, program = Known(), door.Asker(), load(asked)
    assert asker.begin(program, known.head())
    wanted, got = known.get(name), asker.value(0)
    if row.type.name == "map":
        assert got == list(wanted.values())
    else:
        assert got == (str(wanted) if row.type == IP else wanted)
