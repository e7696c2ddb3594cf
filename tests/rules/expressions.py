"""Expressions in the language of the rules, made by chance from its own grammar, and heads for them."""

from __future__ import annotations

import base64
from random import Random

from hypothesis import strategies as st

from tests.rules.heads import Known

WORDS = (
    "",
    "a",
    "b",
    "ab",
    "A",
    "aB",
    "abc",
    "example",
    "api.example.com",
    "/shop.Cart/Add",
    "grpc",
    "x y",
    "%41",
)
TEXT_FIELDS = (
    "http.host", "http.request.method", "http.request.uri", "http.request.uri.path", "http.request.uri.query",
    "http.request.full_uri", "http.request.uri.path.extension", "http.request.version", "http.user_agent",
    "http.referer", "http.x_forwarded_for", "http.cookie", "cf.tls_version", "cf.ray_id", "ip.src.country",
    "cf.tls_client_auth.cert_serial", "cf.bot_management.ja4", "raw.http.request.uri",
)  # fmt: skip
INT_FIELDS = (
    "http.request.timestamp.sec", "http.request.timestamp.msec", "cf.edge.server_port", "cf.threat_score",
    "cf.bot_management.score", "ip.src.asnum", "cf.timings.client_tcp_rtt_msec",
)  # fmt: skip
BOOL_FIELDS = (
    "ssl", "http.request.headers.truncated", "cf.tls_client_auth.cert_verified", "cf.client.bot",
    "ip.src.is_in_european_union",
)  # fmt: skip
IP_FIELDS = ("ip.src", "cf.edge.server_ip")
MAPS = ("http.request.headers", "http.request.cookies", "http.request.uri.args")
ARRAYS = ("http.request.headers.names", "http.request.headers.values", "http.request.uri.args.names")
KEYS = ("a", "b", "x-a", "x-b", "user-agent", "host", "missing")
ADDRESSES = (
    "192.0.2.7",
    "10.0.0.1",
    "10.1.2.3",
    "255.255.255.255",
    "0.0.0.0",
    "::",
    "::1",
    "2001:db8::1",
    "2001:db8::ffff",
)
NETWORKS = ("10.0.0.0/8", "192.0.2.0/24", "0.0.0.0/0", "10.0.0.1/32", "2001:db8::/32", "::/0",
            "10.0.0.0..10.0.0.255", "2001:db8::1..2001:db8::2", "192.0.2.7")  # fmt: skip
OURS_INT = ("grpc.timeout_ms",)
OURS_TEXT = ("grpc.service", "grpc.method", "grpc.encoding")


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


TEXT_FORMS = ('r"a"', 'r#"a"b"#', r'"\x41"', r'"\101"', "61:62", "0A:0b:0C")
INT_FORMS = ("0", "1", "010", "0x1f", "-1", "443", "123", "9223372036854775807", "-9223372036854775808")
PATTERNS = (
    "*",
    "a*",
    "*a",
    "*a*",
    "a*b",
    "*.example.com",
    "api.*.com",
    "/*/Add",
    r"a\\*",
    "a",
    "",
    "*a*b*",
    "GRPC*go*",
)
ORDERS = ("eq", "==", "ne", "!=", "lt", "<", "le", "<=", "gt", ">", "ge", ">=")


class Maker:
    """Makes one expression after the other; `ours` lets it use fields that only fastgw has."""

    def __init__(self, chance: Random, ours: bool = False) -> None:
        self.chance = chance
        self.ours = ours

    def one(self, *choices: object) -> str:
        return str(self.chance.choice(choices))

    def below(self, number: int) -> int:
        return self.chance.randrange(number)

    def text(self) -> str:
        return quoted(self.one(*WORDS))

    def text_literal(self) -> str:
        return self.one(*TEXT_FORMS) if self.below(4) == 0 else self.text()

    def integer(self) -> str:
        return self.one(*INT_FORMS) if self.below(2) else str(self.below(2000) + 1)

    def span(self) -> str:
        low = self.below(2000) + 1
        return f"{low}..{low + self.below(500)}" if self.below(2) else str(low)

    def braces(self, member: object) -> str:
        return "{" + " ".join(member() for _ in range(self.below(5))) + "}"  # type: ignore[operator]

    def text_value(self, depth: int = 2) -> str:
        form = self.below(12) if depth else self.below(4)
        if form < 2:
            return self.one(*TEXT_FIELDS, *(OURS_TEXT if self.ours else ()))
        if form == 2:
            return f'{self.one(*MAPS)}["{self.one(*KEYS)}"][{self.below(3)}]'
        if form == 3:
            return f"{self.one(*ARRAYS)}[{self.below(4)}]"
        inner = self.text_value(depth - 1)
        if form == 4:
            return f"concat({inner}, {self.text_value(depth - 1) if self.below(2) else self.text()})"
        if form == 5:
            return f"substring({inner}, {self.below(14) - 5}, {self.below(14) - 5})"
        if form == 6:
            return f"{self.one('remove_bytes', 'remove_query_args')}({inner}, {self.text()})"
        if form == 7:
            return f"join({self.one(*ARRAYS)}, {self.text()})"
        if form == 8:
            return f'split({inner}, "{self.one(".", "a", "/")}", {self.below(5) + 1})[{self.below(3)}]'
        if form == 9:
            return f"to_string({self.one(*INT_FIELDS)})"
        function = self.one("lower", "upper", "url_decode", "trim", "trim_start", "trim_end")
        return f"{function}({inner})"

    def elements(self) -> str:
        """Texts with [*]."""
        plain = self.one(
            f"{self.one(*ARRAYS)}[*]",
            f'{self.one(*MAPS)}["{self.one(*KEYS)}"][*]',
            f"{self.one(*MAPS)}[*][*]",
            f"{self.one(*MAPS)}[*][{self.below(3)}]",
        )
        return self.one(plain, plain, f"lower({plain})[*]", f"url_decode({plain})[*]")

    def of_text(self, value: str) -> str:
        form = self.below(6)
        if form == 0:
            return f"{value} contains {self.text_literal()}"
        if form == 1:
            return f"{value} in {self.braces(self.text_literal)}"
        if form == 2:
            return f'{value} {self.one("wildcard", "strict wildcard")} "{self.one(*PATTERNS)}"'
        if form == 3:
            return f'{value} {self.one("matches", "~")} "{self.one("a", "example")}"'
        return f"{value} {self.one(*ORDERS)} {self.text_literal()}"

    def of_array(self, depth: int = 2) -> str:
        form = self.below(12 if depth else 6)
        if form == 0:
            function = self.one("starts_with", "ends_with", "contains", "wildcard")
            return f"{function}({self.elements()}, {self.text()})"
        if form == 1:
            return f"len({self.elements()})[*] {self.one(*ORDERS)} {self.below(9)}"
        if form < 8:
            return self.of_text(self.elements())
        if form < 10:
            return self.one("not ", "!") + self.of_array(depth - 1)
        op = self.one(" and ", " or ", " xor ", "&&", "||", "^^")
        return f"({self.of_array(depth - 1)}{op}{self.of_array(depth - 1)})"

    def comparison(self) -> str:
        form = self.below(15)
        if form == 0:
            return self.one(*BOOL_FIELDS)
        if form < 5:
            return self.of_text(self.text_value())
        if form < 8:
            number = (
                self.one(*INT_FIELDS, *(OURS_INT if self.ours else ()))
                if self.below(3)
                else (f"len({self.text_value()})")
            )
            return self.one(f"{number} {self.one(*ORDERS)} {self.integer()}",
                            f"{number} {self.one('&', 'bitwise_and')} {self.integer()}",
                            f"{number} in {self.braces(self.span)}")  # fmt: skip
        if form == 8:
            return f"{self.one(*IP_FIELDS)} {self.one(*ORDERS)} {self.one(*ADDRESSES)}"
        if form == 9:
            return f"{self.one(*IP_FIELDS)} in {self.braces(lambda: self.one(*NETWORKS))}"
        if form == 10:
            network = self.one(f"cidr({self.one(*IP_FIELDS)}, {self.below(33)}, {self.below(129)})",
                               f"cidr6({self.one(*IP_FIELDS)}, {self.below(129)})")  # fmt: skip
            return f"{network} {self.one(*ORDERS)} {self.one(*ADDRESSES)}"
        if form == 11:
            second = self.text() if self.below(2) else self.text_value()
            return f"{self.one('starts_with', 'ends_with', 'contains')}({self.text_value()}, {second})"
        if form == 12:
            return self.one(f'has_key({self.one(*MAPS)}, "{self.one(*KEYS)}")',
                            f"has_value({self.one(*ARRAYS)}, {self.text()})")  # fmt: skip
        return f"{self.one('any', 'all')}({self.of_array()})"

    def expression(self, depth: int = 3) -> str:
        form = self.below(8) if depth else 0
        if form < 3:
            return self.comparison()
        if form == 3:
            return f"({self.expression(depth - 1)})"
        if form == 4:
            return f"{self.one('not ', '!', 'not')}{self.expression(0)}"
        op = self.one(" and ", " or ", " xor ", " && ", " || ", " ^^ ", "&&", "||")
        return f"{self.expression(depth - 1)}{op}{self.expression(depth - 1)}"

    def head(self) -> Known:
        words = [word.encode() for word in WORDS] + [b"One", b"grpc-go", b"a=1; b=2", b"caf\xc3\xa9"]
        chance = self.chance
        names = [chance.choice((b"x-a", b"x-b", b"a", b"b", b"cookie", b"referer", b"user-agent", b"x-forwarded-for"))
                 for _ in range(self.below(7))]  # fmt: skip
        kinds = (b"application/grpc", b"application/grpc-web+proto", b"text/plain")
        paths = (b"/shop.Cart/Add", b"/", b"/a.B/C?a=1&b=2&a=3", b"/x/y.TXT?a", b"/a/b/c.d?&&=v&b=%41")
        fields = [(b":method", b"POST"), (b":scheme", b"https"), (b":path", chance.choice(paths)),
                  (b":authority", chance.choice((b"api.example.com", b"ab:1"))),
                  (b"content-type", chance.choice(kinds))]  # fmt: skip
        fields += [(name, chance.choice(words)) for name in names]
        if self.below(4) == 0:
            fields.append((b"host", fields[3][1]))
        if self.below(2):
            fields.append((b"grpc-timeout", chance.choice((b"10m", b"1n", b"3S", b"0u", b"x"))))
        fields.append((b"k-bin", base64.b64encode(chance.randbytes(self.below(6))).rstrip(b"=")))
        values = {
            **dict.fromkeys(
                ("cf.tls_version", "cf.ray_id", "ip.src.country", "cf.bot_management.ja4"), words
            ),
            **dict.fromkeys(
                ("cf.edge.server_port", "cf.bot_management.score", "ip.src.asnum"), (0, 1, 123, 443, -1)
            ),
            **dict.fromkeys(("cf.client.bot", "ip.src.is_in_european_union"), (False, True)),
        }
        return Known(
            fields,
            hostname=chance.choice((b"api.example.com", b"ab")),
            client=chance.choice((None, *ADDRESSES)),
            server=chance.choice((None, *ADDRESSES)),
            secure=bool(self.below(2)),
            now_ms=chance.choice((0, 123, 1_763_800_000_123)),
            facts={name: chance.choice(known) for name, known in values.items() if self.below(2)},
        )


MAKERS = st.integers(0, 2**64 - 1).map(lambda seed: Maker(Random(seed)))
"""Makers of expressions that other implementations know."""

OUR_MAKERS = st.integers(0, 2**64 - 1).map(lambda seed: Maker(Random(seed), ours=True))
