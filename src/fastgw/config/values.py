"""The judged configuration as frozen values: what the gateway takes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from fastgw.config.admin import AdminPlace
from fastgw.config.model import DEFAULT_GROUPS, USAGE_DAYS, Group
from fastgw.errors import Problem
from fastgw.policy.limits import DEFAULTS, LimitValues
from fastgw.policy.names import joined
from fastgw.policy.sharing import SharedLimits
from fastgw.policy.tls import ServerTls
from fastgw.policy.zone import Zone


@dataclass(frozen=True, slots=True)
class Listen:
    """One place to accept connections. `optional`: left out where the machine lacks the address family."""

    host: str
    port: int
    tls: bool = True
    optional: bool = False

    def __str__(self) -> str:
        return f"{'https' if self.tls else 'h2c'}://{joined(self.host, self.port)}"


@dataclass(frozen=True, slots=True)
class Config:
    """A configuration fit for use. `workers` None: one per CPU; `access_log` "-": standard output.

    `limits` are numbers by the core's key, every limit of the catalogue once. `store`: the database that
    [store] names, whose zones are among `zones` only if somebody has put them there.
    `lists` are those of [lists], for zones that come later. `geoip`: databases of addresses, the first that
    knows something is believed. `sharing` None: rate limits are this gateway's alone.
    """

    zones: tuple[Zone, ...]
    listen: tuple[Listen, ...]
    workers: int | None = None
    drain_timeout_ms: int = 30_000
    tls_groups: tuple[Group, ...] = DEFAULT_GROUPS
    access_log: str | None = None
    limits: LimitValues = DEFAULTS
    tls: ServerTls = field(default_factory=ServerTls)
    source: Path | None = None
    store: Path | None = None
    lists: tuple[tuple[str, tuple[str, ...]], ...] = ()
    geoip: tuple[Path, ...] = ()
    admin: AdminPlace | None = None
    sharing: SharedLimits | None = None
    usage_days: int = USAGE_DAYS
    warnings: tuple[Problem, ...] = ()
