"""How an expression is shown once it has been read."""

import pytest

from fastgw.rules.errors import RuleError
from fastgw.rules.grammar import parse, parse_value
from fastgw.rules.show import show, show_value

SHOWN = {
    "ssl": "ssl (boolean)",
    'http.host eq "a\\"b"': 'http.host (text) eq "a\\"b"',
    'http.host == 61:62 and not ip.src in $x.y': 'and\n  http.host (text) eq "ab"\n  not\n    ip.src (address) in $x.y',
    "cf.threat_score & 010": "cf.threat_score (integer) & 8",
    "ip.src in {10.0.0.0/8 ::1}": "ip.src (address) in {10.0.0.0..10.255.255.255 ::1}",
    "cf.threat_score in {1..3 5}": "cf.threat_score (integer) in {1..3 5}",
    'http.host strict wildcard "*.a"': 'http.host (text) strict wildcard "*.a"',
    'any(lower(http.request.headers["a"][*])[*] eq "b") or ssl': (
        'or\n  any element\n    lower(http.request.headers["a"][*])[*] (text) eq "b"\n  ssl (boolean)'
    ),
    'all(http.request.headers.names[*] matches "a|b")': (
        'all elements\n  http.request.headers.names[*] (text) matches "a|b"'
    ),
    "ssl xor not grpc.web": "xor\n  ssl (boolean)\n  not\n    grpc.web (boolean)",
    "ip.src in {1.0.0.0 1.0.0.2 1.0.0.4 1.0.0.6 1.0.0.8 1.0.0.10 1.0.0.12 1.0.0.14 1.0.0.16}": (
        "ip.src (address) in {1.0.0.0 1.0.0.2 1.0.0.4 1.0.0.6 1.0.0.8 1.0.0.10 1.0.0.12 1.0.0.14 ... 9 in all}"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("expression", "shown"), SHOWN.items(), ids=range(len(SHOWN)))
def test_conditions(expression: str, shown: str) -> None:
    assert show(parse(expression)) == shown


@pytest.mark.parametrize(
    "value",
    [
        "ip.src",
        'lower(http.request.headers["a"][0])',
        'join(http.request.headers["a"], ",")',
        "substring(http.host, 1, -1)",
        'starts_with(http.host, "\\x00")',
        "cidr(ip.src, 24, 48)",
    ],
)
def test_values_are_shown_as_they_are_written(value: str) -> None:
    assert show_value(parse_value(value)) == value


@pytest.mark.parametrize(
    ("value", "column", "said"),
    [
        ("", 1, "the expression is empty"),
        ("ip.src ", 1, ""),
        ("ip.src eq 1", 8, "the value should end here"),
        ('"a"', 1, "expected the name of a field or a function"),
        ("not ssl", 1, "there is no field not"),
        ("http.request.headers", 1, "this is a map of array of text"),
        ('http.request.headers["a"][*]', 1, "this is many"),
        ("http.request.headers[*]", 1, "this is many"),
        ("a" * 5000, 1, "the expression has 5000 octets, at most are 4096"),
    ],
)
def test_what_is_no_value(value: str, column: int, said: str) -> None:
    if not said:
        assert parse_value(value).type.name == "address"
        return
    with pytest.raises(RuleError) as error:
        parse_value(value)
    assert said in error.value.sentence
    assert error.value.column == column
