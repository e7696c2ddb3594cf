"""Commands that go by the admin API: the same requests as over the control socket, from any machine."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from fastgw.cli.common import Answer, fail
from fastgw.cli.door import connection_to, token_for

TIMEOUT = 30.0  # seconds
PATH = "/fastgw/v1/requests"
_STALE = 100409
_READING = ("zones.list", "zones.get", "zones.export", "zones.history", "usage")


class Api:
    """The admin API at `url`, where `token`, or what stands in `file`, opens the door."""

    def __init__(self, url: str, token: str | None, file: Path | None) -> None:
        self._url = url
        self._token = token_for(url, token, file)

    def ask(self, request: Mapping[str, Any]) -> Answer:
        """The answer to `request`; ends the command if there is nobody to ask."""
        verb = str(request["do"])
        if verb.startswith("tokens."):
            fail("tokens of the admin API are made by the control socket or --store, or at /user/tokens")
        headers = {"authorization": f"Bearer {self._token}", "content-type": "application/json"}
        try:
            connection = connection_to(self._url, TIMEOUT)
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
