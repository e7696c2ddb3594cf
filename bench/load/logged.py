"""What each gateway's templates need to write a line per call, for the pass with access logs on."""

from __future__ import annotations

# By peer: words of its templates when logs are on; without logs each is what OFF says, or nothing.
ON: dict[str, dict[str, str]] = {
    "fastgw": {"log": '[log]\naccess = "{run}/fastgw-access.log"'},
    "nginx": {"access_log": "access_log {run}/nginx-access.log;"},
    "haproxy": {
        "log_global": "log stdout len 1024 format raw local0",
        "log_defaults": "log global\n  option httplog",
    },
    "envoy": {
        "connection_manager": "access_log: [ { name: envoy.access_loggers.file, typed_config: { "
        '"@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog, '
        "path: {run}/envoy-access.log } } ]"
    },
    "nghttpx": {"accesslog": "--accesslog-file={run}/nghttpx-access.log"},
    "caddy": {"log": "log {\n\t\toutput file {run}/caddy-access.log {\n\t\t\troll_disabled\n\t\t}\n\t}"},
}
ON["fastgw-openssl"] = ON["fastgw"]
OFF = {"access_log": "access_log off;"}
NAMES = frozenset(name for words in ON.values() for name in words) - {"connection_manager"}


def words(peer: str, on: bool) -> dict[str, str]:
    """What the templates of a peer are filled with, beside its own words."""
    chosen = ON.get(peer, {}) if on else {}
    return {name: chosen.get(name, OFF.get(name, "")) for name in NAMES} | chosen


def can(peer: str) -> bool:
    return peer in ON
