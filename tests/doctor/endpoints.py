"""Endpoints for the doctor to look at, good and bad ones: grpcio, nginx, and scripts that play anything."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import subprocess
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent import futures
from pathlib import Path

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from tests.support import frames
from tests.support.certs import Leaf
from tests.support.frames import Type
from tests.support.needs import program
from tests.support.raw_origin import GRPC_HEAD, OK, RawOrigin, RawServer

STATES = health_pb2.HealthCheckResponse
SERVING_MESSAGE = frames.message(b"\x08\x01")


@contextlib.contextmanager
def grpcio(
    leaf: Leaf | None, state: int | None = STATES.SERVING, roots: bytes | None = None
) -> Iterator[int]:
    """A grpcio server; `state`: what its health service says, None: it has none; `roots`: of its clients."""
    server = grpc.server(futures.ThreadPoolExecutor(2), options=(("grpc.so_reuseport", 0),))
    if state is not None:
        servicer = health.HealthServicer()
        servicer.set("", state)
        servicer.set("shop.Cart", STATES.SERVING)
        health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    if leaf is None:
        port = server.add_insecure_port("127.0.0.1:0")
    else:
        pair = ((leaf.key_pem, leaf.certificate_pem),)
        port = server.add_secure_port(
            "127.0.0.1:0", grpc.ssl_server_credentials(pair, roots, roots is not None)
        )
    server.start()
    try:
        yield port
    finally:
        server.stop(None).wait(5)


NGINX = """
daemon off; {user} master_process off; pid {run}/pid; error_log {run}/log; worker_processes 1;
events {{}}
http {{
  access_log off; client_body_temp_path {run}/a; proxy_temp_path {run}/b; fastcgi_temp_path {run}/c;
  uwsgi_temp_path {run}/d; scgi_temp_path {run}/e;
  server {{
    listen 127.0.0.1:{port} {words};
    ssl_certificate {leaf.certificate}; ssl_certificate_key {leaf.key};
    location / {{ return 404; }}
  }}
}}
"""


@contextlib.contextmanager
def nginx(run: Path, leaf: Leaf, words: str) -> Iterator[int]:
    """nginx that knows no gRPC; `words` of its listen directive: ssl, http2."""
    server = program("nginx")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    file = run / "nginx.conf"
    user = "user root;" if os.geteuid() == 0 else ""
    file.write_text(NGINX.format(run=run, port=port, words=words, leaf=leaf, user=user))
    process = subprocess.Popen([server, "-c", str(file), "-p", str(run)], stderr=subprocess.DEVNULL)
    try:
        ends = time.monotonic() + 10
        while time.monotonic() < ends:
            assert process.poll() is None, (run / "log").read_text()
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.02)
        yield port
    finally:
        process.terminate()
        process.wait(10)


@contextlib.contextmanager
def octets(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server of plain TCP that does `answer` with each connection."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.05)
    ended = threading.Event()
    held: list[socket.socket] = []

    def serve() -> None:
        while not ended.is_set():
            with contextlib.suppress(OSError):
                connection, _ = listener.accept()
                connection.settimeout(1)
                held.append(connection)
                answer(connection)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        ended.set()
        thread.join(5)
        for one in (*held, listener):
            one.close()


def silent(_: socket.socket) -> None:
    """Accepts and says nothing."""


def garbage(connection: socket.socket) -> None:
    """Says what means nothing in any protocol."""
    connection.recv(4096)
    connection.sendall(b"\x1b[2J\xff\xfe" * 4000)


def http1(connection: socket.socket) -> None:
    """HTTP/1.1, and nothing else."""
    connection.recv(4096)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
    connection.shutdown(socket.SHUT_WR)


def raw(
    play: Callable[[RawServer], None], leaf: Leaf | None, **more: object
) -> contextlib.AbstractContextManager[int]:
    """A RawOrigin as a port."""

    @contextlib.contextmanager
    def start() -> Iterator[int]:
        with RawOrigin(play, leaf, **more) as origin:  # type: ignore[arg-type]
            yield origin.port

    return start()


def serves(
    *settings: tuple[int, int],
    head: list[tuple[bytes, bytes]] = GRPC_HEAD,
    body: bytes = SERVING_MESSAGE,
    trailers: list[tuple[bytes, bytes]] | None = OK,
    pong: bool = True,
    calm_after: int = 1000,
) -> Callable[[RawServer], None]:
    """A script: these SETTINGS, this answer to the call, PINGs answered or not, GOAWAY after so many."""

    def play(peer: RawServer) -> None:
        peer.begin(*settings)
        pinged = 0
        while True:
            frame = peer.expect(Type.HEADERS, Type.DATA, Type.PING)
            if frame.type == Type.HEADERS:
                peer.fields(frame)
            elif frame.type == Type.DATA and frame.ends_stream:
                if head:
                    peer.head(frame.stream_id, head, end=trailers is None and not body)
                if body:
                    peer.send(frames.data(frame.stream_id, body, end=trailers is None))
                if trailers is not None:
                    peer.head(frame.stream_id, trailers, end=True)
            elif frame.type == Type.PING:
                pinged += 1
                if pinged > calm_after:
                    peer.send(frames.goaway(0, 11, b"too_many_pings\x1b"))
                elif pong:
                    peer.send(frames.ping(frame.payload, ack=True))

    return play


def says_garbage(peer: RawServer) -> None:
    """TLS and ALPN as they should be, and then nonsense."""
    peer.sock.sendall(b"\xff\x00garbage" * 5000)
    peer.sock.recv(1)


def dumb(peer: RawServer) -> None:
    """TLS and ALPN, and then nothing."""
    while peer.sock.recv(1000):
        pass


def old(version: ssl.TLSVersion, ciphers: str) -> Callable[[ssl.SSLContext], None]:
    """TLS as it was."""

    def tune(context: ssl.SSLContext) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # deprecated is what is wanted
            context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
            context.maximum_version = version
        context.set_ciphers(ciphers)

    return tune
