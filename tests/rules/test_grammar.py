"""What the grammar makes of a text, and how it says what is wrong with one."""

import time
from ipaddress import IPv4Address
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastgw.rules.errors import RuleError
from fastgw.rules.grammar import LENGTH_MOST, parse
from fastgw.rules.tree import Combine, Comparison, Not, Quantifier, Span
from tests.rules.expressions import OUR_MAKERS, Maker
from tests.rules.test_oracle import BITS, mutated


def wrong(expression: str) -> RuleError:
    with pytest.raises(RuleError) as raised:
        parse(expression)
    return raised.value


def test_an_error_shows_the_place() -> None:
    assert str(wrong('http.host eq "a"\n  and http.hots eq "b"')) == (
        "2:7: there is no field http.hots\n"
        '    and http.hots eq "b"\n'
        "        ^~~~~~~~~\n"
        "  hint: did you mean http.host?"
    )


def test_a_long_line_is_shown_around_the_place() -> None:
    error = wrong('ssl or http.host == "' + "x" * 300 + '" or unknown or ssl')
    _, shown, mark, *_ = str(error).splitlines()
    assert len(shown) <= 112
    assert shown[mark.index("^") : mark.rindex("~") + 1] == "unknown"


@pytest.mark.parametrize(
    ("expression", "sentence", "culprit"),
    [
        ('ssl and lowr(http.host) == "a"', "there is no function lowr", "lowr"),
        ("ssl AND ssl", "the expression should end here", "AND"),
        ('http.host = "a"', "expected an operator", "="),
        ("http.host", "a text is not a condition", ""),
        ("cf.threat_score eq 08", "08 is not an octal number", "08"),
        ('http.host eq "\\n"', "an escape is", "\\n"),
        ('http.host eq "a', "the closing quote is missing", '"a'),
        ("ip.src in {10.0.0.1/8}", "the address has bits beyond", "10.0.0.1"),
        ("ip.src == 10.0.0.0/8", "10.0.0.0/8 is not an IP address", "10.0.0.0/8"),
        ('ip.src in {1.1.1.1, 2.2.2.2}', "the members of a set are separated by spaces", ","),
        ('http.host wildcard "a**"', "a wildcard pattern has no double star", '"a**"'),
        ('http.request.headers["a"][*] == "b"', "the result is an array", 'http.request.headers["a"][*] == "b"'),
        ('http.request.headers["a"] == "b"', "'==' does not work on an array of text", "=="),
        ('any(http.request.headers["a"][*] == "b" and ssl)', "expected ')' to close any(", "and"),
        ('ssl and (http.request.headers["a"][*] == "b")', "'and' has a boolean on its left",
         '(http.request.headers["a"][*] == "b")'),
        ("http.request.body.size > 1", "the field http.request.body.size is not available", "http.request.body.size"),
        ('regex_replace(http.host, "a", "b") == "c"', "the function regex_replace is not available", "regex_replace"),
        ("ssl == true", "the expression should end here", "=="),
        ("true", "there are no boolean constants", "true"),
        ("NOT ssl", "operators are written in lower case: not", "NOT"),
        ('split(http.host, ".", 0)[0] == "a"', "the limit is 1 to 128", "0"),
        ('url_decode(http.host, "x") == "a"', "the letters of this argument are r, u", '"x"'),
        ("lower(http.host, ssl) == \"a\"", "lower(text) takes at most 1 arguments", "ssl"),
        ("ip.src in $Office", "the name of a list has", "$Office"),
        ("", "the expression is empty", ""),
        ("ssl\tand ssl", "the expression should end here", ""),
    ],
)  # fmt: skip
def test_sentences(expression: str, sentence: str, culprit: str) -> None:
    error = wrong(expression)
    assert error.sentence.startswith(sentence)
    assert error.expression[error.start : error.end] == culprit or not culprit


@pytest.mark.parametrize(("text", "number"), [("010", 8), ("0x1F", 31), ("0", 0), ("-5", -5), ("9", 9)])
def test_integers(text: str, number: int) -> None:
    tree = parse(f"cf.threat_score eq {text}")
    assert isinstance(tree, Comparison)
    assert tree.operand == number


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        (r'"a\"b\\c\x41\101"', b'a"b\\cAA'),
        (r'r"a\n"', rb"a\n"),
        ('r#"say "a""#', b'say "a"'),
        ("0a:ff", b"\x0a\xff"),
        ('"é"', "é".encode()),
    ],
)
def test_texts(text: str, octets: bytes) -> None:
    tree = parse(f"http.host eq {text}")
    assert isinstance(tree, Comparison)
    assert tree.operand == octets


def test_a_regular_expression_keeps_its_backslashes() -> None:
    tree = parse(r'http.host matches "^\d+\"[\"]\\$"')
    assert isinstance(tree, Comparison)
    assert tree.operand == rb'^\d+"[\"]\\$'


def test_a_regular_expression_is_judged_where_it_stands() -> None:
    with pytest.raises(RuleError) as raised:
        parse('ssl and http.host matches "("', lambda regex: "a bracket is open" if regex == b"(" else "")
    assert (raised.value.sentence, raised.value.column) == ("a bracket is open", 27)


def test_precedence() -> None:
    tree = parse("not ssl or ssl xor ssl and ssl or ssl")
    assert isinstance(tree, Combine)
    assert tree.op == "or"
    assert [type(item) for item in tree.items] == [Not, Combine, Comparison]
    assert tree.items[1].op == "xor"  # type: ignore[union-attr]
    assert tree.items[1].items[1].op == "and"  # type: ignore[union-attr]


def test_a_network_is_a_span() -> None:
    tree = parse("ip.src in {10.0.0.0/8}")
    assert isinstance(tree, Comparison)
    assert tree.operand == (Span(IPv4Address("10.0.0.0"), IPv4Address("10.255.255.255")),)


def test_a_quantifier() -> None:
    tree = parse('any(http.request.headers["a"][*] == "b")')
    assert isinstance(tree, Quantifier)


def test_the_limit_of_length_is_in_octets() -> None:
    fits = 'http.host == "' + "é" * ((LENGTH_MOST - 16) // 2) + '"'
    parse(fits)
    assert wrong(fits + "  ").sentence.startswith("the expression has 4097 octets")


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.text(max_size=200), st.lists(st.sampled_from(BITS), max_size=60).map("".join)))
def test_no_text_does_harm(expression: str) -> None:
    try:
        parse(expression)
    except RuleError as error:
        assert 0 <= error.start <= error.end <= len(expression)
        assert error.line >= 1
        assert error.column >= 1
        assert str(error)


@settings(max_examples=60, deadline=None)
@given(OUR_MAKERS)
def test_no_mutation_does_harm(maker: Maker) -> None:
    for _ in range(10):
        expression = maker.expression(2)
        for _ in range(3):
            expression = mutated(expression, maker.chance) or "x"
        try:
            parse(expression)
        except RuleError as error:
            assert str(error)


LONG = {
    "brackets": "(" * 4096,
    "nots": "!" * 4096,
    "calls": "lower(" * 680,
    "quantifiers": "any(" * 1000,
    "stars": "http.request.headers" + "[*]" * 1300,
    "an or": "ssl or " * 580 + "ssl",
    "a xor": "ssl^^" * 800 + "ssl",
    "a set": "cf.threat_score in {" + "1 " * 2030 + "}",
    "a text": 'http.host == "' + "\\x41" * 1000,
    "hashes": "http.host == r" + "#" * 4000,
    "blanks": "ssl" + " " * 4000 + "x",
    "a name": "a." * 2040,
}


@pytest.mark.parametrize("kind", LONG)
def test_the_time_is_bounded(kind: str) -> None:
    begun = time.process_time()
    try:
        parse(LONG[kind])
    except RuleError as error:
        assert str(error)
    assert time.process_time() - begun < 1.0


def test_random_octets() -> None:
    chance = Random(7)
    for _ in range(500):
        text = chance.randbytes(chance.randrange(60)).decode("latin-1")
        try:
            parse(text)
        except RuleError as error:
            assert str(error)
