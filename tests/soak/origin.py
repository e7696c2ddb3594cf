"""The echo origin as a process, `python -m tests.soak.origin PORT CERTIFICATE KEY`; SIGTERM ends it."""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path

from tests.support.certs import Leaf
from tests.support.grpc_echo import Origin

THREADS = 96  # a long stream occupies one
POLITE = 0.3  # seconds that running calls get on SIGTERM


def main() -> None:
    port, certificate, key = sys.argv[1:]
    asked = threading.Event()
    signal.signal(signal.SIGTERM, lambda number, frame: asked.set())
    origin = Origin(Leaf(Path(certificate), Path(key)), port=int(port), threads=THREADS)
    with origin:
        print("ready", flush=True)
        while not asked.wait(0.2):
            pass
        origin.stop(POLITE)


if __name__ == "__main__":
    main()
