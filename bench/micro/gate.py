"""Nanoseconds and instructions per call of all that a zone asks: the gate with its phases.

Run: PYTHONPATH=src python bench/micro/gate.py [rounds]. Each time is the best of nine. With
`--instructions` the same runs are counted under `valgrind --tool=callgrind`, twice each, and the difference
is divided by that of the rounds.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.micro.rules import HEAD, custom
from fastgw._core.inspect.door import Trial
from fastgw._core.rules.door import Head
from fastgw.inspected import Inspections
from fastgw.policy.inspection import Inspection, Phased, Rule

MORE = [
    (b"grpc-timeout", b"5S"),
    (b"traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    (b"x-tenant", b"north-west"),
    (b"baggage", b"userId=alice,serverNode=DF%2028,isProduction=false"),
    (b"x-forwarded-host", b"greeter.example.com"),
]
"""With these a head has about 500 octets."""

PATTERNS = (
    r"(?i)sqlmap|nikto|nessus|acunetix",
    r"(?i)(python-requests|curl|wget)/[0-9]",
    r"^Mozilla/[45]\.0 \(compatible",
    r"(?i)masscan|zgrab|nmap",
    r"grpc-(go|java|node)/0\.",
    r"^-?$",
    r"\$\{jndi:(ldap|rmi|dns)",
    r"[\x00-\x08]",
    r"^/(debug|internal|admin)\.",
    r"\.\./|\.\.%2f",
    r"(?i)/wp-(admin|login)",
    r"^/grpc\.reflection\.v1(alpha)?\.",
    r"(?i)union\s+select|information_schema",
    r"(?i)<script[^>]*>",
    r";\s*(cat|id|whoami)\b",
    r"(?i)/etc/(passwd|shadow)",
    r"^/[a-z.]+\.v[0-9]+\.(Old|Legacy)[A-Z]",
    r"(?i)(sleep|benchmark)\s*\(",
    r"%00|%0a|%0d",
    r"\beval\s*\(",
)
SOURCES = (
    "http.user_agent",
    "http.request.uri.path",
    'http.request.headers["authorization"][0]',
    'http.request.headers["baggage"][0]',
)


def loads() -> dict[str, tuple[list[str], dict[str, tuple[str, ...]]]]:
    chance = Random(1)
    networks = tuple(
        f"{chance.randrange(1, 224)}.{chance.randrange(256)}.{chance.randrange(256)}.0/24"
        for _ in range(1000)
    )
    patterns = [f'{SOURCES[at % 4]} matches r#"{pattern}"#' for at, pattern in enumerate(PATTERNS)]
    return {
        "1 rule: not ssl": (["not ssl"], {}),
        "100 rules over 10 fields": ([custom(number) for number in range(100)], {}),
        "1 rule: 1,000 networks": (["ip.src in $networks"], {"networks": networks}),
        "20 regular expressions, 4 fields": (patterns, {}),
    }


def trial(label: str) -> tuple[Trial, Head]:
    rules, lists = loads()[label]
    phase = Phased(
        "http_request_firewall_custom", tuple(Rule(f"r{n}", text, "block") for n, text in enumerate(rules))
    )
    made = Inspections().of(Inspection((phase,), tuple(lists.items())))
    assert made is not None
    head = Head(
        HEAD + MORE, b"greeter.example.com", "100.64.7.9", "2001:db8:1::1", True, 1_763_800_000_000,
        {4: b"TLSv1.3"}, {0: 443},
    )  # fmt: skip
    return Trial(made.core), head


def measure(label: str, rounds: int) -> float:
    asked, head = trial(label)
    assert asked.ask_many(head, 1000) == 1000, "no rule is to hold"
    best = float("inf")
    for _ in range(9):
        begun = time.perf_counter_ns()
        asked.ask_many(head, rounds)
        best = min(best, (time.perf_counter_ns() - begun) / rounds)
    return best


def instructions(label: str) -> float:
    """Per call, by callgrind: what more rounds cost more."""
    counted = []
    for rounds in (1000, 3000):
        with tempfile.TemporaryDirectory() as folder:
            command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out"]
            command += [sys.executable, __file__, "--one", label, str(rounds)]
            subprocess.run(command, check=True, capture_output=True)
            counted.append(int(re.search(r"(?:summary|totals): (\d+)", Path(folder, "out").read_text())[1]))  # type: ignore[index]
    return (counted[1] - counted[0]) / 2000


def main() -> None:
    if "--one" in sys.argv:
        asked, head = trial(sys.argv[-2])
        asked.ask_many(head, int(sys.argv[-1]))
        return
    counted = "--instructions" in sys.argv
    rounds = int(sys.argv[-1]) if sys.argv[-1].isdigit() else 20_000
    for label in loads():
        line = f"{label:34} {measure(label, rounds):8.1f} ns"
        print(line + (f" {instructions(label):9.0f} instructions" if counted else ""), flush=True)


if __name__ == "__main__":
    main()
