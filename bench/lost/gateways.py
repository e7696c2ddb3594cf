"""The gateways that are compared: how each is started, reloaded, replaced by a new process, and ended."""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bench.load.peers import PEERS, fill
from bench.load.process import tree
from bench.load.workshop import HERE, MissingError
from tests.chaos.fleet import free_port

CONF = HERE.parent / "lost" / "conf"
PATIENCE = 20.0  # seconds until a process serves or has ended


def _wait(condition: Callable[[], object], what: str) -> None:
    ends = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > ends:
            raise MissingError(what)
        time.sleep(0.02)


class Gateway:
    """One gateway in front of `ports`; `policy`: it tries again what its documentation recommends for gRPC.

    Each writing of its configuration gives the origins other weights, so that a reload has something to do.
    """

    name = ""
    conf = ""
    target = "{port}"  # a line per origin
    policies = ("", "")  # without, with

    def __init__(self, run: Path, port: int, ports: list[int], policy: bool) -> None:
        self.run, self.port, self.ports, self.policy = run, port, ports, policy
        self._admin = free_port()
        self._dice = random.Random(1)
        self._began: list[subprocess.Popen[bytes]] = []

    @classmethod
    def program(cls) -> str:
        """Raise MissingError."""
        return PEERS[cls.name].program()

    def __enter__(self) -> Gateway:
        self.write()
        self.start()
        _wait(self._accepts, f"{self.name} did not start; why stands in {self.run}.")
        return self

    def __exit__(self, *failure: object) -> None:
        pids = {pid for one in self._began for pid in tree(one.pid)} | set(self.pids())
        for number in (signal.SIGTERM, signal.SIGKILL):
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            time.sleep(0.3)
        for one in self._began:
            one.wait(PATIENCE)

    def _accepts(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 0.5):
            return True
        return False

    def words(self) -> dict[str, object]:
        targets = (
            fill(self.target, {"port": port, "weight": self._dice.randrange(1, 4), "number": number})
            for number, port in enumerate(self.ports)
        )
        user = "user root;" if os.geteuid() == 0 else ""  # its workers must reach their folders
        return {
            "run": self.run,
            "port": self.port,
            "admin": self._admin,
            "targets": "\n".join(targets),
            "policy": self.policies[self.policy],
            "user": user,
        }

    @property
    def file(self) -> Path:
        return self.run / f"lost-{self.conf}"

    def write(self) -> None:
        half = self.file.with_suffix(".new")
        half.write_text(fill((CONF / self.conf).read_text(), self.words()))
        half.replace(self.file)

    def begin(self, *command: object, **more: object) -> subprocess.Popen[bytes]:
        with (self.run / f"lost-{self.name}.log").open("ab") as out:
            one = subprocess.Popen(  # type: ignore[call-overload]
                [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=out, stderr=out, **more
            )
        self._began.append(one)
        return one  # type: ignore[no-any-return]

    # what each does in its way

    def pids(self) -> list[int]:
        """Of processes that are not children of those that were begun."""
        return []

    def start(self) -> None:
        raise NotImplementedError

    def reload(self) -> None:
        raise NotImplementedError

    def replace(self) -> None:
        raise NotImplementedError


class Fastgw(Gateway):
    name, conf = "fastgw", "fastgw.toml"
    target = (
        '  { name = "@", content = "127.0.0.1", proxied = true, origin_port = {port}, '
        'origin_protocol = "h2c", weight = {weight} },'
    )
    policies = ("", 'retry = { on = ["unavailable"] }')

    @classmethod
    def program(cls) -> str:
        return sys.executable

    @property
    def _log(self) -> str:
        return (self.run / "lost-fastgw.log").read_text()

    def start(self) -> None:
        (self.run / "lost-fastgw.log").unlink(missing_ok=True)
        self._pids = [self.begin(self.program(), "-m", "fastgw", "serve", "-c", self.file).pid]

    def pids(self) -> list[int]:
        return self._pids

    def reload(self) -> None:
        self.write()
        os.kill(self._pids[-1], signal.SIGHUP)

    def replace(self) -> None:
        os.kill(self._pids[-1], signal.SIGUSR2)
        count = len(self._pids)
        _wait(lambda: self._log.count("serves now") == count, "fastgw was not replaced.")
        self._pids.append(int(re.findall(r"process (\d+) serves now", self._log)[-1]))


class Nginx(Gateway):
    name, conf = "nginx", "nginx.conf"
    target = "    server 127.0.0.1:{port} weight={weight};"
    policies = (
        "",
        "grpc_next_upstream error timeout invalid_header http_502 http_503 non_idempotent; "
        "grpc_next_upstream_tries 3;",
    )

    def _master(self) -> int:
        with contextlib.suppress(OSError, ValueError):
            return int((self.run / "lost-nginx.pid").read_text())
        return 0

    def pids(self) -> list[int]:
        master = self._master()
        return tree(master) if master else []

    def start(self) -> None:
        # As a daemon: in the foreground it ignores SIGUSR2.
        subprocess.run([self.program(), "-c", self.file, "-p", self.run, "-e", self.run / "e"], check=True)
        _wait(self._master, "nginx wrote no pid file.")

    def reload(self) -> None:
        self.write()
        os.kill(self._master(), signal.SIGHUP)

    def replace(self) -> None:
        """USR2, WINCH, QUIT, as its documentation says."""
        old = self._master()
        os.kill(old, signal.SIGUSR2)
        _wait(lambda: self._master() not in (0, old), "nginx was not replaced.")
        _wait(lambda: len(self.pids()) > 1, "nginx was not replaced.")
        os.kill(old, signal.SIGWINCH)
        time.sleep(0.5)
        os.kill(old, signal.SIGQUIT)


class Haproxy(Gateway):
    name, conf = "haproxy", "haproxy.cfg"
    target = "  server s{number} 127.0.0.1:{port} proto h2 check weight {weight}"
    policies = ("", "  retry-on all-retryable-errors\n  option redispatch 1")

    def start(self) -> None:
        self._master = self.begin(self.program(), "-W", "-f", self.file).pid

    def reload(self) -> None:
        """The master runs itself anew and starts a new worker: what it has for a replacement, too."""
        self.write()
        os.kill(self._master, signal.SIGUSR2)

    replace = reload


class Envoy(Gateway):
    name, conf = "envoy", "envoy.yaml"
    target = (
        "      - endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: {port} } } }\n"
        "        load_balancing_weight: {weight}"
    )
    policies = (
        "",
        ', retry_policy: { retry_on: "connect-failure,refused-stream,reset-before-request,unavailable", '
        "num_retries: 2, retry_host_predicate: [ "
        "{ name: envoy.retry_host_predicates.previous_hosts, typed_config: "
        '{ "@type": type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3'
        ".PreviousHostsPredicate } } ], "
        "host_selection_retry_max_attempts: 5 }",
    )

    def write(self) -> None:
        super().write()
        folder = self.run / "lost-envoy"
        folder.mkdir(exist_ok=True)
        half = self.run / "lost-envoy.new"
        half.write_text(fill((CONF / "envoy-cluster.yaml").read_text(), self.words()))
        half.replace(folder / "cluster.yaml")  # moved into the folder: what it watches for

    def _begin(self) -> None:
        epoch = len(self._began)
        times = ("--drain-time-s", 3, "--parent-shutdown-time-s", 6)
        same = ("--base-id", os.getpid() % 30000 + self.policy, "--concurrency", 1, "-l", "error")
        self.begin(self.program(), "-c", self.file, "--restart-epoch", epoch, *times, *same)

    def start(self) -> None:
        self._began.clear()
        self._begin()

    def reload(self) -> None:
        self.write()

    def replace(self) -> None:
        """A hot restart; another one may come when the parent of this one has gone."""
        self._begin()
        time.sleep(1.0)
        if self._began[-1].poll() is not None:
            raise MissingError(f"envoy was not replaced; why stands in {self.run}.")
        if len(self._began) > 2:
            _wait(lambda: self._began[-3].poll() is not None, "an old envoy did not end.")


GATEWAYS: dict[str, type[Gateway]] = {one.name: one for one in (Fastgw, Nginx, Haproxy, Envoy)}
