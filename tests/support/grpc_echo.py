"""A real gRPC origin and channel (grpcio) without protobuf: service fastgw.test.Echo, messages are octets.

Unary       the message
Collect     all messages joined
Slurp       counts octets, but reads none before `origin.release` is set
Count       the message is a number: that many answers `m0`, `m1`, …
Endless     one message, repeated until the client goes away
Chat        each message at once
Fail        aborts with the status code named by metadata `x-code` and the text of the message
FailLate    one message, then the same
Sleep       the message is seconds; answers when they are over
Request metadata comes back in the trailers, and `x-*` in the head as `head-x-*`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent import futures
from types import TracebackType

import grpc

from tests.support.certs import Leaf

SERVICE = "/fastgw.test.Echo/"
UNLIMITED = (("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1))
_OF_THE_TRANSPORT = {"user-agent", "grpc-accept-encoding", "accept-encoding", "content-type", "te"}

Metadata = list[tuple[str, str | bytes]]


def same(octets: bytes) -> bytes:
    return octets


def _fail(context: grpc.ServicerContext, text: bytes) -> None:
    code = dict(context.invocation_metadata()).get("x-code", "FAILED_PRECONDITION")
    context.abort(grpc.StatusCode[code], text.decode())


class _Echo(grpc.GenericRpcHandler):
    def __init__(self, origin: Origin) -> None:
        self._origin = origin

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        name = details.method.removeprefix(SERVICE)
        kinds = {
            "Unary": grpc.unary_unary_rpc_method_handler,
            "Fail": grpc.unary_unary_rpc_method_handler,
            "Sleep": grpc.unary_unary_rpc_method_handler,
            "Collect": grpc.stream_unary_rpc_method_handler,
            "Slurp": grpc.stream_unary_rpc_method_handler,
            "Count": grpc.unary_stream_rpc_method_handler,
            "Endless": grpc.unary_stream_rpc_method_handler,
            "FailLate": grpc.unary_stream_rpc_method_handler,
            "Chat": grpc.stream_stream_rpc_method_handler,
        }
        if name not in kinds:
            return None
        return kinds[name](getattr(self, name), same, same)

    def _begin(self, context: grpc.ServicerContext) -> None:
        metadata = [(k, v) for k, v in context.invocation_metadata() if k not in _OF_THE_TRANSPORT]
        with self._origin.lock:
            self._origin.calls += 1
            self._origin.peers.add(context.peer())
            self._origin.metadata = list(context.invocation_metadata())
        if not context.add_callback(self._origin.end):
            self._origin.end()  # cancelled before its turn came
        context.send_initial_metadata([(f"head-{k}", v) for k, v in metadata if k.startswith("x-")])
        context.set_trailing_metadata(metadata)

    def Unary(self, message: bytes, context: grpc.ServicerContext) -> bytes:  # noqa: N802
        self._begin(context)
        return message

    def Fail(self, message: bytes, context: grpc.ServicerContext) -> bytes:  # noqa: N802
        with self._origin.lock:
            self._origin.calls += 1
        _fail(context, message)
        return b""

    def Sleep(self, message: bytes, context: grpc.ServicerContext) -> bytes:  # noqa: N802
        self._begin(context)
        ends = time.monotonic() + float(message)
        while time.monotonic() < ends and context.is_active():
            time.sleep(0.01)
        return message

    def Collect(self, messages: Iterator[bytes], context: grpc.ServicerContext) -> bytes:  # noqa: N802
        self._begin(context)
        return b"".join(messages)

    def Slurp(self, messages: Iterator[bytes], context: grpc.ServicerContext) -> bytes:  # noqa: N802
        """Reads nothing until `origin.release` is set, then counts octets."""
        self._begin(context)
        self._origin.release.wait(30)
        return b"%d" % sum(map(len, messages))

    def Count(self, message: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:  # noqa: N802
        self._begin(context)
        for number in range(int(message)):
            yield b"m%d" % number

    def Endless(self, message: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:  # noqa: N802
        self._begin(context)
        while context.is_active():
            yield message
            with self._origin.lock:
                self._origin.sent += len(message)

    def FailLate(self, message: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:  # noqa: N802
        self._begin(context)
        yield message
        _fail(context, message)

    def Chat(self, messages: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:  # noqa: N802
        self._begin(context)
        yield from messages


class Origin:
    """`with Origin(leaf) as origin:` serves over TLS (h2c if `leaf` is None) on 127.0.0.1.

    port      where it listens
    calls     calls begun so far
    ended     how many of them are over, finished or cancelled
    peers     addresses of the connections they came on: what the gateway's pool opened
    metadata  of the last call
    sent      octets that Endless has handed to its transport
    release   lets Slurp read
    """

    def __init__(self, leaf: Leaf | None, *, port: int = 0, threads: int = 16) -> None:
        self.lock = threading.Lock()
        self.calls = 0
        self.ended = 0
        self.peers: set[str] = set()
        self.metadata: Metadata = []
        self.sent = 0
        self.release = threading.Event()
        options = (("grpc.so_reuseport", 0), ("grpc.max_metadata_size", 1 << 20), *UNLIMITED)
        self._server = grpc.server(
            futures.ThreadPoolExecutor(threads), handlers=(_Echo(self),), options=options
        )
        where = f"127.0.0.1:{port}"
        if leaf is None:
            self.port = self._server.add_insecure_port(where)
        else:
            credentials = grpc.ssl_server_credentials(((leaf.key_pem, leaf.certificate_pem),))
            self.port = self._server.add_secure_port(where, credentials)

    def __enter__(self) -> Origin:
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        self.stop()

    def end(self) -> None:
        with self.lock:
            self.ended += 1

    def stop(self, grace: float | None = None) -> None:
        self.release.set()
        self._server.stop(grace).wait(10)


def channel(
    address: tuple[str, int],
    *,
    ca_pem: bytes | None,
    name: str = "gw.test",
    options: tuple[tuple[str, object], ...] = (),
) -> grpc.Channel:
    """A channel with its own connection to `address`, asking for `name`; cleartext if `ca_pem` is None."""
    host, port = address
    chosen = (
        ("grpc.default_authority", name),
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.max_metadata_size", 1 << 20),
        ("grpc.initial_reconnect_backoff_ms", 100),
        *UNLIMITED,
        *options,
    )
    if ca_pem is None:
        return grpc.insecure_channel(f"{host}:{port}", chosen)
    secure = (*chosen, ("grpc.ssl_target_name_override", name))
    return grpc.secure_channel(f"{host}:{port}", grpc.ssl_channel_credentials(ca_pem), secure)


class Echo:
    """The methods of the service on a channel; each is called as grpcio's multicallables are."""

    def __init__(self, on: grpc.Channel) -> None:
        self.channel = on
        self.unary = on.unary_unary(SERVICE + "Unary", same, same)
        self.fail = on.unary_unary(SERVICE + "Fail", same, same)
        self.sleep = on.unary_unary(SERVICE + "Sleep", same, same)
        self.unknown = on.unary_unary(SERVICE + "Unknown", same, same)
        self.collect = on.stream_unary(SERVICE + "Collect", same, same)
        self.slurp = on.stream_unary(SERVICE + "Slurp", same, same)
        self.count = on.unary_stream(SERVICE + "Count", same, same)
        self.endless = on.unary_stream(SERVICE + "Endless", same, same)
        self.fail_late = on.unary_stream(SERVICE + "FailLate", same, same)
        self.chat = on.stream_stream(SERVICE + "Chat", same, same)
