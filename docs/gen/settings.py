"""Write docs/settings.md: every zone setting with its values and effect, from fastgw.policy.catalogue.

`--check` writes nothing and exits 1 if the page is not what would be written.
"""

from pathlib import Path

from page import page, table

from fastgw.policy.catalogue import CATALOGUE, KEPT, Setting

TARGET = Path(__file__).resolve().parent.parent / "settings.md"

HEAD = """\
<!-- Written by docs/gen/settings.py (make generate); edit src/fastgw/policy/catalogue.py. -->

# Settings of a zone

The keys of `[zone.settings]`; `grpc`, `http` and `ssl` may also stand directly in `[[zone]]`. Names and
values are those of the reference product where it has them. No setting depends on the plan of a zone.

```toml
[server]
listen = ["h2c://127.0.0.1:8080"]

[[zone]]
name = "example.com"
dns = [{ name = "api", content = "10.0.0.7", proxied = true }]

[zone.settings]
grpc = "on"
ssl = "strict"
proxy_read_timeout = 300           # seconds, or "5m"
```

## Settings with an effect

Times are text with a unit, as in `"10s"` or `"500ms"`; a plain number is one of seconds.
"""

REST = """\
## Settings that are kept

The reference product knows them, and so does this gateway: they are judged, kept and shown, and change
nothing here. `fastgw check` says so for each that is written down.
"""


def effective(row: Setting) -> list[str]:
    return [f"`{row.id}`", f"`{row.text(row.default)}`", row.range_text, row.effect, row.section]


def kept(row: Setting) -> list[str]:
    why = row.effect.removeprefix(KEPT).removeprefix(": ")
    return [f"`{row.id}`", f"`{row.text(row.default)}`", row.range_text, why]


def text() -> str:
    columns = ["setting", "default", "what may be written", "effect"]
    rows = CATALOGUE.values()
    first = table([*columns, "section"], [effective(row) for row in rows if not row.kept])
    others = table([*columns[:3], "because"], [kept(row) for row in rows if row.kept])
    return "\n".join([HEAD, first, REST, others])


page(TARGET, text())
