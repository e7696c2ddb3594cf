"""The way of a call through the gateway, step by step in its fixed order, and what ends it early."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from fastgw._core.proxy.reply import TABLE, LocalReply
from fastgw.config import Config
from fastgw.errors import CertificateError
from fastgw.policy.certificates import CertificateFiles
from fastgw.policy.compile import TargetRow
from fastgw.policy.limits import duration_text
from fastgw.policy.names import address, covers
from fastgw.policy.records import Record
from fastgw.policy.routes import STATUSES, Match, RouteRow
from fastgw.policy.tls import TLS_1_3, terms_of
from fastgw.probe.message import STATUS_NAMES
from fastgw.tls.material import read_material
from fastgw.why.find import Fields, Found, first, host_of, hostname_of, is_grpc, route_of, timeout_ms
from fastgw.why.rules import Caller, ask
from fastgw.why.tables import Host, tables

SHOWN = 80  # characters of a stranger's hostname that the gateway repeats
OVERHEAD = 32  # octets a field counts beside its name and value (RFC 9113 section 6.5.2)
_SHUNNED = "\"'\\<&"

Facts = dict[str, object]


@dataclass(frozen=True, slots=True)
class Denial:
    """What the gateway answers itself: in gRPC to a gRPC call, in HTTP to any other request."""

    name: str
    http_status: int
    grpc_status: int
    message: str

    @property
    def grpc_name(self) -> str:
        """The gRPC status in words."""
        return STATUS_NAMES[self.grpc_status]


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what was found, in words and as values; `denial` if a call ends here."""

    id: str
    says: str
    facts: Facts = field(default_factory=dict)
    denial: Denial | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """The head of a request as far as it decides. `fields` come beside those that every gRPC call has."""

    authority: str
    path: str
    fields: Fields = ()
    method: str = "POST"
    address: str = ""
    """Of the client, for rules that ask for it; "": it is not known."""

    @property
    def grpc(self) -> bool:
        """Is it a gRPC call, and not another request?"""
        return is_grpc(self.method, first(self.head, "content-type"))

    @property
    def head(self) -> Fields:
        """All fields, pseudo-fields too, as a client would send them."""
        usual = (("content-type", "application/grpc"), ("te", "trailers"))
        given = {name for name, _ in self.fields}
        return (
            (":method", self.method),
            (":scheme", "https"),
            (":path", self.path),
            (":authority", self.authority),
            *(pair for pair in usual if pair[0] not in given),
            *self.fields,
        )


class _Way:
    """What is known of a call on its way; each step reads it and adds to it."""

    def __init__(self, config: Config, request: Request) -> None:
        self.config = config
        self.request = request
        self.tables = tables(config.zones)
        self.tls = any(place.tls for place in config.listen)
        self.hostname = hostname_of(request.authority)
        self.grpc = request.grpc
        self.found = Found("none")
        if self.hostname is not None:
            self.found = host_of(self.tables.hosts, self.hostname)
        self._names: dict[CertificateFiles, Sequence[str]] = {}

    @property
    def host(self) -> Host:
        """The host that answers; there is one behind the step `name`."""
        assert self.found.host is not None
        return self.found.host

    def names(self, files: CertificateFiles) -> Sequence[str]:
        """The names in a certificate; none if it cannot be read."""
        if files not in self._names:
            try:
                self._names[files] = read_material(files.file, files.key).names
            except CertificateError:
                self._names[files] = ()
        return self._names[files]


def explain(config: Config, request: Request) -> list[Step]:
    """The steps of `request`, in their order, as far as it comes; the first denial is the answer.

    A gateway without load, whose origins are as the configuration says: nothing is asked of the network.
    """
    way = _Way(config, request)
    steps: list[Step] = []
    for step in _STEPS:
        done = step(way)
        if done is None:
            continue
        steps.append(done)
        if done.id == "name" and done.denial is not None:
            break
    return steps


def answer(steps: Sequence[Step]) -> Denial | None:
    """What a call with these steps is answered; None: it goes to the origin."""
    return next((step.denial for step in steps if step.denial is not None), None)


def _denial(reply: LocalReply, message: str) -> Denial:
    http, grpc, _ = TABLE[reply]
    return Denial(reply.name.lower(), http, grpc, message)


def _shown(text: str) -> str:
    """A stranger's name as the gateway repeats it."""
    octets = text.encode(errors="replace")[:SHOWN].decode("latin-1")
    return "".join(one if "!" <= one <= "~" and one not in _SHUNNED else "?" for one in octets)


# the steps, in the order of the specification's section 2


def _accept(way: _Way) -> Step:
    places = [str(place) for place in way.config.listen]
    return Step("accept", f"listeners: {', '.join(places)}", {"listeners": places})


def _tls(way: _Way) -> Step:
    """The certificate that a client who asks for this name is shown."""
    if not way.tls:
        return Step("tls", "no listener speaks TLS; HTTP/2 in cleartext", {"certificate": None})
    files, why = _certificate(way)
    if files is None:
        return Step("tls", "there is no certificate to show: the handshake fails", {"certificate": None})
    file, names = files.file, list(way.names(files))
    covered = way.hostname is not None and any(covers(name, way.hostname) for name in names)
    remark = "" if covered else f"; it does not cover {way.request.authority}, so that clients refuse it"
    facts: Facts = {"certificate": str(file), "because": why, "names": names, "covers": covered}
    demanded = ""
    if way.found.host is not None:
        terms = terms_of(way.found.host.zone.zone, way.found.host.hostname)
        facts["min_tls_version"] = "1.3" if terms.version_least == TLS_1_3 else "1.2"
        demanded = f"; TLS {facts['min_tls_version']} at least"
        if terms.clients is not None:
            facts["client_certificate"] = terms.clients.demand
            demanded += f"; a client certificate of {terms.clients.ca} is {_DEMANDED[terms.clients.demand]}"
    return Step("tls", f"certificate {file}, {why}{remark}{demanded}; ALPN h2 is needed", facts)


_DEMANDED = {"request": "asked for", "require": "required"}


def _certificate(way: _Way) -> tuple[CertificateFiles | None, str]:
    """The certificate, and why it is this one."""
    name = way.hostname
    default = next(iter(way.tables.certificates), None)
    if name is None or address(name) is not None:
        return default, "the default, as addresses are not asked for by SNI"
    host = way.found.host
    own = () if host is None else host.zone.certificates
    # What the name's own zone has for it; then what anybody has, of two the one that was written last.
    for ours, candidates in (
        (True, own),
        (False, tuple(reversed(way.tables.certificates))),
    ):
        loose = None
        for files in candidates:
            names = way.names(files)
            if name in names:
                return files, f"which names {name}"
            if loose is None and any(covers(pattern, name) for pattern in names):
                loose = files
        if loose is not None:
            return loose, f"whose wildcard covers {name}" + (", of its zone" if ours else "")
    if own and host is not None:
        return own[0], f"that of zone {host.zone.zone.name}"
    return default, "the default"


def _head(way: _Way) -> Step:
    limits = dict(way.config.limits)
    fields = way.request.head
    octets = sum(len(name.encode()) + len(value.encode()) + OVERHEAD for name, value in fields)
    most, count = limits["head_octets"], limits["head_fields"]
    says = f"at least {octets} of {most} octets in {len(fields)} of {count} fields"
    facts: Facts = {"octets": octets, "octets_most": most, "fields": len(fields), "fields_most": count}
    if octets <= most and len(fields) <= count:
        return Step("head", says, facts)
    largest = max(fields, key=lambda pair: len(pair[0]) + len(pair[1]))[0]
    message = (
        f"the request head has {octets} octets in {len(fields)} fields, "
        f"limit {most} octets and {count} fields; the largest is {largest}"
    )
    return Step("head", says, facts, _denial(LocalReply.HEAD_TOO_LARGE, message))


def _name(way: _Way) -> Step:
    """Authority to hostname to record to zone."""
    found, host = way.found, way.found.host
    facts: Facts = {"hostname": way.hostname, "match": found.kind}
    if host is None:
        denial = _denial(
            LocalReply.ZONE_UNKNOWN, f"no zone serves the hostname {_shown(way.request.authority)}"
        )
        if way.hostname is None:
            return Step("name", f"{_shown(way.request.authority)} is not a hostname", facts, denial)
        if found.stopped_by:
            facts["stopped_by"] = found.stopped_by
            says = f"no record; the record of {found.stopped_by} stops every wildcard above {way.hostname}"
            return Step("name", says, facts, denial)
        return Step("name", f"no record and no wildcard for {way.hostname}", facts, denial)
    zone = host.zone.zone
    facts |= {"record": host.hostname, "zone": zone.name, "proxied": host.origin is not None}
    how = "exactly" if found.kind == "exact" else f"by the wildcard {host.hostname}"
    records = [record for record in zone.records if record.name == host.hostname]
    says = f"{way.hostname} is found {how} in zone {zone.name}: {_records(records)}"
    if zone.paused:
        says += "; the zone is paused, so nothing is inspected"
    if host.origin is None:
        message = (
            f"the record of {_shown(way.request.authority)} is DNS-only: set proxied = true to serve it here"
        )
        return Step("name", f"{says}, DNS-only", facts, _denial(LocalReply.ZONE_UNKNOWN, message))
    return Step("name", says, facts, _misdirected(way))


def _records(records: Sequence[Record]) -> str:
    return ", ".join(f"{record.type} {record.content}" for record in records)


def _misdirected(way: _Way) -> Denial | None:
    """Was the client shown a certificate that is not this name's (RFC 9110 section 7.4)?"""
    assert way.hostname is not None
    shown, _ = _certificate(way)
    if not way.tls or shown is None or shown in way.host.zone.certificates:
        return None
    if any(covers(name, way.hostname) for name in way.names(shown)):
        return None
    message = f"this connection's certificate does not cover {_shown(way.hostname)}: open another one for it"
    return _denial(LocalReply.MISDIRECTED, message)


def _kind(way: _Way) -> Step:
    zone = way.host.zone
    if way.grpc:
        return Step("kind", "a gRPC call: POST, content-type application/grpc", {"grpc": True})
    says = f"not gRPC, which is POST with content-type application/grpc; setting http is {_switch(zone.http)}"
    facts: Facts = {"grpc": False, "http": zone.http}
    if zone.http:
        return Step("kind", says, facts)
    message = (
        "the request is not gRPC (POST with content-type application/grpc) "
        f"and zone {zone.zone.name} has http = off"
    )
    return Step("kind", says, facts, _denial(LocalReply.HTTP_DISABLED, message))


def _switch(on: bool) -> str:
    return "on" if on else "off"


def _grpc(way: _Way) -> Step:
    zone = way.host.zone
    paused = " (the zone is paused)" if zone.zone.paused else ""
    says, facts = f"setting grpc is {_switch(zone.grpc)}{paused}", {"grpc": zone.grpc}
    if zone.grpc or not way.grpc:
        return Step("grpc", says, dict(facts))
    message = f"gRPC is switched off for zone {zone.zone.name}: its setting grpc is off"
    return Step("grpc", says, dict(facts), _denial(LocalReply.GRPC_DISABLED, message))


def _ssl(way: _Way) -> Step:
    zone = way.host.zone
    mode = zone.zone.settings.ssl
    says, facts = f"setting ssl is {mode}", {"ssl": mode}
    if zone.encrypted or not way.grpc:
        return Step("ssl", says, dict(facts))
    message = f"zone {zone.zone.name}: gRPC needs the setting ssl to be full or strict"
    return Step("ssl", says, dict(facts), _denial(LocalReply.SSL_MODE_INSUFFICIENT, message))


def _rules(way: _Way) -> Step | None:
    """What the zone's rules say; rate limits are not counted here. None: there are none."""
    zone = way.host.zone.zone
    assert way.hostname is not None
    port = next((place.port for place in way.config.listen if place.tls == way.tls), 0)
    caller = Caller(way.request.address, way.tls, port)
    said = None if zone.paused else ask(zone.inspection, zone.name, way.hostname, way.request.head, caller)
    if said is None:
        return None
    facts: Facts = {"held": said.held, "denied_by": said.denied_by, "phases": said.phases}
    scored = ""
    if said.score is not None:
        facts |= {"bot_score": said.score, "bot_reasons": list(said.reasons)}
        why = (
            "; ".join(f"{name}, {meaning}" for name, meaning in said.reasons.items()) or "nothing against it"
        )
        scored = f"; bot score {said.score} by the head alone ({why})"
    count = sum(len(phase["rules"]) for phase in said.phases)  # type: ignore[arg-type, misc]
    if said.denied_by is None:
        held = f"; held: {', '.join(said.held)}" if said.held else ", none of which holds"
        return Step("rules", f"{_counted(count)} of zone {zone.name}{held}{scored}", facts)
    http, grpc, _ = TABLE[LocalReply.RULE_BLOCKED]
    message = said.text
    if said.response is not None:
        http = said.response.status_code
        grpc = grpc if said.response.grpc_status is None else said.response.grpc_status
        message = said.response.content or message
    return Step(
        "rules", said.text + scored, facts, Denial(LocalReply.RULE_BLOCKED.name.lower(), http, grpc, message)
    )


def _counted(count: int) -> str:
    return "1 rule" if count == 1 else f"{count} rules"


def _origin(way: _Way) -> Step:
    """Where it goes: targets by priority, with their share of calls."""
    origin = way.host.origin
    assert origin is not None
    policy = origin.policy
    ranks = sorted({target.priority for target in origin.targets})
    parts = []
    rows: list[Facts] = []
    for target in sorted(origin.targets, key=lambda one: one.priority):
        same = [one for one in origin.targets if one.priority == target.priority]
        share = (
            f"{target.weight} of {sum(one.weight for one in same)} calls" if len(same) > 1 else "all calls"
        )
        spare = f", priority {target.priority}" if len(ranks) > 1 else ""
        parts.append(f"{target.label or 'nowhere'} ({_encryption(target)}; {share}{spare})")
        rows.append(_target(target))
    facts: Facts = {"label": origin.label, "balance": policy.balance, "endpoints": rows}
    check = "" if policy.health.check == "none" else f", health checks by {policy.health.check}"
    return Step("origin", f"{', '.join(parts)}; {policy.balance}{check}", facts)


def _encryption(target: TargetRow) -> str:
    if not target.tls:
        return "cleartext"
    if not target.verify:
        return f"TLS, not verified, asked for as {target.server_name}"
    store = "the public roots" if target.trust_store is None else str(target.trust_store)
    return f"TLS, verified against {store}, asked for as {target.server_name}"


def _target(target: TargetRow) -> Facts:
    return {
        "address": target.label,
        "tls": target.tls,
        "verified": target.verify,
        "trust_store": None if target.trust_store is None else str(target.trust_store),
        "server_name": target.server_name or None,
        "weight": target.weight,
        "priority": target.priority,
        "connect_timeout_ms": target.connect_timeout_ms,
        "handshake_timeout_ms": target.handshake_timeout_ms,
    }


def _route(way: _Way) -> Step:
    """Which route fits, and the times and attempts it gives."""
    assert way.hostname is not None
    zone = way.host.zone
    row, match = route_of(zone.routes, way.hostname, way.request.path, way.request.head)
    number = next((at for at, route in enumerate(zone.zone.routes, 1) if match in route.matches), None)
    which = "no route fits, so what the zone says" if number is None else f"route {number} ({_match(match)})"
    deadline, words = _deadline(way, row)
    silence = duration_text(row.idle_ms) if row.idle_ms else "any time"
    age = f"; it lives {duration_text(row.age_ms)} at most" if row.age_ms else ""
    facts: Facts = {
        "route": number,
        "deadline_ms": deadline,
        "idle_ms": row.idle_ms or None,
        "age_ms": row.age_ms or None,
        "request_message_octets": row.request_message or None,
        "response_message_octets": row.response_message or None,
        "retry_on": [name for name, status in STATUSES.items() if status in row.retry.on],
        "attempts": row.retry.attempts,
        "replay_octets": row.retry.replay_octets,
        "hedge_ms": row.retry.hedge_ms or None,
    }
    says = f"{which}: {words}; a stream may be silent for {silence}{age}; {_retries(row)}"
    return Step("route", says, facts)


def _match(match: Match | None) -> str:
    if match is None:
        return "every call"
    parts = [f"host {match.host}"] if match.host else []
    parts += [f"service {match.service}"] if match.service else []
    parts += [f"method {match.method}"] if match.method else []
    parts += [f"{name}: {value}" for name, value in match.headers]
    return ", ".join(parts) or "every call"


def _deadline(way: _Way, row: RouteRow) -> tuple[float | None, str]:
    asked = timeout_ms(first(way.request.head, "grpc-timeout")) if way.grpc else None
    if asked is None and not row.deadline_ms:
        return None, "no deadline"
    if asked is None or (row.deadline_ms and row.deadline_ms < asked):
        return row.deadline_ms, f"deadline {duration_text(row.deadline_ms)}, the route's timeout"
    return asked, f"deadline {asked:g} ms, the call's grpc-timeout"


def _retries(row: RouteRow) -> str:
    names = [name for name, status in STATUSES.items() if status in row.retry.on]
    on = f", also on {', '.join(names)}" if names else ""
    hedge = (
        f", a second endpoint is asked after {duration_text(row.retry.hedge_ms)}"
        if row.retry.hedge_ms
        else ""
    )
    return f"{row.retry.attempts} attempts at most{on}{hedge}"


def _limits(way: _Way) -> Step:
    limits = dict(way.config.limits)
    assert way.host.origin is not None
    policy = way.host.origin.policy
    calls = (
        f"{policy.calls} calls at the origin at once" if policy.calls else "any number of calls at the origin"
    )
    says = f"{limits['concurrent_streams']} calls on a client's connection at once, {calls}, " + (
        f"{policy.waiting} waiting for each endpoint"
    )
    facts: Facts = {
        "concurrent_streams": limits["concurrent_streams"],
        "stream_window": limits["stream_window"],
        "origin_calls": policy.calls or None,
        "origin_connections": policy.connections,
        "origin_waiting": policy.waiting,
    }
    return Step("limits", says, facts)


_STEPS: tuple[Callable[[_Way], Step | None], ...] = (
    _accept,
    _tls,
    _head,
    _name,
    _kind,
    _grpc,
    _ssl,
    _rules,
    _origin,
    _route,
    _limits,
)
