"""Managed rules about software that looks for holes, by what it says of itself."""

from fastgw.managed.row import AGENT, DECODED, Example, ManagedRule, among, sent


def agent(name: str) -> Example:
    return Example(without=("user-agent",), fields=(("user-agent", name),))


RULES = (
    ManagedRule(
        "scanners-vulnerabilities",
        "A scanner for known holes.",
        ("CWE-200",),
        f'{AGENT} matches r"nikto|nessus|openvas|acunetix|netsparker|invicti|qualys|w3af|arachni|nuclei'
        '|burp ?suite|wpscan|joomscan|jaeles|zaproxy"',
        "block",
        (
            agent("Mozilla/5.00 (Nikto/2.5.0)"),
            agent("Nuclei - Open-source project"),
            agent("OpenVAS-VT 22.4"),
        ),
        (agent("nucleus-client/1.0 grpc-go/1.85.0"), agent("grpc-java-netty/1.76.0")),
    ),
    ManagedRule(
        "scanners-injection",
        "A tool that tries injections.",
        ("CWE-89", "CWE-78"),
        f'{AGENT} matches r"sqlmap|havij|commix|xsser|tplmap|nosqlmap|sqlninja|jsql"',
        "block",
        (agent("sqlmap/1.8#stable (https://sqlmap.org)"), agent("Havij")),
        (agent("sql-mapper/2.0 grpc-go/1.85.0"),),
    ),
    ManagedRule(
        "scanners-names",
        "A tool that tries names of paths and services.",
        ("CWE-425",),
        f'{AGENT} matches r"dirbuster|gobuster|feroxbuster|ffuf|fuzz faster|wfuzz|dirsearch|grpc-?scan"',
        "block",
        (agent("gobuster/3.6"), agent("Fuzz Faster U Fool v2.1.0"), agent("feroxbuster/2.10.0")),
        (agent("ghostbuster/1 grpc-go/1.85.0"),),
    ),
    ManagedRule(
        "scanners-internet",
        "A survey of the whole Internet.",
        ("CWE-200",),
        f'{AGENT} matches r"masscan|zgrab|nmap scripting engine|censysinspect|internet-measurement|expanse'
        '|leakix|l9explore|l9tcpid|odin; https"',
        "block",
        (
            agent("Mozilla/5.0 zgrab/0.x"),
            agent("masscan/1.3"),
            agent("Mozilla/5.0 (compatible; CensysInspect/1.1)"),
        ),
        (agent("zgrep/1.0"),),
    ),
    ManagedRule(
        "scanners-fields",
        "Fields that scanners add.",
        ("CWE-200",),
        " or ".join(
            f'has_key(http.request.headers, "{name}")'
            for name in (
                "acunetix-product",
                "acunetix-scanning-agreement",
                "x-scanner",
                "x-arachni-scan-seed",
                "x-wipp",
                "x-zap-scan-id",
                "x-nuclei",
            )
        ),
        "block",
        (sent("acunetix-product", "WVS/15"), sent("x-wipp", "x"), sent("x-scanner", "NetSparker")),
        (sent("x-scan", "barcode"),),
        early=True,
    ),
    ManagedRule(
        "scanners-callback",
        "A host by which a tool learns that a server has followed a link.",
        ("CWE-918",),
        among(
            DECODED,
            ".oastify.com",
            ".burpcollaborator.net",
            ".interact.sh",
            ".oast.",
            ".dnslog.cn",
            ".ceye.io",
            ".bxss.me",
        ),
        "block",
        (
            sent("x-callback-url", "http://abc.oastify.com/"),
            sent("x-host", "q.oast.fun"),
            sent("referer", "http%3A%2F%2Fx.dnslog.cn"),
        ),
        (sent("x-callback-url", "https://hooks.example.com/oast"), sent("x-note", "roast. toast.")),
    ),
    ManagedRule(
        "scanners-reflection",
        "Somebody asks which services there are.",
        ("CWE-200",),
        'starts_with(grpc.service, "grpc.reflection.")',
        "log",
        (
            Example("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"),
            Example("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"),
        ),
        (Example("/grpc.health.v1.Health/Check"), Example("/my.grpc.reflection.v1.Shop/Do")),
        early=True,
    ),
)
