"""What an expression says to one sample call, without being in force."""

from __future__ import annotations

from dataclasses import dataclass

from fastgw.config.expressions import lists_of, regex_judge
from fastgw.dashboard.visit import Visit
from fastgw.policy.inspection import Inspection, Phased, Rule
from fastgw.policy.names import address
from fastgw.rules.errors import RuleError
from fastgw.rules.grammar import parse
from fastgw.rules.show import show
from fastgw.why.rules import Caller, ask
from fastgw.why.steps import Request

EXPRESSION_MOST = 65_536
FIELDS_MOST = 100


@dataclass(frozen=True, slots=True)
class Tested:
    """kind: good (holds), plain (does not), or bad (cannot be used); `shown` is set in fixed width."""

    kind: str
    sentence: str
    shown: str = ""


def tested(visit: Visit) -> Tested:
    """The answer to the fields `tested`, `authority`, `path`, `method`, `ip` and `metadata`."""
    expression = visit.field("tested")
    if len(expression) > EXPRESSION_MOST:
        return Tested("bad", f"An expression has at most {EXPRESSION_MOST} characters.")
    try:
        read = show(parse(expression, regex_judge))
    except RuleError as error:
        return Tested("bad", "This cannot be used.", str(error))
    found = visit.site.admin.desk.zone(visit.path["zone_id"])
    kept = dict(found.document.get("lists") or {})
    names = lists_of(expression)
    strange = [name for name in names if name not in kept]
    if strange:
        return Tested("bad", f"It is an expression, but this zone has no list ${strange[0]}.", read)
    asked, wrong = sample(visit)
    if asked is None:
        return Tested("bad", wrong, read)
    lists = tuple((name, tuple(str(item) for item in kept[name])) for name in names)
    rule = Rule("tested", expression, "log")
    trial = Inspection((Phased("http_request_firewall_custom", (rule,)),), lists)
    answered = ask(trial, found.name, asked.authority, asked.head, Caller(asked.address))
    holds = answered is not None and "tested" in answered.held
    return Tested(
        "good" if holds else "plain",
        "The expression is true for this call." if holds else "The expression is false for this call.",
        read,
    )


def sample(visit: Visit) -> tuple[Request | None, str]:
    """The call of the form; or what is wrong with it."""
    path, ip = visit.field("path", "/"), visit.field("ip")
    if not path.startswith("/") or not path.isascii() or not path.isprintable() or " " in path:
        return None, "The path begins with a slash, as in /package.Service/Method."
    if ip and address(ip) is None:
        return None, "The address of the client is no IP address."
    fields = []
    for line in visit.field("metadata").splitlines()[:FIELDS_MOST]:
        name, colon, value = line.partition(":")
        if line.strip() and (not colon or not name.strip().isascii() or not name.strip()):
            return None, "Each line of the metadata is a name, a colon and a value."
        if line.strip():
            fields.append((name.strip().lower(), value.strip()))
    authority = visit.field("authority") or visit.zone.name
    return Request(authority, path, tuple(fields), visit.field("method") or "POST", ip), ""
