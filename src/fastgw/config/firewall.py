"""[[zone.ip_access]], [[zone.lockdown]] and [[zone.user_agent]] judged: they become rules."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from fastgw.config.expressions import quoted
from fastgw.config.lines import Path
from fastgw.config.report import Report
from fastgw.config.ruletables import IpAccessTable, LockdownTable, UserAgentTable
from fastgw.config.ruling import Ground
from fastgw.policy.inspection import Rule, Skip
from fastgw.policy.names import HostnameError, hostname
from fastgw.rules.errors import RuleError
from fastgw.rules.grammar import parse

IP_ACCESS_MOST = 50_000
LOCKDOWNS_MOST = 1000
USER_AGENTS_MOST = 1000
CONFIGURATIONS_MOST = 10_000

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Made = dict[str, tuple[str, ...]]
"""Lists that these rules look into, by names that nobody can write in [lists]: there is a dot in them."""

_Kind = TypeVar("_Kind", int, str)
_COUNTRY = re.compile(r"[A-Za-z]{2}")
_AS = re.compile(r"(?:[Aa][Ss])?(\d{1,10})")
_PASSES = Skip(phases=("http_request_firewall_custom", "http_ratelimit", "http_request_firewall_managed"))
_PASSES_COUNTRY = Skip(phases=("http_request_firewall_custom", "http_ratelimit"))
_UNKNOWN_HINT = "name one in [server] geoip, or write the networks instead"


@dataclass(slots=True)
class _Sides:
    """What entries of one mode name."""

    networks: list[Network]
    numbers: list[int]
    countries: list[str]


def take_ip_access(ground: Ground, data: object, path: Path, made: Made) -> list[Rule]:
    """The rules of [[zone.ip_access]]: addresses decide before networks, AS numbers and countries.

    Of several networks with the client in them the longest decides. An allowed country passes less than an
    allowed address: managed rules are asked.
    """
    report = ground.report
    sides = {"allow": _Sides([], [], []), "block": _Sides([], [], [])}
    seen: dict[object, Path] = {}
    entries = report.tables(data, path, "[[zone.ip_access]]")
    if len(entries) > IP_ACCESS_MOST:
        report.error(path, f"has {len(entries)} entries; at most {IP_ACCESS_MOST} are allowed")
        return []
    for index, entry in enumerate(entries):
        where = (*path, index)
        table = report.table(IpAccessTable, entry, where)
        if table is None:
            continue
        found = _origin(report, table, where)
        if found is None:
            continue
        if found in seen:
            report.error(
                (*where, "value"), f"is {table.value!r}, which stands further up", "keep one of them"
            )
            continue
        seen[found] = where
        side = sides[table.mode]
        if isinstance(found, str):
            side.countries.append(found)
        elif isinstance(found, int):
            side.numbers.append(found)
        else:
            side.networks.append(found)
    return _ip_rules(sides, made)


def _origin(report: Report, table: IpAccessTable, path: Path) -> Network | int | str | None:
    """Where from: a network, the number of an AS, or a country."""
    value, target = table.value.strip(), table.target
    where = (*path, "value")
    if target in (None, "asn") and (number := _AS.fullmatch(value)) and (target or not value.isdigit()):
        return _never(report, where, int(number[1]), "number of a network")
    if target in (None, "country") and _COUNTRY.fullmatch(value):
        return _never(report, where, value.upper(), "country")
    if target in ("asn", "country"):
        wanted = 'a number, as in "AS64496"' if target == "asn" else 'two letters, as in "DE"'
        report.error(where, f"is {value!r}, which is no {target}", f"write {wanted}")
        return None
    network = network_of(report, where, value)
    if network is not None and target in ("ip", "ip6") and network.num_addresses > 1:
        report.error((*path, "target"), f'is "{target}", but {value} is a network', 'write "ip_range"')
    return network


def _never(report: Report, path: Path, found: _Kind, what: str) -> _Kind:
    if not report.places:
        report.warning(
            path,
            f"names a {what}, which is never known: there is no database of addresses",
            _UNKNOWN_HINT,
            rule="never-known",
        )
    return found


def network_of(report: Report, path: Path, text: str) -> Network | None:
    """The network, or the one address, that `text` is; None: it is none, which is reported."""
    try:
        return ipaddress.ip_network(text.strip())
    except ValueError:
        pass
    try:
        near = ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        report.error(path, f"is {text!r}, which is no address and no network", 'write "192.0.2.0/24"')
    else:
        report.error(path, f"is {text!r}, which has bits beyond its length", f'write "{near}"')
    return None


def _ip_rules(sides: dict[str, _Sides], made: Made) -> list[Rule]:
    rules = []
    spans = _longest_wins(sides["allow"].networks, sides["block"].networks)
    for mode in ("allow", "block"):
        if spans[mode]:
            name = f"ip_access.{mode}"
            made[name] = spans[mode]
            rules.append(_ip_rule(mode, "ip", f"ip.src in ${name}", _PASSES))
    for mode in ("allow", "block"):
        if numbers := sides[mode].numbers:
            name = f"ip_access.{mode}.asn"
            made[name] = tuple(map(str, sorted(numbers)))
            rules.append(_ip_rule(mode, "asn", f"ip.src.asnum in ${name}", _PASSES))
    for mode in ("allow", "block"):
        if countries := sides[mode].countries:
            name = f"ip_access.{mode}.country"
            made[name] = tuple(sorted(countries))
            rules.append(_ip_rule(mode, "country", f"ip.src.country in ${name}", _PASSES_COUNTRY))
    return rules


def _ip_rule(mode: str, kind: str, expression: str, skip: Skip) -> Rule:
    says = f"IP access: {kind} {'allowed' if mode == 'allow' else 'blocked'}"
    if mode == "allow":
        return Rule(f"ip_access-allow-{kind}", expression, "allow", says, skip=skip)
    return Rule(f"ip_access-block-{kind}", expression, "block", says)


def _longest_wins(allowed: Iterable[Network], blocked: Iterable[Network]) -> dict[str, tuple[str, ...]]:
    """Networks of both sides as spans in which the longest network around each address has decided."""
    found: dict[str, list[str]] = {"allow": [], "block": []}
    for version in (4, 6):
        edges = []
        for mode, networks in (("allow", allowed), ("block", blocked)):
            for network in networks:
                if network.version == version:
                    first, last = int(network.network_address), int(network.broadcast_address)
                    edges.append((first, network.prefixlen, last, mode))
        edges.sort()
        make = ipaddress.IPv4Address if version == 4 else ipaddress.IPv6Address

        def put(first: int, last: int, mode: str, make: type = make) -> None:
            if first <= last:
                found[mode].append(f"{make(first)}..{make(last)}" if first < last else str(make(first)))

        # Networks are nested or apart: the innermost open one decides from where the last one ended.
        open_: list[tuple[int, str]] = []
        at = 0
        for first, _, last, mode in edges:
            while open_ and open_[-1][0] < first:
                end, inner = open_.pop()
                put(at, end, inner)
                at = end + 1
            if open_:
                put(at, first - 1, open_[-1][1])
            at = first
            open_.append((last, mode))
        while open_:
            end, inner = open_.pop()
            put(at, end, inner)
            at = end + 1
    return {mode: tuple(spans) for mode, spans in found.items()}


def take_lockdowns(ground: Ground, data: object, path: Path, made: Made) -> list[Rule]:
    """The rules of [[zone.lockdown]]."""
    report = ground.report
    rules = []
    entries = report.tables(data, path, "[[zone.lockdown]]")
    if len(entries) > LOCKDOWNS_MOST:
        report.error(path, f"has {len(entries)} entries; at most {LOCKDOWNS_MOST} are allowed")
        return []
    for index, entry in enumerate(entries):
        where = (*path, index)
        table = report.table(LockdownTable, entry, where)
        if table is None:
            continue
        if len(table.configurations) > CONFIGURATIONS_MOST:
            report.error((*where, "configurations"), f"has more than {CONFIGURATIONS_MOST} entries")
            continue
        parts = [_url(ground, (*where, "urls", at), text) for at, text in enumerate(table.urls)]
        networks = [
            network_of(report, (*where, "configurations", at), text)
            for at, text in enumerate(table.configurations)
        ]
        name = f"lockdown.{index}"
        made[name] = tuple(str(network) for network in networks if network is not None)
        expression = f"({' or '.join(parts)}) and not ip.src in ${name}"
        id_ = ground.id(where, table.id, "zone_lockdown", *table.urls)
        rules += _usable(report, where, Rule(id_, expression, "block", table.description, table.enabled))
    return rules


def _usable(report: Report, path: Path, rule: Rule) -> list[Rule]:
    """The rule, unless what was written makes no expression."""
    try:
        parse(rule.expression)
    except RuleError as error:
        report.error(path, f"makes no rule: {error.sentence}", "write several shorter ones")
        return []
    return [rule]


def _url(ground: Ground, path: Path, text: str) -> str:
    """The condition that a host and path fits; without a path all of the host is meant."""
    report = ground.report
    bare = text.strip()
    if "://" in bare:
        report.error(path, f"is {text!r}", f'write it without a scheme: "{bare.partition("://")[2]}"')
        return "ssl"
    host, slash, rest = bare.partition("/")
    star, plain = ("*.", host[2:]) if host.startswith("*.") else ("", host)
    try:
        name = star + hostname(plain)
    except HostnameError as error:
        report.error(path, f"is {text!r}, whose host {error}", 'write "host/path"')
        return "ssl"
    if ground.zone != plain and not name.endswith("." + ground.zone):
        report.error(path, f"is {text!r}, which lies outside the zone {ground.zone}")
    asked = f"http.host wildcard {quoted(name)}" if star else f"http.host eq {quoted(name)}"
    if not slash or rest == "*":
        return asked
    way = quoted("/" + rest)
    return f"({asked} and http.request.uri.path {'wildcard' if '*' in rest else 'eq'} {way})"


def take_user_agents(ground: Ground, data: object, path: Path) -> list[Rule]:
    """The rules of [[zone.user_agent]]."""
    report = ground.report
    rules: list[Rule] = []
    seen: set[str] = set()
    entries = report.tables(data, path, "[[zone.user_agent]]")
    if len(entries) > USER_AGENTS_MOST:
        report.error(path, f"has {len(entries)} entries; at most {USER_AGENTS_MOST} are allowed")
        return []
    for index, entry in enumerate(entries):
        where = (*path, index)
        table = report.table(UserAgentTable, entry, where)
        if table is None:
            continue
        if table.value in seen:
            report.error(
                (*where, "value"), f"is {table.value!r}, which stands further up", "keep one of them"
            )
            continue
        seen.add(table.value)
        operator = "wildcard" if "*" in table.value else "eq"
        expression = f"http.user_agent {operator} {quoted(table.value)}"
        id_ = ground.id(where, table.id, "user_agent", table.value)
        rule = Rule(id_, expression, table.mode, table.description, table.enabled)
        rules += _usable(report, (*where, "value"), rule)
    return rules
