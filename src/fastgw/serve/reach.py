"""Are the origins there: resolved, connected to and spoken to as the gateway would, all at once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from OpenSSL import SSL

from fastgw.errors import CertificateError
from fastgw.policy.chains import Known, by_name, follow, is_served
from fastgw.policy.compile import NO_TLS, TargetRow, demands_of, targets_of
from fastgw.policy.names import joined
from fastgw.policy.records import UNIX
from fastgw.policy.tls import ServerTls, pull_of
from fastgw.policy.zone import Zone
from fastgw.probe.channel import Address, open_channel
from fastgw.probe.failure import ProbeError
from fastgw.serve.lookup import Lookup
from fastgw.tls.trust import Shelf, trust_of

AT_ONCE = 64  # endpoints


@dataclass(frozen=True, slots=True)
class Reached:
    """One endpoint of one record. `rule`: the id of the check that failed; "": all is well."""

    name: str
    content: str
    endpoint: str
    rule: str = ""
    sentence: str = ""


@dataclass(frozen=True, slots=True)
class _Aim:
    """Who is asked, for which records of which names."""

    target: TargetRow
    address: Address
    wanted: tuple[tuple[str, str], ...]


def reach(zones: Iterable[Zone], timeout: float = 5.0, server: ServerTls = NO_TLS) -> list[Reached]:
    """Try every endpoint of every proxied record; each takes `timeout` seconds at most."""
    wanted: dict[TargetRow, list[tuple[str, str]]] = {}
    for name, content, target in _targets(list(zones), server):
        wanted.setdefault(target, []).append((name, content))
    lookup = Lookup()
    try:
        found = lookup.addresses({target.host for target in wanted if not target.is_unix})
    finally:
        lookup.close()
    results: list[Reached] = []
    aims: list[_Aim] = []
    for target, pairs in wanted.items():
        if target.is_unix:
            aims.append(_Aim(target, target.host.removeprefix(UNIX), tuple(pairs)))
            continue
        literals = found[target.host]
        aims += [_Aim(target, (literal, target.port), tuple(pairs)) for literal in literals]
        if not literals:
            sentence = f"the name {target.host} has no address"
            results += [Reached(*pair, target.label, "origin-unresolved", sentence) for pair in pairs]
    return results + asyncio.run(_reach_all(aims, timeout, server.origin_ca))


def _targets(zones: list[Zone], server: ServerTls) -> Iterator[tuple[str, str, TargetRow]]:
    known: Known = by_name(record for zone in zones for record in zone.records)
    for zone in zones:
        for name, records in by_name(record for record in zone.records if record.callable).items():
            if not is_served(records, known):
                continue
            demands = demands_of(zone, pull_of(zone, name, server.origin_pull))
            for record in records:
                if record.leads and follow(record, known) != [""]:
                    for target in targets_of([record], known, zone.name, demands):
                        yield name, record.content, target


async def _reach_all(aims: list[_Aim], timeout: float, origin_ca: Path | None) -> list[Reached]:
    gate = asyncio.Semaphore(AT_ONCE)
    shelf = Shelf()

    async def one(aim: _Aim) -> list[Reached]:
        async with gate:
            sentence = await _try(aim, shelf, timeout, origin_ca)
        where = aim.address if isinstance(aim.address, str) else joined(*aim.address)
        rule = "origin-unreachable" if sentence else ""
        return [Reached(*pair, where, rule, sentence) for pair in aim.wanted]

    lists = await asyncio.gather(*(one(aim) for aim in aims))
    return [reached for each in lists for reached in each]


async def _try(aim: _Aim, shelf: Shelf, timeout: float, origin_ca: Path | None) -> str:
    """What is wrong, or nothing."""
    try:
        context = _context(aim.target, shelf, origin_ca)
        async with asyncio.timeout(timeout):
            target = aim.target
            channel = await open_channel(
                aim.address, context, target.server_name, target.names, target.common_name
            )
            try:
                await channel.greeted()
            finally:
                await channel.close()
    except TimeoutError:
        return f"{_text(aim.address)} did not answer within {timeout:g} s"
    except CertificateError as error:
        return f"its trust store {error}"
    except ProbeError as error:
        return str(error)
    return ""


def _context(target: TargetRow, shelf: Shelf, origin_ca: Path | None) -> SSL.Context | None:
    return shelf.client(trust_of(target, origin_ca))[0] if target.tls else None


def _text(address: Address) -> str:
    return address if isinstance(address, str) else joined(*address)
