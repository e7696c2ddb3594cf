"""Listening sockets: bound here, one per worker and address, handed over as descriptors."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fastgw.config import Listen
from fastgw.errors import StartupError
from fastgw.policy.names import joined

BACKLOG = 4096
_Address = tuple[Any, ...]  # host, port and for IPv6 two more
_NO_FAMILY = {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL}


@dataclass(slots=True)
class Listening:
    """An address that is bound, with the real port, and a socket for each worker."""

    host: str
    port: int
    tls: bool
    sockets: list[socket.socket]

    @property
    def address(self) -> str:
        """`host:port`, as a gRPC client takes it."""
        return joined(self.host, self.port)

    def __str__(self) -> str:
        return f"{'https' if self.tls else 'h2c'}://{self.address}"

    def close(self) -> None:
        """Close what has not been handed over."""
        for one in self.sockets:
            one.close()


def listen_all(places: Sequence[Listen], workers: int) -> list[Listening]:
    """Bind each place once per worker and listen; all or none. Raise StartupError."""
    found: list[Listening] = []
    with contextlib.ExitStack() as undo:
        for place in places:
            try:
                listening = _listen(place, workers)
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


def _listen(place: Listen, workers: int) -> Listening:
    family, address = _resolve(place)
    if place.port:
        _probe(family, address)
    listening = Listening(place.host, place.port, place.tls, [])
    with contextlib.ExitStack() as undo:
        undo.callback(listening.close)
        for _ in range(workers):
            one = _socket(family)
            listening.sockets.append(one)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            one.bind(address)
            if not listening.port:
                # The first bind picks the port, the others share it.
                listening.port = one.getsockname()[1]
                address = (address[0], listening.port, *address[2:])
        for one in listening.sockets:
            one.listen(BACKLOG)
        undo.pop_all()
    return listening


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
