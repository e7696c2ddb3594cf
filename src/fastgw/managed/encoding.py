"""Managed rules about metadata that is larger or less readable than metadata has to be."""

from fastgw.managed.row import DECODED, LOWER, VALUES, Example, ManagedRule, among, sent

SLED = "\\x90" * 8

RULES = (
    ManagedRule(
        "encoding-large",
        "More than 12,288 octets of values.",
        ("CWE-400", "CWE-770"),
        f"len({VALUES}) gt 12288",
        "log",
        (Example(fields=tuple((f"x-{number}", "q1" * 1000) for number in range(7))),),
        (sent("x-large", "q1" * 4000),),
        early=True,
    ),
    ManagedRule(
        "encoding-many",
        "More than 100 fields.",
        ("CWE-400", "CWE-770"),
        "len(http.request.headers.names[100]) ge 0",
        "log",
        (Example(fields=tuple((f"x-{number}", "a") for number in range(100))),),
        (Example(fields=tuple((f"x-{number}", "a") for number in range(60))),),
        early=True,
    ),
    ManagedRule(
        "encoding-control",
        "Control octets in a value.",
        ("RFC 9110 5.5", "CWE-150"),
        f'{VALUES} matches r"[\\x00-\\x08\\x0b-\\x1f\\x7f]"',
        "block",
        (sent("x-a", "a\x1b[31mred"), sent("x-a", "a\x7f"), sent("x-a", "\x01")),
        (sent("x-a", "a\tb"),),
    ),
    ManagedRule(
        "encoding-beyond-ascii",
        "Octets beyond ASCII, which gRPC metadata has only in `-bin` fields.",
        ("gRPC over HTTP/2: Requests",),
        f'{VALUES} matches r"[\\x80-\\xff]"',
        "log",
        (sent("x-a", "gr\u00fc\u00df"),),
        (sent("x-a", "gr%C3%BC"),),
    ),
    ManagedRule(
        "encoding-trace-not-base64",
        "A binary trace that is no base64.",
        ("CVE-2023-32732", "RFC 4648 4"),
        'grpc.metadata["grpc-trace-bin"][0] eq "" and http.request.headers["grpc-trace-bin"][0] ne ""'
        ' and has_key(http.request.headers, "grpc-trace-bin")'
        ' or has_key(http.request.headers, "grpc-trace-bin")'
        ' and not http.request.headers["grpc-trace-bin"][0] matches r"^[0-9A-Za-z+/,]*={0,2}$"',
        "block",
        (sent("grpc-trace-bin", "***"), sent("grpc-trace-bin", "AA AA")),
        (sent("grpc-trace-bin", "AABL+S81d7NNpqPOkp0ODkc2AQDwZ6oLqQK3AgE"), sent("grpc-trace-bin", "AAE=")),
        early=True,
    ),
    ManagedRule(
        "encoding-run",
        "A letter 160 times on end, as in tries at buffers that are too small.",
        ("CWE-120",),
        among(VALUES, "A" * 160, "a" * 160, "%41" * 40),
        "log",
        (sent("x-a", "A" * 400), sent("x-b", "%41" * 80)),
        (sent("x-data-bin", "A" * 64), sent("x-a", "ab" * 200)),
        early=True,
    ),
    ManagedRule(
        "encoding-sled",
        "Octets of machine code that do nothing.",
        ("CWE-119",),
        f'{DECODED} contains "{SLED}"',
        "block",
        (sent("x-a", "%90%90%90%90%90%90%90%90%90"),),
        (sent("x-a", "%90%90%90"), sent("x-a", "90909090909090909090")),
    ),
    ManagedRule(
        "encoding-twice",
        "A character that matters, encoded twice.",
        ("CWE-174",),
        f'{LOWER} matches r"%25(25)*(00|0a|0d|22|27|2e|2f|3c|5c)"',
        "block",
        (sent("x-a", "..%252f..%252fetc"), sent("x-a", "%253Cscript")),
        (sent("x-a", "save 20%25 now"), sent("baggage", "note=%22a%20b%22")),
    ),
    ManagedRule(
        "encoding-overlong",
        "UTF-8 longer than need be.",
        ("RFC 3629 10", "CWE-176"),
        among(LOWER, "%c0%ae", "%c0%af", "%c1%9c", "%e0%80%af"),
        "block",
        (sent("x-file", "..%C0%AF..%C0%AFetc"),),
        (sent("x-a", "%c3%a9"),),
    ),
    ManagedRule(
        "encoding-format",
        "Directives for printf, one behind the other.",
        ("CWE-134",),
        among(LOWER, "%n%n", "%s%s%s", "%x%x%x", "%p%p%p", "%08x.%08x"),
        "block",
        (sent("x-a", "%s%s%s%s%s"), sent("x-a", "AAAA%08x.%08x.%08x"), sent("x-a", "%n%n")),
        (sent("x-a", "printf('%s %s')"), sent("x-a", "100%, nothing")),
    ),
    ManagedRule(
        "encoding-utf7",
        "An angle bracket in UTF-7.",
        ("CWE-79", "RFC 2152"),
        among(LOWER, "+adw-script", "+adw-img", "+adw-svg"),
        "block",
        (sent("x-a", "+ADw-script+AD4-alert(1)"),),
        (sent("x-data", "ab+ADw+cd"),),
    ),
)
