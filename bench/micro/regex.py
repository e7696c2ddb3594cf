"""Nanoseconds per search of rules.regex on 500 octets, alone and together, and what making the tables takes.

Run: PYTHONPATH=src python bench/micro/regex.py [rounds]. Each figure is the best of forty. google-re2, where
it is installed, is called from Python, and what a call costs on the empty value is taken off.
"""

import sys
import time
from collections.abc import Callable

from fastgw._core.rules.regex import CompiledRegex, CompiledRegexSet
from fastgw.rules.regex.tables import compile_one, together

PATTERNS = [
    r"(?i)(sqlmap|nikto|nmap|masscan|zgrab|dirbuster|gobuster|wpscan|nessus|acunetix)",
    r"^/[a-z0-9_.]+\.[A-Z][A-Za-z0-9]*/[A-Z][A-Za-z0-9]*$",
    r"\.\./",
    r"(?i)union\s+(all\s+)?select",
    r"(?i)<script[^>]*>",
    r"\$\{(jndi|env|sys):",
    r"(?i)%2e%2e(%2f|/)",
    r"\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b",
    r"(?i)(^|[;&|`])\s*(cat|wget|curl|nc|bash|sh)\s",
    r"^grpc-[a-z+]+/\d+\.\d+",
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
    r"(?i)\b(or|and)\b\s+\d+\s*=\s*\d+",
    r"eval\s*\(",
    r"/etc/(passwd|shadow)",
    r"(?i)information_schema",
    r"\x00",
    r"(?i)xp_cmdshell",
    r"admin(istrator)?/login",
    r"\.(env|git|svn|htaccess)(/|$)",
    r"(?i)sleep\s*\(\s*\d+\s*\)",
]
LARGE = [
    r"a.{100}b",
    r"(?i)(.{0,20}[aeiou]){8}!",
    r"[a-z]{1,63}(\.[a-z]{1,63}){1,8}$",
    "|".join(f"w{number * 7919 % 10007}" for number in range(600)),
]
HEAD = (
    b"POST /helloworld.v1.Greeter/SayHello host: api.greeter.example.com user-agent: grpc-python/1.85.0 "
    b"grpc-c/53.0.0 (linux; chttp2) content-type: application/grpc te: trailers grpc-accept-encoding: "
    b"identity, deflate, gzip authorization: Bearer eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0"
    b"NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ.tyh-VfuzIxCyGYDlkBA7DfyjrPmSHu6pQ2hoZuFq "
    b"x-request-id: 4bf92f35-77b3-4da6-a3ce-929d0e0e4736 traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4"
    b"736-00f067aa0ba902b7-01"
)[:500]


def best(work: Callable[[], float]) -> float:
    return min(work() for _ in range(40))


def by_re2(pattern: str, rounds: int) -> str:
    try:
        import re2
    except ImportError:
        return "-"
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.max_mem = 32 << 20
    search = re2.compile(pattern.encode(), options).search

    def once(value: bytes) -> float:
        begun = time.perf_counter_ns()
        for _ in range(rounds):
            search(value)
        return (time.perf_counter_ns() - begun) / rounds

    return f"{best(lambda: once(HEAD)) - best(lambda: once(b'')):.0f}"


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    print(f"{'pattern':44}{'made in ms':>11}{'KiB':>6}{'states':>8}{'ns':>8}{'ns without':>12}{'re2':>8}")
    sum_of_all = 0.0
    for pattern in PATTERNS + LARGE:
        begun = time.thread_time()
        tables = compile_one(pattern)
        regex = CompiledRegex(tables)
        made = (time.thread_time() - begun) * 1000
        about = regex.about()
        plain = CompiledRegex(tables, by_states=False)
        states = best(lambda regex=regex: regex.time(HEAD, rounds))
        positions = best(lambda plain=plain: plain.time(HEAD, max(1, rounds // 10)))
        sum_of_all += states if pattern in PATTERNS else 0.0
        print(
            f"{pattern[:42]:44}{made:11.2f}{about['memory'] / 1024:6.1f}{about.get('states', '-'):>8}"
            f"{states:8.0f}{positions:12.0f}{by_re2(pattern, rounds):>8}"
        )
    begun = time.thread_time()
    regexes = CompiledRegexSet(len(PATTERNS), lambda numbers: together([PATTERNS[n] for n in numbers]))
    made = (time.thread_time() - begun) * 1000
    groups = regexes.about()
    print(
        f"\nthe first {len(PATTERNS)} together, {len(groups)} table(s), {groups[0]['states']} states, "
        f"{sum(group['memory'] for group in groups) / 1024:.0f} KiB, made in {made:.1f} ms: "
        f"{best(lambda: regexes.time(HEAD, rounds)):.0f} ns; one after the other {sum_of_all:.0f} ns"
    )


if __name__ == "__main__":
    main()
