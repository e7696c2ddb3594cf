"""fastgw init: a first configuration, commented, with certificates for this machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NoReturn

import click

from fastgw.errors import FastgwError

START_FAILED = 3

TEXT = """\
#:schema fastgw.schema.json
# What this gateway serves. `fastgw check` judges it, `fastgw serve -c fastgw.toml` serves it,
# SIGHUP puts a change in force. Every key: docs/configuration.md.

[server]
listen = ["127.0.0.1:8443"]        # TLS; without it: "h2c://127.0.0.1:8080"
# workers = "auto"                 # threads that carry calls, one per CPU
# drain_timeout = "30s"            # how long running calls may take to end

# [log]
# access = "-"                     # one JSON line per finished call, on standard output

[[zone]]
name = "localhost"                 # a domain; here, this machine
cert = { file = "localhost.pem", key = "localhost.key" }
dns = [
  # What calls to https://localhost:8443 are sent to. origin_protocol = "h2c": without TLS, on purpose.
  { name = "@", type = "A", content = "127.0.0.1", proxied = true, origin_port = 50051, \
origin_protocol = "h2c" },
]

[zone.settings]                    # every setting: docs/settings.md
grpc = "on"                        # off, the default, denies gRPC
ssl = "full"                       # TLS toward origins that speak it; "strict" judges their certificates

# [zone.origin]
# balance = "peak_ewma"            # which endpoint gets a call
#
# [zone.origin.health]
# check = "grpc"                   # asks grpc.health.v1 of each endpoint
#
# [[zone.route]]
# match = [{ service = "pkg.Service", method = "Method" }]
# timeout = "5s"                   # unary methods only: it ends streams too
"""


@click.command()
@click.argument("directory", default=".", type=click.Path(path_type=Path, file_okay=False))
def init(directory: Path) -> None:
    """Write a first fastgw.toml into DIRECTORY, with a development CA and a certificate for localhost.

    Nothing that is already there is overwritten.

    \b
    fastgw init
    fastgw init gateway
    """
    from fastgw.config.model import schema
    from fastgw.tls.issue import development_authority, development_certificate

    file = directory / "fastgw.toml"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for path in (file, *(directory / name for name in _NAMES)):
            if path.exists():
                _fail(f"{path} is already there, and nothing is overwritten")
        authority = development_authority(directory)
        development_certificate(authority)
        _write(directory / "fastgw.schema.json", json.dumps(schema(), indent=2) + "\n")
        _write(file, TEXT)
    except OSError as error:
        _fail(f"{directory} cannot be written to: {(error.strerror or str(error)).lower()}")
    except FastgwError as error:
        _fail(str(error))
    click.echo(f"{file}")
    click.echo(f"fastgw: clients must trust {authority.certificate}", err=True)
    click.echo(f"fastgw: next: fastgw check {file}", err=True)


_NAMES = ("ca.pem", "ca.key", "localhost.pem", "localhost.key", "fastgw.schema.json")


def _write(path: Path, text: str) -> None:
    with path.open("x", encoding="utf-8") as file:
        file.write(text)


def _fail(sentence: str) -> NoReturn:
    click.echo(f"fastgw: {sentence}", err=True)
    raise SystemExit(START_FAILED)
