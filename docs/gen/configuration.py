"""Write docs/configuration.md: every key of the file with its default and effect, from fastgw.config.model.

`--check` writes nothing and exits 1 if the page is not what would be written.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from page import page, table

from fastgw.config.model import FileTable, schema
from fastgw.policy.limits import duration_text
from fastgw.policy.origins import HEALTH, ORIGIN

TARGET = Path(__file__).resolve().parents[1] / "configuration.md"

HEAD = """\
<!-- Written by docs/gen/configuration.py (make generate); edit src/fastgw/config/*.py. -->

# The configuration file

TOML. `fastgw check` says all that is wrong with a file, with line and hint; times are text with a unit, as
in `"10s"` or `"500ms"`. Only `[[zone]]` with its `name` is needed. The keys of `[limits]` are in
[limits.md](limits.md), those of `[zone.settings]` in [settings.md](settings.md); what rules and
access policies are for is in [inspection.md](inspection.md).
"""

PLACES = """\
## Values from elsewhere

| in a text | becomes |
| --- | --- |
| `${env:NAME}` | the environment variable; an error if it is not set |
| `${env:NAME:-default}` | the same, or the default if it is not set or empty |
| `${file:/run/secrets/token}` | what stands in the file, without the last newline; 64 KiB at most |
| `${cred:name}` | the same, of a credential that systemd passes (`LoadCredential=name:/path`) |
| `$${` | `${` |

Only texts in quotes, and only in a file: what comes through the API is taken as it stands. Messages name the
place, never what stood there.
"""

RECORDS = """\
## Names

As at the reference product: the exact name decides, else the longest wildcard above it. A `*` is the whole
first label and covers any depth; in `*.*.x` the second star is a label like any other, which no call can
name. A record on a name, of any type and DNS-only or not, stops the wildcards above it for that name and all
names below. One proxied record makes all records of its name proxied, and so does a chain of CNAMEs that
comes through a proxied name of any zone. Records of other types than A, AAAA and CNAME are kept for that:
they are never proxied. International names are written either way and kept as A-labels.

`ttl`, `comment`, `tags` and `settings` of a record are kept and shown: they are for DNS, which this gateway
does not answer.
"""

ORIGINS = """\
## Several targets, routes and retries

```toml
[server]
listen = ["h2c://127.0.0.1:8080"]

[[zone]]
name = "example.com"
settings = { grpc = "on" }
dns = [
  { name = "grpc", content = "10.0.0.7", proxied = true, weight = 9 },
  { name = "grpc", content = "10.0.0.8", proxied = true },
  { name = "grpc", content = "pods.internal", proxied = true, origin_port = 50051, origin_protocol = "h2c" },
  { name = "grpc", content = "spare.example.net", proxied = true, priority = 1 },
  { name = "local", content = "unix:/run/app.sock", proxied = true, origin_protocol = "h2c" },
]

[zone.origin]
balance = "peak_ewma"
slow_start = "30s"

[zone.origin.health]
check = "grpc"

[zone.retry]
on = ["unavailable"]

[[zone.route]]
match = [{ service = "shop.Orders", method = "Place" }]
timeout = "5s"
retry = { on = [] }

[[zone.route]]
match = [{ service = "shop.Feed" }, { headers = { "x-feed" = "1" } }]
idle_timeout = "0s"
age = "6h"
```

**Targets.** All records of a served name are targets of its origin, 64 at most. An address or a socket is one
endpoint, a name is as many as it has addresses (the hosts file, then A and AAAA; the weight of the record is
that of each of them). Names are asked for again when their answer has aged, 1 s to 1 h; the last good answer
stays while there is no other, and a change is put in force at once. What lies behind one address, port, name
and way of judging the certificate is one endpoint, whichever records lead there. A higher `priority` serves
when too few endpoints of the lower ones are available: see `panic_threshold`.

**Which route.** As in Kubernetes' GRPCRoute: all that a match names must fit, and of all matches that fit a
call, of whatever route, the most special one decides: an exact host before a wildcard, the longer host, the
longer service name, the longer method name, more headers, and then what is written first. What a route does
not say is as the zone has it: `proxy_read_timeout`, or none with `long_lived_grpc`, and `[zone.retry]`. The
host is a name of the zone, written as in `dns`; metadata names are lower-case.

**Times.** `timeout` is the longest a call may take, even if its `grpc-timeout` says more: it ends streams
too. `idle_timeout` is the longest silence on a stream, `age` its longest life.

**Retries.** Calls that never reached the application are tried again on another endpoint in any case. `on`
adds gRPC statuses, by their names, as long as nothing of the answer has been passed on and the request is no
longer than `bytes`. With `hedge_after`, a whole request that is not answered for so long goes to a second
endpoint too; who answers first serves, the other attempt is cancelled.
"""

TABLES = {
    "FileTable": "## The file",
    "ServerTable": "## `[server]`",
    "LogTable": "## `[log]`",
    "StoreTable": "## `[store]`",
    "AdminTable": "## `[admin]`",
    "RateLimitsTable": "## `[rate_limits]`",
    "ZoneTable": "## `[[zone]]`",
    "CertTable": "## `cert` and an entry of `certs`",
    "ClientCertsTable": "## `[[zone.client_certs]]`",
    "HostnameTable": "## `[[zone.hostname]]`",
    "PullTable": "## `[[zone.origin_pull]]`",
    "RecordTable": "## An entry of `dns`",
    "RecordSettingsTable": "## `settings` of an entry of `dns`",
    "OriginTable": "## `[zone.origin]`",
    "HealthTable": "## `[zone.origin.health]`",
    "RouteTable": "## `[[zone.route]]`",
    "MatchTable": "## An entry of a route's `match`",
    "RetryTable": "## `[zone.retry]`, `retry` of a route",
    "RuleTable": "## `[[zone.rule]]`",
    "ResponseTable": "## `response` of a rule",
    "SkipTable": "## `skip` of a rule",
    "RateLimitTable": "## `ratelimit` of a rule",
    "HeaderChangeTable": "## An entry of a rule's `headers`",
    "RouteToTable": "## `route` of a rule",
    "ConfigTable": "## `config` of a rule",
    "IpAccessTable": "## `[[zone.ip_access]]`",
    "LockdownTable": "## `[[zone.lockdown]]`",
    "UserAgentTable": "## `[[zone.user_agent]]`",
    "ManagedTable": "## `[zone.managed]`",
    "BotsTable": "## `[zone.bots]`",
    "AccessTable": "## `[zone.access]`",
    "ApplicationTable": "## `[[zone.access.applications]]`",
    "PolicyTable": "## An entry of an application's `policies`",
    "RequirementTable": "## An entry of a policy's `include`, `require`, `exclude`",
    "ServiceTokenTable": "## `[[zone.access.service_tokens]]`",
    "JwtTable": "## `[[zone.access.jwt]]`",
    "AuthoritiesTable": "## `certificates` of `[zone.access]`",
    "IdentityTable": "## `[zone.access.identity]`",
}
KNOBS = {"OriginTable": ORIGIN, "HealthTable": HEALTH}


def rows(name: str, table: dict[str, Any]) -> list[list[str]]:
    """A line for each key of a table."""
    found = []
    for key, field in table.get("properties", {}).items():
        knob = KNOBS.get(name, {}).get(key)
        default = "needed" if key in table.get("required", ()) else written(field)
        kind = knob.range_text if knob else kind_of(field)
        effect = knob.effect if knob else field.get("description", "")
        found.append([f"`{key}`", default, kind, effect])
    return found


def written(field: dict[str, Any]) -> str:
    """The default of a key, as it would be written."""
    value = field.get("default")
    if value is None or value == {} or "$ref" in field:
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, list):
        return f"`[{', '.join(quoted(one) for one in value)}]`"
    if isinstance(value, int) and kind_of(field) == "time":
        return f'`"{duration_text(value) if value else "0s"}"`'
    return f"`{quoted(value)}`"


def quoted(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


def kind_of(field: dict[str, Any]) -> str:
    """What may be written, for people."""
    if "$ref" in field:
        return "table"
    if "anyOf" in field:
        return " or ".join(kind_of(one) for one in field["anyOf"] if one.get("type") != "null")
    if "enum" in field:
        return ", ".join(f"`{quoted(word)}`" for word in field["enum"])
    if "const" in field:
        return f"`{str(field['const']).lower() if field['const'] is True else quoted(field['const'])}`"
    if field.get("type") == "array":
        inner = field["items"] if "anyOf" not in field["items"] else field["items"]["anyOf"][0]
        return f"array of {'tables' if '$ref' in inner else kind_of(inner)}"
    if "minimum" in field:
        return f"{field['minimum']} to {field['maximum']}"
    if "pattern" in field:
        return "time"
    return {"string": "text", "integer": "whole number", "boolean": "`true`, `false`", "object": "table"}[
        field["type"]
    ]


def sentence(text: str) -> str:
    """A docstring without the name of its table in front, as one paragraph."""
    _, _, rest = text.partition(": ")
    plain = " ".join((rest or text).split())
    return plain[:1].upper() + plain[1:]


def text() -> str:
    whole = schema()
    tables = {**whole["$defs"], "FileTable": whole}
    parts = [HEAD, PLACES, RECORDS, ORIGINS]
    for name, title in TABLES.items():
        model = tables[name]
        cells = [[cell.replace("|", chr(92) + "|") for cell in row] for row in rows(name, model)]
        body = table(["key", "default", "what may be written", "effect"], cells)
        parts.append(f"{title}\n\n{sentence(model['description'])}\n\n{body}")
    elsewhere = {"LimitsTable", "SettingsTable", *(name for name in tables if name.endswith("Value"))}
    missing = {name for name in whole["$defs"]} - {*TABLES, *elsewhere}
    assert not missing, f"no place for {missing}"
    assert FileTable.__name__ in TABLES
    return "\n".join(parts)


page(TARGET, text())
