"""Write docs/checks.md: every rule of `fastgw check`, from fastgw.config.checks.

`--check` writes nothing and exits 1 if the page is not what would be written.
"""

from pathlib import Path

from page import page, table

from fastgw.config.checks import RULES

TARGET = Path(__file__).resolve().parent.parent / "checks.md"

HEAD = """\
<!-- Written by docs/gen/checks.py (make generate); edit src/fastgw/config/checks/rules.py. -->

# What `fastgw check` looks for

Errors keep a configuration from being served. Warnings are what hardly can be meant; `--strict` counts them
as errors. Notes are worth knowing and never count; `--quiet` leaves them out. Whatever needs the network is
looked at with `--probe` only: every endpoint of every proxied record is resolved, connected to and asked for
HTTP/2, over TLS as the zone demands it, all at once.

`--format sarif` writes SARIF 2.1.0 with these ids, `--json` the same as JSON. In a pipeline:

```sh
fastgw check fastgw.toml --strict --format sarif > fastgw.sarif
```

"""


def text() -> str:
    rows = [
        [f"`{rule.id}`", rule.level, rule.needs, rule.sentence, rule.help, rule.reference]
        for rule in RULES.values()
    ]
    return HEAD + table(["rule", "level", "looks at", "what is found", "what to do", "reference"], rows)


page(TARGET, text())
