"""From a path, a text or a dictionary to a Config; all complaints are found before one is raised."""

from __future__ import annotations

import contextlib
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fastgw.config.admin import take_admin
from fastgw.config.check import check_limits, check_one, check_server, check_zones
from fastgw.config.checks import advise
from fastgw.config.collector import undisturbed
from fastgw.config.inspection import take_lists
from fastgw.config.interpolate import interpolate
from fastgw.config.judged import Judged
from fastgw.config.model import FileTable, LimitsTable, LogTable, ServerTable
from fastgw.config.report import Report, did_you_mean
from fastgw.config.sharing import take_sharing
from fastgw.config.store import take_store, usage_days_of
from fastgw.config.tables import ZoneParts, zone_parts
from fastgw.config.tls import take_server_tls
from fastgw.config.values import Config
from fastgw.errors import ConfigError, Problem
from fastgw.policy.chains import ZoneNames, by_name
from fastgw.policy.names import HostnameError, hostname

ConfigLike = Config | Mapping[str, Any] | str | Path

_TOML_PLACE = re.compile(r"^(.*) \(at (?:line (\d+), column (\d+)|end of document)\)$", re.DOTALL)


def load(source: ConfigLike, server: Mapping[str, Any] | None = None, *, deep: bool = False) -> Config:
    """The configuration `source` names or is. Raise ConfigError with all problems.

    Keys of `server` stand in for those of [server]; a Config has been judged and is returned as it is. Paths
    in a file are relative to the file, paths in a dictionary to the working directory; only a file may name
    variables and other files, as in `${env:NAME}`. `deep`: the warnings hold notes and advice too.
    """
    if isinstance(source, Config):
        return source
    report, base, data, path = _read(source, None, deep=deep)
    return _judge(_with(data, server), report, base, path)


def load_text(
    text: str,
    path: Path,
    server: Mapping[str, Any] | None = None,
    *,
    stored: Sequence[Mapping[str, Any]] | None = None,
    deep: bool = False,
) -> Config:
    """The configuration `text`, which stands in the file `path`; `server` as in `load`.

    `stored` are zones of a store, which come after those of the text; None: there is no store.
    """
    report, base, data, _ = _read(path, text, deep=deep)
    zones = data.get("zone", [])
    if stored is not None and isinstance(zones, list):
        data = {**data, "zone": [*zones, *stored]}
    return _judge(_with(data, server), report, base, path, storing=stored is not None)


def _read(
    source: Mapping[str, Any] | str | Path, text: str | None, *, deep: bool
) -> tuple[Report, Path, Mapping[str, Any], Path | None]:
    """What is to be judged: a report for it, what paths are relative to, the data, the file."""
    if isinstance(source, Mapping):
        return Report("config", deep=deep), Path.cwd(), source, None
    path = Path(source)
    if text is None:
        text = read_text(path)
    if not text.strip():
        raise _alone(
            path, "the file is empty", "the smallest configuration is one [[zone]] with a name and dns"
        )
    try:
        with undisturbed():
            data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _syntax(error, text, path) from None
    report = Report(str(path), text.replace("\r\n", "\n"), deep=deep)
    base = path.resolve().parent
    return report, base, interpolate(report, data, base), path


def read_text(path: Path) -> str:
    """What stands in the file. Raise ConfigError."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise _alone(path, "the file does not exist") from None
    except UnicodeDecodeError:
        raise _alone(path, "the file is not UTF-8 text") from None
    except OSError as error:
        raise _alone(path, f"the file cannot be read: {_why(error)}") from None


def with_zone(config: Config, table: Mapping[str, Any], *, deep: bool = False) -> Config:
    """`config` with one zone added or exchanged, by its name. Raise ConfigError if it cannot be used.

    `table` is as one [[zone]]; it alone is judged, against the others, and the warnings are those of it.
    Zones that do not change are the same objects as before, this one too if it is equal. Relative paths are
    those of the file of `config`.
    """
    report = Report("zone", deep=deep)
    report.lists = dict(config.lists)
    base = Path.cwd() if config.source is None else config.source.resolve().parent
    parts = zone_parts(report, table, ())
    names = ZoneNames(config.zones)
    judged = None if parts is None else check_one(report, parts, names, config.listen, base)
    if judged is not None and deep:
        advise(report, [judged], names, dict(config.limits)["stream_window"])
    if report.failed or judged is None:
        raise ConfigError(report.sorted())
    place = names.place(judged.zone.name)
    if place is None:
        zones = (*config.zones, judged.zone)
    elif config.zones[place] == judged.zone:
        zones = config.zones
    else:
        zones = (*config.zones[:place], judged.zone, *config.zones[place + 1 :])
    return replace(config, zones=zones, warnings=report.sorted())


def without_zone(config: Config, name: str) -> Config:
    """`config` without the zone of this name, which must exist; the others are the same objects."""
    wanted = name.strip().lower().removesuffix(".")
    with contextlib.suppress(HostnameError):
        wanted = hostname(name)
    zones = tuple([zone for zone in config.zones if zone.name != wanted])
    if len(zones) == len(config.zones):
        hint = did_you_mean(wanted, (zone.name for zone in config.zones))
        raise ConfigError([Problem("name", f"is {name!r}, but there is no such zone", hint, "zone")])
    return replace(config, zones=zones, warnings=())


def _with(data: Mapping[str, Any], server: Mapping[str, Any] | None) -> Mapping[str, Any]:
    table = data.get("server", {})
    if not server or not isinstance(table, Mapping):
        return data
    return {**data, "server": {**table, **server}}


@dataclass(frozen=True, slots=True)
class Verdict:
    """All that is known of a configuration, good or bad.

    `places`: where a record is written, by its full name and content, as a problem without a sentence.
    """

    config: Config | None
    problems: tuple[Problem, ...]
    places: Mapping[tuple[str, str], Problem]


def examine(source: Mapping[str, Any] | str | Path, text: str | None = None) -> Verdict:
    """Judge as `load` does with `deep`, without raising. `text`: what stands in the file."""
    try:
        report, base, data, path = _read(source, text, deep=True)
    except ConfigError as error:
        return Verdict(None, error.problems, {})
    with undisturbed():
        config, judged = _judged(data, report, base, path)
    places = {
        (entry.record.name, entry.record.content): report.place((*entry.path, "content"))
        for one in judged
        for entry in one.placed
    }
    return Verdict(None if report.failed else config, report.sorted(), places)


def take_geoip(report: Report, named: list[str], base: Path) -> tuple[Path, ...]:
    """The databases of addresses; rules may ask for what they say."""
    found = tuple(base / Path(name).expanduser() for name in named)
    report.places = bool(found)
    for number, path in enumerate(found):
        if not path.is_file():
            report.error(
                ("server", "geoip", number), f"is {path}, which is no file", "write the path of an .mmdb file"
            )
    return found


def _judge(
    data: Mapping[str, Any], report: Report, base: Path, source: Path | None, *, storing: bool = False
) -> Config:
    with undisturbed():
        config, _ = _judged(data, report, base, source, storing=storing)
    if report.failed:
        raise ConfigError(report.sorted())
    return config


def _judged(
    data: Mapping[str, Any], report: Report, base: Path, source: Path | None, *, storing: bool = False
) -> tuple[Config, tuple[Judged, ...]]:
    """The configuration as far as it can be used; the report says whether it can."""
    apart: dict[str, Any] = {"server": {}, "log": {}, "store": {}, "limits": {}, "lists": {}}
    apart["rate_limits"] = {}
    apart["zone"] = [_PLACEHOLDER]
    top = report.table(FileTable, {**{key: data[key] for key in data if key != "admin"}, **apart}, ())
    assert top is not None
    server = report.table(ServerTable, data.get("server", {}), ("server",)) or ServerTable()
    log = report.table(LogTable, data.get("log", {}), ("log",)) or LogTable()
    limits = report.table(LimitsTable, data.get("limits", {}), ("limits",)) or LimitsTable()
    listen = check_server(report, server, data)
    store = take_store(report, data.get("store", {}), base)
    geoip = take_geoip(report, server.geoip, base)
    report.lists = take_lists(report, data["lists"], ("lists",)) if "lists" in data else {}
    storing = storing or store is not None
    admin = take_admin(report, data.get("admin"), base, storing=storing)
    parts = _zones(report, data.get("zone", []), storing=storing)
    judged = check_zones(report, parts, listen, base)
    access = _access_log(report, log, base)
    values = check_limits(report, limits)
    tls = take_server_tls(report, server, base)
    if report.deep and not report.failed:
        known = by_name(record for one in judged for record in one.zone.records)
        advise(report, judged, known, dict(values)["stream_window"])
    sharing = take_sharing(report, data.get("rate_limits", {}))
    config = Config(
        zones=tuple([one.zone for one in judged]),
        listen=listen,
        workers=server.workers,
        drain_timeout_ms=server.drain_timeout,
        tls_groups=tuple(server.tls_groups),
        access_log=access,
        limits=values,
        tls=tls,
        source=source,
        store=store,
        lists=tuple(report.lists.items()),
        geoip=geoip,
        admin=admin,
        sharing=sharing,
        usage_days=usage_days_of(data.get("store", {})),
        warnings=report.sorted(),
    )
    return config, judged


# Tables are judged one by one, so that one bad record hides no other; the whole only checks its own keys.
_PLACEHOLDER: dict[str, Any] = {"name": "placeholder"}


def _zones(report: Report, data: object, *, storing: bool) -> list[ZoneParts]:
    if not isinstance(data, list):
        report.error(("zone",), "must be an array of tables", "write [[zone]] with two brackets")
        return []
    if not data and not storing:
        report.error((), "there is no zone, so nothing would be served", "add a [[zone]] with a name and dns")
    found = [zone_parts(report, table, ("zone", index)) for index, table in enumerate(data)]
    return [parts for parts in found if parts is not None]


def _access_log(report: Report, log: LogTable, base: Path) -> str | None:
    if log.access is None or log.access == "-":
        return log.access
    path = base / Path(log.access).expanduser()
    if not path.parent.is_dir():
        report.error(("log", "access"), f"lies in {path.parent}, which is not a directory")
    elif path.is_dir():
        report.error(("log", "access"), f"is {path}, which is a directory", "name a file in it")
    return str(path)


def _alone(path: Path, sentence: str, hint: str = "") -> ConfigError:
    return ConfigError([Problem("", sentence, hint, str(path), rule="invalid")])


def _syntax(error: tomllib.TOMLDecodeError, text: str, path: Path) -> ConfigError:
    sentence, line, column = str(error), text.count("\n") + 1, ""
    found = _TOML_PLACE.match(sentence)
    if found is not None:
        sentence = found[1]
        if found[2]:
            line, column = int(found[2]), f" (column {found[3]})"
    plain = f"this is not valid TOML: {sentence[:1].lower()}{sentence[1:]}{column}"
    hint = "text stands in quotes; a table in { } stays on one line"
    return ConfigError([Problem("", plain, hint, str(path), line, rule="invalid")])


def _why(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
