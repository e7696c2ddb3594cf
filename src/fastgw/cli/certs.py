"""fastgw certs: the certificates that a gateway shows, those that origins need, and when they end."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import click

from fastgw.cli.common import FAILED, Group, Where, fail, gateway_option, json_option, print_json, print_table
from fastgw.errors import FastgwError
from fastgw.tls import origin_ca

_Command = TypeVar("_Command", bound=Callable[..., Any])


def _file(
    flag: str, text: str, *, needed: bool = False, there: bool = False
) -> Callable[[_Command], _Command]:
    kind = click.Path(path_type=Path, dir_okay=False, exists=there)
    return click.option(flag, type=kind, required=needed, show_envvar=True, help=text)


_DIRECTORY = click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    show_envvar=True,
    help="Where the CA is kept. Default: $XDG_DATA_HOME/fastgw.",
)
_DAYS = click.option(
    "--days", type=int, default=365, show_default=True, show_envvar=True, help="How long it is good."
)
_WITHIN = click.option(
    "--within", type=int, default=30, show_default=True, show_envvar=True, help="How many days are soon."
)
_NAMES = click.argument("names", nargs=-1)
_OUT = _file("--out", "Write it here.", needed=True)


@click.group(cls=Group)
def certs() -> None:
    """See the certificates that the gateway shows, and make those that origins need.

    \b
    fastgw certs list
    """


@certs.command("list")
@click.option(
    "--within",
    type=click.IntRange(0),
    metavar="DAYS",
    show_envvar=True,
    help="Only those that end within so many days; exit code 1 if there is one.",
)
@json_option
@gateway_option
def list_(control: Path | None, within: int | None, as_json: bool) -> None:
    """List the certificates of all zones, the first to end first.

    \b
    fastgw certs list
    fastgw certs list --json
    fastgw certs list --within 0
    """
    found = Where(control, None).ask({"do": "certs"})["certificates"]
    if within is not None:
        found = [row for row in found if row["days"] <= within]
    if as_json:
        print_json(found)
    else:
        print_table(
            ("zone", "until", "days", "names", "file"),
            [
                (row["zone"], row["not_after"], row["days"], ", ".join(row["names"]), row["file"])
                for row in found
            ],
        )
    raise SystemExit(FAILED if within is not None and found else 0)


@certs.command()
@_DIRECTORY
def ca(directory: Path | None) -> None:
    """Print where the root of the Origin CA is, which is made if it is missing.

    A gateway that verifies its origins believes certificates of this CA.

    \b
    fastgw certs ca --directory keys
    """
    with _sentences():
        authority = origin_ca.origin_authority(directory)
    click.echo(authority.certificate)


@certs.command()
@_NAMES
@_DIRECTORY
@_DAYS
@_file("--csr", "Take names and key of this request, PEM.", there=True)
@_OUT
@_file("--key", "Write its key here, for the owner only.")
def issue(
    names: tuple[str, ...], directory: Path | None, days: int, csr: Path | None, out: Path, key: Path | None
) -> None:
    """Make a certificate of the Origin CA for an origin's NAMES.

    With --csr the names and the key are those of the request, and the key stays where it is.

    \b
    fastgw certs issue grpc.example.com "*.example.com" --out origin.pem --key origin.key
    """
    if (csr is None) != (key is not None) or not (names or csr):
        raise click.UsageError("Say NAMES and --key FILE, or --csr FILE.")
    with _sentences():
        request = None if csr is None else csr.read_bytes()
        issued = origin_ca.issue_origin(origin_ca.origin_authority(directory), names, days, request)
        if key is not None:
            _write(key, issued.key, 0o600)
        _write(out, issued.certificate, 0o644)
    click.echo(out)


@certs.command()
@click.argument("names", nargs=-1, required=True)
@_OUT
@_file("--key", "Write its key here, for the owner only.", needed=True)
def csr(names: tuple[str, ...], out: Path, key: Path) -> None:
    """Make a request for a certificate of NAMES, and its key, for a CA elsewhere.

    \b
    fastgw certs csr grpc.example.com --out request.pem --key request.key
    """
    with _sentences():
        made = origin_ca.make_csr(names)
        _write(key, made.key, 0o600)
        _write(out, made.certificate, 0o644)
    click.echo(out)


@certs.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, dir_okay=False))
@_WITHIN
@json_option
def expiry(files: tuple[Path, ...], within: int, as_json: bool) -> None:
    """Say when the certificates in FILES end; exit code 1 if one does soon or cannot be read.

    \b
    fastgw certs expiry example.pem example.com.pem --within 0
    """
    rows: list[dict[str, Any]] = [
        {
            "file": str(one.file),
            "names": list(one.names),
            "issuer": one.issuer,
            "not_after": None if one.not_after is None else one.not_after.isoformat(),
            "days": None if one.days_left is None else int(one.days_left),
            "problem": one.problem,
        }
        for one in origin_ca.expiry(files)
    ]
    if as_json:
        print_json(rows)
    else:
        columns = ("file", "not_after", "days", "names", "problem")
        print_table(
            columns,
            [[", ".join(row[key]) if key == "names" else row[key] for key in columns] for row in rows],
        )
    bad = [row for row in rows if row["days"] is None or row["days"] <= within]
    raise SystemExit(FAILED if bad else 0)


@contextlib.contextmanager
def _sentences() -> Iterator[None]:
    try:
        yield
    except FastgwError as error:
        hint = getattr(error, "hint", "")
        fail(f"the certificate {error}" + (f"\n  hint: {hint}" if hint else ""))
    except OSError as error:
        fail(f"{error.filename} cannot be read or written: {(error.strerror or '').lower()}")


def _write(path: Path, octets: bytes, mode: int) -> None:
    """Nothing that is there is overwritten. Raise OSError."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(octets)
