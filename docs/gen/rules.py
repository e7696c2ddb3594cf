"""Write docs/rules.md: the rules language, with the tables of fields and functions from their catalogues.

`--check` writes nothing and exits 1 if the page is not what would be written.
"""

from pathlib import Path

from page import page, table

from fastgw.rules.fields import FIELDS
from fastgw.rules.fields import REFUSED as FIELDS_REFUSED
from fastgw.rules.functions import FUNCTIONS
from fastgw.rules.functions import REFUSED as FUNCTIONS_REFUSED

TARGET = Path(__file__).resolve().parent.parent / "rules.md"

HEAD = """\
<!-- Written by docs/gen/rules.py (make generate); edit that file, src/fastgw/rules/fields.py and functions.py. -->

# Rules

A rule is a condition on the head of a call: its path, metadata and connection. It is asked once per call, before
an octet goes to the origin. The language is the one of Cloudflare's rules, so that expressions can be carried over;
what is fastgw's own begins with `grpc.`.

```
http.host eq "api.example.com" and not ip.src in {10.0.0.0/8 2001:db8::/32}
grpc.service == "shop.Admin" and not cf.tls_client_auth.cert_verified
any(lower(http.request.headers["x-tenant"][*])[*] in $blocked_tenants)
```

## Conditions

| written | means | on |
|---|---|---|
| `eq` `==`, `ne` `!=` | equal, not equal | text, integer, address |
| `lt` `<`, `le` `<=`, `gt` `>`, `ge` `>=` | order: texts octet by octet, addresses within their family | text, integer, address |
| `contains` | has this part | text |
| `wildcard`, `strict wildcard` | the whole text fits a pattern in which `*` stands for anything; without `strict` in any case | text |
| `matches` `~` | a regular expression finds something | text |
| `in {...}`, `in $list` | is one of them | text, integer, address |
| `&` `bitwise_and` | has one of these bits | integer |
| `not` `!`, `and` `&&`, `xor` `^^`, `or` <code>&#124;&#124;</code> | in this order of strength; brackets go first | conditions |

A boolean field is a condition by itself: `ssl`, not `ssl == true`. Operators are written in lower case. White space is
the blank and the end of a line; a tab is none.

**Constants.** Text in quotes knows `\\"`, `\\\\`, `\\x41` and `\\101` (octal) and no other escape; `r"..."` and `r#"..."#` know
none. Octets may be written `0a:0b:0c`. Integers have 64 bits; `0x1f` is hexadecimal, and **a leading 0 makes a number
octal**: `010` is 8. A set has blanks between its members, no commas: `{1 5..9}`, `{10.0.0.0/8 10.9.0.1..10.9.0.9}`,
`{"a" "b"}`. A network has zeros beyond its length.

**Patterns.** `*` is the only sign of a wildcard; `\\*` is a star, `\\\\` a backslash (twice each, in quotes that are not raw). At
most 10 stars, and never two together.

**Arrays and maps.** `array[0]` is the first element, `map["key"]` the values of a key, `[*]` each element. A condition on
each element makes an array of booleans, and `any(...)` or `all(...)` makes one of it. `and`, `or` and `xor` go through
arrays side by side, as far as the shortest reaches. Names of headers are looked up in lower case, however they are
written in a rule. An array has at most 512 elements; of a longer one nothing is true.

**Values that are missing.** A header that did not come, an element beyond the end: every comparison with it is false, but
`ne`, which is true. A function of it is missing too. `any` and `all` are false over a missing array; over an empty array
`all` is true. Fields of their own, as `http.referer`, are empty where the header is missing.

An expression has at most 4,096 octets and 128 levels of nesting. What is wrong with one is shown where it stands:

```
1:1: there is no field http.hots
  http.hots eq "api.example.com"
  ^~~~~~~~~
  hint: did you mean http.host?
```

## Fields

Where the column "if unknown" says *missing*, the rules for missing values hold; else the field is empty, 0 or false.

"""

FUNCTIONS_HEAD = """
## Functions

Texts are octets: case, length and places know nothing of other alphabets. The first argument of a function may have
`[*]`: then there is a result for each element, as in `any(lower(http.request.headers["a"][*])[*] == "b")`.

"""

REFUSED_HEAD = """
## What is refused

These exist elsewhere. An expression that uses one is refused when it is made, with the reason.

"""

COST = """
## What it costs

Rules become a program that runs without Python. A value is read or computed at most once per call, however many rules
ask for it, and only if one does. A phase takes at most as many steps as its rules have comparisons, and 512 times that
where they go through arrays. Computed texts live in a fixed memory per worker; where it is full, the comparison is false,
and a counter says so. `bench/micro/rules.py` measures; the reasons are in [decisions/010](decisions/010-rules.md).
"""


def fields() -> str:
    rows = []
    for row in FIELDS.values():
        unknown = "missing" if row.may_miss else ""
        rows.append([f"`{row.name}`", str(row.type), row.means, unknown])
    return table(["field", "type", "is", "if unknown"], rows)


def functions() -> str:
    rows = []
    for row in FUNCTIONS.values():
        result = str(row.result) if row.result else "as its arguments"
        rows.append([f"`{row.signature}`", result, row.does])
    return table(["function", "result", "does"], rows)


def refused() -> str:
    rows = [[f"`{name}`, `{name}.*`", why] for name, why in FIELDS_REFUSED.items()]
    rows += [[f"`{name}()`", why] for name, why in FUNCTIONS_REFUSED.items()]
    return table(["name", "why"], rows)


if __name__ == "__main__":
    page(TARGET, HEAD + fields() + FUNCTIONS_HEAD + functions() + REFUSED_HEAD + refused() + COST)
