"""Write docs/reasons.md: every refusal of bytes and every local reply, from the tables of the core.

`--check` writes nothing and exits 1 if the page is not what would be written.
"""

import re
from pathlib import Path

from page import page, table

from fastgw._core import reasons
from fastgw._core.proxy import reply
from fastgw._core.wire.grpc import GrpcStatus

TARGET = Path(__file__).resolve().parent.parent / "reasons.md"

HEAD = """\
<!-- Written by docs/gen/reasons.py (make generate); edit the tables of the core: reasons.pyx, reply.pyx. -->

# Reasons

Every way in which fastgw says no, by the one name that it has in statistics, logs, on the wire and in
tests.

## Refusals: bytes that break a rule

Either peer may be refused, clients and origins alike. On a *stream*, the stream ends with RST_STREAM and
the connection goes on; on the *connection*, it ends with GOAWAY, whose debug data is the name. The code is
that of RFC 9113 section 7. `gateway.stats()["total"]["refused"]` counts them by name; `fastgw explain`
shows which frame of a recording met which.
"""

REPLIES = """\
## Local replies: requests that the gateway answers itself

A gRPC call gets the gRPC status: in a response of trailers only, or in trailers once the response has
begun. Any other request gets the HTTP status. The field `fastgw-error` carries the name with the side that
is to blame and the phase, the message what is known of the case; the text here stands where nothing better
is known. `gateway.stats()["total"]["replies"]` counts them by name.
"""


def rule(text: str) -> str:
    """`RFC 9113 5.1` as a link to the section."""
    found = re.fullmatch(r"RFC (\d+) ([\d.]+)", text)
    if found is None:
        return text
    number, section = found.groups()
    return f"[RFC {number} section {section}](https://www.rfc-editor.org/rfc/rfc{number}#section-{section})"


def refusals() -> list[list[str]]:
    words = {reasons.Scope.ON_STREAM_SCOPE: "stream", reasons.Scope.ON_CONNECTION_SCOPE: "connection"}
    return [
        [f"`{reason.name.lower()}`", words[scope], reasons.ErrorCode(code).name, rule(law)]
        for reason, (scope, code, law) in reasons.TABLE.items()
    ]


def replies() -> list[list[str]]:
    return [
        [f"`{local.name.lower()}`", str(http), GrpcStatus(status).name.removeprefix("GRPC_"), sentence]
        for local, (http, status, sentence) in reply.TABLE.items()
    ]


def text() -> str:
    refused = table(["name", "ends the", "code", "rule"], refusals())
    answered = table(["name", "HTTP", "gRPC", "message"], replies())
    return "\n".join([HEAD, refused, REPLIES, answered])


page(TARGET, text())
