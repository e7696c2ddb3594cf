"""[zone.access] judged: is there what policies name, can keys be read, does anything pass."""

from __future__ import annotations

import ipaddress
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path as FilePath
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from fastgw.config.accesstables import (
    AccessTable,
    ApplicationTable,
    AuthoritiesTable,
    IdentityTable,
    JwtTable,
    PolicyTable,
    RequirementTable,
    ServiceTokenTable,
)
from fastgw.config.checks.policies import check_access
from fastgw.config.expressions import Lists, list_wrong
from fastgw.config.fields import Table
from fastgw.config.firewall import network_of
from fastgw.config.lines import Path
from fastgw.config.report import Report, did_you_mean
from fastgw.errors import CertificateError
from fastgw.policy.access import (
    FACTS_MOST,
    HEADERS_MOST,
    OF_CERTIFICATES,
    OF_TOKENS,
    OPEN,
    Access,
    AccessPolicy,
    Application,
    Identity,
    Jwt,
    Kind,
    Requirement,
    ServiceToken,
)
from fastgw.policy.names import HostnameError, covers, record_name
from fastgw.policy.settings import Settings
from fastgw.policy.tls import ClientCertificates, ClientRule
from fastgw.rules.types import IP
from fastgw.tls.material import read_authorities, read_crls

Model = TypeVar("Model", bound=Table)
JWKS_MOST = 1 << 20
_APART = ("applications", "service_tokens", "jwt", "certificates", "identity")
_LOWERED = ("email", "email_domain", "fingerprint")


class _Judge:
    """One [zone.access] while it is judged."""

    def __init__(
        self, report: Report, zone: str, served: frozenset[str], lists: Lists, base: FilePath
    ) -> None:
        self.report = report
        self.zone = zone
        self.served = served
        self.lists = lists
        self.base = base
        self.tokens: dict[str, str] = {}  # client id by client id and by name
        self.unsure = False  # is some of what policies may name left out?
        self.asked: dict[Kind, Path] = {}  # what policies ask for, and where first

    def array(
        self, model: type[Model], data: Mapping[str, Any], key: str, path: Path
    ) -> list[tuple[Path, Model]]:
        """The tables under `key`, each judged by itself; those with a mistake are left out."""
        where = (*path, key)
        found = []
        for index, entry in enumerate(self.report.tables(data.get(key, []), where, f"[[zone.access.{key}]]")):
            before = self.report.errors
            table = self.report.table(model, entry, (*where, index))
            if table is not None and self.report.errors == before:
                found.append(((*where, index), table))
        return found

    # what proves who a caller is

    def service_tokens(self, tables: Sequence[tuple[Path, ServiceTokenTable]]) -> tuple[ServiceToken, ...]:
        found = []
        now = int(time.time())
        for path, table in tables:
            if table.id in self.tokens:
                self.report.error((*path, "id"), f"is {table.id!r}, which another token has")
                continue
            self.tokens[table.id] = table.id
            if table.name and self.tokens.setdefault(table.name, table.id) != table.id:
                self.report.error((*path, "name"), f"is {table.name!r}, which another token has")
            if table.expires_at is not None and table.expires_at <= now:
                self.report.warning(
                    (*path, "expires_at"), "is over: nobody gets in with this token", "make a new one"
                )
            if (table.previous_sha256 is None) != (table.previous_until is None):
                self.report.error(path, "has one of previous_sha256 and previous_until; they go together")
            found.append(
                ServiceToken(
                    table.id, table.secret_sha256, table.name, table.enabled, table.expires_at,
                    table.previous_sha256 or "", table.previous_until,
                )
            )  # fmt: skip
        return tuple(found)

    def jwt(self, path: Path, table: JwtTable) -> Jwt:
        report = self.report
        file = None
        if (table.jwks_file is None) == (table.jwks_url is None):
            report.error(path, "needs one of jwks_file and jwks_url", "where are the issuer's public keys?")
        if table.jwks_file is not None:
            file = self.base / FilePath(table.jwks_file).expanduser()
            wrong = jwks_wrong(file)
            if wrong:
                report.error((*path, "jwks_file"), wrong)
        if table.jwks_url is not None and not _is_safe(table.jwks_url):
            report.error(
                (*path, "jwks_url"),
                f"is {table.jwks_url!r}, over which anybody could send keys",
                "write an https URL; http is for this machine only",
            )
        if table.header.startswith((":", "grpc-")) or table.header in ("te", "content-type", "host"):
            report.error((*path, "header"), f"is {table.header!r}, which carries the call itself")
        return Jwt(
            table.issuer, tuple(table.audience), file, table.jwks_url or "", table.header,
            tuple(dict.fromkeys(table.algorithms)), table.leeway, table.refresh,
        )  # fmt: skip

    def authorities(self, path: Path, table: AuthoritiesTable) -> tuple[FilePath, ...]:
        for key, read in (("ca", read_authorities), ("crl", read_crls)):
            text = getattr(table, key)
            if text is None:
                continue
            try:
                read(self.base / FilePath(text).expanduser())
            except CertificateError as error:
                self.report.error((*path, key), str(error), error.hint)
        return (self.base / FilePath(table.ca).expanduser(),)

    def identity(self, path: Path, table: IdentityTable) -> Identity:
        file = self.base / FilePath(table.key).expanduser()
        wrong = key_wrong(file)
        if wrong:
            self.report.error((*path, "key"), wrong, "an RSA key of 2048 bits and more, or EC P-256, in PEM")
        if table.header.startswith((":", "grpc-")) or table.header in (
            "te",
            "content-type",
            "host",
            "authorization",
        ):
            self.report.error((*path, "header"), f"is {table.header!r}, which the call itself needs")
        return Identity(file, table.issuer, tuple(table.audience or ()), table.header, table.lifetime)

    # what is protected

    def application(self, path: Path, table: ApplicationTable) -> Application:
        report = self.report
        host = ""
        if table.host is not None:
            try:
                host = record_name(table.host, self.zone)
            except HostnameError as error:
                report.error((*path, "host"), f"is {table.host!r}, which {error}", f'"@" is {self.zone}')
            else:
                if not any(_meet(host, name) for name in self.served):
                    report.warning((*path, "host"), f"is {host}, which no proxied record of the zone serves")
        way = table.path or ""
        if way and (not way.startswith("/") or "*" in way[:-1] or "?" in way or "#" in way):
            report.error(
                (*path, "path"),
                f"is {way!r}, which is no path",
                'write "/pkg.Service", "/pkg.Service/Method" or "/pkg.*": a star is at the end only',
            )
        policies = tuple(
            self.policy((*path, "policies", index), policy) for index, policy in enumerate(table.policies)
        )
        if not policies:
            report.warning(path, "has no policy, so that everybody is denied", "write policies = [{ ... }]")
        elif all(policy.decision == "deny" for policy in policies):
            report.warning(
                (*path, "policies"), "deny only, and so is everybody else denied", "add one that allows"
            )
        return Application(table.name, host, "" if way in ("/", "/*") else way.removesuffix("/"), policies)

    def policy(self, path: Path, table: PolicyTable) -> AccessPolicy:
        decision = "service_auth" if table.decision == "non_identity" else table.decision
        parts = {
            key: tuple(
                one
                for index, entry in enumerate(getattr(table, key))
                for one in self.requirement((*path, key, index), entry)
            )
            for key in ("include", "require", "exclude")
        }
        policy = AccessPolicy(table.name, decision, **parts)
        report = self.report
        if decision == "bypass":
            if policy.asks_identity:
                report.error(
                    path, "is a bypass and asks who calls", 'write decision = "allow", or ask for ip only'
                )
            else:
                report.note(path, "lets calls pass without asking who calls", rule="access-bypass-policy")
        if decision == "service_auth" and not policy.asks_identity:
            report.error(
                path, "is service_auth and asks for no token or certificate", "everybody would be let in"
            )
        if (
            decision == "allow"
            and any(one.kind == "everyone" for one in policy.include)
            and not policy.require
        ):
            report.warning(path, "lets everybody in", 'write decision = "bypass" if that is meant')
        return policy

    def requirement(self, path: Path, table: RequirementTable) -> list[Requirement]:
        given = [
            key for key in type(table).model_fields if key != "values" and getattr(table, key) is not None
        ]
        if len(given) != 1:
            sentence = "asks for nothing" if not given else f"asks for {' and '.join(given)} in one"
            self.report.error(path, sentence, "one key in each entry; another entry for another thing")
            return []
        kind, value = given[0], getattr(table, given[0])
        if (table.values is not None) != (kind == "claim"):
            self.report.error(
                path, "has values without a claim" if table.values else "has a claim without values"
            )
            return []
        if kind == "ip_list":
            return self._list(path, value)
        where = (*path, kind)
        self.asked.setdefault(cast("Kind", kind), where)
        if kind == "claim":
            return [Requirement("claim", tuple(table.values or ()), value)]
        values: list[str] = [] if value is True else list(value)
        if kind in _LOWERED:
            values = [one.lower().removeprefix("@") for one in values]
        elif kind == "country":
            values = [one.upper() for one in values]
            if not self.report.places:
                hint = "name one in [server] geoip, or write ip"
                self.report.warning(
                    where, "is never known: there is no database of addresses", hint, rule="never-known"
                )
        elif kind == "ip":
            networks = [network_of(self.report, (*where, index), one) for index, one in enumerate(values)]
            values = [str(one) for one in networks if one is not None]
        elif kind == "service_token":
            values = [self._token((*where, index), one) for index, one in enumerate(values)]
        return [Requirement(cast("Kind", kind), tuple(dict.fromkeys(values)))]

    def _list(self, path: Path, name: str) -> list[Requirement]:
        name = name.removeprefix("$")
        if name not in self.lists:
            self.report.error(
                (*path, "ip_list"), f"is {name!r}, and there is no such list", did_you_mean(name, self.lists)
            )
            return []
        wrong = list_wrong(self.lists[name], IP, name)
        if wrong:
            self.report.error((*path, "ip_list"), wrong)
            return []
        networks = [str(one) for item in self.lists[name] for one in _networks(item)]
        return [Requirement("ip", tuple(networks))]

    def _token(self, path: Path, text: str) -> str:
        if text not in self.tokens and not self.unsure:
            hint = did_you_mean(text, self.tokens) or "it is in [[zone.access.service_tokens]]"
            self.report.error(path, f"is {text!r}, and there is no such service token", hint)
        return self.tokens.get(text, text)


def take_access(
    report: Report,
    data: object,
    path: Path,
    zone: str,
    settings: Settings,
    served: frozenset[str],
    lists: Lists,
    base: FilePath,
) -> Access:
    """What [zone.access] says, judged."""
    words = (
        {key: value for key, value in data.items() if key not in _APART}
        if isinstance(data, Mapping)
        else data
    )
    table = report.table(AccessTable, words, path)
    if table is None or not isinstance(data, Mapping):
        return OPEN
    judge = _Judge(report, zone, served, lists, base)
    before = report.errors
    tokens = judge.service_tokens(judge.array(ServiceTokenTable, data, "service_tokens", path))
    jwt = tuple(judge.jwt(where, one) for where, one in judge.array(JwtTable, data, "jwt", path))
    judge.unsure = report.errors > before
    single: dict[str, Any] = {}
    models: dict[str, type[Table]] = {"certificates": AuthoritiesTable, "identity": IdentityTable}
    for key, model in models.items():
        single[key] = report.table(model, data[key], (*path, key)) if key in data else None
    certificates, identity = single["certificates"], single["identity"]
    authorities = judge.authorities((*path, "certificates"), certificates) if certificates else ()
    revoked = base / FilePath(certificates.crl).expanduser() if certificates and certificates.crl else None
    told = judge.identity((*path, "identity"), identity) if identity else None
    applications = tuple(
        judge.application(where, one)
        for where, one in judge.array(ApplicationTable, data, "applications", path)
    )
    if report.errors == before:
        _whole(report, path, judge, Access(applications, tokens, jwt, authorities))
    finding = check_access(table.grpc, grpc=settings.grpc)
    if finding is not None:
        report.warning((*path, "grpc"), finding.sentence, finding.hint, rule=finding.rule)
    return Access(
        applications=applications,
        service_tokens=tokens,
        jwt=jwt,
        authorities=authorities,
        revoked=revoked,
        identity=told,
        grpc=table.grpc,
        recheck=table.recheck,
        token_header=table.read_service_tokens_from_header or "",
    )


def _whole(report: Report, path: Path, judge: _Judge, access: Access) -> None:
    """What policies ask for must be there to be had."""
    if not access.applications:
        report.warning(path, "protects nothing", "write [[zone.access.applications]]")
    headers = {one.header for one in access.jwt}
    if len(headers) > HEADERS_MOST:
        report.error(
            (*path, "jwt"), f"looks for tokens in {len(headers)} headers; at most {HEADERS_MOST} are possible"
        )
    facts = {
        asked
        for application in access.applications
        for policy in application.policies
        for asked in (*policy.include, *policy.require, *policy.exclude)
        if asked.kind in OF_TOKENS or asked.kind in OF_CERTIFICATES
    }
    if len(facts) > FACTS_MOST:
        report.error(
            (*path, "applications"),
            f"ask {len(facts)} things of tokens and certificates; at most {FACTS_MOST} are possible",
            "several values in one entry are one thing",
        )
    seen: dict[tuple[str, str], str] = {}
    for index, one in enumerate(access.applications):
        where = (*path, "applications", index)
        if (one.host, one.path) in seen:
            report.error(
                where, f"has the host and path of {seen[one.host, one.path]!r}, which is asked first"
            )
        seen.setdefault((one.host, one.path), one.name)
    for kind, where in judge.asked.items():
        if kind in OF_TOKENS and not access.jwt:
            report.error(where, "asks for a token, and no issuer is believed", "write [[zone.access.jwt]]")
        if kind == "any_valid_service_token" and not access.service_tokens:
            report.error(
                where, "asks for a service token, and there is none", "write [[zone.access.service_tokens]]"
            )
    issuers = {one.issuer for one in access.jwt}
    for application in access.applications:
        for policy in application.policies:
            for asked in (*policy.include, *policy.require, *policy.exclude):
                for issuer in asked.values if asked.kind == "jwt" else ():
                    if issuer not in issuers:
                        report.error(judge.asked["jwt"], f"names the issuer {issuer!r}, who is not believed")


def certificates_wanted(report: Report, access: Access, path: Path, asked: bool) -> tuple[ClientRule, ...]:
    """Who is to be asked for a certificate, as policies look at it. `asked`: [[zone.client_certs]] do so."""
    hosts: list[str] = []
    for index, application in enumerate(access.applications):
        for policy in application.policies:
            kinds = {one.kind for one in (*policy.include, *policy.require, *policy.exclude)}
            if kinds.isdisjoint(OF_CERTIFICATES):
                continue
            hosts.append(application.host)
            if not (asked or access.authorities):
                report.error(
                    (*path, "applications", index),
                    "looks at certificates, and no client is asked for one",
                    "write certificates = { ca = ... } in [zone.access], or [[zone.client_certs]]",
                )
    if asked or not access.authorities:
        return ()
    if not hosts:
        report.warning((*path, "certificates"), "has no effect: no policy looks at certificates")
        return ()
    names = () if "" in hosts else tuple(dict.fromkeys(hosts))
    found = ClientCertificates("request", access.authorities[0], access.revoked)
    return (ClientRule(found, names),)


def _networks(item: str) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    """An item of a list, which may be a span, as networks."""
    first, dots, last = item.strip().partition("..")
    if not dots:
        return [ipaddress.ip_network(first)]
    ends: Any = (ipaddress.ip_address(first.strip()), ipaddress.ip_address(last.strip()))
    return list(ipaddress.summarize_address_range(*ends))


def _is_safe(url: str) -> bool:
    """Does nobody on the way write what comes from there?"""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    if parts.username is not None or not host:
        return False
    if parts.scheme == "https":
        return True
    return parts.scheme == "http" and (host == "localhost" or _is_loopback(host))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _meet(pattern: str, name: str) -> bool:
    """Is a name served that the application is about?"""
    if pattern == name or covers(name, pattern):
        return True
    if pattern.startswith("*."):
        return name.endswith(pattern[1:])
    return name.startswith("*.") and pattern.endswith(name[1:])


def jwks_wrong(file: FilePath) -> str:
    """Why a file is no JWK set of public keys; empty if it is."""
    try:
        if file.stat().st_size > JWKS_MOST:
            return f"names {file}, which is larger than {JWKS_MOST} octets"
        keys = json.loads(file.read_bytes())["keys"]
        if not isinstance(keys, list) or not keys:
            return f"names {file}, which has no keys"
        if any(one.get("kty") == "oct" or "d" in one for one in keys):
            return f"names {file}, which has a key that is secret: only public keys belong there"
    except OSError as error:
        return f"names {file}, which cannot be read: {(error.strerror or str(error)).lower()}"
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"names {file}, which is no JWK set"
    return ""


def key_wrong(file: FilePath) -> str:
    """Why a file is no key to sign with; empty if it is."""
    try:
        key = load_pem_private_key(file.read_bytes(), None)
    except OSError as error:
        return f"names {file}, which cannot be read: {(error.strerror or str(error)).lower()}"
    except (ValueError, TypeError):
        return f"names {file}, which is no key, or is encrypted"
    if isinstance(key, rsa.RSAPrivateKey):
        return "" if key.key_size >= 2048 else f"names {file}, an RSA key of {key.key_size} bits"
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name == "secp256r1":
        return ""
    return f"names {file}, a key of another kind"
