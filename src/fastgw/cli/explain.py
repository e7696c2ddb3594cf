"""fastgw explain: recorded octets, frame by frame, and the rule the first bad one broke."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

if TYPE_CHECKING:
    from fastgw.explain import Refusal, Side

_HEX = re.compile(r"[0-9A-Fa-f]*")
_BETWEEN = re.compile(r"\s|:|,|0x|\\x")
SHOWN = 40  # characters of an argument that is quoted in a complaint


@click.command()
@click.argument("source", metavar="HEX|FILE|-")
@click.option(
    "--side",
    type=click.Choice(["client", "origin"]),
    default="client",
    show_default=True,
    show_envvar=True,
    help="Who sent the octets to the gateway.",
)
@click.option(
    "--after-preface",
    is_flag=True,
    show_envvar=True,
    help="They begin behind the preface and the first SETTINGS, which are taken as sent.",
)
def explain(source: str, side: str, after_preface: bool) -> None:
    """Say what HTTP/2 octets mean, frame by frame, and what the gateway refuses in them.

    HEX may have blanks, colons or commas in it; a file holds the octets or their hex; - is standard input.
    What one peer has sent is enough: calls to an origin are taken as made, and time is not known.
    Exit code 1 if something was refused.

    \b
    fastgw explain 505249202a20485454502f322e300d0a0d0a534d0d0a0d0a000000040000000000
    fastgw explain --after-preface "00 00 04 08 00 00 00 00 00 00 00 00 00"
    fastgw explain --side origin recorded.bin
    """
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
    quoted = source if len(source) <= SHOWN else source[:SHOWN] + "..."
    raise click.UsageError(f"{quoted!r} is neither a file nor hex digits.")


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
