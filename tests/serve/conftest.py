"""A core that only remembers what the bridge did to it, and a configuration to start from."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Any, ClassVar

import pytest

from fastgw import entries, published
from fastgw import gateway as bridge
from fastgw._core.proxy.endpoints import Endpoints
from fastgw.tls.issue import development_authority, development_certificate


class FakeBlock:
    """The rows of one zone."""

    def __init__(
        self, zone: Any, hosts: Any, origins: Any, certificates: Any, endpoints: Endpoints, keep: Any = ()
    ) -> None:
        self.zone, self.hosts, self.origins = zone, hosts, origins
        self.certificates, self.endpoints, self.keep = certificates, endpoints, keep


class FakeSnapshot:
    """The rows of all its blocks, and who uses it."""

    def __init__(
        self,
        *,
        revision: int,
        added: Any,
        dropped: Any,
        before: FakeSnapshot | None,
        default: Any,
        gone: Any,
        front: int,
        front_keep: Any,
        own_records: bool,
        places: Any,
    ) -> None:
        self.front, self.front_keep, self.places = front, front_keep, places
        self.revision, self.default, self.gone = revision, default, gone
        kept = [block for block in before.blocks if block not in dropped] if before is not None else []
        self.blocks = [*kept, *added]
        self.users = self.seekers = 0
        self.released = False

    @property
    def zones(self) -> list[Any]:
        return [block.zone for block in self.blocks]

    @property
    def hosts(self) -> list[Any]:
        return [host for block in self.blocks for host in block.hosts]

    @property
    def origins(self) -> list[Any]:
        return [origin for block in self.blocks for origin in block.origins]

    @property
    def certificates(self) -> list[Any]:
        return [certificate for block in self.blocks for certificate in block.certificates]

    def release(self) -> None:
        self.released = True


class FakeCertificate:
    """What it was made of."""

    def __init__(self, context: int, names: list[str], identity: bytes, *, keep: Any, **terms: Any) -> None:
        self.context, self.names, self.identity, self.keep, self.terms = context, names, identity, keep, terms


class FakeWorker:
    """Accepts nothing, and ends when told to."""

    made: ClassVar[list[FakeWorker]]
    stubborn = False
    settled = True

    def __init__(
        self,
        *,
        number: int,
        drain_timeout_ms: int,
        log: bool = False,
        limits: dict[str, int],
        balancers: list[tuple[bytes, int]],
    ) -> None:
        self.balancers = balancers
        self.number, self.drain_timeout_ms, self.log, self.limits = number, drain_timeout_ms, log, limits
        self.sockets: list[tuple[socket.socket, bool]] = []
        self.snapshots: list[FakeSnapshot] = []
        self.calls: list[str] = []
        self.revision = 0
        self.finished: list[dict[str, object]] = []
        self.failure: BaseException | None = None
        self._end = threading.Event()
        self.made.append(self)

    def listen(self, descriptor: int, *, tls: bool) -> None:
        self.sockets.append((socket.socket(fileno=descriptor), tls))

    def hook(self, hooks: object) -> None:
        """Nobody asks."""

    def publish(self, snapshot: FakeSnapshot) -> None:
        self.snapshots.append(snapshot)

    def run(self) -> None:
        self._end.wait()
        for one, _ in self.sockets:
            one.close()
        if self.failure is not None:
            raise self.failure

    def fail(self, error: BaseException) -> None:
        self.failure = error
        self._end.set()

    def drain(self) -> None:
        self.calls.append("drain")
        if not self.stubborn:
            self._end.set()

    def stop(self) -> None:
        self.calls.append("stop")
        self._end.set()

    def stats(self) -> dict[str, int | dict[str, int]]:
        return {"calls": 10 + self.number, "connections": 1, "replies": {"both": 1, f"by {self.number}": 1}}

    def take_usage(self, count: int) -> list[tuple[int, int, list[int]]]:
        return []

    def zone_stats(self, count: int = 16384) -> list[dict[str, int]]:
        return [{"calls": 5}, {"calls": self.number}][:count]

    def rule_stats(self) -> dict[int, tuple[int, int]]:
        return {}

    def take_finished(self, most: int) -> list[dict[str, object]]:
        taken, self.finished = self.finished[:most], self.finished[most:]
        return taken


@pytest.fixture
def core(monkeypatch: pytest.MonkeyPatch) -> type[FakeWorker]:
    """Put the fakes where the bridge finds its core; `core.made`: the workers, `core.armed`: contexts."""

    class Core(FakeWorker):
        made: ClassVar[list[FakeWorker]] = []
        armed: ClassVar[list[int]] = []

    monkeypatch.setattr(bridge, "Worker", Core)
    monkeypatch.setattr(published, "Snapshot", FakeSnapshot)
    monkeypatch.setattr(published, "ZoneBlock", FakeBlock)
    monkeypatch.setattr(entries, "Certificate", FakeCertificate)
    for room in (entries, published):
        monkeypatch.setattr(room, "arm", lambda address, watch=False: Core.armed.append(address))
    monkeypatch.setattr(entries, "sockaddr", lambda host, port: f"{host} {port}".encode())
    return Core


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a development authority, and certificates of it for gw.test and else.test."""
    directory = tmp_path_factory.mktemp("authority")
    made = development_authority(directory)
    development_certificate(made, ("gw.test", "*.gw.test"))
    development_certificate(made, ("else.test",))
    return directory


@pytest.fixture
def config(authority: Path) -> dict[str, Any]:
    """A configuration that can be started."""
    return {
        "server": {"listen": ["127.0.0.1:0", "h2c://127.0.0.1:0"], "workers": 2, "drain_timeout": "100ms"},
        "zone": [
            {
                "name": "gw.test",
                "cert": {"file": str(authority / "gw.test.pem"), "key": str(authority / "gw.test.key")},
                "settings": {"grpc": "on", "ssl": "strict"},
                "trust_store": str(authority / "ca.pem"),
                "dns": [{"name": "api", "content": "127.0.0.1", "proxied": True, "origin_port": 50443}],
            }
        ],
    }
