"""[[zone.rule]] judged: does the action fit the phase, has it what it needs, and may it do that to gRPC."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any, cast

from fastgw.config.checks.policies import check_action, check_ssl
from fastgw.config.expressions import Lists, as_text, judge_expression
from fastgw.config.lines import Path
from fastgw.config.report import Report, did_you_mean
from fastgw.config.routing import header_value_fits
from fastgw.config.ruletables import (
    SHORT_PHASES,
    HeaderChangeTable,
    RateLimitTable,
    ResponseTable,
    RouteToTable,
    RuleTable,
    SkipTable,
)
from fastgw.policy.inspection import Action, HeaderChange, Phase, RateLimit, Response, Route, Rule, Skip
from fastgw.policy.names import HostnameError, address, hostname, record_name
from fastgw.policy.refusals import CHALLENGES, CHARACTERISTICS, RATE_KEYS, refused_name
from fastgw.policy.routes import STATUSES

RULES_MOST = 1000
"""Of one phase of a zone."""

MESSAGE_WARNED = 4096
"""Octets: with a longer message the head of the answer is more than many gRPC clients take, 8 KiB."""

ACTIONS: dict[str, tuple[str, ...]] = {
    "http_request_firewall_custom": ("block", "log", "skip"),
    "http_ratelimit": ("block", "log"),
    "http_request_late_transform": ("rewrite",),
    "http_request_origin": ("route",),
    "http_config_settings": ("set_config",),
}
"""What rules of a phase may do; the first is the default, but in the first phase there is none."""

_NEEDS = {"skip": "skip", "rewrite": "headers", "route": "route", "set_config": "config"}
_ONLY_WITH = {"response": "block", **{key: action for action, key in _NEEDS.items()}}


@dataclass(frozen=True, slots=True)
class Ground:
    """What rules of a zone are judged against."""

    report: Report
    zone: str
    grpc: bool
    served: frozenset[str]
    lists: Lists
    ids: dict[str, Path] = field(default_factory=dict)

    def id(self, path: Path, written: str | None, *parts: str) -> str:
        """The id of a rule: as it is written, or the same for the same rule at every start."""
        if written is not None:
            if written in self.ids:
                self.report.error((*path, "id"), f"is {written!r}, which another rule of the zone has")
            self.ids.setdefault(written, path)
            return written
        digest = hashlib.sha256("\0".join(parts).encode(errors="replace")).hexdigest()[:16]
        found, count = digest, 1
        while found in self.ids:
            count += 1
            found = f"{digest}-{count}"
        self.ids[found] = path
        return found


def take_rules(ground: Ground, data: object, path: Path) -> dict[Phase, list[Rule]]:
    """The rules of a zone by phase, in the order of writing."""
    report = ground.report
    phased: dict[Phase, list[Rule]] = {}
    for index, entry in enumerate(report.tables(data, path, "[[zone.rule]]")):
        where = (*path, index)
        before = report.errors
        table = report.table(RuleTable, without_refused_rates(report, entry, where), where)
        if table is None or report.errors > before:  # what is missing now is not what was meant
            _expression_alone(ground, entry, where)
            continue
        phase = cast("Phase", SHORT_PHASES.get(table.phase, table.phase))
        rule = _rule(ground, table, phase, where)
        rules = phased.setdefault(phase, [])
        if rule is not None:
            rules.append(rule)
        if len(rules) == RULES_MOST + 1:
            report.error(
                where, f"is one too many: a phase has at most {RULES_MOST} rules", "use a list: $name"
            )
    return phased


def _expression_alone(ground: Ground, entry: Any, where: Path) -> None:
    text = entry.get("expression") if isinstance(entry, dict) else None
    if isinstance(text, str) and text:
        judge_expression(ground.report, (*where, "expression"), text, ground.lists)


def without_refused_rates(report: Report, entry: Any, where: Path) -> Any:
    """A rule without keys of its rate limit that gRPC makes senseless; each is reported with the reason."""
    rates = entry.get("ratelimit") if isinstance(entry, dict) else None
    if not isinstance(rates, dict) or RATE_KEYS.keys().isdisjoint(rates):
        return entry
    for key, (why, hint) in RATE_KEYS.items():
        if key in rates:
            report.error((*where, "ratelimit", key), f"cannot be used: {why}", hint, rule="refused-for-grpc")
    kept = {key: value for key, value in rates.items() if key not in RATE_KEYS}
    return {**entry, "ratelimit": kept}


def _rule(ground: Ground, table: RuleTable, phase: Phase, path: Path) -> Rule | None:
    report = ground.report
    before = report.errors
    action = _action(ground, table, phase, path)
    judge_expression(report, (*path, "expression"), table.expression, ground.lists)
    id_ = ground.id(path, table.id, phase, table.expression, action or "")
    if action is None:
        return None
    limits = phase == "http_ratelimit"
    for key, wanted in _ONLY_WITH.items():
        if key in table.model_fields_set and action != wanted:
            report.error((*path, key), f'has no effect on the action "{action}"', f'it goes with "{wanted}"')
    if ("ratelimit" in table.model_fields_set) != limits:
        if limits:
            report.error(path, "has no ratelimit", 'write ratelimit = { characteristics = ["ip.src"], ... }')
        else:
            report.error(
                (*path, "ratelimit"),
                f'has no effect in the phase "{table.phase}"',
                'it goes with phase = "ratelimit"',
            )
    needed = _NEEDS.get(action)
    if needed is not None and not getattr(table, needed):
        report.error(path, f'has no {needed}, which the action "{action}" needs')
    rule = Rule(
        id=id_,
        expression=table.expression,
        action=action,
        description=table.description,
        enabled=table.enabled,
        logging=table.logging,
        response=_response(ground, table.response, (*path, "response")),
        skip=_skip(report, table.skip, (*path, "skip")),
        ratelimit=_ratelimit(ground, table.ratelimit, (*path, "ratelimit")),
        changes=_changes(ground, table.headers, (*path, "headers")),
        route=_route(ground, table.route, (*path, "route")),
        config=_config(ground, table, (*path, "config")),
    )
    return rule if report.errors == before else None


def _action(ground: Ground, table: RuleTable, phase: Phase, path: Path) -> Action | None:
    report, allowed = ground.report, ACTIONS[phase]
    if table.action is None:
        if phase != "http_request_firewall_custom":
            return cast("Action", allowed[0])
        if "action" not in table.model_fields_set and "phase" not in table.model_fields_set:
            report.error(
                path, "has no action", f"allowed: {', '.join(allowed)}; other phases are for other actions"
            )
        else:
            report.error(path, "has no action", f"allowed: {', '.join(allowed)}")
        return None
    finding = check_action(table.action, grpc=ground.grpc)
    if finding is not None:
        report.error((*path, "action"), finding.sentence, finding.hint, rule=finding.rule)
        return None
    if table.action in CHALLENGES:
        report.error(
            (*path, "action"), f'is "{table.action}", and there are no challenges here', 'write "block"'
        )
        return None
    if table.action not in allowed:
        home = next(short for short, name in SHORT_PHASES.items() if table.action in ACTIONS.get(name, ()))
        report.error(
            (*path, "action"),
            f'is "{table.action}", which the phase "{table.phase}" does not have',
            f'write phase = "{home}"; this one has {", ".join(allowed)}',
        )
        return None
    return cast("Action", table.action)


def _response(ground: Ground, table: ResponseTable | None, path: Path) -> Response | None:
    if table is None:
        return None
    size = len(table.content.encode())
    if ground.grpc and size > MESSAGE_WARNED:
        ground.report.warning(
            (*path, "content"),
            f"has {size} octets: as a gRPC message it may be more than a client takes",
            f"stay below {MESSAGE_WARNED}",
        )
    if ground.grpc and table.content_type != "text/plain" and not table.grpc_status:
        ground.report.note(
            (*path, "content_type"),
            f'is "{table.content_type}", for HTTP; a gRPC client gets the content as its message',
            rule="response-for-http",
        )
    status = STATUSES[table.grpc_status] if table.grpc_status else None
    return Response(table.status_code, table.content, table.content_type, status)


def _skip(report: Report, table: SkipTable | None, path: Path) -> Skip | None:
    if table is None:
        return None
    if not table.model_fields_set:
        report.error(
            path, "leaves nothing out", 'write { ruleset = "current" } or { phases = ["ratelimit"] }'
        )
    for index, product in enumerate(table.products):
        if product in ("bic", "hot", "securityLevel"):
            report.warning((*path, "products", index), f'is "{product}", which is not there to be left out')
        elif product in ("zoneLockdown", "uaBlock"):
            report.warning(
                (*path, "products", index),
                f'is "{product}", which is asked before any rule is, so that nothing is left out',
                "make an exception where it is written",
            )
    phases = tuple(dict.fromkeys(cast("Phase", SHORT_PHASES.get(one, one)) for one in table.phases))
    current = table.ruleset is not None or table.phase is not None
    return Skip(current, phases, tuple(table.products), tuple(table.rules))


def _ratelimit(ground: Ground, table: RateLimitTable | None, path: Path) -> RateLimit | None:
    if table is None:
        return None
    report = ground.report
    if not (table.requests_per_period or table.messages_per_period or table.octets_per_period):
        report.error(
            path, "counts nothing", "write requests_per_period, messages_per_period or octets_per_period"
        )
    values: dict[str, None] = {}
    for index, text in enumerate(table.characteristics):
        where = (*path, "characteristics", index)
        if text.strip() in CHARACTERISTICS:
            why, hint = CHARACTERISTICS[text.strip()]
            report.warning(
                where, f"is {text}, which {why}", hint
            ) if text.strip() == "cf.colo.id" else report.error(
                where, f"is {text}, which {why}", hint, rule="refused-for-grpc"
            )
            continue
        asked = judge_expression(report, where, text, ground.lists, value=True)
        if asked is None:
            continue
        if asked.raised:
            report.error(
                where,
                f"names the header {asked.raised[0]!r}",
                f'write "{asked.raised[0].lower()}", as on the wire',
            )
        written = as_text(text, asked)
        if written in values:
            report.error(where, f"repeats {text}", "write it once")
        values[written] = None
    if table.counting_expression is not None:
        judge_expression(report, (*path, "counting_expression"), table.counting_expression, ground.lists)
    if not table.requests_per_period and table.mitigation_timeout:
        report.warning((*path, "mitigation_timeout"), "has no effect without requests_per_period")
    return RateLimit(
        characteristics=tuple(values),
        period=table.period,
        requests_per_period=table.requests_per_period or 0,
        mitigation_timeout=table.mitigation_timeout,
        counting_expression=table.counting_expression or "",
        messages_per_period=table.messages_per_period or 0,
        octets_per_period=table.octets_per_period or 0,
    )


def _changes(ground: Ground, tables: dict[str, HeaderChangeTable], path: Path) -> tuple[HeaderChange, ...]:
    report = ground.report
    found = []
    for name, table in tables.items():
        where = (*path, name)
        refused = refused_name(name)
        if refused is not None:
            report.error(where, *refused)
            continue
        given = [key for key in ("value", "expression") if getattr(table, key) is not None]
        if table.operation == "remove":
            if given:
                report.error((*where, given[0]), "has no effect: the name is removed")
            found.append(HeaderChange(name, "remove"))
            continue
        if len(given) != 1:
            report.error(where, "needs a value or an expression, and one of them only")
            continue
        value, expression = table.value or "", ""
        if table.value is not None and not header_value_fits(table.value):
            report.error((*where, "value"), f"is {table.value!r}, which no call can carry")
        if name.endswith("-bin"):
            report.note(where, "is binary metadata: what is set must be base64", rule="binary-metadata")
        if table.expression is not None:
            asked = judge_expression(
                report, (*where, "expression"), table.expression, ground.lists, value=True
            )
            expression = table.expression if asked is None else as_text(table.expression, asked)
        found.append(HeaderChange(name, table.operation, value, expression))
    return tuple(found)


def _route(ground: Ground, table: RouteToTable | None, path: Path) -> Route | None:
    if table is None:
        return None
    report = ground.report
    names = {}
    for key in ("host", "server_name"):
        text = getattr(table, key)
        names[key] = "" if text is None else _name(report, (*path, key), text)
    origin = ""
    if table.origin is not None:
        try:
            origin = record_name(table.origin, ground.zone)
        except HostnameError as error:
            report.error((*path, "origin"), f"is {table.origin!r}, which {error}")
        else:
            if origin not in ground.served:
                report.error(
                    (*path, "origin"),
                    f"is {origin}, which is no proxied record of the zone",
                    did_you_mean(origin, ground.served)
                    or f"served here: {', '.join(sorted(ground.served)) or 'nothing'}",
                )
    return Route(names["host"], names["server_name"], origin, table.port or 0)


def _name(report: Report, path: Path, text: str) -> str:
    if address(text) is not None:
        report.error(path, f"is {text!r}, which is an address", "write a name")
        return ""
    try:
        return hostname(text)
    except HostnameError as error:
        report.error(path, f"is {text!r}, which {error}", "write a name, as in api.example.com")
        return ""


def _config(ground: Ground, table: RuleTable, path: Path) -> tuple[tuple[str, str], ...]:
    if table.config is None:
        return ()
    found = []
    for key in type(table.config).model_fields:
        value = getattr(table.config, key)
        if value is None:
            continue
        finding = check_ssl(value, grpc=ground.grpc) if key == "ssl" else None
        if finding is not None:
            ground.report.error((*path, key), finding.sentence, finding.hint, rule=finding.rule)
        found.append((key, value))
    if not found:
        ground.report.error(path, "changes nothing", 'write { ssl = "strict" }')
    return tuple(found)
