"""fastgw records: the names of a zone and what they lead to."""

from __future__ import annotations

from typing import Any

import click

from fastgw.cli.common import (
    Group,
    Where,
    fail,
    json_option,
    print_change,
    print_json,
    print_table,
    where_options,
)
from fastgw.cli.documents import assign, assignments, change_zone, get_zone, remove
from fastgw.policy.names import HostnameError, record_name

_SHOWN = ("name", "type", "content", "proxied", "origin_port", "origin_protocol")


@click.group(cls=Group)
def records() -> None:
    """See and change the records of a zone while the gateway serves it.

    \b
    fastgw records list example.com
    """


@records.command("list")
@click.argument("zone")
@json_option
@where_options
def list_(where: Where, zone: str, as_json: bool) -> None:
    """List the records of ZONE.

    \b
    fastgw records list example.com
    fastgw records list example.com --json
    """
    found = _records(get_zone(where, zone)["document"])
    if as_json:
        print_json(found)
        return
    print_table(
        _SHOWN, [[row.get(key, False if key == "proxied" else None) for key in _SHOWN] for row in found]
    )


@records.command()
@click.argument("zone")
@click.argument("name")
@click.argument("content")
@click.argument("words", metavar="[KEY=VALUE]...", nargs=-1)
@click.option(
    "--proxied/--dns-only", default=True, show_default=True, show_envvar=True, help="Is the name served?"
)
@where_options
def add(where: Where, zone: str, name: str, content: str, words: tuple[str, ...], proxied: bool) -> None:
    """Add a record to ZONE: NAME leads to CONTENT.

    NAME is @ for the zone itself, CONTENT an address, a name or unix:/path. Further keys of a record:
    origin_port, origin_protocol, weight and so on.

    \b
    fastgw records add shop.example api 10.0.0.7 origin_port=50051
    fastgw records add shop.example plain 10.0.0.8 origin_protocol=h2c --dns-only
    """
    record: dict[str, Any] = {"name": name, "content": content, "proxied": proxied}
    for path, new in assignments(words):
        assign(record, path, new)
    print_change(where, zone, change_zone(where, zone, lambda document: _records(document).append(record)))


@records.command("set")
@click.argument("zone")
@click.argument("name")
@click.argument("words", metavar="[KEY=VALUE]...", nargs=-1)
@click.option("--content", metavar="CONTENT", show_envvar=True, help="Only the record that leads there.")
@click.option(
    "--unset", metavar="KEY", multiple=True, show_envvar=True, help="Let this key go; again for more."
)
@where_options
def set_(
    where: Where, zone: str, name: str, words: tuple[str, ...], content: str | None, unset: tuple[str, ...]
) -> None:
    """Change keys of the record NAME of ZONE.

    \b
    fastgw records set shop.example grpc content=10.0.0.9 weight=3
    fastgw records set shop.example grpc --content 10.0.0.9 --unset weight
    """
    wanted = assignments(words)
    if not wanted and not unset:
        raise click.UsageError("Say what to change: KEY=VALUE or --unset KEY.")

    def change(document: dict[str, Any]) -> None:
        found = _matching(document, zone, name, content)
        if len(found) > 1:
            leads = ", ".join(str(record.get("content")) for record in found)
            fail(f"{name} has {len(found)} records in {zone}\n  hint: --content says which: {leads}")
        for path, new in wanted:
            assign(found[0], path, new)
        for key in unset:
            if not remove(found[0], key.split(".")):
                fail(f"the record {name} of {zone} has no {key}")

    print_change(where, zone, change_zone(where, zone, change))


@records.command()
@click.argument("zone")
@click.argument("name")
@click.argument("content", required=False)
@where_options
def rm(where: Where, zone: str, name: str, content: str | None) -> None:
    """Remove the records NAME from ZONE; with CONTENT only the one that leads there.

    \b
    fastgw records rm shop.example spare
    fastgw records rm shop.example spare2 10.0.0.8
    """

    def change(document: dict[str, Any]) -> None:
        gone = _matching(document, zone, name, content)
        document["dns"] = [record for record in _records(document) if record not in gone]

    print_change(where, zone, change_zone(where, zone, change))


def _records(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The records themselves: what is added here is added to the document."""
    found = document.setdefault("dns", [])
    if not isinstance(found, list):
        found = document["dns"] = []
    return found


def _matching(document: dict[str, Any], zone: str, name: str, content: str | None) -> list[dict[str, Any]]:
    """The records of that name, however it is written. Ends the command if there are none."""
    wanted = _whole(name, zone)
    found = [
        record
        for record in _records(document)
        if _whole(str(record.get("name")), zone) == wanted and content in (None, record.get("content"))
    ]
    if not found:
        leads = "" if content is None else f" that leads to {content}"
        fail(f"{zone} has no record {name}{leads}\n  hint: fastgw records list {zone} shows them")
    return found


def _whole(name: str, zone: str) -> str:
    try:
        return record_name(name, zone)
    except HostnameError:
        return name
