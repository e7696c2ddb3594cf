"""Write docs/reasons.md: every refusal of bytes, every local reply, and resets, from the tables of the core.

`--check` writes nothing and exits 1 if the page is not what would be written.
"""

import re
from pathlib import Path

from page import page, table

from fastgw._core import reasons
from fastgw._core.proxy import reply, resets
from fastgw._core.wire.grpc import GrpcStatus

TARGET = Path(__file__).resolve().parent.parent / "reasons.md"

HEAD = """\
<!-- Written by docs/gen/reasons.py (make generate); edit reasons.pyx, reply.pyx, resets.pyx of the core. -->

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
is to blame and the phase, and where an endpoint was tried also which one it was last, and at which attempt;
the message says what is known of the case, and the text here stands where nothing better is known.
`gateway.stats()["total"]["replies"]` counts them by name.
"""


RESETS = """\
## Resets: what one side's RST_STREAM means to the other

A client's reset reaches the origin with the code shown and gives the call its status in the access log. An
origin's reset gives the call the status that the client gets, unless the call is tried again. Codes that are
not here mean what INTERNAL_ERROR means. A client that breaks a rule or vanishes is as one that sends CANCEL;
an origin that breaks a rule ends the call with INTERNAL, one that goes away (GOAWAY) or vanishes with
UNAVAILABLE.
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
        [f"`{local.name.lower()}`", str(http), status(grpc), sentence]
        for local, (http, grpc, sentence) in reply.TABLE.items()
    ]


def status(number: int) -> str:
    return GrpcStatus(number).name.removeprefix("GRPC_")


def reset() -> list[list[str]]:
    return [
        [reasons.ErrorCode(code).name, reasons.ErrorCode(heard).name, *map(status, statuses)]
        for code, (heard, *statuses) in resets.TABLE.items()
    ]


def text() -> str:
    refused = table(["name", "ends the", "code", "rule"], refusals())
    answered = table(["name", "HTTP", "gRPC", "message"], replies())
    columns = ["code", "the origin hears", "status of a client's", "of an origin's before its head", "behind"]
    return "\n".join([HEAD, refused, REPLIES, answered, RESETS, table(columns, reset())])


page(TARGET, text())
