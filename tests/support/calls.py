"""What end-to-end tests say often: a configuration, waiting for something, what a refused call looks like."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Callable

import grpc
import pytest

from tests.support.steady import clock


def record(name: str, port: int, more: str = 'origin_server_name = "origin.test"') -> str:
    """A proxied record of 127.0.0.1; `more`: further keys."""
    tail = f", {more}" if more else ""
    return f'{{ name = "{name}", content = "127.0.0.1", proxied = true, origin_port = {port}{tail} }}'


def toml(
    *records: str,
    server: str = "",
    settings: str = "",
    grpc: str = "on",
    listen: str = '"127.0.0.1:0"',
    workers: int = 1,
) -> str:
    """Zone gw.test with these records; {ca}, {cert} and {key} are filled in by whoever starts it."""
    return textwrap.dedent(f"""\
        [server]
        listen = [{listen}]
        workers = {workers}
        {server}
        [[zone]]
        name = "gw.test"
        cert = {{ file = "{{cert}}", key = "{{key}}" }}
        settings = {{ grpc = "{grpc}", ssl = "strict"{settings and ", " + settings} }}
        trust_store = "{{ca}}"
        dns = [{", ".join(records)}]
        """)


def eventually(condition: Callable[[], object], seconds: float = 5.0) -> object:
    """What `condition` returns as soon as it is true; fails after `seconds`."""
    ends = time.monotonic() + seconds
    while True:
        value = condition()
        if value or time.monotonic() > ends:
            assert value, "it did not come true"
            return value
        time.sleep(0.01)


def tried(error: str, port: int, attempt: int = 1, host: str = "127.0.0.1") -> str:
    """fastgw-error of a call that was tried: `error` and at which endpoint, for the how manieth time."""
    return f"{error}; endpoint={host}:{port}; attempt={attempt}"


class Refused:
    """What a call that failed said, and how long that took."""

    def __init__(self, call: Callable[[], object]) -> None:
        begun = clock.now()
        with pytest.raises(grpc.RpcError) as caught:
            call()
        self.seconds = clock.now() - begun
        self.error: grpc.Call = caught.value  # type: ignore[assignment]

    @property
    def code(self) -> grpc.StatusCode:
        return self.error.code()

    @property
    def message(self) -> str:
        return self.error.details() or ""

    @property
    def fastgw_error(self) -> str:
        """`name; side=…; phase=…` and what was tried, empty if the answer is not the gateway's own."""
        return dict(self.error.trailing_metadata() or ()).get("fastgw-error", "")
