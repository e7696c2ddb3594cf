"""fastgw doctor: does an endpoint meet what gRPC asks of it."""

from __future__ import annotations

import asyncio
import datetime
from pathlib import Path

import click

from fastgw.errors import CertificateError
from fastgw.policy.names import HostnameError, address, host_and_port, hostname

PINGS_MAX = 100
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("endpoint", metavar="HOST[:PORT]")
@click.option("--ca", type=_FILE, show_envvar=True, help="PEM roots to trust instead of the public ones.")
@click.option(
    "--server-name", metavar="NAME", show_envvar=True, help="The name clients ask for, if it is not HOST."
)
@click.option("--plaintext", is_flag=True, show_envvar=True, help="Speak HTTP/2 without TLS (h2c).")
@click.option("--cert", type=_FILE, show_envvar=True, help="PEM certificate to show to the server.")
@click.option("--key", type=_FILE, show_envvar=True, help="PEM key of --cert.")
@click.option("--service", default="", show_envvar=True, help="Service to ask the health service for.")
@click.option(
    "--pings",
    type=click.IntRange(0, PINGS_MAX),
    default=5,
    show_default=True,
    show_envvar=True,
    help="How many PINGs to send in a row, 50 ms apart; 0: none.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(0.1, 600),
    default=5.0,
    show_default=True,
    show_envvar=True,
    help="Seconds that one step may take.",
)
@click.option(
    "--json", "as_json", is_flag=True, envvar="FASTGW_DOCTOR_JSON", show_envvar=True, help="Print JSON."
)
def doctor(
    endpoint: str,
    ca: Path | None,
    server_name: str | None,
    plaintext: bool,
    cert: Path | None,
    key: Path | None,
    service: str,
    pings: int,
    timeout: float,
    as_json: bool,
) -> None:
    """Look at an endpoint as a gRPC client would, and say line by line what is well and what is not.

    The port is 443 if none is given. The last lines make one call (grpc.health.v1.Health/Check) and send a
    few PINGs. What each line means and how to put it right is in docs/doctor.md.
    Exit code 1 if a line failed; warnings alone do not count.

    \b
    fastgw doctor grpc.example.com
    fastgw doctor 127.0.0.1:8443 --ca ca.pem --server-name localhost
    fastgw doctor localhost:50051 --plaintext --json
    """
    from fastgw.doctor import show
    from fastgw.doctor.chain import roots_in
    from fastgw.doctor.facts import Target
    from fastgw.doctor.judge import Bench, failed, judge
    from fastgw.doctor.look import look

    if (cert is None) != (key is None):
        raise click.UsageError("--cert and --key go together.")
    if plaintext and (ca or cert):
        raise click.UsageError("--ca, --cert and --key are about TLS, which --plaintext leaves out.")
    host, port = _endpoint(endpoint)
    asked = _name(server_name, "--server-name") if server_name else ""
    target = Target(host, port, asked, plaintext, ca, cert, key, service, timeout, pings)
    try:
        roots = None if ca is None else roots_in(ca)
        facts = asyncio.run(look(target))
    except CertificateError as error:
        option = "--ca" if error.part == "store" else "--cert"
        raise click.UsageError(f"{option}: {error}.") from None
    findings = judge(facts, Bench(datetime.datetime.now(datetime.UTC), roots))
    if as_json:
        click.echo(show.as_json(target, findings))
    else:
        for line in show.text(target, findings):
            click.echo(line)
    raise SystemExit(1 if failed(findings) else 0)


def _endpoint(text: str) -> tuple[str, int]:
    """Host and port. Raise UsageError."""
    literal = address(text.removeprefix("[").removesuffix("]"))
    if literal is not None:
        return literal, 443
    if "://" in text or "/" in text:
        raise click.UsageError(f"{text!r} is a URL; write HOST or HOST:PORT.")
    host, port = text, 443
    if ":" in text:
        try:
            host, port = host_and_port(text)
        except ValueError as error:
            raise click.UsageError(f"{text!r} {error}; write HOST:PORT.") from None
    if not port:
        raise click.UsageError(f"{text!r} has port 0, where nothing can listen.")
    return _name(host, "HOST"), port


def _name(text: str, what: str) -> str:
    try:
        return address(text) or hostname(text)
    except HostnameError as error:
        raise click.UsageError(f"{what} is {text!r}, which {error}.") from None
