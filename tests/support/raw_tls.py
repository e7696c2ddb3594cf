"""TLS as Python's ssl does not let a client speak it: early data, key updates in any number, renegotiation.

Calls the OpenSSL that Python's own ssl module is linked with.
"""

from __future__ import annotations

import _ssl
import ctypes
import socket
import struct
from ctypes import byref, c_char_p, c_int, c_long, c_size_t, c_uint32, c_void_p
from types import TracebackType
from typing import Self

import pytest

_SET_SERVER_NAME, _SET_MAX_VERSION = 55, 124  # SSL_CTRL_…
TLS_1_2 = 0x0303
_ALPN = b"\x02h2"
REJECTED = 1  # SSL_EARLY_DATA_REJECTED

_CALLS = {
    "TLS_client_method": (c_void_p,),
    "SSL_CTX_new": (c_void_p, c_void_p),
    "SSL_CTX_free": (None, c_void_p),
    "SSL_new": (c_void_p, c_void_p),
    "SSL_free": (None, c_void_p),
    "SSL_ctrl": (c_long, c_void_p, c_int, c_long, c_char_p),
    "SSL_set_fd": (c_int, c_void_p, c_int),
    "SSL_set_alpn_protos": (c_int, c_void_p, c_char_p, c_uint32),
    "SSL_set_session": (c_int, c_void_p, c_void_p),
    "SSL_get1_session": (c_void_p, c_void_p),
    "SSL_SESSION_free": (None, c_void_p),
    "SSL_SESSION_get_max_early_data": (c_uint32, c_void_p),
    "SSL_SESSION_set_max_early_data": (c_int, c_void_p, c_uint32),
    "SSL_write_early_data": (c_int, c_void_p, c_char_p, c_size_t, c_void_p),
    "SSL_get_early_data_status": (c_int, c_void_p),
    "SSL_session_reused": (c_int, c_void_p),
    "SSL_connect": (c_int, c_void_p),
    "SSL_do_handshake": (c_int, c_void_p),
    "SSL_renegotiate": (c_int, c_void_p),
    "SSL_key_update": (c_int, c_void_p, c_int),
    "SSL_read": (c_int, c_void_p, c_void_p, c_int),
    "SSL_set_shutdown": (None, c_void_p, c_int),
    "SSL_write": (c_int, c_void_p, c_char_p, c_int),
}


def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(_ssl.__file__)
    for name, (result, *arguments) in _CALLS.items():
        try:
            call = getattr(library, name)
        except AttributeError:
            pytest.skip(f"this Python hides {name} of its OpenSSL")
        call.restype, call.argtypes = result, arguments
    return library


class Session:
    """What a server gave to take up again; `lie` makes it allow early data although the server did not."""

    def __init__(self, library: ctypes.CDLL, pointer: int) -> None:
        self._library, self.pointer = library, pointer

    @property
    def early_data(self) -> int:
        """Octets of early data that the server allows."""
        return int(self._library.SSL_SESSION_get_max_early_data(self.pointer))

    def lie(self, octets: int) -> None:
        self._library.SSL_SESSION_set_max_early_data(self.pointer, octets)

    def close(self) -> None:
        self._library.SSL_SESSION_free(self.pointer)


class RawTls:
    """A blocking client without any check of certificates; whatever fails is a ConnectionError.

    early    sent before the handshake is over, if `session` allows it
    highest  version of TLS; 0: what there is
    """

    def __init__(
        self,
        address: tuple[str, int],
        name: str,
        *,
        session: Session | None = None,
        early: bytes = b"",
        highest: int = 0,
    ) -> None:
        self._library = _library()
        self._sock = socket.create_connection(address)
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@ll", 5, 0))
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("@ll", 5, 0))
        self._context = self._library.SSL_CTX_new(self._library.TLS_client_method())
        self._ssl = self._library.SSL_new(self._context)
        self._library.SSL_ctrl(self._ssl, _SET_SERVER_NAME, 0, name.encode())
        self._library.SSL_ctrl(self._ssl, _SET_MAX_VERSION, highest, None)
        self._library.SSL_set_alpn_protos(self._ssl, _ALPN, len(_ALPN))
        self._library.SSL_set_fd(self._ssl, self._sock.fileno())
        if session is not None:
            self._library.SSL_set_session(self._ssl, session.pointer)
        if early:
            written = c_size_t()
            self._check(self._library.SSL_write_early_data(self._ssl, early, len(early), byref(written)))
            assert written.value == len(early)
        self._check(self._library.SSL_connect(self._ssl))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        self._library.SSL_set_shutdown(self._ssl, 3)  # else its session could not be taken up again
        self._library.SSL_free(self._ssl)
        self._library.SSL_CTX_free(self._context)
        self._sock.close()

    @staticmethod
    def _check(result: int) -> int:
        if result <= 0:
            raise ConnectionError("TLS has failed or ended")
        return result

    def send(self, *octets: bytes) -> None:
        joined = b"".join(octets)
        self._check(self._library.SSL_write(self._ssl, joined, len(joined)))

    def recv(self) -> bytes:
        into = ctypes.create_string_buffer(65536)
        got = self._check(self._library.SSL_read(self._ssl, into, len(into)))
        return into.raw[:got]

    def update_keys(self, *, asked: bool) -> None:
        """One KeyUpdate; `asked`: the peer is to change its keys too."""
        self._check(self._library.SSL_key_update(self._ssl, int(asked)))
        self._check(self._library.SSL_do_handshake(self._ssl))

    def renegotiate(self) -> None:
        """Ask for a second handshake, TLS 1.2, and wait for it."""
        self._check(self._library.SSL_renegotiate(self._ssl))
        self._check(self._library.SSL_do_handshake(self._ssl))

    def session(self) -> Session:
        return Session(self._library, self._library.SSL_get1_session(self._ssl))

    @property
    def resumed(self) -> bool:
        return bool(self._library.SSL_session_reused(self._ssl))

    @property
    def early_data_status(self) -> int:
        return int(self._library.SSL_get_early_data_status(self._ssl))
