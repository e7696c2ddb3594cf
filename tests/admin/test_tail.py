"""The tail shows what a reader asks for, ends when it is over, and waits for nobody."""

from __future__ import annotations

import contextlib
import json
import socket
import threading

import httpx
import pytest

from fastgw.admin import server
from fastgw.admin.api import tail
from tests.support.calls import eventually


class Tail:
    """What one reader has been told so far, in the order it came."""

    def __init__(self, api, **query) -> None:
        self.events: list[tuple[str, dict]] = []
        self._client = httpx.Client(headers={"authorization": f"Bearer {api.token}"}, timeout=10)
        self._url, self._query = f"{api.root}/fastgw/v1/tail", query
        self.ended = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self):
        self._thread.start()
        eventually(lambda: self.of("stats"))
        return self

    def __exit__(self, *_) -> None:
        self._client.close()

    def _read(self) -> None:
        with contextlib.suppress(Exception):  # closed while it reads
            with self._client.stream("GET", self._url, params=self._query) as answer:
                name = ""
                for line in answer.iter_lines():
                    if line.startswith("event: "):
                        name = line.removeprefix("event: ")
                    elif line.startswith("data: "):
                        self.events.append((name, json.loads(line.removeprefix("data: "))))
            self.ended.set()

    def of(self, name: str) -> list[dict]:
        return [value for kind, value in list(self.events) if kind == name]


def test_filters(api):
    api.zone("good.test")
    api.zone("off.test", grpc=False)
    queries = (
        {},
        {"zone": "good.test"},
        {"errors": "true"},
        {"status": "PERMISSION_DENIED"},
        {"status": "0"},
        {"method": "/nobody.Knows/It"},
    )
    with contextlib.ExitStack() as stack:
        tails = [stack.enter_context(Tail(api, **query)) for query in queries]
        api.call("good.test")
        api.refused("off.test")
        eventually(lambda: len(tails[0].of("call")) == 2)
        (path,) = {row["path"] for row in tails[0].of("call")}
        service = stack.enter_context(Tail(api, method=path.rpartition("/")[0]))
        method = stack.enter_context(Tail(api, method=path.removeprefix("/"), errors="false"))
        api.call("good.test")
        eventually(lambda: len(tails[1].of("call")) == 2 and service.of("call") and method.of("call"))
        eventually(lambda: len(tails[2].of("call")) == 1)
        assert [row["zone"] for row in tails[1].of("call")] == ["good.test"] * 2
        assert [row["zone"] for row in tails[2].of("call")] == ["off.test"]
        assert [row["zone"] for row in tails[3].of("call")] == ["off.test"]
        assert [row["zone"] for row in tails[4].of("call")] == ["good.test"] * 2
        assert tails[5].of("call") == []


def test_what_cannot_be_meant(api):
    for query in ({"status": "17"}, {"status": "tea"}, {"status": "99"}, {"errors": "perhaps"}):
        assert api.http.get(f"{api.root}/fastgw/v1/tail", params=query).status_code == 400, query


def test_it_ends_with_its_token_and_with_the_gateway(api):
    mine = api.new_token("gateway:read")
    kept, api.token = api.token, mine
    try:
        with Tail(api) as reader:
            (id_,) = [one.id for one in api.sdk.user.tokens.list() if one.id[:12] == mine[:12]]
            api.sdk.user.tokens.delete(id_)
            assert reader.ended.wait(5)
            assert reader.of("end") == [{"why": "the token is not good any more"}]
    finally:
        api.token = kept
    with Tail(api) as reader:
        api.admin.desk.draining = True
        try:
            assert reader.ended.wait(5)
        finally:
            api.admin.desk.draining = False
        assert reader.of("end") == [{"why": "the gateway is draining"}]


def test_what_finds_no_room_is_counted(api, monkeypatch):
    monkeypatch.setattr(tail, "WAITING_MOST", 0)
    api.zone("busy.test")
    with Tail(api) as reader:
        api.call("busy.test")
        eventually(lambda: reader.of("stats")[-1]["lost"] == 1)
        assert reader.of("call") == []


@pytest.mark.parametrize("takes", [False, True])
def test_who_takes_nothing_is_let_go(api, monkeypatch, caplog, takes):
    monkeypatch.setattr(server, "STUCK", 0.5)
    monkeypatch.setattr(server, "PATIENCE", 0.4)
    monkeypatch.setattr(tail, "PERIOD", 0.01)
    monkeypatch.setattr(tail, "_event", lambda *_: ": " + "x" * 500_000 + "\n")  # fills what the kernel keeps
    host, _, port = api.root.removeprefix("http://").rpartition(":")
    with socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.connect((host, int(port)))
        head = ["GET /fastgw/v1/tail HTTP/1.1", "host: x", f"authorization: Bearer {api.token}", "", ""]
        raw.sendall("\r\n".join(head).encode())
        eventually(lambda: api.admin.desk.tails == 1)
        if takes:
            raw.settimeout(5)
            for _ in range(100):
                assert raw.recv(65536)
            assert api.admin.desk.tails == 1
            return
        eventually(lambda: api.admin.desk.tails == 0, 30)
    assert any("takes nothing" in line for line in caplog.messages)
