"""An origin that says any octets: over TLS, one connection after the other, one request on each."""

from __future__ import annotations

import contextlib
import queue
import socket
import ssl
import threading
from types import TracebackType

from tests.support import frames
from tests.support.certs import Leaf
from tests.support.frames import Frame, Reader, Type


class RawOrigin:
    """`say` is said when a request head has come, `begin` instead of SETTINGS.

    After that what the gateway sends is read until it ends the connection or has reset a stream; `heard`
    has one list of frames per connection.
    """

    def __init__(self, leaf: Leaf) -> None:
        self.begin = frames.settings()
        self.say = b""
        self.heard: queue.Queue[list[Frame]] = queue.Queue()
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(leaf.certificate, leaf.key)
        self._context.set_alpn_protocols(["h2"])
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> RawOrigin:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)

    def _serve(self) -> None:
        while True:
            try:
                plain, _ = self._socket.accept()
            except OSError:
                return
            plain.settimeout(5)
            heard: list[Frame] = []
            with contextlib.suppress(OSError), self._context.wrap_socket(plain, server_side=True) as sock:
                self._talk(sock, heard)
            self.heard.put(heard)

    def _talk(self, sock: ssl.SSLSocket, heard: list[Frame]) -> None:
        reader, left, said = Reader(), len(frames.PREFACE), False
        sock.sendall(self.begin)
        while octets := sock.recv(65536):
            skipped = min(left, len(octets))
            left -= skipped
            new = reader.feed(octets[skipped:])
            heard += new
            if not said and any(frame.type == Type.HEADERS for frame in new):
                said = True
                sock.sendall(self.say)
            if any(frame.type == Type.RST_STREAM for frame in new):
                sock.sendall(frames.ping(b"last one"))
            if any(frame.type == Type.PING and frame.payload == b"last one" for frame in new):
                return
