"""The way to an admin API: over TLS, on this machine, or by a unix socket, and the token that opens it."""

from __future__ import annotations

import http.client
import socket
import ssl
from pathlib import Path
from urllib.parse import urlsplit

from fastgw.cli.common import fail


class _Unix(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def token_for(url: str, token: str | None, file: Path | None) -> str:
    """The token, or what stands in the file; ends the command if there is none that could be one."""
    if file is not None and token is None:
        try:
            token = file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            fail(f"the token file {file} cannot be read: {error}")
    if not token:
        hint = "FASTGW_API_TOKEN or --api-token-file; fastgw api-tokens create makes one"
        fail(f"the admin API at {url} wants a token\n  hint: {hint}")
    if not token.isascii() or not token.isprintable():
        fail("the token of the admin API has characters that no token has")
    return token


def connection_to(url: str, timeout: float) -> http.client.HTTPConnection:
    """A connection, not open yet; ends the command where others could read a token on its way."""
    if url.startswith("unix:"):
        return _Unix(url.removeprefix("unix:"), timeout)
    parts = urlsplit(url if "://" in url else f"https://{url}")
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or parts.scheme not in ("http", "https"):
        fail(f"--api is {url!r}; write https://HOST:PORT, http://127.0.0.1:PORT or unix:PATH")
    if parts.scheme == "http":
        if host not in ("localhost", "::1") and not host.startswith("127."):
            fail(f"a token is not sent to {host} without TLS\n  hint: write https://")
        return http.client.HTTPConnection(host, port, timeout=timeout)
    return http.client.HTTPSConnection(host, port, timeout=timeout, context=ssl.create_default_context())
