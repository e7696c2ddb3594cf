"""fastgw serve: the gateway in the foreground."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from fastgw.config import Config, load
from fastgw.errors import ConfigError, FastgwError
from fastgw.serve.local import DEFAULT_LISTEN, local_config, parse_listen, parse_origin

if TYPE_CHECKING:
    from fastgw.gateway import Gateway
    from fastgw.serve.handover import Inherited

CHECK_FAILED = 1
START_FAILED = 3


@click.command()
@click.option(
    "-c", "--config", type=click.Path(path_type=Path), show_envvar=True, help="The TOML file to serve."
)
@click.option(
    "--to",
    metavar="ORIGIN",
    show_envvar=True,
    help="Serve localhost in front of this origin, without a file: HOST:PORT for TLS, h2c://HOST:PORT.",
)
@click.option(
    "--listen",
    multiple=True,
    metavar="ADDRESS",
    show_envvar=True,
    help=f"HOST:PORT, or h2c://HOST:PORT without TLS; again for more. With --to: {DEFAULT_LISTEN}.",
)
@click.option("--h2c", is_flag=True, show_envvar=True, help="With --to: listen without TLS.")
@click.option("--workers", metavar="N|auto", show_envvar=True, help="Threads that carry calls.")
@click.option(
    "--access-log",
    metavar="FILE",
    show_envvar=True,
    help="With --to: one JSON line per finished call; - is standard output.",
)
@click.option(
    "--state-dir",
    type=click.Path(path_type=Path, file_okay=False),
    show_envvar=True,
    help="With --to: where the development CA is kept.",
)
def serve(
    config: Path | None,
    to: str | None,
    listen: tuple[str, ...],
    h2c: bool,
    workers: str | None,
    access_log: str | None,
    state_dir: Path | None,
) -> None:
    """Serve until SIGTERM or SIGINT, which let running calls end; SIGHUP reads the file again.

    SIGUSR2 starts this command anew and hands it the listening sockets; once it serves, this process drains.
    Sockets passed by systemd are used where they are bound to what the configuration names.

    Standard output gets one line when all listeners accept; everything else goes to standard error.

    \b
    fastgw serve -c /etc/fastgw/fastgw.toml
    fastgw serve --to h2c://127.0.0.1:50051
    fastgw serve --to https://127.0.0.1:50443 --listen 127.0.0.1:0
    """
    if (config is None) == (to is None):
        raise click.UsageError("Say what to serve: either -c FILE or --to HOST:PORT.")
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="fastgw: %(message)s")
    from fastgw.serve.handover import inherit, reporting

    inherited = inherit(os.environ)
    try:
        with reporting(inherited):
            _serve(inherited, config, to, listen, h2c, workers, access_log, state_dir)
    except ConfigError as error:
        _fail(str(error), CHECK_FAILED)
    except (FastgwError, ImportError) as error:
        _fail(f"fastgw: {error}", START_FAILED)


def _serve(
    inherited: Inherited,
    config: Path | None,
    to: str | None,
    listen: tuple[str, ...],
    h2c: bool,
    workers: str | None,
    access_log: str | None,
    state_dir: Path | None,
) -> NoReturn:
    if config is not None:
        if h2c or access_log is not None or state_dir is not None:
            raise click.UsageError(
                "--h2c, --access-log and --state-dir go with --to; the file has its own keys."
            )
        _serve_file(inherited, config, listen, workers)
    assert to is not None
    _serve_local(inherited, to, listen, h2c, workers, access_log, state_dir)


def _serve_file(inherited: Inherited, path: Path, listen: tuple[str, ...], workers: str | None) -> NoReturn:
    server: dict[str, Any] = {}
    if listen:
        server["listen"] = list(listen)
    if workers is not None:
        server["workers"] = _worker_count(workers)

    def read() -> Config:
        return load(path, server)

    config = read()
    for warning in config.warnings:
        click.echo(str(warning), err=True)
    _run(inherited, config, read)


def _serve_local(
    inherited: Inherited,
    to: str,
    listen: tuple[str, ...],
    h2c: bool,
    workers: str | None,
    access_log: str | None,
    directory: Path | None,
) -> NoReturn:
    default = (f"h2c://{DEFAULT_LISTEN}" if h2c else DEFAULT_LISTEN,)
    try:
        parse_origin(to)
        places = [parse_listen(text) for text in listen or default]
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    if h2c and any(place.tls for place in places):
        raise click.UsageError("--h2c and a --listen with TLS contradict each other; write h2c://HOST:PORT.")
    count = 1 if workers is None else _worker_count(workers)
    config, authority = local_config(
        to,
        places,
        directory=directory,
        workers=None if count == "auto" else int(count),
        access_log=access_log,
    )
    if "://" not in to:
        click.echo(f"fastgw: {to} is spoken to over TLS; for a cleartext origin: --to h2c://{to}", err=True)
    _run(inherited, config, None, authority.certificate.resolve() if authority else None)


def _run(inherited: Inherited, config: Config, reload: Any, authority: Path | None = None) -> NoReturn:
    from fastgw.gateway import Gateway
    from fastgw.serve.supervisor import supervise

    gateway = Gateway(config)

    def ready(started: Gateway) -> None:
        click.echo(ready_line(started))
        sys.stdout.flush()
        if config.source is None:
            click.echo(_client_line(started, authority), err=True)

    # As it was started, but by the same interpreter: the one found under this name may be another by now.
    command = [sys.executable, *sys.orig_argv[1:]]
    asked = supervise(gateway, ready, reload, command=command, inherited=inherited)
    if not asked:
        _fail(f"fastgw: a worker has failed: {gateway.failure!r}", CHECK_FAILED)
    raise SystemExit(0)


def ready_line(gateway: Gateway) -> str:
    """The one line on standard output: where it listens, with real ports, and how much it serves."""
    zones = len(gateway.config.zones)
    return f"fastgw ready: {' '.join(gateway.listeners)} workers={gateway.workers} zones={zones}"


def _client_line(gateway: Gateway, authority: Path | None) -> str:
    lines = []
    for listener in gateway.listeners:
        scheme, _, address = listener.partition("://")
        port = address.rpartition(":")[2]
        if scheme == "h2c":
            lines.append(f"fastgw: try it: grpcurl -plaintext localhost:{port} list")
        elif authority is not None:
            lines.append(f"fastgw: clients must trust {authority}")
            lines.append(f"fastgw: try it: grpcurl -cacert {authority} localhost:{port} list")
            lines.append(f"fastgw: Python: GRPC_DEFAULT_SSL_ROOTS_FILE_PATH={authority} python client.py")
    return "\n".join(dict.fromkeys(lines))


def _worker_count(text: str) -> int | str:
    if text == "auto":
        return text
    if not text.isdigit() or not 1 <= int(text) <= 256:
        raise click.UsageError(f'--workers is {text!r}; write a number from 1 to 256 or "auto".')
    return int(text)


def _fail(sentence: str, code: int) -> NoReturn:
    click.echo(sentence, err=True)
    raise SystemExit(code)
