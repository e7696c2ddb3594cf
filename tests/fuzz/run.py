"""Runs the fuzz targets, one line each at the end; fails if one of them found something.

python -m tests.fuzz.run DRIVER --seconds 60 [--jobs 2] [--target conn_client ...]
python -m tests.fuzz.run DRIVER --keep      takes into the corpus what covers more than it did
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

from tests.fuzz import CORPUS_FILES, HERE, LONGEST, SHARE

WORK = HERE.parents[1] / "build" / "fuzz-work"
KEPT_LONGEST = 2048  # octets of an input that is taken into the corpus
LINE = re.compile(r"cov: (\d+) ft: (\d+) corp: (\d+)")
FINDING = re.compile(r"ERROR: |runtime error: |^Traceback")
STEP = re.compile(r"#\d+\s|\s+NEW_FUNC|\s+#\d+ 0x\S+ in (Py|_Py|fuzzer::)")
ENVIRONMENT = {
    **os.environ,
    "ASAN_OPTIONS": "detect_leaks=0:malloc_context_size=4:quarantine_size_mb=32:"
    + os.environ.get("ASAN_OPTIONS", ""),
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "PYTHONHASHSEED": "0",
}


def corpus(target: str) -> Path:
    return HERE / "corpus" / target


def options(target: str) -> list[str]:
    """Every input is to be over in 10 s and in 2 GiB, those of the interpreter and the sanitizer included."""
    limits = ["-timeout=10", "-rss_limit_mb=2048", f"-max_len={LONGEST[target]}"]
    return [*limits, f"-dict={HERE / 'words.dict'}"]


def fuzz(driver: str, target: str, seconds: int) -> tuple[str, bool]:
    """Run one target. Returns its line, and whether it found nothing."""
    new, found = WORK / "corpus" / target, WORK / "found" / target
    for folder in (new, found):
        folder.mkdir(parents=True, exist_ok=True)
    before = set(found.iterdir())
    words = [driver, target, f"-max_total_time={seconds}", "-print_final_stats=1"]
    words.append(f"-artifact_prefix={found}/")
    words += [*options(target), str(new), str(corpus(target))]
    log = WORK / f"{target}.log"
    with log.open("w") as out:
        code = subprocess.run(words, env=ENVIRONMENT, stdout=out, stderr=out, check=False).returncode
    said = log.read_text(errors="replace")
    runs, rate = (
        int(match[1]) if (match := re.search(rf"stat::{name}: +(\d+)", said)) else 0
        for name in ("number_of_executed_units", "average_exec_per_sec")
    )
    covered, features, inputs = LINE.findall(said)[-1] if LINE.search(said) else (0, 0, 0)
    line = f"{target:14} {runs:10} executions {rate:7}/s  coverage {covered:>5} edges {features:>6} features"
    line += f" {inputs:>5} inputs"
    if code == 0 and runs > 0:
        return line, True
    saved = [keep_crash(target, path) for path in sorted(set(found.iterdir()) - before)]
    lines = [line[:300] for line in said.splitlines() if not STEP.match(line)]
    begin = next((at for at, line in enumerate(lines) if FINDING.search(line)), max(0, len(lines) - 40))
    return "\n".join(
        lines[begin : begin + 40]
    ) + f"\n{line}  FOUND {', '.join(saved) or 'see ' + str(log)}", False


def keep_crash(target: str, path: Path) -> str:
    """Put an input that breaks something where tests/fuzz/test_corpus.py replays it."""
    octets = path.read_bytes()
    kept = HERE / "crashes" / target / sha256(octets).hexdigest()
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_bytes(octets)
    return kept.relative_to(HERE.parents[1]).as_posix()


def keep(driver: str, target: str, room: int) -> str:
    """Take into the corpus up to `room` of the inputs that cover what a run covered."""
    merged = WORK / "merged" / target
    shutil.rmtree(merged, ignore_errors=True)
    merged.mkdir(parents=True)
    words = [driver, target, "-merge=1", *options(target), str(merged), str(corpus(target))]
    words.append(str(WORK / "corpus" / target))
    subprocess.run(words, env=ENVIRONMENT, check=True, capture_output=True)
    known = {path.name for path in corpus(target).iterdir()}
    octets = sorted({path.read_bytes() for path in merged.iterdir()}, key=lambda one: (len(one), one))
    fresh = [one for one in octets if len(one) <= KEPT_LONGEST and sha256(one).hexdigest() not in known]
    # Of all lengths, not only the shortest: every so many-th.
    chosen = fresh if len(fresh) <= room else [fresh[at * len(fresh) // room] for at in range(room)]
    for one in chosen:
        (corpus(target) / sha256(one).hexdigest()).write_bytes(one)
    return f"{target:14} {len(known):4} inputs were there, {len(chosen)} of {len(fresh)} new ones taken"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("driver", help="the program fastgw_fuzz")
    parser.add_argument("--seconds", type=int, default=60, help="processor time for all targets together")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--target", nargs="*", choices=list(LONGEST), default=list(LONGEST))
    parser.add_argument("--keep", action="store_true")
    chosen = parser.parse_args()
    if chosen.keep:
        room = CORPUS_FILES - sum(path.is_file() for path in (HERE / "corpus").rglob("*"))
        for target in chosen.target:
            print(keep(chosen.driver, target, room // len(chosen.target)), flush=True)
        return 0
    shares = sum(SHARE[target] for target in chosen.target)
    sound = True
    with ThreadPoolExecutor(chosen.jobs) as pool:
        runs = [
            pool.submit(fuzz, chosen.driver, target, max(2, chosen.seconds * SHARE[target] // shares))
            for target in chosen.target
        ]
        for run in runs:
            line, good = run.result()
            print(line, flush=True)
            sound = sound and good
    print("nothing was found" if sound else "something was found: the inputs are in tests/fuzz/crashes")
    return 0 if sound else 1


if __name__ == "__main__":
    sys.exit(main())
