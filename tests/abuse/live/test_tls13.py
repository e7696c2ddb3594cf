"""What only TLS 1.3 has: early data that could be replayed (RFC 8470), and key updates without end (RFC 8446)."""

from __future__ import annotations

import hpack
import pytest

from tests.support import frames as f
from tests.support.raw_tls import REJECTED, RawTls
from tests.support.served import SANITIZED
from tests.support.siege import MIB, Siege

BEGIN = f.PREFACE + f.settings() + f.settings(ack=True)
CALL = f.headers(1, f.literal(f.request())) + f.data(1, f.message(b"once"), end=True)


def answered(raw: RawTls) -> None:
    """Read until stream 1 has ended well."""
    reader = f.Reader()
    decoder = hpack.Decoder()
    while True:
        for frame in reader.feed(raw.recv()):
            fields = decoder.decode(frame.payload) if frame.type == f.Type.HEADERS else []
            if frame.stream_id == 1 and frame.ends_stream:
                assert ("grpc-status", "0") in [tuple(field) for field in fields]
                return


def resumable(siege: Siege):
    """A session of a connection that has carried a call: the tickets came before its answer."""
    with RawTls(siege.address, "gw.test") as raw:
        raw.send(BEGIN, CALL)
        answered(raw)
        return raw.session()


def test_sessions_allow_no_early_data(siege: Siege) -> None:
    session = resumable(siege)
    assert session.early_data == 0
    with RawTls(siege.address, "gw.test", session=session) as raw:
        assert raw.resumed
        raw.send(BEGIN, CALL)
        answered(raw)
    session.close()


def test_early_data_sent_all_the_same_is_never_acted_on(siege: Siege) -> None:
    """A call in early data, which anybody on the way can send again, reaches nobody; the same one later does."""
    session = resumable(siege)
    session.lie(16384)
    before = siege.origin.calls
    times = 20

    def attack() -> None:
        for _ in range(times):
            with RawTls(siege.address, "gw.test", session=session, early=BEGIN + CALL) as raw:
                assert raw.early_data_status == REJECTED
        with RawTls(siege.address, "gw.test", session=session, early=BEGIN + CALL) as raw:
            raw.send(BEGIN, CALL)
            answered(raw)

    cost = siege.under(attack, calls=20)
    session.close()
    assert siege.origin.calls == before + len(cost.latencies) + 1 + 2  # one late call, two of is_well


@pytest.mark.parametrize("asked", [False, True], ids=["told", "asked"])
def test_key_updates_without_end(siege: Siege, asked: bool) -> None:
    """2000 on one connection, with and without asking for ours: borne or refused, and nobody else feels it."""
    sent = 0

    def attack() -> None:
        nonlocal sent
        with RawTls(siege.address, "gw.test") as raw:
            raw.send(BEGIN)
            try:
                for _ in range(2000):
                    raw.update_keys(asked=asked)
                    sent += 1
                raw.send(CALL)
                answered(raw)
            except ConnectionError:
                pass  # as good an end

    cost = siege.under(attack, grows=8 * MIB)
    print(f"{sent} key updates, {cost.cpu / sent * 1e6:.0f} us of CPU each at most")
    assert sent > 0
    assert SANITIZED or cost.cpu < 2
