"""Write docs/doctor.md: each line of `fastgw doctor`, what it means and what to do, from its table.

`--check` writes nothing and exits 1 if the page is not what would be written.
"""

from pathlib import Path

from page import page, table

from fastgw.doctor.lines import LINES

TARGET = Path(__file__).resolve().parents[1] / "doctor.md"

HEAD = """\
<!-- Written by docs/gen/doctor.py (make generate); edit src/fastgw/doctor/lines.py. -->

# fastgw doctor

Does an endpoint meet what gRPC asks of it: a gateway as its clients see it, or an origin as a gateway would.

    fastgw doctor grpc.example.com
    fastgw doctor 10.0.0.7:50051 --ca ca.pem --server-name grpc.example.com
    fastgw doctor localhost:50051 --plaintext --json

It looks as a gRPC client does: TLS 1.2 or newer with the ciphers HTTP/2 allows, ALPN h2, one call
(`grpc.health.v1.Health/Check`), a few PINGs. If that handshake fails, another that takes anything, and the
preface of HTTP/2 in cleartext, show what the port speaks instead. Each line has one of four verdicts: *ok*,
*warning*, *failed*, or *skipped* with the line because of which it could not be asked. The command ends with
0 if no line failed, with 1 if one did, with 2 if it was called wrongly. `--timeout` bounds each step;
whatever the endpoint sends, the doctor reads no more than a bounded number of octets.

## The lines
"""


def rows() -> list[list[str]]:
    return [
        [f"`{line.id}`", line.asks, line.means, line.fix, ", ".join(f"`{need}`" for need in line.needs)]
        for line in LINES.values()
    ]


page(TARGET, f"{HEAD}\n{table(['line', 'what must hold', 'if not', 'what to do', 'needs'], rows())}")
