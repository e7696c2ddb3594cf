"""fastgw serve: the gateway in the foreground."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from fastgw.cli.common import CONFIG_FILES, START_FAILED, config_file, fail
from fastgw.cli.common import FAILED as CHECK_FAILED
from fastgw.config import Config
from fastgw.errors import ConfigError, FastgwError, StartupError
from fastgw.serve.local import DEFAULT_LISTEN, local_config, parse_listen, parse_origin

if TYPE_CHECKING:
    from fastgw.gateway import Gateway
    from fastgw.serve.handover import Inherited
    from fastgw.serve.reload import Read
    from fastgw.serve.supervisor import Keep

STORE_NAME = "fastgw.db"  # in the directory of --state-dir


@dataclass(frozen=True, slots=True)
class _Around:
    """What the process has around its gateway, whatever that serves."""

    control: str | None
    watch: bool
    ready_fd: int | None
    pid_file: Path | None


@click.command()
@click.option(
    "-c",
    "--config",
    type=click.Path(path_type=Path),
    show_envvar=True,
    help=f"The TOML file to serve. Default: {' or '.join(map(str, CONFIG_FILES))}.",
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
    help=f"Keep zones that commands add and change here, in {STORE_NAME}. With --to: the development CA.",
)
@click.option(
    "--control",
    metavar="PATH|none",
    show_envvar=True,
    help="Where commands reach it. Default: $XDG_RUNTIME_DIR/fastgw.sock or /run/fastgw/control.sock.",
)
@click.option("--watch", is_flag=True, show_envvar=True, help="Read the file again when it changes.")
@click.option(
    "--ready-fd",
    type=int,
    show_envvar=True,
    help="Write the ready line to this descriptor too, and close it.",
)
@click.option(
    "--pid-file",
    type=click.Path(path_type=Path, dir_okay=False),
    show_envvar=True,
    help="Write the number of the process here as long as it serves.",
)
def serve(
    config: Path | None,
    to: str | None,
    listen: tuple[str, ...],
    h2c: bool,
    workers: str | None,
    access_log: str | None,
    state_dir: Path | None,
    control: str | None,
    watch: bool,
    ready_fd: int | None,
    pid_file: Path | None,
) -> None:
    """Serve until SIGTERM or SIGINT, which let running calls end; SIGHUP reads the file again.

    SIGUSR1 opens the access log anew. SIGUSR2 starts this command anew and hands it the listening sockets;
    once it serves, this process drains.
    Sockets passed by systemd are used where they are bound to what the configuration names.

    Standard output gets one line when all listeners accept; everything else goes to standard error.

    \b
    fastgw serve
    fastgw serve -c /etc/fastgw/fastgw.toml --state-dir /var/lib/fastgw
    fastgw serve --to h2c://127.0.0.1:50051
    fastgw serve --to https://127.0.0.1:50443 --listen 127.0.0.1:0
    """
    if to is None:
        config = config_file(config)
    if (config is None) == (to is None):
        looked = "" if config else f" There is no {' and no '.join(map(str, CONFIG_FILES))}."
        raise click.UsageError(f"Say what to serve: either -c FILE or --to HOST:PORT.{looked}")
    around = _Around(control, watch, ready_fd, pid_file)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="fastgw: %(message)s")
    from fastgw.serve.handover import inherit, reporting

    inherited = inherit(os.environ)
    try:
        with reporting(inherited):
            if config is not None:
                if h2c or access_log is not None:
                    raise click.UsageError("--h2c and --access-log go with --to; the file has its own keys.")
                _serve_file(inherited, around, config, listen, workers, state_dir)
            assert to is not None
            if watch:
                raise click.UsageError("--watch goes with -c: without a file there is nothing to watch.")
            _serve_local(inherited, around, to, listen, h2c, workers, access_log, state_dir)
    except ConfigError as error:
        fail(str(error), CHECK_FAILED)
    except (FastgwError, ImportError) as error:
        fail(f"fastgw: {error}", START_FAILED)


def _serve_file(
    inherited: Inherited,
    around: _Around,
    path: Path,
    listen: tuple[str, ...],
    workers: str | None,
    state_dir: Path | None,
) -> NoReturn:
    from fastgw.serve.supervisor import Keep
    from fastgw.store.zones import Zones

    server: dict[str, Any] = {}
    if listen:
        server["listen"] = list(listen)
    if workers is not None:
        server["workers"] = _worker_count(workers)
    store = None
    if state_dir is not None:
        try:
            state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StartupError(f"the directory {state_dir} cannot be made: {error.strerror}") from None
        store = state_dir / STORE_NAME
    zones = Zones(path, server, store)
    config = zones.load()
    for warning in config.warnings:
        click.echo(str(warning), err=True)

    def again() -> None:
        zones.load()

    admin = None
    if config.admin is not None:
        try:
            from fastgw.admin import serve_admin

            admin = serve_admin
        except ImportError as error:
            raise StartupError(
                f"[admin] needs packages that are not installed ({error.name}): pip install 'fastgw[admin]'"
            ) from None
    watched = path if around.watch else None
    _run(inherited, around, config, again, Keep(zones=zones, watch=watched, admin=admin))


def _serve_local(
    inherited: Inherited,
    around: _Around,
    to: str,
    listen: tuple[str, ...],
    h2c: bool,
    workers: str | None,
    access_log: str | None,
    directory: Path | None,
) -> NoReturn:
    from fastgw.serve.supervisor import Keep

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
    _run(inherited, around, config, None, Keep(), authority.certificate.resolve() if authority else None)


def _run(
    inherited: Inherited,
    around: _Around,
    config: Config,
    reload: Read | None,
    keep: Keep,
    authority: Path | None = None,
) -> NoReturn:
    from fastgw.gateway import Gateway
    from fastgw.serve.supervisor import supervise

    gateway = Gateway(config)

    def ready(started: Gateway) -> None:
        if around.pid_file is not None:
            _write_pid(around.pid_file)
        click.echo(ready_line(started))
        sys.stdout.flush()
        if around.ready_fd is not None and not inherited.succeeds:
            _tell(around.ready_fd, ready_line(started))
        if config.source is None:
            click.echo(_client_line(started, authority), err=True)

    # As it was started, but by the same interpreter: the one found under this name may be another by now.
    command = [sys.executable, *sys.orig_argv[1:]]
    place, or_none = _control_place(around.control)
    keep = replace(keep, control=place, or_none=or_none)
    try:
        asked = supervise(gateway, ready, reload, command=command, inherited=inherited, keep=keep)
    finally:
        if around.pid_file is not None:
            _remove_pid(around.pid_file)
    if not asked:
        fail(f"fastgw: a worker has failed: {gateway.failure!r}", CHECK_FAILED)
    raise SystemExit(0)


def _control_place(given: str | None) -> tuple[Path | None, bool]:
    """Where commands find this gateway, and may it do without if that is taken?"""
    from fastgw.serve.control import NONE, default_path

    if given is None:
        return default_path(), True
    return (None if given == NONE else Path(given).absolute()), False


def _tell(descriptor: int, line: str) -> None:
    try:
        with open(descriptor, "w") as waiting:
            waiting.write(line + "\n")
    except OSError as error:
        click.echo(f"fastgw: --ready-fd {descriptor} cannot be written: {error.strerror}", err=True)


def _write_pid(path: Path) -> None:
    """In one step, so that nobody reads half a number. Raise StartupError."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_text(f"{os.getpid()}\n")
        beside.rename(path)
    except OSError as error:
        raise StartupError(f"the pid file {path} cannot be written: {error.strerror}") from None


def _remove_pid(path: Path) -> None:
    """Unless it is that of a process that has taken over."""
    with contextlib.suppress(OSError):
        if path.read_text() == f"{os.getpid()}\n":
            path.unlink()


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
