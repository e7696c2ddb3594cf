"""Write docs/managed.md: the managed rules, from fastgw.managed.

`--check` writes nothing and exits 1 if the page is not what would be written.
"""

from pathlib import Path

from page import page, table

from fastgw.managed.row import ManagedRule
from fastgw.managed.rules import DATE, GROUPS, RULES, VERSION

TARGET = Path(__file__).resolve().parent.parent / "managed.md"

HEAD = f"""\
<!-- Written by docs/gen/managed.py (make generate); edit src/fastgw/managed. -->

# Managed rules

A set of {len(RULES)} rules in {len(GROUPS)} groups that comes with the package: version {VERSION}, of
{DATE}. They are written in the [rules language](rules.md), look at the head of a call only, never at its
messages, and are asked in the phase `http_request_firewall_managed`, behind a zone's own rules and its rate
limits. They are off until a zone turns them on; then each does what the table says, until the zone says
otherwise for its group or for the rule.

What they are for: attacks on what stands behind the gateway, carried in paths and metadata, and noise of
scanners. What they are not: a proof that a call is harmless. They know texts that attacks on well-known
software carry. What sits in a message is out of their sight.

**Which texts.** Unless a rule says otherwise, it looks at the values of all fields, one in a line, and at
path and query; percent signs decoded, as often as need be, letters in lower case. `-bin` fields are looked
at as they came, in base64.

**What it costs.** In an ordinary head nothing stands out: no bracket that a template begins with, no quote
followed by `or`, no odd octet, none of some hundred words. One look at the values and one at the path show
that, and then only the {sum(rule.early for rule in RULES)} rules marked "each head" are asked. Only heads
in which something stands out are decoded and asked about everything. A head of 500 octets takes about 3 µs
if it is ordinary, and about 14 µs otherwise (`bench/micro/managed.py`; two busy cores of a Xeon at 2.1
GHz). Each rule has heads that it must hit and heads that it must not, and none may hit the recorded heads
of ten clients (`tests/managed`).

**Versions.** The third number changes when an expression reads better, the second when there are rules more
or fewer, the first when an id means something else.
"""


def link(reference: str) -> str:
    if reference.startswith("CVE-"):
        return f"[{reference}](https://nvd.nist.gov/vuln/detail/{reference})"
    if reference.startswith("CWE-"):
        return f"[{reference}](https://cwe.mitre.org/data/definitions/{reference[4:]}.html)"
    return reference


def row(rule: ManagedRule) -> list[str]:
    text = rule.description.replace("|", "\\|")
    early = "yes" if rule.early else ""
    return [f"`{rule.id}`", text, rule.action, early, ", ".join(map(link, rule.references))]


def section(group: str, means: str) -> str:
    rules = [row(rule) for rule in RULES if rule.group == group]
    return f"## {group}: {means}\n\n" + table(["id", "is about", "does", "each head", "see"], rules)


page(TARGET, "\n".join([HEAD, *(section(group, means) for group, means in GROUPS.items())]))
