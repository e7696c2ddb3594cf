"""fastgw demo: from nothing to real calls through a gateway, in one process and a temporary folder."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from fastgw.errors import FastgwError
from fastgw.probe.client import Answer, Client, trusting
from fastgw.probe.echo import SERVICE, EchoOrigin
from fastgw.probe.failure import ProbeError

_CONFIG = """\
[server]
listen = ["127.0.0.1:0"]
workers = 1

[[zone]]
name = "localhost"
cert = {{ file = '{certificate}', key = '{key}' }}
settings = {{ grpc = "on", ssl = "strict" }}
trust_store = '{trust}'
dns = [
  {{ name = "@", type = "A", content = "127.0.0.1", proxied = true, origin_port = {port}, origin_server_name = "origin.test" }},
]
"""  # noqa: E501
_METADATA = ((b"x-echo-demo", b"seen at both ends"),)


@dataclass(frozen=True)
class _Step:
    """One call of the demonstration and what it must bring."""

    method: str
    kind: str
    sent: tuple[bytes, ...]
    expected: tuple[bytes, ...]
    in_turn: bool = False


_STEPS = (
    _Step("Unary", "unary", (b"hello",), (b"hello",)),
    _Step("ClientStream", "client streaming", (b"one", b"two", b"three"), (b"3 messages, 11 octets",)),
    _Step("ServerStream", "server streaming", (b"red green blue",), (b"red", b"green", b"blue")),
    _Step(
        "BidiStream", "bidirectional", (b"ping", b"pong", b"bye"), (b"ping", b"pong", b"bye"), in_turn=True
    ),
)


@dataclass(frozen=True)
class _Stage:
    """What the calls need: where the gateway is, whom to trust, and the origin behind it."""

    host: str
    port: int
    trust: Path
    origin: EchoOrigin


@click.command()
def demo() -> None:
    """Make real calls through a gateway on this machine and say what happened.

    Starts an echo origin, a development CA and a gateway on free ports of 127.0.0.1, makes one call of
    each of the four kinds through them, and removes everything again.

    \b
    fastgw demo
    """
    started = time.perf_counter()
    try:
        with _stage() as stage:
            click.echo(f"all of it up after {(time.perf_counter() - started) * 1000:.0f} ms\n")
            _make_calls(stage)
    except (FastgwError, ProbeError, OSError) as error:
        click.echo(f"fastgw demo: {error}", err=True)
        sys.exit(1)


@contextmanager
def _stage() -> Iterator[_Stage]:
    try:
        from fastgw.gateway import Gateway
        from fastgw.tls.issue import development_authority, development_certificate
    except ImportError as error:
        raise ProbeError(f"the compiled core cannot be loaded: {error}") from error
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fastgw-demo-")))
        authority = development_authority(folder / "ca")
        shown = development_certificate(authority)
        origin_certificate = development_certificate(authority, ("origin.test",))
        files = (str(origin_certificate.file), str(origin_certificate.key))
        origin = stack.enter_context(EchoOrigin(certificate=files))
        click.echo(
            f"echo origin  {_address(origin.address)}  service {SERVICE.strip('/')}, TLS, name origin.test"
        )
        file = folder / "fastgw.toml"
        file.write_text(
            _CONFIG.format(
                certificate=shown.file, key=shown.key, trust=authority.certificate, port=origin.address[1]
            )
        )
        gateway = stack.enter_context(Gateway(file))
        host, _, port = str(gateway.addresses[0]).rpartition(":")
        click.echo(f"gateway      {host}:{port}  zone localhost, grpc on, ssl strict, 1 worker")
        yield _Stage(host.strip("[]"), int(port), authority.certificate, origin)


def _make_calls(stage: _Stage) -> None:
    with Client(stage.host, stage.port, context=trusting(str(stage.trust)), authority="localhost") as client:
        click.echo(f"client       127.0.0.1:{client.local_port}  {client.tls}, ALPN h2, one connection\n")
        for step in _STEPS:
            answer = client.call(SERVICE + step.method, step.sent, metadata=_METADATA, in_turn=step.in_turn)
            _require(step, answer)
            click.echo(f"{step.kind:17} sent      {_words(step.sent)}")
            click.echo(f"{'':17} received  {_words(answer.messages)}")
            times = f"head after {answer.head_ms:.1f} ms, all after {answer.total_ms:.1f} ms"
            click.echo(f"{'':17} status    {answer.status_name}, {times}\n")
    used = stage.origin.connections
    if not used:
        raise ProbeError("the calls were answered, but not by the origin")
    click.echo(
        f"{len(_STEPS)} calls went through the gateway and back with their metadata and trailers, "
        f"over {used} connection{'' if used == 1 else 's'} to the origin."
    )


def _require(step: _Step, answer: Answer) -> None:
    if answer.status != 0:
        raise ProbeError(f"the {step.kind} call ended with {answer.status_name}: {answer.message}")
    if tuple(answer.messages) != step.expected:
        raise ProbeError(
            f"the {step.kind} call brought {_words(answer.messages)}, not {_words(step.expected)}"
        )
    if not set(_METADATA) <= set(answer.trailers):
        raise ProbeError(f"the {step.kind} call lost its metadata on the way")


def _words(messages: tuple[bytes, ...] | list[bytes]) -> str:
    return ", ".join(f'"{message.decode(errors="replace")}"' for message in messages) or "nothing"


def _address(address: tuple[str, int]) -> str:
    return f"{address[0]}:{address[1]}"
