"""Documents of zones as people write them: words KEY=VALUE, files in TOML or JSON; and pieces of them."""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from fastgw.cli.common import Answer, Where, fail

Document = dict[str, Any]
TRIES = 5  # how often a change is made anew because somebody else was faster

# Keys of a zone that name files, which are relative to where the command is called: its own, and those of
# the tables, or lists of tables, below it.
_FILES = ("trust_store", "crl")
_FILES_BELOW = {
    "cert": ("file", "key", "ocsp"),
    "certs": ("file", "key", "ocsp"),
    "client_certs": ("ca", "crl"),
    "origin_pull": ("file", "key"),
}


def assignments(words: Sequence[str]) -> list[tuple[list[str], Any]]:
    """`settings.grpc=on` as (["settings", "grpc"], "on"). Raise UsageError."""
    found = []
    for word in words:
        key, sign, text = word.partition("=")
        if not sign or not all(key.split(".")):
            raise click.UsageError(f"{word!r} is not KEY=VALUE, as in paused=true or settings.grpc=on.")
        found.append((key.split("."), value(text)))
    return found


def value(text: str) -> Any:
    """JSON where it is a number, true, false, an array or an object; else text as it stands."""
    try:
        found = json.loads(text)
    except ValueError:
        return text
    return text if found is None else found


def assign(document: Document, path: Sequence[str], new: Any) -> None:
    """Put a value at a path, making tables on the way."""
    for key in path[:-1]:
        inner = document.get(key)
        if not isinstance(inner, dict):
            inner = document[key] = {}
        document = inner
    document[path[-1]] = new


def remove(document: Document, path: Sequence[str]) -> bool:
    """Let a key go; was it there?"""
    for key in path[:-1]:
        inner = document.get(key)
        if not isinstance(inner, dict):
            return False
        document = inner
    return document.pop(path[-1], None) is not None


def read_documents(source: str) -> list[Document]:
    """The zones in a TOML or JSON file, or standard input for `-`. Ends the command if there are none."""
    name = "standard input" if source == "-" else source
    try:
        text = sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8")
    except OSError as error:
        fail(f"{source} cannot be read: {(error.strerror or '').lower()}")
    except UnicodeDecodeError:
        fail(f"{name} is not UTF-8 text")
    try:
        data: Any = json.loads(text) if text.lstrip()[:1] in ("{", "[") and _is_json(text) else None
        data = tomllib.loads(text) if data is None else data
    except tomllib.TOMLDecodeError as error:
        fail(f"{name} is neither JSON nor TOML: {error}")
    if isinstance(data, dict):
        data = data.get("zone", [data] if "name" in data else [])
    zones = [one for one in data if isinstance(one, dict)] if isinstance(data, list) else []
    if not zones:
        fail(f"{name} holds no zone\n  hint: write [[zone]] tables, or what fastgw zones export prints")
    folder = Path.cwd() if source == "-" else Path(source).resolve().parent
    for zone in zones:
        whole_paths(zone, folder)
    return zones


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def whole_paths(document: Document, folder: Path) -> None:
    """Make paths absolute: whoever serves the zone works in another directory."""
    _whole(document, _FILES, folder)
    _access_files(document.get("access"), folder)
    for key, names in _FILES_BELOW.items():
        below = document.get(key)
        for table in below if isinstance(below, list) else [below]:
            if isinstance(table, dict):
                _whole(table, names, folder)


def _access_files(access: object, folder: Path) -> None:
    """The same in [zone.access]."""
    if not isinstance(access, dict):
        return
    below = (("jwt", ("jwks_file",)), ("certificates", ("ca", "crl")), ("identity", ("key",)))
    for key, names in below:
        found = access.get(key)
        for table in found if isinstance(found, list) else [found]:
            if isinstance(table, dict):
                _whole(table, names, folder)


def _whole(table: Document, names: Sequence[str], folder: Path) -> None:
    for name in names:
        text = table.get(name)
        if isinstance(text, str) and text:
            table[name] = str(folder / Path(text).expanduser())


def get_zone(where: Where, zone: str) -> Answer:
    """Name, source, revision and document of a zone."""
    answer: Answer = where.ask({"do": "zones.get", "zone": zone})["zone"]
    return answer


def change_zone(where: Where, zone: str, change: Callable[[Document], None]) -> Answer:
    """Read the zone, change it and write it; again if somebody else was faster."""
    for turn in range(TRIES):
        found = get_zone(where, zone)
        document: Document = found["document"]
        change(document)
        request = {"do": "zones.put", "document": document, "expect_revision": found["revision"]}
        if found["source"] == "file":
            del request["expect_revision"]  # refused for a better reason
        answer = where.try_ask(request) if turn < TRIES - 1 else where.ask(request)
        if answer.get("ok"):
            return answer
        if answer.get("kind") != "stale":
            fail(str(answer.get("error")))
    raise AssertionError("the last try ends the command")
