"""A zone: a domain with its settings, records and certificate (specification section 4)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from fastgw.policy.certificates import CertificateFiles
from fastgw.policy.origins import OriginPolicy
from fastgw.policy.records import Record
from fastgw.policy.routes import Retry, Route
from fastgw.policy.settings import Settings
from fastgw.policy.tls import ZoneTls

Plan = Literal["free", "pro", "business", "enterprise"]


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
