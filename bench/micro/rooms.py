"""One table of every hot room: nanoseconds per unit, and instructions per unit where valgrind is there.

Run: python bench/micro/rooms.py [--quick] [--no-instructions]. Each time is the best of nine (--quick: of
three). Instructions are what three times the rounds cost more, divided by the units more, of one run under
callgrind. Rooms that have no unit by themselves are in the second half, with the instructions per call of W1
that bench/budgets.json allows them.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.micro import gate, hpack, limits, regex, rules
from bench.scale.lookup import snapshot
from fastgw._core.h2.conn_door import ConnDoor
from fastgw._core.inspect.counters import Counters
from fastgw._core.inspect.limits import Limiter, Values
from fastgw._core.io.records import AesGcmDoor
from fastgw._core.proxy.snapshot import lookup_cost
from fastgw._core.rules.door import Asker
from fastgw._core.rules.program import Rules
from fastgw._core.rules.regex import CompiledRegex
from fastgw._core.wire.fields import Section
from fastgw._core.wire.grpc import Messages
from fastgw._core.wire.hpack_door import Decoder, Encoder
from fastgw.rules.compile import Rule, compile_rules
from fastgw.rules.regex.tables import compile_one

Work = Callable[[int], int]
"""Does so many rounds and returns how many units they were."""

_BUDGETS = Path(__file__).resolve().parents[1] / "budgets.json"
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
_CREDIT = bytes((0, 0, 4, 8, 0, 0, 0, 0, 0, 0, 0, 0, 1))  # WINDOW_UPDATE of the connection by one
_FRAMES = 500
_RECORD = 16384


def decoding() -> Work:
    blocks = hpack.blocks_of([hpack.HEAD] * 256)
    return lambda rounds: int(Decoder().decode_many(blocks, rounds))


def relaying() -> Work:
    blocks = hpack.blocks_of([hpack.HEAD] * 256)
    return lambda rounds: int(Encoder().relay_many(Decoder(), blocks, rounds))


def relaying_new() -> Work:
    blocks = hpack.blocks_of([hpack.custom(call) for call in range(256)])
    return lambda rounds: int(Encoder().relay_many(Decoder(), blocks, rounds))


def checking() -> Work:
    section = Section(hpack.HEAD)

    def work(rounds: int) -> int:
        section.cost(rounds)
        return rounds

    return work


def walking() -> Work:
    messages, octets = Messages(), (b"\0\0\0\0\x64" + bytes(100)) * 100

    def work(rounds: int) -> int:
        messages.cost(octets, rounds)
        return rounds * 100

    return work


def framing() -> Work:
    """Each round on a connection of its own: windows may not grow for ever."""
    octets = _PREFACE + _CREDIT * _FRAMES

    def work(rounds: int) -> int:
        for _ in range(rounds):
            conn = ConnDoor("client")
            conn.feed(octets)
            assert not conn.broken
        return rounds * _FRAMES

    return work


def finding(count: int) -> Work:
    compiled, asked = snapshot(count)

    def work(rounds: int) -> int:
        lookup_cost(compiled, asked, rounds)
        return rounds * len(asked)

    return work


def sealing() -> Work:
    key, data = AesGcmDoor(bytes(16)), bytes(_RECORD)

    def work(rounds: int) -> int:
        for _ in range(rounds):
            key.seal(bytes(12), bytes(5), data)
        return rounds * _RECORD

    return work


def ruling() -> Work:
    texts, lists = rules.loads()["100 rules over 10 fields"]
    program, asker, head = (
        Rules(compile_rules([[Rule(text) for text in texts]], lists)),
        Asker(),
        rules.head(),
    )

    def work(rounds: int) -> int:
        assert asker.decide_many(program, head, rounds) == 0, "no rule is to hold"
        return rounds

    return work


def asking() -> Work:
    asked, head = gate.trial("100 rules over 10 fields")

    def work(rounds: int) -> int:
        assert asked.ask_many(head, rounds) == rounds, "no rule is to hold"
        return rounds

    return work


def limiting() -> Work:
    limiter = Limiter(Counters(64 << 20), 1, 1, limits.LIMIT)
    known = Values([limits.ADDRESS])

    def work(rounds: int) -> int:
        limiter.take_many(known, rounds, 0)
        return rounds

    return work


def searching() -> Work:
    found = CompiledRegex(compile_one(regex.PATTERNS[0]))

    def work(rounds: int) -> int:
        found.time(regex.HEAD, rounds)
        return rounds * len(regex.HEAD)

    return work


# Room, what is measured, the unit, what makes it, rounds of about a millisecond.
ROOMS: tuple[tuple[str, str, str, Callable[[], Work], int], ...] = (
    ("h2.conn, wire.frame", "WINDOW_UPDATE read", "frame", framing, 20),
    ("wire.hpack", "decode, all indexed", "field", decoding, 60),
    ("wire.hpack", "decode and encode, all indexed", "field", relaying, 30),
    ("wire.hpack", "decode and encode, 30 fields, 4 new", "field", relaying_new, 4),
    ("wire.fields", "judge and check a request head", "head", checking, 5_000),
    ("wire.grpc", "walk over messages of 100 B", "message", walking, 1_000),
    ("proxy.index, snapshot", "authority to route, 10 zones", "call", lambda: finding(10), 200),
    ("proxy.index, snapshot", "authority to route, 1,000 zones", "call", lambda: finding(1_000), 200),
    ("io.records", "seal 16 KiB, with a copy", "byte", sealing, 100),
    ("rules", "100 rules over 10 fields", "call", ruling, 500),
    ("inspect.gate", "a zone with these rules", "call", asking, 500),
    ("inspect.limits, counters", "a rate by address", "call", limiting, 10_000),
    ("rules.regex", "search in 500 B", "byte", searching, 1_000),
)


def nanoseconds(work: Work, rounds: int, times: int) -> float:
    work(max(1, rounds // 10))
    best = float("inf")
    for _ in range(times):
        begun = time.perf_counter_ns()
        units = work(rounds)
        best = min(best, (time.perf_counter_ns() - begun) / units)
    return best


def counted() -> None:
    """What callgrind looks at: before each getppid it writes what it has counted since the one before."""
    for _, _, _, make, rounds in ROOMS:
        work, few = make(), max(1, rounds // 20)
        work(1)
        os.getppid()
        units = work(few)
        os.getppid()
        more = work(3 * few)
        os.getppid()
        print(more - units, flush=True)


def instructions() -> list[float]:
    """Per unit, of each of ROOMS."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out"]
        command += ["--dump-before=getppid", "--quiet", sys.executable, __file__, "--counted"]
        ran = subprocess.run(command, check=True, capture_output=True, text=True, timeout=600)
        units = [int(line) for line in ran.stdout.split()]
        totals = [_total(Path(folder, f"out.{at + 1}")) for at in range(3 * len(units))]
        return [(totals[3 * at + 2] - totals[3 * at + 1]) / each for at, each in enumerate(units)]


def _total(dump: Path) -> int:
    found = re.search(r"^totals: (\d+)", dump.read_text(), re.M)
    if found is None:
        sys.exit("rooms: callgrind did not see getppid: is the libc one with symbols?")
    return int(found[1])


def budgeted() -> dict[str, float]:
    """Rooms of a whole call that have no row of their own, the dearest first."""
    written: dict[str, Any] = json.loads(_BUDGETS.read_text())
    of_call: dict[str, float] = written["workloads"]["W1"]
    return dict(sorted(of_call.items(), key=lambda item: -item[1]))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="to see that it works")
    parser.add_argument("--no-instructions", action="store_true", help="without valgrind")
    parser.add_argument("--counted", action="store_true", help=argparse.SUPPRESS)
    words = parser.parse_args()
    if words.counted:
        counted()
        return
    by_valgrind = not words.no_instructions and shutil.which("valgrind") is not None
    counts = instructions() if by_valgrind else []
    print(f"{'room':26}{'what':38}{'unit':9}{'ns':>10}{'instructions':>14}")
    for at, (room, what, unit, make, rounds) in enumerate(ROOMS):
        took = nanoseconds(make(), rounds, 3 if words.quick else 9)
        count = f"{counts[at]:14.2f}" if counts else f"{'-':>14}"
        print(f"{room:26}{what:38}{unit:9}{took:10.2f}{count}", flush=True)
    for room, each in budgeted().items():
        print(f"{room:26}{'its part of a call of W1':38}{'call':9}{'':10}{each:14.1f}")


if __name__ == "__main__":
    main()
