"""Where addresses are: database files in the MaxMind DB format, decoded for the core."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastgw._core.inspect.places import Places, leaves_of
from fastgw.errors import StartupError

Row = tuple[str | int | bool | None, ...]  # what one place is
Tree = tuple[bytes, int, int, int, Sequence[int], Sequence[Row]]  # see Places
Stamp = tuple[int, int, int]  # of a file: time, size, inode


@dataclass(frozen=True, slots=True)
class Atlas:
    """The databases in force, with the files they came from."""

    files: tuple[Path, ...]
    stamps: tuple[Stamp, ...]
    places: Places


def atlas(files: Sequence[Path], before: Atlas | None = None) -> Atlas | None:
    """Read the databases, unless `before` is made of the same files. None: there are none.

    Raise StartupError.
    """
    if not files:
        return None
    try:
        stamps = tuple((path.stat().st_mtime_ns, path.stat().st_size, path.stat().st_ino) for path in files)
        if before is not None and (before.files, before.stamps) == (tuple(files), stamps):
            return before
        return Atlas(tuple(files), stamps, Places([_tree(path) for path in files]))
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise StartupError(f"the database of addresses {error.filename} cannot be read: {why}") from None


def _tree(path: Path) -> Tree:
    try:
        import maxminddb
        from maxminddb.decoder import Decoder
        from maxminddb.errors import InvalidDatabaseError
    except ModuleNotFoundError:
        raise StartupError(
            "databases of addresses need a package that is not installed: pip install 'fastgw[geoip]'"
        ) from None
    octets = path.read_bytes()
    try:
        with maxminddb.open_database(io.BytesIO(octets), maxminddb.MODE_FD) as reader:
            about = reader.metadata()
        size = about.search_tree_size
        leaves = leaves_of(octets, about.node_count, about.record_size)
        decoder = Decoder(octets, size + 16)
        rows = [_row(decoder.decode(leaf - about.node_count + size)[0]) for leaf in leaves]
    except (InvalidDatabaseError, ValueError, IndexError, KeyError, TypeError, RecursionError) as error:
        raise StartupError(f"{path} is no database of addresses, or a damaged one: {error}") from None
    return octets[:size], about.node_count, about.record_size, about.ip_version, leaves, rows


def _row(said: object) -> Row:
    """What a leaf says, in the order of `ip.src.*` in the catalogue of fields; nested or flat."""
    if not isinstance(said, Mapping):
        return ("",) * 12 + (None, None)
    country = said.get("country", said.get("country_code"))
    union = None
    if isinstance(country, Mapping):
        union = country.get("is_in_european_union", False)
        country = country.get("iso_code")
    country = _text(country).upper()
    continent = said.get("continent", said.get("continent_code"))
    postal = said.get("postal", said.get("postal_code"))
    where = said.get("location")
    where = where if isinstance(where, Mapping) else said
    parts = said.get("subdivisions")
    parts = [one for one in parts if isinstance(one, Mapping)] if isinstance(parts, list) else []
    codes = [f"{country}-{code}" if (code := _text(one.get("iso_code"))) else "" for one in parts[:2]]
    codes += [""] * (2 - len(codes))
    return (
        country if len(country) == 2 else "",
        _text(continent.get("code") if isinstance(continent, Mapping) else continent),
        _named(said.get("city")),
        _named(parts[0] if parts else said.get("region", said.get("state1"))),
        _text(parts[0].get("iso_code")) if parts else "",
        *codes,
        _text(postal.get("code") if isinstance(postal, Mapping) else postal),
        _text(where.get("metro_code")),
        _text(where.get("latitude", where.get("lat"))),
        _text(where.get("longitude", where.get("lng", where.get("lon")))),
        _text(where.get("time_zone", where.get("timezone"))),
        _number(said.get("autonomous_system_number", said.get("asn"))),
        None if union is None else bool(union),
    )


def _text(value: Any) -> str:
    return "" if value is None or isinstance(value, Mapping | list) else str(value)


def _named(value: Any) -> str:
    """The English name of a place."""
    if isinstance(value, Mapping):
        names = value.get("names")
        return _text(names.get("en")) if isinstance(names, Mapping) else ""
    return _text(value)


def _number(value: Any) -> int | None:
    digits = _text(value).removeprefix("AS")
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 10 else None
