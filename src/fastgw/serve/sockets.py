"""Listening sockets: bound here or inherited, at least one per worker and address, given as descriptors.

An inherited socket is never closed while its place is configured, as connections may wait in its queue: with
fewer workers than before each takes several; with more, new sockets join those that share their port
(SO_REUSEPORT), and a socket that stands alone (systemd) is watched by all.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from fastgw.config import Listen
from fastgw.errors import StartupError
from fastgw.policy.names import joined
from fastgw.serve.handover import Inherited

BACKLOG = 4096
_Address = tuple[Any, ...]  # host, port and for IPv6 two more
_NO_FAMILY = {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL}


@dataclass(slots=True)
class Listening:
    """An address that is bound, with the real port.

    shares       the sockets of each worker
    fresh        those that do not listen yet
    descriptors  what the workers have taken: theirs to close, and open until they drain
    """

    place: Listen
    port: int
    shares: list[list[socket.socket]]
    fresh: list[socket.socket] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)

    @property
    def tls(self) -> bool:
        """Do clients speak TLS here?"""
        return self.place.tls

    @property
    def address(self) -> str:
        """`host:port`, as a gRPC client takes it."""
        return joined(self.place.host, self.port)

    def __str__(self) -> str:
        return f"{'https' if self.tls else 'h2c'}://{self.address}"

    def open(self) -> None:
        """Listen: from here on connections come. Raise StartupError."""
        try:
            for one in self.fresh:
                one.listen(BACKLOG)
        except OSError as error:
            raise StartupError(_sentence(self.place, error)) from None
        self.fresh = []

    def take(self, worker: int) -> list[int]:
        """The descriptors of one worker, which are its own from now on."""
        taken = [one.detach() for one in self.shares[worker]]
        self.descriptors += taken
        return taken

    def close(self) -> None:
        """Close what has not been taken."""
        for share in self.shares:
            for one in share:
                one.close()


def bind_all(places: Sequence[Listen], workers: int, inherited: Inherited | None = None) -> list[Listening]:
    """Bind each place, at least once per worker; all or none, and nothing listens yet. Raise StartupError."""
    found: list[Listening] = []
    inherited = inherited or Inherited()
    dual: set[int] = set()
    with contextlib.ExitStack() as undo:
        for place in places:
            try:
                listening = _bind(place, workers, inherited, dual)
                if listening is None:
                    continue
            except OSError as error:
                if place.optional and error.errno in _NO_FAMILY:
                    continue
                raise StartupError(_sentence(place, error)) from None
            undo.callback(listening.close)
            found.append(listening)
        undo.pop_all()
    if not found:
        raise StartupError("there is no address to listen at")
    return found


def _bind(place: Listen, workers: int, inherited: Inherited, dual: set[int]) -> Listening | None:
    """The sockets of one place; None if it is served by those of another one, whose ports are in `dual`."""
    family, address = _resolve(place)
    sockets = inherited.take(str(place), family, address)
    if not sockets and address[0] == "0.0.0.0":
        sockets = inherited.take_dual(place.port)
        if sockets:
            dual.add(place.port)
    if not sockets and address[0] == "::" and place.port in dual:
        return None
    listening = Listening(place, place.port, [[] for _ in range(workers)])
    with contextlib.ExitStack() as undo:
        undo.callback(listening.close)
        if not sockets:
            if place.port:
                _probe(family, address)
            sockets = [_bound(family, address)]
            listening.fresh += sockets
        for number, one in enumerate(sockets):
            listening.shares[number % workers].append(one)
        # The first bind picks the port, the others share it.
        listening.port = sockets[0].getsockname()[1]
        address = (address[0], listening.port, *address[2:])
        for number in range(len(sockets), workers):
            one = _one_more(sockets[number % len(sockets)], lambda: _bound(family, address), listening.fresh)
            listening.shares[number].append(one)
        undo.pop_all()
    return listening


def network_row(text: str) -> tuple[bytes, int]:
    """A network in CIDR as the core takes it: 16 octets, an IPv4 one mapped to IPv6, and its bits."""
    network = ipaddress.ip_network(text, strict=False)
    if network.version == 4:
        return b"\0" * 10 + b"\xff\xff" + network.network_address.packed, network.prefixlen + 96
    return network.network_address.packed, network.prefixlen


def _one_more(
    beside: socket.socket, bound: Callable[[], socket.socket], fresh: list[socket.socket]
) -> socket.socket:
    """A further socket for the address of `beside`, or another descriptor of that one."""
    if beside.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT):
        # An heir that may do less than who bound the first one (a port below 1024) shares what there is.
        with contextlib.suppress(OSError):
            one = bound()
            fresh.append(one)
            return one
    return beside.dup()


def _bound(family: socket.AddressFamily, address: _Address) -> socket.socket:
    one = _socket(family)
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        one.bind(address)
    except OSError:
        one.close()
        raise
    return one


def _resolve(place: Listen) -> tuple[socket.AddressFamily, _Address]:
    flags = socket.AI_PASSIVE
    try:
        found = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM, flags=flags)
    except socket.gaierror as error:
        raise StartupError(f"cannot listen at {place}: the host is not known ({error.strerror})") from None
    family, _, _, _, address = found[0]
    return family, tuple(address)


def _probe(family: socket.AddressFamily, address: _Address) -> None:
    """Fail if somebody listens there: with SO_REUSEPORT two gateways would silently share the port."""
    with _socket(family) as one:
        one.bind(address)


def _socket(family: socket.AddressFamily) -> socket.socket:
    one = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    return one


def _sentence(place: Listen, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"cannot listen at {place}: the port is taken by another process"
    if error.errno == errno.EACCES:
        return f"cannot listen at {place}: ports below 1024 need the right CAP_NET_BIND_SERVICE"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"cannot listen at {place}: this machine does not have that address"
    return f"cannot listen at {place}: {os.strerror(error.errno or 0).lower()}"
