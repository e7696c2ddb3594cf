"""A gateway in this process, started from a text as a user would write it."""

from __future__ import annotations

import contextlib
from pathlib import Path
from types import TracebackType

from tests.support.certs import Authority
from tests.support.raw import RawClient, h2_context


def host_and_port(address: object) -> tuple[str, int]:
    """(host, port) of what `Gateway.addresses` lists: a pair, or text with or without a scheme."""
    if isinstance(address, tuple):
        return str(address[0]), int(address[1])
    host, _, port = str(address).rpartition("://")[2].rpartition(":")
    return host.strip("[]"), int(port)


_LIVE = ("streams_open", "links_open", "exchanges_live", "exchanges_open", "octets_waiting", "octets_lent")


def alive(gateway: object, *but: str) -> dict[str, int]:
    """Which slots and octets the gateway still holds, zeroes and `but` left out."""
    total = gateway.stats()["total"]  # type: ignore[attr-defined]
    return {name: total[name] for name in _LIVE if name not in but and total[name]}


class House:
    """`with House(toml, folder, ca) as house:` the running gateway is `house.gateway`."""

    def __init__(self, toml: str, folder: Path, ca: Authority) -> None:
        import fastgw

        number = len(list(folder.glob("fastgw*.toml")))
        self.file = folder / f"fastgw{number}.toml"
        self.file.write_text(toml)
        self.ca = ca
        self.gateway = fastgw.Gateway(self.file)
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> House:
        self._stack.enter_context(self.gateway)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        self._stack.close()
        assert alive(self.gateway) == {}, "something was not given back"

    @property
    def addresses(self) -> list[tuple[str, int]]:
        return [host_and_port(address) for address in self.gateway.addresses]

    @property
    def address(self) -> tuple[str, int]:
        """The first listener's."""
        return self.addresses[0]

    def raw(
        self, *, tls: bool = True, name: str = "gw.test", listener: int = 0, timeout: float = 5.0
    ) -> RawClient:
        """A raw connection to a listener, not yet begun."""
        context = h2_context(self.ca.file) if tls else None
        return RawClient(self.addresses[listener], context=context, server_name=name, timeout=timeout)
