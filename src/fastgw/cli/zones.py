"""fastgw zones: what is served, as documents that change while it is."""

from __future__ import annotations

import difflib
import json
from pathlib import Path
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
    print_warnings,
    where_options,
)
from fastgw.cli.documents import (
    assign,
    assignments,
    change_zone,
    get_zone,
    read_documents,
    remove,
    whole_paths,
)


@click.group(cls=Group)
def zones() -> None:
    """See and change zones while the gateway serves them.

    Zones that the configuration file declares are seen here and changed there. The others are kept in a
    store (fastgw serve --state-dir DIR); each change is judged as a file is, and is in force at once.

    \b
    fastgw zones list
    """


@zones.command("list")
@json_option
@where_options
def list_(where: Where, as_json: bool) -> None:
    """List all zones.

    \b
    fastgw zones list
    fastgw zones list --json
    """
    found = where.ask({"do": "zones.list"})["zones"]
    if as_json:
        print_json(found)
        return
    print_table(
        ("name", "source", "revision", "records", "paused", "problem"),
        [
            (
                row["name"],
                row["source"],
                row["revision"] or None,
                row["records"],
                row["paused"],
                row["problem"].partition("\n")[0],
            )
            for row in found
        ],
    )


@zones.command()
@click.argument("zone")
@json_option
@where_options
def get(where: Where, zone: str, as_json: bool) -> None:
    """Print the document of ZONE.

    With --json also where it comes from and its revision.

    \b
    fastgw zones get example.com
    fastgw zones get example.com --json
    """
    found = get_zone(where, zone)
    print_json(found if as_json else found["document"])


@zones.command()
@click.argument("zone")
@click.argument("words", metavar="[KEY=VALUE]...", nargs=-1)
@click.option("--cert", metavar="FILE", show_envvar=True, help="The certificate chain that clients see, PEM.")
@click.option("--key", metavar="FILE", show_envvar=True, help="Its key, PEM.")
@where_options
def add(where: Where, zone: str, words: tuple[str, ...], cert: str | None, key: str | None) -> None:
    """Add ZONE, which must not be there yet.

    Keys are those of a [[zone]] table, with dots between levels; records come with fastgw records add.

    \b
    fastgw zones add new.example grpc=on
    fastgw zones add tls.example grpc=on settings.ssl=strict --cert example.pem --key example.key
    """
    if (cert is None) != (key is None):
        raise click.UsageError("--cert and --key go together.")
    document: dict[str, Any] = {"name": zone}
    for path, new in assignments(words):
        assign(document, path, new)
    if cert is not None:
        document["cert"] = {"file": cert, "key": key}
    whole_paths(document, Path.cwd())
    _put(where, document, expect_revision=0)


@zones.command("set")
@click.argument("zone")
@click.argument("words", metavar="[KEY=VALUE]...", nargs=-1)
@click.option(
    "--unset", metavar="KEY", multiple=True, show_envvar=True, help="Let this key go; again for more."
)
@click.option(
    "--file", metavar="FILE", show_envvar=True, help="Take the whole document from here; - is standard input."
)
@where_options
def set_(where: Where, zone: str, words: tuple[str, ...], unset: tuple[str, ...], file: str | None) -> None:
    """Change keys of ZONE, or all of it.

    \b
    fastgw zones set shop.example paused=true
    fastgw zones set shop.example origin.balance=round_robin retry.attempts=3
    fastgw zones set shop.example --unset paused
    fastgw zones set shop.example --file zone.json
    """
    if not words and not unset and file is None:
        raise click.UsageError("Say what to change: KEY=VALUE, --unset KEY or --file FILE.")
    wanted = assignments(words)
    whole: dict[str, Any] | None = None
    if file is not None:
        whole, *others = read_documents(file)
        if others or whole.get("name") != zone:
            fail(f"{file} must hold the zone {zone} and no other")

    def change(document: dict[str, Any]) -> None:
        if whole is not None:
            document.clear()
            document.update(json.loads(json.dumps(whole)))
        for path, new in wanted:
            assign(document, path, new)
        for key in unset:
            if not remove(document, key.split(".")):
                fail(f"the zone {zone} has no {key}")
        whole_paths(document, Path.cwd())

    print_change(where, zone, change_zone(where, zone, change))


@zones.command()
@click.argument("zone")
@where_options
def rm(where: Where, zone: str) -> None:
    """Remove ZONE; its history stays, and fastgw zones rollback brings it back.

    \b
    fastgw zones rm old.example
    """
    answer = where.ask({"do": "zones.delete", "zone": zone})
    click.echo(f"{zone} is removed with revision {answer['revision']}")


@zones.command("import")
@click.argument("source", metavar="FILE|-")
@where_options
def import_(where: Where, source: str) -> None:
    """Put all zones of a file into the store, or none if one is wrong.

    FILE is TOML with [[zone]] tables, or JSON as fastgw zones export prints it.

    \b
    fastgw zones import zones.toml
    fastgw zones import zones.json
    """
    answer = where.ask({"do": "zones.import", "documents": read_documents(source)})
    count = answer["count"]
    print_change(where, f"{count} zone{'' if count == 1 else 's'}", answer, "are" if count > 1 else "is")


@zones.command()
@click.argument("names", metavar="[ZONE]...", nargs=-1)
@where_options
def export(where: Where, names: tuple[str, ...]) -> None:
    """Print all zones, or these, as JSON that fastgw zones import reads.

    \b
    fastgw zones export
    fastgw zones export example.com > zones.json
    """
    if names:
        found = [get_zone(where, name)["document"] for name in names]
    else:
        found = where.ask({"do": "zones.export"})["zones"]
    print_json({"zone": found})


@zones.command()
@click.argument("zone", required=False)
@click.option(
    "--most", type=click.IntRange(1, 1000), default=20, show_default=True, show_envvar=True, help="How many."
)
@json_option
@where_options
def history(where: Where, zone: str | None, most: int, as_json: bool) -> None:
    """Who changed ZONE, or any zone, and when; the last change first.

    \b
    fastgw zones history
    fastgw zones history shop.example --most 5 --json
    """
    found = where.ask({"do": "zones.history", "zone": zone, "most": most})["changes"]
    if as_json:
        print_json(found)
        return
    print_table(
        ("revision", "at", "actor", "op", "zone"),
        [tuple(row[key] for key in ("revision", "at", "actor", "op", "zone")) for row in found],
    )


@zones.command()
@click.argument("zone")
@click.argument("revision", type=click.IntRange(1), required=False)
@json_option
@where_options
def diff(where: Where, zone: str, revision: int | None, as_json: bool) -> None:
    """What REVISION, or the last change, has changed in ZONE.

    \b
    fastgw zones diff shop.example
    fastgw zones diff shop.example 2 --json
    """
    found = where.ask({"do": "zones.history", "zone": zone, "most": 1000})["changes"]
    wanted = [row for row in found if revision is None or row["revision"] == revision]
    if not wanted:
        which = "was never changed" if revision is None else f"was not changed by revision {revision}"
        fail(f"the zone {zone} {which}\n  hint: fastgw zones history {zone} lists its changes")
    row = wanted[0]
    if as_json:
        print_json(row)
        return
    click.echo(f"{row['zone']}: {row['op']} by {row['actor']} at {row['at']}")
    before, after = (_lines(row[side]) for side in ("before", "after"))
    names = f"revision {row['revision'] - 1}", f"revision {row['revision']}"
    for line in difflib.unified_diff(before, after, *names, lineterm=""):
        click.echo(line)


@zones.command()
@click.argument("zone")
@click.argument("revision", type=click.IntRange(0), required=False)
@where_options
def rollback(where: Where, zone: str, revision: int | None) -> None:
    """Make ZONE what it was right after REVISION; without one, undo its last change.

    \b
    fastgw zones rollback shop.example
    fastgw zones rollback shop.example 1
    """
    answer = where.ask({"do": "zones.rollback", "zone": zone, "revision": revision})
    print_warnings(answer)
    click.echo(f"{zone} is as it was at revision {answer['to']}, with revision {answer['revision']}")


def _put(where: Where, document: dict[str, Any], **more: Any) -> None:
    print_change(where, document["name"], where.ask({"do": "zones.put", "document": document, **more}))


def _lines(document: Any) -> list[str]:
    return [] if document is None else json.dumps(document, indent=2, ensure_ascii=False).splitlines()
