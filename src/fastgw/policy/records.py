"""Records: a name, where it points, and whether the gateway serves it (specification section 4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

RecordType = Literal["A", "AAAA", "CNAME"]
OriginProtocol = Literal["h2", "h2c"]

ORIGIN_PORT = 443


@dataclass(frozen=True, slots=True)
class Record:
    """One DNS entry; `name` is complete, `*.` in front of it makes it a wildcard."""

    name: str
    type: RecordType
    content: str
    proxied: bool = False
    origin_port: int = ORIGIN_PORT
    origin_protocol: OriginProtocol = "h2"
    origin_server_name: str = ""

    @property
    def wildcard(self) -> bool:
        """Does it stand for every name below?"""
        return self.name.startswith("*.")
