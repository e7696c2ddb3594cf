"""A grpcio origin, `python -m tests.chaos.origin PORT JOURNAL [CERTIFICATE KEY]`; SIGTERM: graceful stop.

The journal gets a line for each call that reaches the application, at once, so that it outlives SIGKILL.
Messages are octets: Unary answers its message and Collect all of them joined, Count has that many answers,
Chat answers each. `x-id` is the call's name in the journal, `x-pace` how long Unary and Count take per
message, in seconds.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path

import grpc

from tests.support.grpc_echo import SERVICE, same

THREADS = 64
GRACE = 8.0  # seconds running calls may take to end


class Journal:
    """A file of lines, each written at once."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def note(self, line: str) -> None:
        os.write(self._file, line.encode() + b"\n")


class Application(grpc.GenericRpcHandler):
    """The four kinds of calls."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._handlers = {
            "Unary": grpc.unary_unary_rpc_method_handler(self._unary, same, same),
            "Collect": grpc.stream_unary_rpc_method_handler(self._collect, same, same),
            "Count": grpc.unary_stream_rpc_method_handler(self._count, same, same),
            "Chat": grpc.stream_stream_rpc_method_handler(self._chat, same, same),
        }

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        return self._handlers.get(details.method.removeprefix(SERVICE))

    def _begin(self, context: grpc.ServicerContext) -> float:
        said = dict(context.invocation_metadata())
        self._journal.note(f"call {said.get('x-id', '')}")
        return float(said.get("x-pace", 0))

    def _unary(self, message: bytes, context: grpc.ServicerContext) -> bytes:
        time.sleep(self._begin(context))
        return message

    def _collect(self, messages: Iterator[bytes], context: grpc.ServicerContext) -> bytes:
        self._begin(context)
        return b"".join(messages)

    def _count(self, message: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        pace = self._begin(context)
        for number in range(int(message)):
            yield b"m%d" % number
            time.sleep(pace)

    def _chat(self, messages: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        self._begin(context)
        yield from messages


def main() -> None:
    port, journal, *leaf = sys.argv[1:]
    asked = threading.Event()
    signal.signal(signal.SIGTERM, lambda number, frame: asked.set())
    server = grpc.server(
        futures.ThreadPoolExecutor(THREADS),
        handlers=(Application(Journal(journal)),),
        options=(("grpc.so_reuseport", 0),),
    )
    where = f"127.0.0.1:{port}"
    if leaf:
        certificate, key = (Path(name).read_bytes() for name in leaf)
        server.add_secure_port(where, grpc.ssl_server_credentials(((key, certificate),)))
    else:
        server.add_insecure_port(where)
    server.start()
    print("ready", flush=True)
    while not asked.wait(0.05):
        pass
    server.stop(GRACE).wait()


if __name__ == "__main__":
    main()
