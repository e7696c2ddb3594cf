"""Every operator on every type, on a value and on none; the quirks of the language."""

import pytest

from tests.rules.heads import USUAL, Known, holds

FACTS = {"ip.src.country": b"DE", "ip.src.asnum": 64500, "ip.src.is_in_european_union": True}
FULL = Known([*USUAL, (b"x-a", b"One"), (b"x-a", b"two"), (b"x-b", b"")], facts=FACTS)
BARE = Known(client=None)

# value, operator and operand; whether it holds for the value, and where the value is missing
TABLE = [
    ('ip.src.country eq "DE"', True, False),
    ('ip.src.country eq "de"', False, False),
    ('ip.src.country ne "DE"', False, True),
    ('ip.src.country ne "FR"', True, True),
    ('ip.src.country lt "DF"', True, False),
    ('ip.src.country lt "DE"', False, False),
    ('ip.src.country lt "DEE"', True, False),
    ('ip.src.country le "DE"', True, False),
    ('ip.src.country gt "D"', True, False),
    ('ip.src.country gt "DE"', False, False),
    ('ip.src.country ge "DE"', True, False),
    ('ip.src.country contains "E"', True, False),
    ('ip.src.country contains ""', True, False),
    ('ip.src.country contains "DEF"', False, False),
    ('ip.src.country matches "E"', True, False),
    ('ip.src.country wildcard "d*"', True, False),
    ('ip.src.country strict wildcard "d*"', False, False),
    ('ip.src.country strict wildcard "D*"', True, False),
    ('ip.src.country wildcard "*"', True, False),
    ('ip.src.country in {"FR" "DE"}', True, False),
    ("ip.src.country in {}", False, False),
    ("ip.src.asnum eq 64500", True, False),
    ("ip.src.asnum ne 64500", False, True),
    ("ip.src.asnum lt 64501", True, False),
    ("ip.src.asnum le 64499", False, False),
    ("ip.src.asnum gt 64499", True, False),
    ("ip.src.asnum ge 64501", False, False),
    ("ip.src.asnum & 4", True, False),
    ("ip.src.asnum & 1", False, False),
    ("ip.src.asnum in {1..3 64500}", True, False),
    ("ip.src.asnum in {64501..65535}", False, False),
    ("ip.src.is_in_european_union", True, False),
    ("not ip.src.is_in_european_union", False, True),
    ("ip.src eq 192.0.2.7", True, False),
    ("ip.src ne 192.0.2.7", False, True),
    ("ip.src ne ::1", True, True),
    ("ip.src eq ::ffff:192.0.2.7", False, False),
    ("ip.src lt 192.0.2.8", True, False),
    ("ip.src lt ::1", False, False),
    ("ip.src gt ::1", False, False),
    ("ip.src le 192.0.2.7", True, False),
    ("ip.src gt 192.0.2.6", True, False),
    ("ip.src ge 192.0.2.8", False, False),
    ("ip.src in {192.0.2.0/24}", True, False),
    ("ip.src in {2001:db8::/32 192.0.2.8..192.0.2.9}", False, False),
    ('http.request.headers["x-a"][0] eq "One"', True, False),
    ('http.request.headers["x-a"][2] ne "One"', True, True),
    ('http.request.headers["x-b"][0] eq ""', True, False),
    ('any(http.request.headers["x-a"][*] eq "two")', True, False),
    ('any(http.request.headers["x-a"][*] ne "two")', True, False),
    ('all(http.request.headers["x-a"][*] ne "three")', True, False),
    ('all(http.request.headers["x-a"][*] eq "two")', False, False),
    ('any(not http.request.headers["x-a"][*] eq "two")', True, False),
    ('all(not http.request.headers["x-a"][*] eq "three")', True, False),
    ('not any(http.request.headers["x-a"][*] eq "two")', False, True),
    ('not all(http.request.headers["x-a"][*] eq "two")', True, True),
    ('len(http.request.headers["x-a"][0]) eq 3', True, False),
    ('len(http.request.headers["x-a"][0]) ne 3', False, True),
    ('any(len(http.request.headers["x-a"][*])[*] eq 3)', True, False),
    ('concat(http.request.headers["x-a"][0], "-") eq "One-"', True, False),
    ('concat(http.request.headers["x-a"][0], "-") eq "-"', False, True),
    ('has_key(http.request.headers, "x-a")', True, False),
    ('any(starts_with(http.request.headers["x-a"][*], "t"))', True, False),
    ('starts_with(http.request.headers["x-a"][0], "")', True, False),
]


@pytest.mark.parametrize(("expression", "on_value", "on_none"), TABLE)
def test_table(expression: str, on_value: bool, on_none: bool) -> None:
    assert holds(expression, FULL) is on_value
    assert holds(expression, BARE) is on_none


@pytest.mark.parametrize(
    ("expression", "true"),
    [
        ('all(http.request.uri.args.names[*] eq "a")', True),  # an array that is there, and empty
        ('any(http.request.uri.args.names[*] eq "a")', False),
        ('all(http.request.headers["no"][*] eq "a")', False),  # no array
        ('all(http.request.headers["no"][*] ne "a")', False),
        ('any((http.request.headers["x-a"][*] eq "two" and http.request.headers["x-b"][*] eq ""))', False),
        ('any((http.request.headers["x-a"][*] eq "One" and http.request.headers["x-b"][*] eq ""))', True),
        ('any((http.request.headers["x-a"][*] eq "One" or http.request.headers["no"][*] eq ""))', False),
        ('http.request.headers["X-A"][0] eq "One"', True),  # names are written in any case
        ('http.referer eq ""', True),  # a header of its own field is empty, not missing
        ('cf.tls_client_auth.cert_serial eq ""', True),
        ("cf.threat_score eq 0", True),
        ("ssl xor ssl xor ssl", True),
        ("ssl xor ssl", False),
        ("not ssl xor ssl and not ssl or ssl", True),
        ("ssl or not ssl and not ssl", True),
        ("(ssl or not ssl) and not ssl", False),
    ],
)
def test_quirks(expression: str, true: bool) -> None:
    assert holds(expression, FULL) is true


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("ab*ba", b"aba", False),
        ("ab*ba", b"abba", True),
        ("a*b*c", b"abc", True),
        ("a*b*b", b"ab", False),
        ("a*bc*c", b"abc", False),
        ("a*bc*c", b"axbcbcc", True),
        ("*a*b", b"b", False),
        ("a*b*", b"ab", True),
        ("a*b*", b"ba", False),
    ],
)
def test_parts_of_a_pattern_do_not_overlap(pattern: str, text: bytes, fits: bool) -> None:
    known = Known(hostname=text)
    for op in ("wildcard", "strict wildcard"):
        assert holds(f'http.host {op} "{pattern}"', known) is fits
    assert holds(f'wildcard_replace(http.host, "{pattern}", "!") == "!"', known) is fits


def test_named_lists() -> None:
    lists = {"offices": ["192.0.2.0/28", "2001:db8::1", "10.0.0.1..10.0.0.9"], "hosts": ["api.example.com"],
             "ports": ["0x1bb", "8000..8010"]}  # fmt: skip
    known = Known(facts={"cf.edge.server_port": 443})
    assert holds("ip.src in $offices", known, lists)
    assert holds("http.host in $hosts", known, lists)
    assert holds("cf.edge.server_port in $ports", known, lists)
    assert not holds("cf.edge.server_ip in $offices", known, lists)


HEADERS = [
    *USUAL[:2], (b":path", b"/a/b.c/D.TXT?q=%41&q=2&&r"), *USUAL[3:6], (b"cookie", b"a=1; b=x=y;; c"), (b"cookie", b"a=3"),
    (b"x-forwarded-for", b"1.1.1.1"), (b"x-forwarded-for", b"2.2.2.2"), (b"k-bin", b"AQID, BA==,_-8"), (b"grpc-timeout", b"1500u"),
]  # fmt: skip
READ = [
    ("http.host", b"api.example.com"), ("http.request.method", b"POST"), ("http.request.version", b"HTTP/2"),
    ("http.request.uri", b"/a/b.c/D.TXT?q=%41&q=2&&r"), ("http.request.uri.path", b"/a/b.c/D.TXT"),
    ("http.request.uri.path.extension", b"txt"), ("http.request.uri.query", b"q=%41&q=2&&r"),
    ("http.request.full_uri", b"https://api.example.com/a/b.c/D.TXT?q=%41&q=2&&r"),
    ("http.cookie", b"a=1; b=x=y;; c; a=3"), ("http.x_forwarded_for", b"1.1.1.1, 2.2.2.2"), ("http.user_agent", b""),
    ('http.request.uri.args["q"][1]', b"2"), ('http.request.uri.args["r"][0]', b""),
    ('http.request.cookies["a"][1]', b"3"), ('http.request.cookies["b"][0]', b"x=y"), ('http.request.cookies["c"][0]', b""),
    ('http.request.headers["host"][0]', b"api.example.com:8443"), ('grpc.metadata["k-bin"][0]', b"\x01\x02\x03"),
    ('grpc.metadata["k-bin"][1]', b"\x04"), ('grpc.metadata["k-bin"][2]', b"\xff\xef"),
    ("grpc.service", b"a/b.c"), ("grpc.method", b"D.TXT"),
]  # fmt: skip


@pytest.mark.parametrize(("field", "octets"), READ)
def test_what_fields_read(field: str, octets: bytes) -> None:
    literal = '"' + "".join(f"\\x{octet:02x}" for octet in octets) + '"'
    assert holds(f"{field} eq {literal}", Known(HEADERS))
    assert not holds(f"{field} ne {literal}", Known(HEADERS))


@pytest.mark.parametrize(
    ("expression", "true"),
    [
        ("grpc.timeout_ms eq 2", True),
        ("grpc.web", False),
        ("http.request.timestamp.sec eq 1763800000 and http.request.timestamp.msec eq 123", True),
        ('any(http.request.headers.names[*] eq "host")', True),
        ('has_key(grpc.metadata, "te") or has_key(grpc.metadata, "grpc-timeout")', False),
        ("cf.edge.server_ip eq 198.51.100.1", True),
        ("http.request.headers.truncated", False),
    ],
)
def test_more_of_what_fields_read(expression: str, true: bool) -> None:
    assert holds(expression, Known(HEADERS)) is true
