"""What is an expression and what is not, against the reference's own parser.

It parses and checks types; it does not tell what an expression means, so accepting and rejecting is what is compared.
"""

import re
from random import Random

import pytest
from hypothesis import given, settings

from fastgw.rules.errors import RuleError
from fastgw.rules.grammar import parse
from tests.rules.expressions import MAKERS, Maker

reference = pytest.importorskip("octorules_wirefilter")


def accepted(expression: str) -> bool:
    try:
        parse(expression)
    except RuleError:
        return False
    return True


def accepted_there(expression: str) -> bool:
    return "error" not in reference.parse_expression(expression)


def differ(expression: str) -> bool:
    return accepted(expression) != accepted_there(expression) and not known_difference(expression)


# Where we differ and mean to; each pattern has its reason.
KNOWN = (
    (r"^\s*$", "there an empty expression is one, here it is none"),
    (
        r"[0-9a-fA-F]{2}[-.][0-9a-fA-F]{2}",
        "octets between - or .: in the reference's source, not in its package",
    ),
    (r"substring\([^,]*,[^,]*\)", "the end of a substring may be left out, as documented"),
    (r"to_string\(", "of booleans and addresses too, as documented"),
    (r"url_decode\(", "options, as documented"),
    (r"(lookup_json_\w+|encode_base64|is_timed_hmac_valid_v0)\(", "more arguments, as documented"),
    (
        r"\b(contains|wildcard|has_value|has_key|concat|remove_bytes|split|join|remove_query_args)\(.*[^\x20-\x7e]",
        "octets",
    ),
    (r"[+]", "there +f is a number in hexadecimal digits"),
    (
        r"\b(regex_replace|sha256|sha512|hmac|ip_in_range|bit_slice|is_jwt\w*|hash_in_range|coalesce)\b",
        "refused here",
    ),
    (r"matches|~", "regular expressions are judged by who compiles them"),
    (r"[\x00-\x1f\x7f-\U0010ffff]", "white space around an expression: Unicode's there, Python's here"),
)


CONSTANTS = (
    r"the length of a network is|the limit is 1 to|a separator is not empty|[0-9.]+ is not an IP address|"
    "the right side of a comparison is a constant"
)
"""What we say where the reference says nothing: IPv4 may have leading zeros there, or parts left out, and its
package, other than its published source, compares two fields."""


def known_difference(expression: str) -> bool:
    try:
        parse(expression)
    except RuleError as error:
        if re.match(CONSTANTS, error.sentence):
            return True
    return any(re.search(pattern, expression) for pattern, _ in KNOWN)


BY_HAND = [line for line in """
(http.host eq "www.example.com" and not ssl) or http.request.uri.path contains "/admin"
(http.request.uri.path contains "/wp-login.php" and ip.src ne 203.0.113.1)
(ip.src.country in {"CN" "RU"} and not cf.client.bot)
(http.user_agent eq "" or http.user_agent contains "sqlmap")
http.request.method in {"GET" "HEAD"} and cf.threat_score gt 14
(http.request.uri.path matches "^/api/v[0-9]+/") and cf.bot_management.score lt 30
any(http.request.headers["x-api-key"][*] eq "secret")
len(http.request.headers["authorization"]) == 0
not any(http.request.headers.names[*] == "authorization")
all(http.request.headers["content-type"][*] contains "json")
lower(http.request.uri.path) contains "/wp-content/"
starts_with(http.request.uri.path, "/static/") and ends_with(http.request.uri.path, ".js")
ip.src in {192.0.2.0/24 198.51.100.7 2001:db8::/32} or ip.src.asnum in {64496 64511..65535}
ip.src in $office_network
http.host in $cf.malware
http.host wildcard "*.example.com" and http.request.uri.path strict wildcard "/A*"
concat(http.host, http.request.uri.path) eq "example.com/x"
http.cookie contains "session=" xor http.referer eq ""
cf.tls_client_auth.cert_verified and cf.tls_client_auth.cert_fingerprint_sha256 eq "ab"
cf.edge.server_port in {80 8080} || cf.edge.server_port eq 0x1bb
cf.edge.server_port eq 0700
cf.edge.server_port eq 09
http.host eq "a" and
http.host = "a"
http.host eq 'a'
http.host eq a
(http.host eq "a"
http.host eq "a")
not
and ssl
ssl ssl
ssl AND ssl
NOT ssl
SSL
ssl eq true
ssl == 1
http.host
http.host == 1
cf.threat_score == "1"
cf.threat_score contains 1
ip.src == "1.2.3.4"
ip.src == 1.2.3.4/24
ip.src in {1.2.3.4/24}
ip.src in {1.2.3.4, 1.2.3.5}
ip.src in 1.2.3.4
ip.src in {1.2.3.4
ip.src in {10.0.0.9..10.0.0.1}
ip.src in {::1..1.1.1.1}
ip.src in {::/129}
cf.threat_score in {3..1}
cf.threat_score in {1 2 3}
cf.threat_score in {}
cf.threat_score & 0x10
cf.threat_score bitwise_and 1
http.host & 1
http.host in {"a""b"}
http.host in {"a","b"}
http.host eq "a\\nb"
http.host eq "\\x4"
http.host eq "\\400"
http.host eq "\\101"
http.host eq "unclosed
http.host eq r"raw\\n"
http.host eq r#"a"b"#
http.host eq r##"a"##
http.host eq r##"a"#
http.host contains 61
http.host contains 61:62
http.host contains 61:
http.host wildcard "**"
http.host wildcard "a**b"
http.host wildcard "*a*a*a*a*a*a*a*a*a*a*a"
http.host wildcard "*a*a*a*a*a*a*a*a*a*"
http.host wildcard r"a\\b"
http.host wildcard r"a\\*b"
http.host wildcard 61:62
http.host strict  wildcard "a"
http.host strictwildcard "a"
http.request.headers["a"] == "b"
http.request.headers["a"][0] == "b"
http.request.headers["a"][-1] == "b"
http.request.headers["a"][0x10] == "b"
http.request.headers["a"][4294967296] == "b"
http.request.headers["a"][*] == "b"
http.request.headers[0][0] == "b"
http.request.headers.names["a"] == "b"
http.request.headers["a"]["b"] == "b"
http.host[0] == "b"
http.request.headers ["a"][0] == "b"
http.request.headers[ "a" ][ 0 ] == "b"
http.request.headers[r"a"][0] == "b"
any(ssl)
any(http.host)
any(http.request.headers.names)
any(http.request.headers.names == "a")
any(http.request.headers[*] == "a")
any(http.request.headers[*][*] == "a")
any(http.request.headers["a"][*] == "b" and ssl)
any(http.request.headers["a"][*] == "b" and http.request.headers["b"][*] == "b")
any((http.request.headers["a"][*] == "b" and http.request.headers["b"][*] == "b"))
any((http.request.headers["a"][*] == "b" and ssl))
any(not http.request.headers["a"][*] == "b")
any(any(http.request.headers["a"][*] == "b"))
any("a")
any()
any(http.request.headers["a"][*] == "b", ssl)
any (http.request.headers["a"][*] == "b")
all(starts_with(http.request.headers["a"][*], "b"))
all(starts_with(http.request.headers["a"][*], "b")[*])
all(lower(http.request.headers["a"][*]) == "b")
all(lower(http.request.headers["a"][*])[*] == "b")
all(lower(upper(http.request.headers["a"][*]))[*] == "b")
all(lower(upper(http.request.headers["a"][*])[*])[*] == "b")
starts_with(http.host, http.request.headers["a"][*])
concat(http.request.headers["a"][*], "b") == "ab"
any(concat(http.request.headers["a"][*], "b")[*] == "ab")
concat(http.request.headers["a"], http.request.headers["b"])[0] == "ab"
concat(http.request.headers["a"], "b")[0] == "ab"
concat(http.host) == "a"
concat() == "a"
lower("A") == "a"
lower(http.host, "A") == "a"
lower(http.host "A") == "a"
lower(http.host,) == "a"
lower(,http.host) == "a"
lower() == "a"
lower == "a"
lower http.host == "a"
upper(lower(http.host)) == "A"
len(http.host) > 3
len(http.host)
starts_with(http.host, 1)
starts_with("a", http.host)
starts_with(http.host, "a") == true
starts_with(http.host)
len(starts_with(http.host, "a")) > 1
cidr(ip.src, 24, 64) == 10.0.0.0
cidr(ip.src, 24) == 10.0.0.0
cidr(ip.src, "24", 64) == 10.0.0.0
cidr6(ip.src, 24) in {2001:db8::/32}
split(http.host, ".", 3)[0] == "a"
split(http.host, ".")[0] == "a"
any(split(http.host, ".", 3)[*] == "a")
join(http.request.headers["a"], ",") == "a"
join(http.request.headers["a"][*], ",") == "a"
join(lower(http.request.headers["a"][*]), ",") == "a"
has_key(http.request.headers, "a")
has_key(http.request.headers["a"], "a")
has_value(http.request.headers["a"], "a")
has_value(http.request.headers[*], "a")
any(has_value(http.request.headers[*], "a"))
remove_bytes(http.host, "a") == "b"
remove_query_args(http.request.uri.query, "a", "b", "c") == "b"
wildcard_replace(http.host, "*.a", "${1}") == "b"
uuidv4(cf.random_seed) == "a"
decode_base64(http.host) == "a"
ssl
!ssl
! ssl
!!ssl
not not ssl
notssl
not(ssl)
sslandssl
ssl andssl
ssl&&ssl
ssl & ssl
ssl | ssl
(ssl)and(ssl)
( ssl )
()
http.host == "a" == "b"
true
1 == 1
"a" == http.host
http..host == "a"
http.host. == "a"
.http.host == "a"
http.hosts == "a"
tcp.port == 1
http.host not in {"a"}
not http.host in {"a"}
http.host in $Upper
http.host in $
http.host in $.a
http.host in $a.
http.host in $a.b_1
http.host == $a
http.host in {$a}
cf.threat_score == 9223372036854775807
cf.threat_score == 9223372036854775808
cf.threat_score == -9223372036854775808
cf.threat_score == -0x1
cf.threat_score == 1.5
cf.threat_score == 1..5
cf.threat_score==1
cf.threat_score== 1and ssl
cf.threat_score == 1 and ssl
http.host=="a"and ssl
""".splitlines() if line]  # fmt: skip


@pytest.mark.parametrize("expression", BY_HAND)
def test_by_hand(expression: str) -> None:
    """Expressions as people write them, well and badly."""
    assert accepted(expression) == accepted_there(expression) or known_difference(expression)


@settings(max_examples=120, deadline=None)
@given(MAKERS)
def test_made_by_the_grammar(maker: Maker) -> None:
    """All of them are accepted by both: some 1,400 in a run."""
    for _ in range(12):
        expression = maker.expression()
        assert accepted(expression), expression
        assert accepted_there(expression) or known_difference(expression), expression


def mutated(expression: str, chance: Random) -> str:
    """One place is cut, doubled, exchanged with another or filled with something that means something."""
    words = re.findall(r'"(?:\\.|[^"\\])*"|[\w.]+|\s+|.', expression)
    at, other = chance.randrange(len(words)), chance.randrange(len(words))
    how = chance.randrange(5)
    if how == 0:
        del words[at]
    elif how == 1:
        words.insert(at, words[other])
    elif how == 2:
        words[at], words[other] = words[other], words[at]
    elif how == 3:
        words[at] = chance.choice(BITS)
    else:
        words.insert(at, chance.choice(BITS))
    return "".join(words)


BITS = (
    "(", ")", "[", "]", "[*]", "{", "}", '"', '"a"', "not ", " and ", " or ", "!", "&", "==", " eq ", " in ", "$a", "*",
    ".", "..", ",", " ", "0", "08", "1", "10.0.0.1", "::", "ssl", "http.host", "any(", "all(", "lower(", "len(", "\\",
    'r"', "#", "-", "/", ":", "61:62", "ip.src", "cf.threat_score", "http.request.headers", " xor ", " contains ",
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(MAKERS)
def test_mutations(maker: Maker) -> None:
    """Some 1,800 in a run; most are rejected, by both."""
    for _ in range(12):
        expression = mutated(maker.expression(2), maker.chance)
        assert not differ(expression), (
            expression, accepted(expression), reference.parse_expression(expression).get("error")
        )  # fmt: skip


@pytest.mark.parametrize("opening", ["(", "not ", "!", "lower("])
@pytest.mark.parametrize("levels", [100, 127, 128, 129, 130])
def test_the_limit_of_nesting_is_the_same(opening: str, levels: int) -> None:
    inner = 'http.host == "a"'
    if opening == "lower(":
        expression = "lower(" * levels + "http.host" + ")" * levels + ' == "a"'
    else:
        expression = opening * levels + inner + (")" * levels if opening == "(" else "")
    assert accepted(expression) == accepted_there(expression) == (levels <= 128)
