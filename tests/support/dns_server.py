"""A DNS server of this machine that answers as it is told: UDP and TCP, on one port, in one thread."""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

import dns.asyncresolver
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

Reply = dns.message.Message
Answer = Callable[[Reply], Reply | None]


def addresses(*literals: str, ttl: int = 300, alias: str = "", alias_ttl: int = 300) -> Answer:
    """Those of `literals` that are of the family that was asked for, behind a CNAME if `alias` is given."""

    def answer(reply: Reply) -> Reply:
        question = reply.question[0]
        kind = dns.rdatatype.to_text(question.rdtype)
        mine = [one for one in literals if (":" in one) == (kind == "AAAA")]
        name = question.name
        if alias:
            reply.answer.append(dns.rrset.from_text(name, alias_ttl, "IN", "CNAME", alias + "."))
            name = dns.name.from_text(alias)
        if mine:
            reply.answer.append(dns.rrset.from_text(name, ttl, "IN", kind, *mine))
        return reply

    return answer


def code(word: str) -> Answer:
    """An empty answer with the code `word`: SERVFAIL, NXDOMAIN, REFUSED."""

    def answer(reply: Reply) -> Reply:
        reply.set_rcode(dns.rcode.from_text(word))
        return reply

    return answer


def silence(_: Reply) -> None:
    """Nothing at all."""


class DnsServer:
    """`script["name"]` or `script["name", "AAAA"]` says what is answered; of a list the last one stays.

    `asked` lists (name, type, transport) of what came. With `truncate`, UDP answers say that TCP has more.
    """

    def __init__(self) -> None:
        self.script: dict[str | tuple[str, str], Answer | list[Answer]] = {}
        self.asked: list[tuple[str, str, str]] = []
        self.truncate = False
        self._more = threading.Condition()
        self._udp, self._tcp = _same_port()
        self.port: int = self._udp.getsockname()[1]
        self._end, self._ending = socket.socketpair()
        self._thread = threading.Thread(target=self._run, name="dns-server")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.close()
        self._thread.join()
        for one in (self._udp, self._tcp, self._end):
            one.close()

    def resolver(self) -> dns.asyncresolver.Resolver:
        """One that asks here and nowhere else, and gives up soon."""
        made = dns.asyncresolver.Resolver(configure=False)
        made.nameservers = ["127.0.0.1"]
        made.port = self.port
        made.timeout = 0.15
        made.search = []
        made.domain = dns.name.root
        return made

    def wait_for(self, count: int, name: str, kind: str = "A", timeout: float = 5) -> bool:
        """Have there been `count` questions for `name`? Waits for them."""
        with self._more:
            return self._more.wait_for(
                lambda: sum((one, two) == (name, kind) for one, two, _ in self.asked) >= count, timeout
            )

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            for one in (self._udp, self._tcp, self._end):
                selector.register(one, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    if key.fileobj is self._end:
                        return
                    with contextlib.suppress(OSError):
                        if key.fileobj is self._udp:
                            self._on_datagram()
                        else:
                            self._on_connection()

    def _on_datagram(self) -> None:
        octets, peer = self._udp.recvfrom(4096)
        reply = self._answer(octets, "udp")
        if reply is not None:
            if self.truncate:
                reply.flags |= dns.flags.TC
                reply.answer.clear()
            self._udp.sendto(reply.to_wire(), peer)

    def _on_connection(self) -> None:
        connection, _ = self._tcp.accept()
        with connection, connection.makefile("rb") as file:
            connection.settimeout(2)
            (length,) = struct.unpack("!H", file.read(2))
            reply = self._answer(file.read(length), "tcp")
            if reply is not None:
                wire = reply.to_wire()
                connection.sendall(struct.pack("!H", len(wire)) + wire)

    def _answer(self, octets: bytes, transport: str) -> Reply | None:
        query = dns.message.from_wire(octets)
        name = query.question[0].name.to_text(omit_final_dot=True)
        kind = dns.rdatatype.to_text(query.question[0].rdtype)
        with self._more:
            self.asked.append((name, kind, transport))
            self._more.notify_all()
        answer = self.script.get((name, kind)) or self.script.get(name) or code("NXDOMAIN")
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        reply = dns.message.make_response(query)
        return answer(reply)


def _same_port() -> tuple[socket.socket, socket.socket]:
    while True:
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(("127.0.0.1", 0))
        try:
            return udp, socket.create_server(udp.getsockname())
        except OSError:
            udp.close()
