"""What `fastgw serve -c FILE` does, and its counters as a line of JSON for each line of standard input."""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
from pathlib import Path

from fastgw.config import load
from fastgw.gateway import Gateway
from fastgw.serve.supervisor import supervise


def _say(gateway: Gateway) -> None:
    stats = gateway.stats()  # lets go of snapshots that nobody holds
    held = {"snapshots": len(gateway._snapshots), "endpoints": len(gateway._endpoints)}
    print(json.dumps({**stats, "held": held}), flush=True)


def _answer(gateway: Gateway) -> None:
    while os.read(0, 1):
        _say(gateway)


def main() -> None:
    file = Path(sys.argv[1])
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="fastgw: %(message)s")
    gateway = Gateway(load(file))

    def ready(started: Gateway) -> None:
        print(json.dumps(started.addresses), flush=True)
        threading.Thread(target=_answer, args=(started,), daemon=True).start()

    asked = supervise(gateway, ready, lambda: load(file))
    _say(gateway)
    sys.exit(0 if asked else 1)


if __name__ == "__main__":
    main()
