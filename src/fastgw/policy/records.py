"""Records: a name, where it points, and whether the gateway serves it (specification section 4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

RecordType = Literal["A", "AAAA", "CNAME", "UNIX"]
OriginProtocol = Literal["h2", "h2c"]

ORIGIN_PORT = 443
UNIX = "unix:"  # in front of the path of a socket


@dataclass(frozen=True, slots=True)
class Record:
    """One DNS entry; `name` is complete, `*.` in front of it makes it a wildcard.

    Type UNIX is no DNS: its content is `unix:` and the path of a socket. `weight` is the share of calls among
    the targets of one name; a target of a higher `priority` number serves when too few of the lower can.
    """

    name: str
    type: RecordType
    content: str
    proxied: bool = False
    origin_port: int = ORIGIN_PORT
    origin_protocol: OriginProtocol = "h2"
    origin_server_name: str = ""
    origin_host: str = ""
    weight: int = 1
    priority: int = 0

    @property
    def wildcard(self) -> bool:
        """Does it stand for every name below?"""
        return self.name.startswith("*.")
