"""A zone: a domain with its settings, records and certificate (specification section 4)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from fastgw.policy.catalogue import Plan
from fastgw.policy.certificates import CertificateFiles
from fastgw.policy.inspection import NOTHING, Inspection
from fastgw.policy.origins import OriginPolicy
from fastgw.policy.records import Record
from fastgw.policy.routes import Retry, Route
from fastgw.policy.settings import Settings
from fastgw.policy.tls import ZoneTls


@dataclass(frozen=True, slots=True)
class Zone:
    """What one domain's owner has decided."""

    name: str
    settings: Settings = field(default_factory=Settings)
    records: tuple[Record, ...] = ()
    certificate: CertificateFiles | None = None
    trust_store: Path | None = None
    paused: bool = False
    plan: Plan = "free"
    origin: OriginPolicy = field(default_factory=OriginPolicy)
    routes: tuple[Route, ...] = ()
    retry: Retry = field(default_factory=Retry)
    tls: ZoneTls = field(default_factory=ZoneTls)
    inspection: Inspection = NOTHING
    outward: tuple[str, ...] = field(init=False, default=(), compare=False, repr=False)
    """Names outside the zone that its CNAMEs lead to."""

    def __post_init__(self) -> None:
        own = "." + self.name
        found = [
            record.content
            for record in self.records
            if record.type == "CNAME" and not ("." + record.content).endswith(own)
        ]
        if found:
            object.__setattr__(self, "outward", tuple(found))

    @property
    def carries_grpc(self) -> bool:
        """May gRPC go to its origins: over TLS, or without it on purpose at each proxied record?"""
        if self.settings.encrypted:
            return True
        proxied = [record for record in self.records if record.proxied]
        return bool(proxied) and all(record.origin_protocol == "h2c" for record in proxied)
