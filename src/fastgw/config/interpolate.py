"""`${env:X}`, `${env:X:-default}`, `${file:/path}` and `${cred:x}` in the texts of a file.

Only a file of the operator is read this way: what comes through the API must not name files or variables.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Any

from fastgw.config.lines import Path
from fastgw.config.report import Report

_PLACE = re.compile(r"\$\$\{|\$\{([^{}]*)\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CREDENTIAL = re.compile(r"[A-Za-z0-9_.-]+")
SIZE_MAX = 65_536  # octets of a file that stands in a text
_KINDS = 'write ${env:NAME}, ${env:NAME:-default}, ${file:/path} or ${cred:name}; "$${" is a plain "${"'


def interpolate(
    report: Report, data: Mapping[str, Any], base: FilePath, environ: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """`data` with all places filled; one that cannot be is reported and stays as it is."""
    names = os.environ if environ is None else environ
    return {key: _filled(report, value, (key,), base, names) for key, value in data.items()}


def _filled(report: Report, value: Any, path: Path, base: FilePath, names: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return _text(report, value, path, base, names) if "${" in value else value
    if isinstance(value, dict):
        return {key: _filled(report, one, (*path, key), base, names) for key, one in value.items()}
    if isinstance(value, list):
        return [_filled(report, one, (*path, index), base, names) for index, one in enumerate(value)]
    return value


def _text(report: Report, text: str, path: Path, base: FilePath, names: Mapping[str, str]) -> str:
    def place(found: re.Match[str]) -> str:
        if found[1] is None:
            return "${"
        value = _value(report, found[1], path, base, names)
        if value is None:
            return found[0]
        if value:
            report.hide(value, found[0])
        return value

    return _PLACE.sub(place, text)


def _value(report: Report, inside: str, path: Path, base: FilePath, names: Mapping[str, str]) -> str | None:
    kind, _, rest = inside.partition(":")
    if kind == "env":
        return _variable(report, rest, path, names)
    if kind == "file" and rest:
        return _file(report, base / FilePath(rest).expanduser(), f"${{file:{rest}}}", path)
    if kind == "cred" and _CREDENTIAL.fullmatch(rest) and rest not in (".", ".."):
        directory = names.get("CREDENTIALS_DIRECTORY")
        if directory:
            return _file(report, FilePath(directory) / rest, f"${{cred:{rest}}}", path)
        hint = f"in the unit: LoadCredential={rest}:/path"
        sentence = f"names ${{cred:{rest}}}, but systemd has passed no credentials"
        report.error(path, sentence, hint, rule="variable-unset")
        return None
    report.error(path, f"has ${{{inside}}}, which is not known", _KINDS, rule="variable-unset")
    return None


def _variable(report: Report, rest: str, path: Path, names: Mapping[str, str]) -> str | None:
    name, dash, default = rest.partition(":-")
    if not _NAME.fullmatch(name):
        report.error(path, f"has ${{env:{rest}}}, whose name is none", _KINDS, rule="variable-unset")
        return None
    value = names.get(name)
    if dash and not value:
        return default
    if value is None:
        hint = f"set it, or write ${{env:{name}:-default}}"
        sentence = f"names the environment variable {name}, which is not set"
        report.error(path, sentence, hint, rule="variable-unset")
    return value


def _file(report: Report, file: FilePath, written: str, path: Path) -> str | None:
    try:
        with file.open("rb") as source:
            octets = source.read(SIZE_MAX + 1)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        report.error(path, f"names {written}, which cannot be read: {why}", rule="variable-unset")
        return None
    if len(octets) > SIZE_MAX:
        sentence = f"names {written}, which is longer than the {SIZE_MAX} octets that are allowed"
        report.error(path, sentence, rule="variable-unset")
        return None
    try:
        return octets.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        report.error(path, f"names {written}, which is not UTF-8 text", rule="variable-unset")
        return None
