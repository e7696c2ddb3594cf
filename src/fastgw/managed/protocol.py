"""Managed rules about what gRPC clients do not do."""

from fastgw.managed.row import NATIVE, Example, ManagedRule, sent

RULES = (
    ManagedRule(
        "protocol-te-missing",
        "A gRPC call without `te: trailers`, which every gRPC library sends.",
        ("gRPC over HTTP/2: Requests", "RFC 9110 10.1.4"),
        f'{NATIVE} and not any(lower(http.request.headers["te"][*])[*] == "trailers")',
        "log",
        (Example(without=("te",)),),
        (Example(), Example(without=("te", "content-type"), fields=(("content-type", "text/plain"),))),
        early=True,
    ),
    ManagedRule(
        "protocol-not-post",
        "A gRPC content type with a method other than POST.",
        ("gRPC over HTTP/2: Requests",),
        f'{NATIVE} and http.request.method ne "POST"',
        "block",
        (Example(method="PUT"),),
        (Example(),),
        early=True,
    ),
    ManagedRule(
        "protocol-agent-missing",
        "A call that does not say which software it comes from.",
        ("gRPC over HTTP/2: User Agents", "RFC 9110 10.1.5"),
        'http.user_agent eq ""',
        "log",
        (Example(without=("user-agent",)),),
        (Example(without=("user-agent",), fields=(("user-agent", "a"),)),),
        early=True,
    ),
    ManagedRule(
        "protocol-timeout-malformed",
        "A `grpc-timeout` that is none.",
        ("gRPC over HTTP/2: Requests",),
        'len(http.request.headers["grpc-timeout"][0]) ge 0 and not grpc.timeout_ms ge 0',
        "block",
        (sent("grpc-timeout", "forever"), sent("grpc-timeout", "-1S")),
        (sent("grpc-timeout", "10S"), Example()),
        early=True,
    ),
    ManagedRule(
        "protocol-response-field",
        "A request with fields that only answers have.",
        ("gRPC over HTTP/2: Responses", "CWE-444"),
        'has_key(http.request.headers, "grpc-status") or has_key(http.request.headers, "grpc-message")'
        ' or has_key(http.request.headers, "grpc-status-details-bin")',
        "block",
        (sent("grpc-status", "0"), sent("grpc-message", "fine"), sent("grpc-status-details-bin", "CAA")),
        (sent("x-grpc-status", "0"), sent("grpc-previous-rpc-attempts", "1")),
        early=True,
    ),
    ManagedRule(
        "protocol-single-twice",
        "A field twice that can be there once: parties may read different ones.",
        ("RFC 9110 5.3", "CWE-444"),
        " or ".join(
            f'len(http.request.headers["{name}"][1]) ge 0'
            for name in ("authorization", "content-type", "grpc-timeout", "user-agent")
        ),
        "block",
        (
            Example(fields=(("authorization", "Bearer a"), ("authorization", "Bearer b"))),
            sent("content-type", "application/grpc+json"),
            sent("user-agent", "another/1"),
        ),
        (Example(fields=(("x-tag", "a"), ("x-tag", "b"))), sent("authorization", "Bearer a")),
        early=True,
    ),
    ManagedRule(
        "protocol-method-override",
        "A field that asks an application behind us for another HTTP method.",
        ("CWE-650",),
        " or ".join(
            f'has_key(http.request.headers, "{name}")'
            for name in ("x-http-method-override", "x-method-override", "x-http-method")
        ),
        "log",
        (sent("x-http-method-override", "DELETE"), sent("x-method-override", "PUT")),
        (sent("x-http-methods", "a"),),
        early=True,
    ),
    ManagedRule(
        "protocol-path-override",
        "A field that asks an application behind us for another path.",
        ("CVE-2018-14773", "CWE-436"),
        'has_key(http.request.headers, "x-original-url") or has_key(http.request.headers, "x-rewrite-url")',
        "block",
        (sent("x-original-url", "/admin"), sent("x-rewrite-url", "/admin")),
        (sent("x-original-uri", "/a"), sent("x-envoy-original-path", "/a")),
        early=True,
    ),
    ManagedRule(
        "protocol-range",
        "A gRPC call that asks for parts of an answer.",
        ("CVE-2011-3192", "RFC 9110 14.2"),
        f'{NATIVE} and has_key(http.request.headers, "range")',
        "log",
        (sent("range", "bytes=0-,5-0,5-1,5-2"),),
        (sent("x-range", "bytes=0-"),),
        early=True,
    ),
)
