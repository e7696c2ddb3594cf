"""The functions of the rules language: arguments, results, and where a name of theirs is refused."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from fastgw.rules.types import BOOL, INT, IP, TEXT, TEXTS, TEXTS_BY_KEY, Type


class Kind(Enum):
    """What may stand as an argument."""

    VALUE = "a field or a function"
    LITERAL = "a constant"
    EITHER = "a field, a function or a constant"


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    types: tuple[Type, ...]
    kind: Kind = Kind.VALUE


@dataclass(frozen=True, slots=True)
class Function:
    """A row of the catalogue; `number` is the core's name for it, `repeats` allows more of the last argument."""

    name: str
    number: int
    parameters: tuple[Parameter, ...]
    result: Type | None
    does: str
    optional: int = 0
    repeats: int = 0

    @property
    def least(self) -> int:
        return len(self.parameters) - self.optional

    @property
    def most(self) -> int:
        return len(self.parameters) + self.repeats

    def parameter(self, at: int) -> Parameter:
        return self.parameters[min(at, len(self.parameters) - 1)]

    @property
    def signature(self) -> str:
        shown = [parameter.name for parameter in self.parameters]
        for at in range(len(shown) - self.optional, len(shown)):
            shown[at] = f"[{shown[at]}]"
        return f"{self.name}({', '.join(shown)}{', ...' if self.repeats else ''})"


ARGUMENTS_MOST = 16

_SOURCE = Parameter("text", (TEXT,))
_LITERAL = Kind.LITERAL


def _text(name: str, kind: Kind = Kind.LITERAL) -> Parameter:
    return Parameter(name, (TEXT,), kind)


def _whole(name: str, kind: Kind = Kind.LITERAL) -> Parameter:
    return Parameter(name, (INT,), kind)


_ROWS = (
    ("lower", (_SOURCE,), TEXT, "ASCII letters in lower case"),
    ("upper", (_SOURCE,), TEXT, "ASCII letters in upper case"),
    ("len", (_SOURCE,), INT, "octets of the text"),
    ("starts_with", (_SOURCE, _text("prefix", Kind.EITHER)), BOOL, "does the text begin so"),
    ("ends_with", (_SOURCE, _text("suffix", Kind.EITHER)), BOOL, "does the text end so"),
    ("contains", (_SOURCE, _text("part", Kind.EITHER)), BOOL, "does the text contain it"),
    ("wildcard", (_SOURCE, _text("pattern")), BOOL, "as the operator `wildcard`"),
    ("substring", (_SOURCE, _whole("start"), _whole("end")), TEXT,
     "octets from `start` up to, not including, `end`; negative numbers count from the end"),
    ("to_string", (Parameter("value", (INT, BOOL, IP)),), TEXT, "the value as people write it"),
    ("url_decode", (_SOURCE, _text("options")), TEXT,
     "`%41` becomes A, `+` a space; option `r`: again and again, `u`: `%u0041` too"),
    ("remove_bytes", (_SOURCE, _text("octets")), TEXT, "the text without any of these octets"),
    ("trim", (_SOURCE,), TEXT, "the text without white space around it"),
    ("trim_start", (_SOURCE,), TEXT, "the text without white space before it"),
    ("trim_end", (_SOURCE,), TEXT, "the text without white space behind it"),
    ("decode_base64", (_SOURCE,), TEXT, "decoded; missing where the text is not base64"),
    ("encode_base64", (_SOURCE, _text("flags")), TEXT, "encoded; flag `u`: for URLs, `p`: padded"),
    ("join", (Parameter("texts", (TEXTS,)), _text("separator")), TEXT, "the texts in one"),
    ("split", (_SOURCE, _text("separator"), _whole("limit")), TEXTS,
     "the parts between separators, at most `limit` (1 to 128) of them"),
    ("has_key", (Parameter("map", (TEXTS_BY_KEY,)), _text("key")), BOOL, "does the map have the key"),
    ("has_value", (Parameter("texts", (TEXTS,)), _text("value")), BOOL, "is it one of the texts"),
    ("remove_query_args", (_SOURCE, _text("name")), TEXT, "a query string without these parameters"),
    ("lookup_json_string", (_SOURCE, Parameter("key", (TEXT, INT), _LITERAL)), TEXT,
     "the string at this path of keys and positions in a JSON text"),
    ("lookup_json_integer", (_SOURCE, Parameter("key", (TEXT, INT), _LITERAL)), INT,
     "the integer at this path"),
    ("cidr", (Parameter("address", (IP,)), _whole("length4"), _whole("length6")), IP,
     "the network an address is in: its first `length4` or `length6` bits"),
    ("cidr6", (Parameter("address", (IP,)), _whole("length")), IP, "the same, IPv4 addresses stay as they are"),
    ("wildcard_replace", (_SOURCE, _text("pattern"), _text("replacement"), _text("flags")), TEXT,
     "where the whole text fits the pattern, the replacement with `${1}` for the first `*`; flag `s`: strict"),
    ("uuidv4", (_SOURCE,), TEXT, "a UUID made of 16 random octets"),
    ("concat", (Parameter("value", (TEXT, TEXTS), Kind.EITHER), Parameter("value", (TEXT, TEXTS), Kind.EITHER)),
     None, "texts, or arrays of texts, one behind the other"),
    ("is_timed_hmac_valid_v0",
     (Parameter("key", (TEXT,), _LITERAL), _SOURCE, _whole("ttl"), _whole("now", Kind.EITHER),
      _whole("separator_length"), _text("flags")), BOOL,
     "does `text` end in a time and its HMAC-SHA256 that is not older than `ttl` seconds; flag `s`: for URLs"),
)  # fmt: skip

_OPTIONAL = {
    "substring": 1,
    "url_decode": 1,
    "encode_base64": 1,
    "wildcard_replace": 1,
    "is_timed_hmac_valid_v0": 2,
}
_REPEATS = {"remove_query_args": 7, "lookup_json_string": 7, "lookup_json_integer": 7, "concat": 14}

FUNCTIONS = {
    name: Function(name, number, parameters, result, does, _OPTIONAL.get(name, 0), _REPEATS.get(name, 0))
    for number, (name, parameters, result, does) in enumerate(_ROWS)
}

QUANTIFIERS = ("any", "all")

REFUSED = {
    "regex_replace": "use a regular expression with `matches`, or wildcard_replace",
    "sha256": "digests are not computed for each call",
    "sha512": "digests are not computed for each call",
    "hmac": "use is_timed_hmac_valid_v0",
    "ip_in_range": "write `ip.src in {10.0.0.0/8}`",
    "bit_slice": "it reads packets, and rules see the request head",
    "is_jwt_valid": "tokens are the business of access rules",
    "is_jwt_present": "tokens are the business of access rules",
    "hash_in_range": "it is for sampling, which rules here do not do",
    "coalesce": "compare each of the values",
}
"""Functions that exist elsewhere -> what to do instead."""
