"""Records: a name, where it points, and whether the gateway serves it (specification section 4)."""

from __future__ import annotations

from typing import Literal, NamedTuple

TargetType = Literal["A", "AAAA", "CNAME", "UNIX"]
# For DNS to answer: they lead nowhere here, but a name that has one exists and stops wildcards.
OtherType = Literal[
    "CAA",
    "CERT",
    "DNSKEY",
    "DS",
    "HTTPS",
    "LOC",
    "MX",
    "NAPTR",
    "NS",
    "OPENPGPKEY",
    "PTR",
    "SMIMEA",
    "SRV",
    "SSHFP",
    "SVCB",
    "TLSA",
    "TXT",
    "URI",
]
RecordType = Literal[TargetType, OtherType]
OriginProtocol = Literal["h2", "h2c"]

TARGETS: frozenset[str] = frozenset({"A", "AAAA", "CNAME", "UNIX"})
ORIGIN_PORT = 443
UNIX = "unix:"  # in front of the path of a socket
TTL_AUTO = 1
TTL_LEAST, TTL_LEAST_ENTERPRISE, TTL_MOST = 60, 30, 86_400  # seconds


class Record(NamedTuple):
    """One DNS entry; `name` is complete, `*.` in front of it makes it a wildcard.

    Type UNIX is no DNS: its content is `unix:` and the path of a socket. `weight` is the share of calls among
    the targets of one name; a target of a higher `priority` number serves when too few of the lower can.

    origin_host  the :authority that its origin is sent; "": the one of the call
    ttl          seconds, 1: automatic; like comment, tags and the last three only kept and shown
    """

    name: str
    type: RecordType
    content: str
    proxied: bool = False
    origin_port: int = ORIGIN_PORT
    origin_protocol: OriginProtocol = "h2"
    origin_server_name: str = ""
    weight: int = 1
    priority: int = 0
    origin_host: str = ""
    ttl: int = TTL_AUTO
    comment: str = ""
    tags: tuple[str, ...] = ()
    ipv4_only: bool = False
    ipv6_only: bool = False
    flatten_cname: bool = False

    @property
    def wildcard(self) -> bool:
        """Does it stand for every name below?"""
        return self.name.startswith("*.")

    @property
    def leads(self) -> bool:
        """Is it a target of its name, rather than something for DNS to answer?"""
        return self.type in TARGETS

    @property
    def callable(self) -> bool:
        """Can a call name it? A second star is a label like any other, which no hostname has."""
        return "*" not in self.name.removeprefix("*.")
