"""When most managed rules need not be asked: nothing in the values and the path stands out.

An ordinary head is recognized in one look at its values and one at its path; only others are decoded and
searched for each thing by itself. What is here must hold for no head that a rule behind it is about.
"""

from fastgw.managed.row import VALUES

_GAP = "([ +\\t\\n]|%20)*"  # as it is, and encoded
_QUOTE = "(['\"]|%22)"

_SIGNS = (
    # octets that metadata does not have, and encoded ones: but blanks, quotes, letters beyond ASCII
    "[^ -~\\n]",
    "%(.?[^0-9a-f]|[01345679]|2[^02]|8[^0-9a-f]|c[01]|e0)",
    "%90%90",
    "`",
    # brackets that languages begin with
    "[$#%{]\\{",
    "\\{[%#]",
    f"\\){_GAP}\\{{",
    "<[!?%=a-z]",
    "@\\(",
    "\\)\\(",
    "\\*\\)",
    "\\[(fd00|module|proto|class)",
    "\\$\\(",
    "#(_m|context)",
    ">&",
    # quotes that end somebody else's text
    f"{_QUOTE}{_GAP}\\)*{_GAP}(or|and)([ +\\n]|%20)",
    f"{_QUOTE}{_GAP}\\)*{_GAP};?{_GAP}(--|/\\*)",
    "['\"\\[]\\$",
    "%22\\$",
    '"@type',
    # climbing, by slash or backslash
    "\\.\\.\\\\",
    "\\\\(windows|win\\.ini|r\\\\n)",
    "\\.\\.//?\\.\\.",
    "\\.\\.\\.\\.//",
)

_WORDS = (
    # of databases
    "union",
    "sleep",
    "benchmark",
    "waitfor",
    "xp_cmdshell",
    "load_file",
    "extractvalue",
    "updatexml",
    "into([ +\\t\\n]|%20)",
    "information_schema",
    "pg_catalog",
    "sqlite_master",
    "sys\\.objects",
    "sysibm",
    "@@version",
    f";{_GAP}(drop|truncate|alter|insert|delete|exec|shutdown)",
    # of shells
    f"[;|&]{_GAP}(cat{_GAP}/|wget|curl|nc{_GAP}-|sh{_GAP}-|bash|/bin/|/usr/bin|whoami|id{_GAP}[;|&\\n]|id$|powershell|cmd|ping"
    "|nslookup|base64)",
    "/dev/(tcp|udp)/",
    "mkfifo",
    "-e([ +]|%20)/bin",
    "bash([ +]|%20)-i",
    # of files
    "/etc/(passwd|shadow|group)",
    "/proc/self",
    "/windows/win",
    "boot\\.ini",
    # of languages
    "__",
    "java\\.lang\\.",
    "getruntime\\(",
    "t\\(java",
    "scriptengine",
    "freemarker\\.",
    "(php|phar|expect)://",
    "data:text/plain",
    "base64_decode\\(",
    "eval\\(",
    "prototype",
    "ro0abx",
    "aaeaaad////",
    "gasv",
    "class\\.module",
    # of links
    "//(169\\.254\\.169|metadata\\.google|100\\.100\\.100|0xa9fe|285203)",
    "(gopher|dict|ldaps?|rmi|tftp)://",
    "file:///",
    "jar:http",
    "netdoc:/",
    "\\.(oastify|burpcollab|interact\\.|oast\\.|dnslog|ceye\\.|bxss)",
    "\\+adw-",
    # of gadgets
    "com\\.sun\\.rowset",
    "apache\\.commons\\.coll",
    "ysoserial",
    "templatesimpl",
    "objectdatap",
    "!!",
    "diagnostics\\.process",
    # of scanners
    "nikto",
    "nessus",
    "openvas",
    "acunetix",
    "netsparker",
    "invicti",
    "qualys",
    "w3af",
    "arachni",
    "nuclei",
    "burp ?suite",
    "wpscan",
    "joomscan",
    "jaeles",
    "zaproxy",
    "sqlmap",
    "havij",
    "commix",
    "xsser",
    "tplmap",
    "nosqlmap",
    "sqlninja",
    "jsql",
    "buster",
    "ffuf",
    "fuzz",
    "dirsearch",
    "grpc-?scan",
    "masscan",
    "zgrab",
    "nmap script",
    "censysinsp",
    "internet-meas",
    "expanse",
    "leakix",
    "l9explore",
    "l9tcpid",
    "odin; https",
)

QUIET_VALUES = f"(?i){'|'.join((*_SIGNS, *_WORDS))}"

QUIET_PATH = r"^/[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*\.[A-Z][A-Za-z0-9_]*/[A-Z][A-Za-z0-9_]*$"
"""As code generators make them: package, service, method. What is said in the words above is none."""

_PATH_WORDS = "|".join(
    (
        "(?i)union|xp_cmdshell|information_schema|pg_catalog|sqlite_master|sys\\.objects|sysibm|java\\.lang|__",
        "class\\.mod|scriptengine|freemarker\\.|constructor\\.proto|com\\.sun|commons\\.coll|ysoserial",
        "templatesimpl|objectdatap|diagnostics\\.process|boot\\.ini",
    )
)

QUIET = (
    f'http.request.uri matches r"{QUIET_PATH}" and not http.request.uri matches r"{_PATH_WORDS}"'
    f' and not {VALUES} matches r#"{QUIET_VALUES}"#'
)
"""True of a head that no rule behind it is about."""
