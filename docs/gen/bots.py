"""Write docs/bots.md: fingerprints, and the score with its reasons, from the tables of the core.

`--check` writes nothing and exits 1 if the page is not what would be written.
"""

from pathlib import Path

from page import page, table

from fastgw._core.inspect.bots import FAMILIES, TABLE, Trait

TARGET = Path(__file__).resolve().parent.parent / "bots.md"

MEASURED = {
    "grpc-go/": "grpc-go 1.85.0, Go 1.26",
    "grpc-java-netty/": "grpc-java 1.76.0, OpenJDK 17",
    "grpc-java-okhttp/": "grpc-java 1.76.0, OpenJDK 17",
    "grpc-node-js/": "grpc-js 1.14.7, Node 20",
    "grpc-python/": "grpcio 1.85.1, Python 3.11",
    "grpc-python-grpclib/": "grpclib 0.4.9, Python 3.11",
    "tonic/": "tonic 0.12.3, rustls",
}
CORE = "as grpcio: the same core"
KNOWN = {
    "grpc-dotnet/": "sources of grpc-dotnet and of .NET's HttpClient",
    "connect-go/": "sources of Go's x/net/http2",
    "Firefox/": "published fingerprints",
    "Chrome/": "published fingerprints",
    "Version/": "published fingerprints of Safari",
}

HEAD = """\
<!-- Written by docs/gen/bots.py (make generate); edit src/fastgw/_core/inspect/bots.pyx. -->

# Fingerprints and the score

Every gRPC client is a program, so the question is not whether one is a robot. It is whether a client is
what it says it is. fastgw answers with a number and with the reasons for it. Nothing is learned and nothing
is looked up elsewhere: the same head on the same connection has the same score everywhere.

## Fingerprints

| field of [rules](rules.md) | is made of |
| --- | --- |
| `cf.bot_management.ja3_hash` | JA3: MD5 of version, cipher suites, extensions, groups, point formats |
| `cf.bot_management.ja4` | JA4 of TLS clients: the same sorted, without groups, with signatures |
| `cf.tls_client_hello_length` | octets of the ClientHello and its header of 4 |
| `cf.tls_client_random` | its random, in base64 |
| `cf.tls_ciphers_sha1` | SHA-1 of its cipher suites' numbers, as they came, in base64 |
| `cf.tls_client_extensions_sha1`, `..._le` | SHA-1 of its extensions' numbers; `_le`: octets swapped |

JA3 and JA4 leave GREASE values out, the SHA-1 digests do not: those of a browser that sends GREASE are new
each time. MD5 and SHA-1 belong to these notations and protect nothing. Of the JA4 family only this one is
here: its authors have put it under the BSD licence, and the others under one of their own.

A hello is looked at while it comes, however it is cut into records, and only when a zone has a rule that
asks for it or wants the score; other gateways pay one comparison per handshake. Of a hello of more than
16,384 octets, or with more than 256 entries in one of its lists, there is none. A connection keeps 256
octets; a hello in pieces holds what has come of it until it is whole, within the memory a worker may have.

The **HTTP/2 fingerprint** is for the log: `4:65535|0|0|m,s,p,a` are the first SETTINGS in their order (ten
at most), what WINDOW_UPDATE added to the connection's window before the first request, the number of
PRIORITY frames before it, and the order of the pseudo-fields.

## The score

`cf.bot_management.score` is 99, less the points of every reason that holds, and at least 1; 0: not
computed. `lt 30` means here what it means elsewhere: probably not what it says it is. A rule that blocks
should ask for little:

```
cf.bot_management.score lt 30 and not ip.src in $our_networks
```

A proxy or a mesh between the client and the gateway speaks TLS and HTTP/2 in its own way while the user
agent is the client's: there scores are low without anything being wrong. Leave such addresses out of the
rule.
"""

FAMILY = """\
## What is known of libraries

Orders: m `:method`, s `:scheme`, p `:path`, a `:authority`. Settings are those that may come, in bold those
that always do; 0 stands for those above 15. Cipher suites and extensions are counted as JA4 counts them. A
user agent names a library where one of its words begins so; the first in this table wins. Others are
unknown, which takes few points off.
"""


def reasons() -> str:
    rows = [[f"`{reason.name.lower()}`", str(points), means] for reason, (points, means) in TABLE.items()]
    return table(["reason", "points", "holds if there is"], rows)


def families() -> str:
    rows = []
    for word, (orders, may, must, ciphers, extensions, traits) in FAMILIES.items():
        settings = " ".join(f"**{digit}**" if digit in must else digit for digit in may)
        named = ((Trait.WIDENS, "window"), (Trait.ENCODES, "encodings"))
        always = [name for trait, name in named if traits & trait]
        source = f"measured: {MEASURED[word]}" if word in MEASURED else KNOWN.get(word, CORE)
        counts = ["{}-{}".format(*ciphers), "{}-{}".format(*extensions)]
        rows.append([f"`{word}`", ", ".join(orders), settings, *counts, ", ".join(always), source])
    columns = ["user agent has", "order", "settings", "suites", "extensions", "always sends", "known from"]
    return table(columns, rows)


page(TARGET, "\n".join([HEAD, reasons(), FAMILY, families()]))
