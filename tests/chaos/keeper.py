"""What `fastgw serve -c FILE` does, and publishing from within as embedding does; its counters in the end."""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
from pathlib import Path

from fastgw.cli.serve import ready_line
from fastgw.config import load
from fastgw.errors import FastgwError
from fastgw.gateway import Gateway
from fastgw.serve.handover import inherit, reporting
from fastgw.serve.supervisor import supervise

EVERY = 1.0  # seconds between two publications


def _publish(gateway: Gateway, file: Path) -> None:
    while True:
        time.sleep(EVERY)
        try:
            revision = gateway.publish(load(file))
        except FastgwError:
            if not gateway.running:
                return
            raise
        logging.getLogger("fastgw").info("published %d", revision)


def main() -> None:
    file = Path(sys.argv[1])
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="fastgw: %(message)s")
    inherited = inherit(os.environ)
    with reporting(inherited):
        gateway = Gateway(load(file))

        def ready(started: Gateway) -> None:
            print(ready_line(started), flush=True)
            threading.Thread(target=_publish, args=(started, file), daemon=True).start()

        command = [sys.executable, *sys.orig_argv[1:]]
        asked = supervise(gateway, ready, lambda: load(file), command=command, inherited=inherited)
    print(json.dumps(gateway.stats()["total"]), flush=True)
    sys.exit(0 if asked else 1)


if __name__ == "__main__":
    main()
