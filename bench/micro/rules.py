"""Nanoseconds and instructions per call of the rules: many rules, and large sets of addresses and texts.

Run: PYTHONPATH=src python bench/micro/rules.py [rounds]. Each time is the best of nine. With `--instructions`
the same runs under `valgrind --tool=callgrind` are counted, twice each, and the difference is divided by that
of the rounds.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random

from fastgw._core.rules.door import Asker, Head
from fastgw._core.rules.program import Rules
from fastgw.rules.compile import Rule, compile_rules

HEAD = [
    (b":method", b"POST"),
    (b":scheme", b"https"),
    (b":path", b"/helloworld.Greeter/SayHello"),
    (b":authority", b"greeter.example.com"),
    (b"content-type", b"application/grpc"),
    (b"te", b"trailers"),
    (b"user-agent", b"grpc-python/1.85.0 grpc-c/53.0.0 (linux; chttp2)"),
    (b"grpc-accept-encoding", b"identity, deflate, gzip"),
    (b"authorization", b"Bearer abcdefghijklmnopqrstuvwxyz"),
    (b"x-request-id", b"8e4f1b1c-7a0e-4a6e-9f0e-1c2d3e4f5a6b"),
]

COUNTRIES = ("CN", "RU", "KP", "IR", "SY", "BY", "CU", "VE", "SD", "MM")


def custom(number: int) -> str:
    """One of a thousand rules as people write them, over ten fields; none holds for HEAD."""
    octet = number % 256
    kinds = (
        f'http.host eq "admin{number}.example.com" and not ip.src in {{10.{octet}.0.0/16}}',
        f'http.request.uri.path eq "/internal.Admin{number}/Reset" and ip.src ne 192.0.2.{octet}',
        f'http.user_agent contains "scanner-{number}"',
        f'grpc.service eq "debug.Service{number}" or grpc.method eq "Dump{number}"',
        f'starts_with(http.request.uri.path, "/legacy{number}.") and cf.tls_version ne "TLSv1.3"',
        f'ip.src.country in {{"{COUNTRIES[number % 10]}" "X{number}"}} and not cf.client.bot',
        f'any(http.request.headers["x-tenant"][*] eq "t{number}")',
        f'lower(http.host) eq "OLD{number}.example.com" and ssl',
        f"cf.edge.server_port in {{{8000 + number} 9000..{9000 + number}}}",
        f"ip.src in {{198.51.100.{octet} 203.0.{octet}.0/24}} or ip.src.asnum eq {64000 + number}",
    )
    return kinds[number % 10]


def loads() -> dict[str, tuple[list[str], dict[str, list[str]]]]:
    chance = Random(1)
    networks = [
        f"{chance.randrange(1, 224)}.{chance.randrange(256)}.{chance.randrange(256)}.0/24"
        for _ in range(1000)
    ]
    networks6 = [f"2001:db8:{chance.randrange(65536):x}::/48" for _ in range(1000)]
    hosts = [f"host{number}.example.com" for number in range(10_000)]
    return {
        "100 rules over 10 fields": ([custom(number) for number in range(100)], {}),
        "1 rule: http.host eq": (['http.host eq "a"'], {}),
        "1 rule: 1,000 IPv4 networks": (["ip.src in $networks"], {"networks": networks}),
        "1 rule: 1,000 IPv6 networks": (["cf.edge.server_ip in $networks"], {"networks": networks6}),
        "1 rule: 10,000 hostnames": (["http.host in $hosts"], {"hosts": hosts}),
        "1 rule: user agent contains": (['http.user_agent contains "sqlmap"'], {}),
        "1 rule: wildcard, any case": (['http.user_agent wildcard "*python*curl*x"'], {}),
        "no rule": ([], {}),
    }


def head() -> Head:
    facts = {4: b"TLSv1.3"}, {0: 443}
    return Head(HEAD, b"greeter.example.com", "100.64.7.9", "2001:db8:1::1", True, 1_763_800_000_000, *facts)


def measure(label: str, rounds: int) -> float:
    rules, lists = loads()[label]
    program = Rules(compile_rules([[Rule(rule) for rule in rules]], lists))
    asker, known = Asker(), head()
    assert asker.decide_many(program, known, 1000) == 0, "no rule is to hold"
    best = float("inf")
    for _ in range(9):
        begun = time.perf_counter_ns()
        asker.decide_many(program, known, rounds)
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
        rules, lists = loads()[sys.argv[-2]]
        program = Rules(compile_rules([[Rule(rule) for rule in rules]], lists))
        Asker().decide_many(program, head(), int(sys.argv[-1]))
        return
    counted = "--instructions" in sys.argv
    rounds = int(sys.argv[-1]) if sys.argv[-1].isdigit() else 20_000
    for label in loads():
        line = f"{label:32} {measure(label, rounds):8.1f} ns"
        print(line + (f" {instructions(label):9.0f} instructions" if counted else ""), flush=True)


if __name__ == "__main__":
    main()
