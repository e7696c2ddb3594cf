"""Commands that go by the admin API: the same requests as over the control socket, from any machine."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from fastgw.cli.common import Answer, fail

TIMEOUT = 30.0  # seconds
PATH = "/fastgw/v1/requests"
_STALE = 100409
_READING = ("zones.list", "zones.get", "zones.export", "zones.history", "usage")


class _Unix(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=TIMEOUT)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(TIMEOUT)
        self.sock.connect(self._path)


class Api:
    """The admin API at `url`, where `token`, or what stands in `file`, opens the door."""

    def __init__(self, url: str, token: str | None, file: Path | None) -> None:
        self._url = url
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
        self._token = token

    def ask(self, request: Mapping[str, Any]) -> Answer:
        """The answer to `request`; ends the command if there is nobody to ask."""
        verb = str(request["do"])
        if verb.startswith("tokens."):
            fail("tokens of the admin API are made by the control socket or --store, or at /user/tokens")
        headers = {"authorization": f"Bearer {self._token}", "content-type": "application/json"}
        try:
            connection = self._connection()
            try:
                if verb in _READING:
                    said = {key: value for key, value in request.items() if value is not None}
                    connection.request("GET", f"{PATH}?{urlencode(said)}", headers=headers)
                else:
                    connection.request("POST", PATH, json.dumps(request), headers)
                response = connection.getresponse()
                status, text = response.status, response.read()
            finally:
                connection.close()
        except (OSError, http.client.HTTPException) as error:
            fail(f"the admin API at {self._url} does not answer: {error}")
        return self._answer(status, text)

    def _answer(self, status: int, text: bytes) -> Answer:
        try:
            found = json.loads(text)
            if status == 200:
                return dict(found["result"])
            complaints = found["errors"]
            said = "\n".join(str(one["message"]) for one in complaints)
            kind = "stale" if complaints[0]["code"] == _STALE else "request"
        except (ValueError, KeyError, IndexError, TypeError):
            fail(f"what answers at {self._url} is not the admin API of fastgw (status {status})")
        return {"ok": False, "kind": kind, "error": said}

    def _connection(self) -> http.client.HTTPConnection:
        if self._url.startswith("unix:"):
            return _Unix(self._url.removeprefix("unix:"))
        parts = urlsplit(self._url if "://" in self._url else f"https://{self._url}")
        try:
            host, port = parts.hostname, parts.port
        except ValueError:
            host = port = None
        if not host or parts.scheme not in ("http", "https"):
            fail(f"--api is {self._url!r}; write https://HOST:PORT, http://127.0.0.1:PORT or unix:PATH")
        if parts.scheme == "http":
            if host not in ("localhost", "::1") and not host.startswith("127."):
                fail(f"a token is not sent to {host} without TLS\n  hint: write https://")
            return http.client.HTTPConnection(host, port, timeout=TIMEOUT)
        return http.client.HTTPSConnection(host, port, timeout=TIMEOUT, context=ssl.create_default_context())
