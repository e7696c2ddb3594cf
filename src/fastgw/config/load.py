"""From a path, a text or a dictionary to a Config; all complaints are found before one is raised."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastgw.config.check import check_limits, check_server, check_zones
from fastgw.config.lines import key_lines
from fastgw.config.model import FileTable, LimitsTable, LogTable, ServerTable
from fastgw.config.report import Report
from fastgw.config.tables import ZoneParts, zone_parts
from fastgw.config.tls import take_server_tls
from fastgw.config.values import Config
from fastgw.errors import ConfigError, Problem

ConfigLike = Config | Mapping[str, Any] | str | Path

_TOML_PLACE = re.compile(r"^(.*) \(at (?:line (\d+), column (\d+)|end of document)\)$", re.DOTALL)


def load(source: ConfigLike, server: Mapping[str, Any] | None = None) -> Config:
    """The configuration `source` names or is. Raise ConfigError with all problems.

    Keys of `server` stand in for those of [server]; a Config has been judged and is returned as it is. Paths
    in a file are relative to the file, paths in a dictionary to the working directory.
    """
    if isinstance(source, Config):
        return source
    if isinstance(source, Mapping):
        return _judge(_with(source, server), Report("config", {}), Path.cwd(), None)
    path = Path(source)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise _alone(path, "the file does not exist") from None
    except UnicodeDecodeError:
        raise _alone(path, "the file is not UTF-8 text") from None
    except OSError as error:
        raise _alone(path, f"the file cannot be read: {_why(error)}") from None
    return load_text(text, path, server)


def load_text(text: str, path: Path, server: Mapping[str, Any] | None = None) -> Config:
    """The configuration `text`, which stands in the file `path`; `server` as in `load`."""
    if not text.strip():
        raise _alone(
            path, "the file is empty", "the smallest configuration is one [[zone]] with a name and dns"
        )
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _syntax(error, text, path) from None
    normal = text.replace("\r\n", "\n")
    report = Report(str(path), key_lines(normal))
    return _judge(_with(data, server), report, path.resolve().parent, path)


def _with(data: Mapping[str, Any], server: Mapping[str, Any] | None) -> Mapping[str, Any]:
    table = data.get("server", {})
    if not server or not isinstance(table, Mapping):
        return data
    return {**data, "server": {**table, **server}}


def _judge(data: Mapping[str, Any], report: Report, base: Path, source: Path | None) -> Config:
    top = report.table(FileTable, {**data, "server": {}, "log": {}, "limits": {}, "zone": [_PLACEHOLDER]}, ())
    assert top is not None
    server = report.table(ServerTable, data.get("server", {}), ("server",)) or ServerTable()
    log = report.table(LogTable, data.get("log", {}), ("log",)) or LogTable()
    limits = report.table(LimitsTable, data.get("limits", {}), ("limits",)) or LimitsTable()
    listen = check_server(report, server, data)
    parts = _zones(report, data.get("zone", []))
    zones = check_zones(report, parts, listen, base)
    access = _access_log(report, log, base)
    values = check_limits(report, limits)
    tls = take_server_tls(report, server, base)
    problems = report.sorted()
    if report.failed:
        raise ConfigError(problems)
    return Config(
        zones=zones,
        listen=listen,
        workers=server.workers,
        drain_timeout_ms=server.drain_timeout,
        tls_groups=tuple(server.tls_groups),
        access_log=access,
        limits=values,
        tls=tls,
        source=source,
        warnings=problems,
    )


# Tables are judged one by one, so that one bad record hides no other; the whole only checks its own keys.
_PLACEHOLDER: dict[str, Any] = {"name": "placeholder"}


def _zones(report: Report, data: object) -> list[ZoneParts]:
    if not isinstance(data, list):
        report.error(("zone",), "must be an array of tables", "write [[zone]] with two brackets")
        return []
    if not data:
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
    return ConfigError([Problem("", sentence, hint, str(path))])


def _syntax(error: tomllib.TOMLDecodeError, text: str, path: Path) -> ConfigError:
    sentence, line, column = str(error), text.count("\n") + 1, ""
    found = _TOML_PLACE.match(sentence)
    if found is not None:
        sentence = found[1]
        if found[2]:
            line, column = int(found[2]), f" (column {found[3]})"
    plain = f"this is not valid TOML: {sentence[:1].lower()}{sentence[1:]}{column}"
    hint = "text stands in quotes; a table in { } stays on one line"
    return ConfigError([Problem("", plain, hint, str(path), line)])


def _why(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
