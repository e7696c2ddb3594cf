"""The table of local replies: each has a test; and what an origin says itself is not touched."""

from __future__ import annotations

import pytest

from fastgw._core.proxy import reply
from tests.guards.tree import ROOT
from tests.support import frames as f
from tests.support.calls import record, toml
from tests.support.raw_origin import RawOrigin, RawServer

TESTS = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
PAGE = b"<html>teapot</html>"
FOREIGN = [
    (b":status", b"418"), (b"content-type", b"text/html"), (b"x-origin", b"itself"),
    (b"content-length", b"%d" % len(PAGE)),
]  # fmt: skip


@pytest.mark.parametrize("row", reply.TABLE, ids=lambda row: row.name.lower())
def test_each_reply_is_seen_in_a_test(row) -> None:
    assert f"{row.name.lower()};" in TESTS or f'"{row.name.lower()}"' in TESTS


def test_grpc_to_a_zone_without_encryption(gateway) -> None:
    """A paused zone has both switches open; gRPC to an origin in cleartext is denied all the same."""
    text = toml(record("@", 1)).replace('ssl = "strict"', 'ssl = "off"')
    text = text.replace('name = "gw.test"', 'name = "gw.test"\npaused = true', 1).replace(
        'grpc = "on"', 'grpc = "off"'
    )
    with gateway(toml=text).raw() as client:
        client.begin()
        client.head(1, f.request(), end=True)
        answer = client.answer(1)
    assert answer.grpc_status == 9
    assert answer.head[b"fastgw-error"] == b"ssl_mode_insufficient; side=gateway; phase=policy"


def test_an_answer_that_is_not_grpc_passes_unchanged(gateway, origin_leaf) -> None:
    def play(peer: RawServer) -> None:
        peer.begin()
        for stream_id, _ in peer.requests():
            peer.head(stream_id, FOREIGN)
            peer.send(f.data(stream_id, PAGE, end=True))

    with RawOrigin(play, origin_leaf) as origin:
        house = gateway(toml=toml(record("@", origin.port)))
        with house.raw() as client:
            client.begin()
            client.head(1, f.request(), end=True)
            answer = client.answer(1)
        assert (answer.heads, answer.body) == ([FOREIGN], PAGE)
        assert house.gateway.stats()["total"]["foreign_answers"] == 1
        assert house.gateway.stats()["total"]["replies"] == {}
