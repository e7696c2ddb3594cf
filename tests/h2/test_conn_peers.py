"""h2.conn against python-hyper's h2: the same events and windows, no credit lost, cut anywhere."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.pair import Half, Pair

ACTS = [
    *("open", "they_answer", "they_send", "they_send", "they_end", "they_reset", "they_settle"),
    *("they_credit", "we_answer", "we_send", "we_send", "we_end", "we_reset", "we_credit"),
    *("deliver_to_us", "deliver_to_us", "deliver_to_them", "deliver_to_them"),
]
SIZES = st.one_of(st.integers(0, 300), st.sampled_from([1000, 16384, 20000, 65535, 70007, 150000]))
STEPS = st.lists(st.tuples(st.sampled_from(ACTS), st.integers(0, 3), SIZES), min_size=5, max_size=60)


def same(said: Half, heard: Half, cut: bool, reset_by_hearer: bool) -> None:
    """`cut`: one side has reset the stream, so what was on its way may be missing."""
    assert heard.begins(said), (said, heard)
    if not cut:
        assert (heard.heads, heard.body, heard.ended) == (said.heads, said.body, said.ended)
        assert heard.reset is None
    elif said.reset is not None and not reset_by_hearer and heard.reset is not None:
        assert heard.reset == said.reset


def windows_agree(pair: Pair) -> None:
    left, owed, full = pair.door.recv_window
    assert left + owed == full, "credit was lost"
    assert left == pair.peer.outbound_flow_control_window
    assert pair.door.send_window == pair.peer._inbound_flow_control_window_manager.current_window_size
    for number in pair.streams:
        stream = pair.peer.streams.get(number)
        if stream is None or stream.closed or pair.door.stream_state(number) is None:
            continue
        assert pair.door.stream_send_window(number) == stream._inbound_window_manager.current_window_size
        if not pair.we_heard[number].ended:
            left, owed, full = pair.door.stream_recv_window(number)
            assert left + owed == full
            assert left == stream.outbound_flow_control_window


@pytest.mark.rfc("9113 5.2.1")
@pytest.mark.parametrize("toward", ["client", "origin"])
def test_traffic(toward: str) -> None:
    played = {"streams": 0, "octets": 0}

    @settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
    @given(STEPS)
    def play(steps: list[tuple[str, int, int]]) -> None:
        pair = Pair(toward)
        for act, pick, size in [
            ("open", 0, 1),
            ("deliver_to_us", 0, 999),
            ("deliver_to_them", 0, 999),
            *steps,
        ]:
            getattr(pair, act)(pick, size)
        pair.settle()
        for number in pair.streams:
            ours, theirs = pair.we_said[number], pair.they_said[number]
            cut = pair.broken(number)
            same(theirs, pair.we_heard[number], cut, ours.reset is not None)
            same(ours, pair.they_heard[number], cut, theirs.reset is not None)
            played["octets"] += len(pair.we_heard[number].body) + len(pair.they_heard[number].body)
        played["streams"] += len(pair.streams)
        windows_agree(pair)
        assert pair.door.refusals == {}
        assert pair.door.waiting == sum(
            pair.door.stream_waiting(n) for n in pair.streams if pair.door.stream_state(n) is not None
        )
        assert pair.door.close()[1:] == (0, 0)

    play()
    assert played["streams"] > 120
    assert played["octets"] > 20000
