"""Origins and routes of a zone, judged: do weights, matches, times and retries make sense together."""

from __future__ import annotations

from collections.abc import Sequence

from fastgw.config.lines import Path
from fastgw.config.records import Placed
from fastgw.config.report import Report
from fastgw.config.routing import HealthWords, MatchTable, OriginWords, RetryTable
from fastgw.config.tables import RouteParts, ZoneParts
from fastgw.policy import origins
from fastgw.policy.names import HostnameError, record_name
from fastgw.policy.origins import HealthPolicy, OriginPolicy
from fastgw.policy.routes import RETRIABLE, STATUSES, Match, Retry, Route

# What a health check of another kind does not look at.
_ONLY_FOR = {"service": ("grpc", "watch"), "path": ("http",), "interval": ("grpc", "tcp", "http")}


_ORIGIN, _RETRY = OriginPolicy(), Retry()  # of those that say nothing


def take_origin(report: Report, part: ZoneParts) -> OriginPolicy:
    """[zone.origin] as a value."""
    table, path = part.origin, (*part.path, "origin")
    if not table.model_fields_set:
        return _ORIGIN
    if table.balance == "hash" and table.hash_key is None:
        report.error(
            (*path, "balance"), 'is "hash", but hash_key is missing', 'name the metadata, as in "x-user"'
        )
    elif table.hash_key is not None and table.balance != "hash":
        report.warning(
            (*path, "hash_key"), f'has no effect under balance = "{table.balance}"', 'write balance = "hash"'
        )
    if "eject_for" in table.model_fields_set and _number(table, "eject_after") == 0:
        report.warning((*path, "eject_for"), "has no effect, as eject_after is 0")
    if _number(table, "min_ready") > _number(table, "connections"):
        report.error(
            (*path, "min_ready"),
            f"is {_number(table, 'min_ready')}, more than connections ({_number(table, 'connections')})",
        )
    numbers = {
        f"{row.id}_ms" if row.is_duration else row.id: _number(table, row.id)
        for row in origins.ORIGIN.values()
    }
    return OriginPolicy(
        balance=table.balance,
        hash_key=table.hash_key or "",
        health=_health(report, table.health, (*path, "health")),
        **numbers,
    )


def _number(table: OriginWords | HealthWords, key: str) -> int:
    return int(getattr(table, key))


def _health(report: Report, table: HealthWords, path: Path) -> HealthPolicy:
    if table.check == "none":
        for key in sorted(table.model_fields_set - {"check"}):
            report.warning((*path, key), 'has no effect under check = "none"', 'write check = "grpc"')
    else:
        for key, kinds in _ONLY_FOR.items():
            if key in table.model_fields_set and table.check not in kinds:
                report.warning((*path, key), f'has no effect under check = "{table.check}"')
    if not table.path.startswith("/"):
        report.error((*path, "path"), f"is {table.path!r}, which does not begin with a slash")
    interval, timeout = _number(table, "interval"), _number(table, "timeout")
    if table.check not in ("none", "watch") and timeout > interval:
        report.warning(
            (*path, "timeout"),
            "is longer than the interval, so that a check may begin before the last one ends",
        )
    return HealthPolicy(
        check=table.check,
        service=table.service,
        path=table.path,
        interval_ms=interval,
        timeout_ms=timeout,
        rise=_number(table, "rise"),
        fall=_number(table, "fall"),
    )


def check_shares(report: Report, part: ZoneParts, served: Sequence[Placed]) -> None:
    """A weight is a share: alone, or as the only one of its priority, a target has nothing to share."""
    weighted = {record.path for record in part.records if "weight" in record.words.model_fields_set}
    for entry in served:
        if entry.path not in weighted:
            continue
        record = entry.record
        if not any(
            other is not entry
            and (other.record.name, other.record.priority) == (record.name, record.priority)
            for other in served
        ):
            report.warning(
                (*entry.path, "weight"),
                f"has no effect: no other target of {record.name} has the priority {record.priority}",
            )


def take_retry(report: Report, table: RetryTable, path: Path) -> Retry:
    """A retry table as a value."""
    if not table.model_fields_set:
        return _RETRY
    for index, name in enumerate(table.on):
        if name not in RETRIABLE:
            report.warning(
                (*path, "on", index),
                f'is "{name}", which another attempt would bring again',
                f"worth another attempt: {', '.join(word for word in STATUSES if word in RETRIABLE)}",
            )
    if table.on and table.attempts == 1:
        report.warning(
            (*path, "attempts"), "is 1, so that nothing is tried again", "the first one counts too"
        )
    if table.hedge_after and table.attempts == 1:
        report.warning(
            (*path, "hedge_after"), "has no effect: attempts is 1", "a rival is an attempt like any other"
        )
    statuses = tuple(sorted({STATUSES[name] for name in table.on}))
    return Retry(statuses, table.attempts, table.bytes, table.hedge_after)


def take_routes(report: Report, part: ZoneParts, zone: str, served: Sequence[Placed]) -> tuple[Route, ...]:
    """The routes of a zone as values, in the order of writing."""
    seen: dict[Match, Path] = {}
    routes = []
    for parts in part.routes:
        matches = []
        for path, table in parts.matches:
            match = _match(report, table, path, zone, served)
            if match is None:
                continue
            if match in seen:
                report.error(
                    path, "repeats a match that stands further up, which is asked first", "remove it"
                )
            seen.setdefault(match, path)
            matches.append(match)
        routes.append(_route(report, parts, tuple(matches)))
    return tuple(routes)


def _route(report: Report, parts: RouteParts, matches: tuple[Match, ...]) -> Route:
    table = parts.table
    if table.timeout and any(not match.method for match in matches):
        report.warning(
            (*parts.path, "timeout"),
            "ends streams too: this route takes calls of any method, and some may be streams",
            "name the method in match, or write idle_timeout",
            rule="timeout-ends-streams",
        )
    if table.timeout and (table.idle_timeout or 0) > table.timeout:
        report.warning(
            (*parts.path, "idle_timeout"), "has no effect: it is longer than the timeout of the call"
        )
    retry = None if parts.retry is None else take_retry(report, parts.retry, (*parts.path, "retry"))
    return Route(
        matches,
        table.timeout,
        table.idle_timeout,
        table.age,
        retry,
        table.max_request_message_bytes,
        table.max_response_message_bytes,
    )


def _match(
    report: Report, table: MatchTable, path: Path, zone: str, served: Sequence[Placed]
) -> Match | None:
    if not (table.host or table.service or table.method or table.headers):
        report.error(
            path,
            "names nothing, so it would fit every call",
            "what holds for all calls is written in the zone",
        )
        return None
    if table.method and not table.service:
        report.error((*path, "method"), "is given without its service", 'add service = "pkg.Service"')
        return None
    host = ""
    if table.host:
        try:
            host = record_name(table.host, zone)
        except HostnameError as error:
            hint = f'write "@" for {zone}, "api" for api.{zone}, "*" for every name below'
            report.error((*path, "host"), f"is {table.host!r}, which {error}", hint)
            return None
        names = {entry.record.name for entry in served}
        if names and not any(_meet(host, name) for name in names):
            report.warning(
                (*path, "host"),
                f"is {host}, which no proxied record of the zone serves, so no call fits",
                f"served here: {', '.join(sorted(names))}",
                rule="route-host-not-served",
            )
    return Match(host, table.service or "", table.method or "", tuple(sorted(table.headers.items())))


def _meet(one: str, other: str) -> bool:
    """Is there a name that both stand for? `*.` in front stands for all names below."""
    if one.startswith("*.") and other.startswith("*."):
        return one.endswith(other[1:]) or other.endswith(one[1:])
    if one.startswith("*."):
        return other.endswith(one[1:])
    if other.startswith("*."):
        return one.endswith(other[1:])
    return one == other
