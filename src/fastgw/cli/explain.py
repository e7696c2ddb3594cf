"""fastgw explain: what becomes of a call and why, or what recorded octets mean and which rule they broke."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from fastgw.config import load
from fastgw.errors import ConfigError
from fastgw.policy.names import HostnameError, address, hostname

if TYPE_CHECKING:
    from fastgw.explain import Refusal, Side
    from fastgw.why.steps import Denial, Request, Step

_HEX = re.compile(r"[0-9A-Fa-f]*")
_BETWEEN = re.compile(r"\s|:|,|0x|\\x")
_FIELD = re.compile(r"([!#$%&'*+.^_`|~0-9a-z-]+):[ \t]*([\x20-\x7e]*?)[ \t]*")
SHOWN = 40  # characters of an argument that is quoted in a complaint


@click.command()
@click.argument("source", metavar="HOST PATH | HEX|FILE|-")
@click.argument("path", required=False, metavar="")
@click.option(
    "-c",
    "--config",
    "config",
    type=click.Path(path_type=Path),
    default="fastgw.toml",
    show_default=True,
    show_envvar=True,
    help="For a call: the configuration that decides.",
)
@click.option(
    "-H",
    "--header",
    multiple=True,
    show_envvar=True,
    metavar="'NAME: VALUE'",
    help="For a call: one more field of its head; may be repeated.",
)
@click.option("--method", default="POST", show_default=True, show_envvar=True, help="For a call: its method.")
@click.option(
    "--ip", "ip", default="", show_envvar=True, metavar="ADDRESS", help="For a call: the client's address."
)
@click.option(
    "--rules",
    "with_rules",
    is_flag=True,
    envvar="FASTGW_EXPLAIN_RULES",
    show_envvar=True,
    help="For a call: what each rule of the zone says.",
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    envvar="FASTGW_EXPLAIN_JSON",
    show_envvar=True,
    help="For a call: print JSON.",
)
@click.option(
    "--side",
    type=click.Choice(["client", "origin"]),
    default="client",
    show_default=True,
    show_envvar=True,
    help="For octets: who sent them to the gateway.",
)
@click.option(
    "--after-preface",
    is_flag=True,
    show_envvar=True,
    help="For octets: they begin behind the preface and the first SETTINGS, which are taken as sent.",
)
@click.pass_context
def explain(
    ctx: click.Context,
    source: str,
    path: str | None,
    config: Path,
    header: tuple[str, ...],
    method: str,
    ip: str,
    with_rules: bool,
    as_json: bool,
    side: str,
    after_preface: bool,
) -> None:
    """Say why a call goes where it goes (HOST PATH), or what recorded octets mean (HEX, FILE or -).

    Two words are a call: which certificate, record, zone, route and origin a configuration has for it, and
    how it is answered if it is denied. Only the file is read: nothing is asked of the network.

    One word is HTTP/2 octets, frame by frame, and what the gateway refuses in them. HEX may have blanks,
    colons or commas in it; a file holds the octets or their hex; - is standard input. What one peer has
    sent is enough: calls to an origin are taken as made, and time is not known.

    Exit code 1 if the call is denied or an octet refused, 3 if the configuration cannot be served.

    \b
    fastgw explain grpc.example.com /shop.Cart/Add
    fastgw explain grpc.example.com /shop.Cart/Add --rules --ip 192.0.2.7
    fastgw explain grpc.example.com /shop.Cart/Add -H 'grpc-timeout: 2S' -c /etc/fastgw/fastgw.toml --json
    fastgw explain 505249202a20485454502f322e300d0a0d0a534d0d0a0d0a000000040000000000
    fastgw explain --after-preface "00 00 04 08 00 00 00 00 00 00 00 00 00"
    fastgw explain --side origin recorded.bin
    """
    if path is None:
        _refuse_strangers(
            ctx, ("config", "header", "method", "ip", "with_rules", "as_json"), "a call: HOST PATH"
        )
        _explain_octets(source, side, after_preface)
    else:
        _refuse_strangers(ctx, ("side", "after_preface"), "octets: HEX, FILE or -")
        request = _request(source, path, header, method, ip)
        _explain_call(request, config, as_json, with_rules)


def _refuse_strangers(ctx: click.Context, names: tuple[str, ...], what: str) -> None:
    """Options that say nothing about what is explained. Raise UsageError."""
    typed = click.core.ParameterSource.COMMANDLINE
    for parameter in ctx.command.params:
        if parameter.name in names and ctx.get_parameter_source(parameter.name) is typed:
            raise click.UsageError(f"{parameter.opts[-1]} is about {what}.")


# a call


def _request(host: str, path: str, headers: tuple[str, ...], method: str, ip: str) -> Request:
    """The call that is explained. Raise UsageError."""
    try:
        from fastgw.why.steps import Request
    except ImportError as error:
        click.echo(f"fastgw explain: the compiled core cannot be loaded: {error}", err=True)
        raise SystemExit(3) from None
    if not path.startswith("/") or not path.isascii() or not path.isprintable() or " " in path:
        raise click.UsageError(f"PATH is {_quoted(path)}; it begins with a slash: /package.Service/Method.")
    if ip and address(ip) is None:
        raise click.UsageError(f"--ip is {_quoted(ip)}, which is no IP address.")
    return Request(_authority(host), path, tuple(_field(text) for text in headers), method, ip)


def _explain_call(request: Request, file: Path, as_json: bool, with_rules: bool) -> None:
    from fastgw.why.steps import answer
    from fastgw.why.steps import explain as explained

    try:
        steps = explained(load(file), request)
    except ConfigError as error:
        for problem in error.problems:
            click.echo(str(problem), err=True)
        raise SystemExit(3) from None
    denial = answer(steps)
    if as_json:
        click.echo(json.dumps(_as_object(request, steps, denial), indent=2))
    else:
        for step in steps:
            click.echo(f"{step.id:<7} {step.says}")
            if step.id == "rules" and with_rules:
                _show_rules(cast("list[dict[str, Any]]", step.facts["phases"]))
        click.echo(_verdict(request, denial))
    raise SystemExit(0 if denial is None else 1)


def _show_rules(phases: list[dict[str, Any]]) -> None:
    """Each phase, and what came of each of its rules."""
    for phase in phases:
        click.echo(f"{'':7} {phase['phase']}")
        width = max((len(row["id"]) for row in phase["rules"]), default=0)
        for row in phase["rules"]:
            about = f" ({row['description']})" if row["description"] else ""
            click.echo(f"{'':9} {row['id'].ljust(width)}  {row['action']}: {row['result']}{about}")


def _verdict(request: Request, denial: Denial | None) -> str:
    if denial is None:
        return "the call goes to the origin"
    if request.grpc:
        way = f"grpc-status {denial.grpc_status} {denial.grpc_name}"
    else:
        way = f"HTTP status {denial.http_status}"
    return f"denied: {denial.name}, answered with {way}: {denial.message}"


def _as_object(request: Request, steps: list[Step], denial: Denial | None) -> dict[str, object]:
    refused = None
    if denial is not None:
        refused = {
            "name": denial.name,
            "http_status": denial.http_status,
            "grpc_status": denial.grpc_status,
            "grpc_status_name": denial.grpc_name,
            "message": denial.message,
        }
    return {
        "authority": request.authority,
        "path": request.path,
        "grpc": request.grpc,
        "decision": "forward" if denial is None else "deny",
        "denial": refused,
        "steps": [
            {
                "step": step.id,
                "says": step.says,
                "denied": None if step.denial is None else step.denial.name,
                **step.facts,
            }
            for step in steps
        ],
    }


def _authority(text: str) -> str:
    """HOST as a client sends it: names in Unicode become A-labels."""
    if text.isascii():
        return text
    host, colon, port = text.partition(":")
    try:
        return hostname(host) + colon + port
    except HostnameError as error:
        raise click.UsageError(f"HOST is {_quoted(text)}, which {error}.") from None


def _field(text: str) -> tuple[str, str]:
    """A field of the head. Raise UsageError."""
    found = _FIELD.fullmatch(text)
    if found is None:
        raise click.UsageError(
            f"{_quoted(text)} is not a field; write 'name: value', the name in lower case."
        )
    return found[1], found[2]


def _quoted(text: str) -> str:
    return repr(text if len(text) <= SHOWN else text[:SHOWN] + "...")


# octets


def _explain_octets(source: str, side: str, after_preface: bool) -> None:
    octets = _octets(source)
    if not octets:
        raise click.UsageError("There is nothing to explain: no octets were given.")
    try:
        from fastgw.explain import explain as explained
    except ImportError as error:
        click.echo(f"fastgw explain: the compiled core cannot be loaded: {error}", err=True)
        raise SystemExit(3) from None
    first: tuple[int, Refusal] | None = None
    count = 0
    for finding in explained(octets, cast("Side", side), after_preface=after_preface):
        click.echo(f"{finding.offset:>8}  {finding.text}")
        for refusal in finding.refusals:
            click.echo(f"{'':>8}  refused: {refusal}")
            first = first or (finding.offset, refusal)
            count += 1
    if first is None:
        click.echo("nothing was refused")
        return
    offset, refusal = first
    click.echo(f"{count} refused; the first is {refusal.name}, at octet {offset}")
    if refusal.name == "preface_invalid":
        click.echo("if the recording begins behind the preface, say --after-preface", err=True)
    raise SystemExit(1)


def _octets(source: str) -> bytes:
    """The octets that `source` is or names. Raise UsageError."""
    if source == "-":
        return _from_content(sys.stdin.buffer.read(), "standard input")
    if os.path.exists(source):
        try:
            return _from_content(Path(source).read_bytes(), source)
        except OSError as error:
            raise click.UsageError(f"{source} cannot be read: {(error.strerror or '').lower()}.") from None
    digits = _BETWEEN.sub("", source)
    if _HEX.fullmatch(digits):
        return _from_digits(digits, "HEX")
    hint = " For a call, say its path too: HOST /package.Service/Method." if "." in source else ""
    raise click.UsageError(f"{_quoted(source)} is neither a file nor hex digits.{hint}")


def _from_content(content: bytes, name: str) -> bytes:
    """Content that is hex digits throughout stands for octets; any other is them."""
    try:
        digits = _BETWEEN.sub("", content.decode("ascii"))
    except UnicodeDecodeError:
        return content
    return _from_digits(digits, name) if _HEX.fullmatch(digits) else content


def _from_digits(digits: str, name: str) -> bytes:
    if len(digits) % 2:
        raise click.UsageError(f"{name} has {len(digits)} hex digits; two make an octet, so one is missing.")
    return bytes.fromhex(digits)
