"""Managed rules about paths that mean one thing to one party and another thing to the next."""

from fastgw.managed.row import NATIVE, URI, URI_DECODED, Example, ManagedRule, among

CLIMBS = among(URI_DECODED, "/../", "..\\")


def at(path: str) -> Example:
    return Example(path)


RULES = (
    ManagedRule(
        "path-shape",
        "The path of a gRPC call is not `/service/method`.",
        ("gRPC over HTTP/2: Requests",),
        f'{NATIVE} and not http.request.uri.path matches r"^/[^/%;]+/[^/%;]+$"',
        "log",
        (at("/a"), at("/a/b/c"), at("/")),
        (at("/a.b.C/Do"), at("/pkg.v1.My_Service/Get-It")),
    ),
    ManagedRule(
        "path-traversal",
        "A path that climbs up, as it is or encoded.",
        ("CWE-22", "RFC 3986 6.2.2.3"),
        f'({CLIMBS} or ends_with({URI_DECODED}, "/.."))',
        "block",
        (
            at("/a.B/../admin.C/Do"),
            at("/a.B/%2e%2e/c"),
            at("/a.B/%252e%252e%252fc"),
            at("/a/..%5cc"),
            at("/a/.."),
        ),
        (at("/a..B/Do"), at("/a.B/Do..It")),
    ),
    ManagedRule(
        "path-empty-part",
        "A path with `//` or `/./`, which some parties remove before they decide.",
        ("CWE-706", "RFC 3986 6.2.2.3"),
        f"{among('http.request.uri.path', '//', '/./')}",
        "log",
        (at("//a.B/Do"), at("/a.B/./Do")),
        (at("/a.B/.Do"),),
    ),
    ManagedRule(
        "path-encoded-twice",
        "A percent sign that is itself encoded.",
        ("CWE-174",),
        f'{URI} matches r"%25(25)*[0-9a-f]"',
        "block",
        (at("/a.B%252fDo"), at("/a%25252e")),
        (at("/a.B/Do?rate=5%25"), at("/a.B/Do?rate=5%25&x=1")),
    ),
    ManagedRule(
        "path-encoded-separator",
        "An encoded `/` or `\\` in the path.",
        ("CWE-177",),
        f"{among('lower(http.request.uri.path)', '%2f', '%5c')}",
        "block",
        (at("/a.B%2FDo"), at("/a.B%5cDo")),
        (at("/a.B/Do?next=%2Fhome"),),
    ),
    ManagedRule(
        "path-control",
        "An encoded NUL, line feed or carriage return in the path.",
        ("CWE-158", "CWE-93"),
        f"{among(URI, '%00', '%0a', '%0d')}",
        "block",
        (at("/a.B/Do%00.txt"), at("/a.B/Do%0d%0aset-cookie:a=b"), at("/a.B/Do?q=%0A")),
        (at("/a.B/Do?q=%20"),),
    ),
    ManagedRule(
        "path-overlong",
        "UTF-8 longer than need be, which hides `.`, `/` and `\\`.",
        ("CVE-2000-0884", "RFC 3629 10"),
        f"{among(URI, '%c0%ae', '%c0%af', '%c1%9c', '%e0%80%af', '%e0%80%ae', '%u002e', '%u002f')}",
        "block",
        (at("/a/%c0%ae%c0%ae/b"), at("/a%C0%AFb"), at("/a/%u002e%u002e/b")),
        (at("/a.B/Do?q=%c3%a4"),),
    ),
    ManagedRule(
        "path-parameter",
        "A path parameter behind dots: some servers drop it after the check.",
        ("CVE-2020-5902", "CVE-2018-1271"),
        f'{URI_DECODED} contains "..;"',
        "block",
        (at("/a.B/..;/manager/html"),),
        (at("/a.B/Do;v=1"),),
    ),
    ManagedRule(
        "path-odd-octet",
        "A backslash, a `#`, a quote or an angle bracket in the path itself.",
        ("RFC 3986 2", "CWE-20"),
        r'http.request.uri.path matches r#"[\\#"<>`{}|^]"#',
        "block",
        (at("/a.B\\Do"), at("/a.B/Do#x"), at('/a.B/"Do"'), at("/<a>/b")),
        (at("/a.B/Do_$1"),),
    ),
    ManagedRule(
        "path-query",
        "A gRPC call with a query.",
        ("gRPC over HTTP/2: Requests",),
        f'{NATIVE} and http.request.uri.query ne ""',
        "log",
        (at("/a.B/Do?debug=1"),),
        (at("/a.B/Do"),),
    ),
    ManagedRule(
        "path-hidden",
        "A look for files that belong to nobody else: repositories, keys, environments.",
        ("CWE-538",),
        f"{among(URI_DECODED, '/.git/', '/.env', '/.svn/', '/.aws/', '/.ssh/', '/.ds_store', '/.htpasswd')}",
        "block",
        (at("/.git/config"), at("/.env"), at("/app/.aws/credentials"), at("/%2eenv")),
        (at("/a.B/.Gitter"), at("/a.env/Do")),
    ),
    ManagedRule(
        "path-long",
        "A path of more than 1,024 octets.",
        ("CWE-400",),
        "len(http.request.uri.path) gt 1024",
        "log",
        (at("/a.B/" + "x" * 1024),),
        (at("/a.B/" + "x" * 500),),
        early=True,
    ),
)
