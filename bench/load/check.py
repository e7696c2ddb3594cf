"""Does a gateway carry gRPC at all: python -m bench.load.check --peers fastgw,nghttpx.

Real calls of grpcio, of all kinds, through each gateway to a grpcio origin. What fails here is not worth
measuring.
"""

from __future__ import annotations

import argparse
import queue
import sys
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc

from bench.load.peers import choose
from bench.load.process import Server, start_peer
from bench.load.workshop import HOST, LOAD_CORE, MissingError, alone, files, prepare

ORIGIN, ORIGIN_H2C = 21003, 21004
SERVICE = "/bench.Echo/"
SENTENCE = 'spaß 100% "no"'  # wants percent-encoding on the way
OPTIONS = (
    ("grpc.ssl_target_name_override", "localhost"),
    ("grpc.default_authority", "localhost"),
    ("grpc.max_receive_message_length", -1),
    ("grpc.use_local_subchannel_pool", 1),
)


def _unary(request: bytes, context: grpc.ServicerContext) -> bytes:
    sent = dict(context.invocation_metadata())
    context.send_initial_metadata((("x-head", "h1"),))
    context.set_trailing_metadata(
        (("x-trail", "t1"), ("x-echo", sent.get("x-echo", "")), ("x-raw-bin", sent.get("x-raw-bin", b"")))
    )
    return request


def _fail(request: bytes, context: grpc.ServicerContext) -> bytes:
    context.abort(grpc.StatusCode.FAILED_PRECONDITION, SENTENCE)
    return request


def _sum(requests: Iterator[bytes], context: grpc.ServicerContext) -> bytes:
    return b"%d" % sum(map(len, requests))


def _stream(request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
    return (b"m%07d" % number for number in range(int(request)))


def _echo(requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
    yield from requests


def _slow(request: bytes, context: grpc.ServicerContext) -> bytes:
    until = time.monotonic() + 10
    while context.is_active() and time.monotonic() < until:
        time.sleep(0.01)
    return request


class Handler(grpc.GenericRpcHandler):
    METHODS = {  # noqa: RUF012
        "Unary": grpc.unary_unary_rpc_method_handler(_unary),
        "Fail": grpc.unary_unary_rpc_method_handler(_fail),
        "Sum": grpc.stream_unary_rpc_method_handler(_sum),
        "Stream": grpc.unary_stream_rpc_method_handler(_stream),
        "Echo": grpc.stream_stream_rpc_method_handler(_echo),
        "Slow": grpc.unary_unary_rpc_method_handler(_slow),
    }

    def service(self, details: Any) -> Any:
        return self.METHODS.get(details.method.rpartition("/")[2])


def serve() -> None:
    """The origin, in a process of its own."""
    place = files()
    server = grpc.server(futures.ThreadPoolExecutor(16), handlers=(Handler(),), options=OPTIONS[2:3])
    pair = (Path(place["key"]).read_bytes(), Path(place["cert"]).read_bytes())
    server.add_insecure_port(f"{HOST}:{ORIGIN_H2C}")
    server.add_secure_port(f"{HOST}:{ORIGIN}", grpc.ssl_server_credentials((pair,)))
    server.start()
    server.wait_for_termination()


def call_unary(channel: grpc.Channel) -> bool:
    metadata = (("x-echo", "abc"), ("x-raw-bin", b"\x00\xff\x01"))
    answer, call = channel.unary_unary(SERVICE + "Unary").with_call(b"hello", timeout=10, metadata=metadata)
    head, trailers = dict(call.initial_metadata()), dict(call.trailing_metadata())
    expected = {"x-trail": "t1", **dict(metadata)}
    return answer == b"hello" and head.get("x-head") == "h1" and expected.items() <= trailers.items()


def call_failing(channel: grpc.Channel) -> bool:
    try:
        channel.unary_unary(SERVICE + "Fail")(b"x", timeout=10)
    except grpc.RpcError as error:
        return error.code() is grpc.StatusCode.FAILED_PRECONDITION and error.details() == SENTENCE
    return False


def call_in_turn(channel: grpc.Channel) -> bool:
    """Each message is sent when the one before has come back: nothing may be held on the way."""
    pending: queue.Queue[bytes | None] = queue.Queue()
    answers = channel.stream_stream(SERVICE + "Echo")(iter(pending.get, None), timeout=20)
    for number in range(100):
        pending.put(b"p%d" % number)
        if next(answers) != b"p%d" % number:
            return False
    pending.put(None)
    return list(answers) == []


def call_late(channel: grpc.Channel) -> bool:
    begun = time.monotonic()
    try:
        channel.unary_unary(SERVICE + "Slow")(b"x", timeout=0.3)
    except grpc.RpcError as error:
        return error.code() is grpc.StatusCode.DEADLINE_EXCEEDED and time.monotonic() - begun < 2
    return False


def call_large(channel: grpc.Channel) -> bool:
    return bool(channel.unary_unary(SERVICE + "Unary")(b"q" * (4 << 20), timeout=20) == b"q" * (4 << 20))


def call_client_stream(channel: grpc.Channel) -> bool:
    return bool(
        channel.stream_unary(SERVICE + "Sum")((b"z" * 1000 for _ in range(500)), timeout=20) == b"500000"
    )


def call_server_stream(channel: grpc.Channel) -> bool:
    answers = channel.unary_stream(SERVICE + "Stream")(b"2000", timeout=20)
    return list(answers) == [b"m%07d" % number for number in range(2000)]


CHECKS: dict[str, Callable[[grpc.Channel], bool]] = {
    "unary with metadata": call_unary,
    "failure with a message": call_failing,
    "client streaming": call_client_stream,
    "server streaming": call_server_stream,
    "bidirectional, in turn": call_in_turn,
    "4 MiB there and back": call_large,
    "deadline": call_late,
}


def failures(port: int, tls: bool) -> dict[str, str]:
    """What did not work through a port of this machine, and what was said of it."""
    target, certificate = f"{HOST}:{port}", Path(files()["cert"]).read_bytes()
    found = {}
    with (
        grpc.secure_channel(target, grpc.ssl_channel_credentials(certificate), OPTIONS)
        if tls
        else grpc.insecure_channel(target, OPTIONS)
    ) as channel:
        for name, check in CHECKS.items():
            try:
                if not check(channel):
                    found[name] = "wrong answer"
            except grpc.RpcError as error:
                found[name] = f"{error.code().name}: {error.details()}"
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peers", default="", help="with commas; default: all that are installed")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    words = parser.parse_args()
    if words.serve:
        serve()
        return
    all_good = True
    try:
        prepare()
        peers = choose(words.peers)
        command = [sys.executable, "-m", "bench.load.check", "--serve"]
        with alone(), Server(command, LOAD_CORE, ORIGIN, "grpcio.log"):
            for peer in peers:
                with start_peer(peer, ORIGIN, ORIGIN_H2C) as server:
                    found = {} if server.started else {"start": "did not start"}
                    sides = [(peer.port, True)] * peer.tls + [(peer.h2c_port, False)] * peer.cleartext
                    for port, tls in sides if server.started else ():
                        found |= failures(port, tls)
                all_good = all_good and not found
                said = "; ".join(f"{name}: {why}" for name, why in found.items())
                print(f"{peer.name:12} {said or f'all {len(CHECKS) * len(sides)} checks'}", flush=True)
    except MissingError as why:
        sys.exit(f"check: {why}")
    sys.exit(not all_good)


if __name__ == "__main__":
    main()
