"""The core against a second reading of the semantics: rules and heads made by chance."""

import pytest
from hypothesis import given, settings

from fastgw._core.rules.door import Asker
from fastgw.rules.grammar import parse
from tests.rules.expressions import OUR_MAKERS, Maker
from tests.rules.heads import ASKER, load
from tests.rules.model import truth

_QUICK = settings(max_examples=100, deadline=None)


@_QUICK
@given(OUR_MAKERS)
def test_the_core_and_the_model_agree(maker: Maker) -> None:
    for _ in range(6):
        expression = maker.expression()
        program, tree = load(expression), parse(expression)
        for known in (maker.head(), maker.head(), maker.head()):
            assert ASKER.begin(program, known.head())
            assert (ASKER.decide()[0] == 0) is truth(tree, known), expression
    assert ASKER.exhausted == 0


@_QUICK
@given(OUR_MAKERS)
def test_rules_that_share_values_say_what_each_says_alone(maker: Maker) -> None:
    rules = [maker.expression(2) for _ in range(8)]
    program = load(*rules, ends=False)
    for known in (maker.head(), maker.head()):
        assert ASKER.begin(program, known.head())
        ended, hits, count = ASKER.decide()
        assert ended is None
        wanted = [at for at, rule in enumerate(rules) if truth(parse(rule), known)]
        assert (hits, count) == (wanted, len(wanted))


@pytest.mark.parametrize("size", [0, 24, 64, 200])
@settings(max_examples=25, deadline=None)
@given(OUR_MAKERS)
def test_without_room_nothing_breaks_and_it_is_counted(size: int, maker: Maker) -> None:
    """What could be answered without the missing value is answered as ever."""
    asker = Asker(4096, size)
    for _ in range(6):
        expression, known = maker.expression(), maker.head()
        before = asker.exhausted
        assert asker.begin(load(expression), known.head())
        said = asker.decide()[0] == 0
        if asker.exhausted == before:
            assert said is truth(parse(expression), known)
