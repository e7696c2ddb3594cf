"""h2.stream: the table of states, cell by cell against python-hyper's, and the map of streams."""

import pytest
from h2.stream import StreamInputs, _transitions
from h2.stream import StreamState as TheirState
from hypothesis import given, settings
from hypothesis import strategies as st

from fastgw._core.h2.stream import StreamEvent, StreamState, map_replay, step
from fastgw._core.reasons import TABLE, Reason, Scope

STATES = [state for state in StreamState if state != StreamState.STREAM_STATES]
EVENTS = [event for event in StreamEvent if event != StreamEvent.STREAM_EVENTS]
REFUSING = {"recv_on_closed_stream", "send_on_closed_stream", "reset_stream_on_error"}
"""Their moves that only raise."""

DIFFERENT = {
    (StreamState.CLOSED, StreamEvent.RECV_END_STREAM): (
        "END_STREAM is part of a frame: theirs has refused that frame before, ours says so again"
    ),
}


def theirs(state: StreamState, event: StreamEvent) -> str | None:
    """The name of the next state, or None for a refusal."""
    move = _transitions.get((TheirState[state.name], StreamInputs[event.name]))
    if move is None or (move[0] is not None and move[0].__name__ in REFUSING):
        return None
    return move[1].name


@pytest.mark.rfc("9113 5.1")
@pytest.mark.parametrize("state", STATES, ids=lambda one: one.name)
@pytest.mark.parametrize("event", EVENTS, ids=lambda one: one.name)
def test_a_cell(state: StreamState, event: StreamEvent) -> None:
    next_state = step(state, event)
    ours = None if next_state < 0 else StreamState(next_state).name
    assert (ours != theirs(state, event)) == ((state, event) in DIFFERENT), (ours, theirs(state, event))


@pytest.mark.rfc("9113 5.1")
@pytest.mark.parametrize(
    ("state", "scope", "reason"),
    [
        (StreamState.IDLE, Scope.ON_CONNECTION_SCOPE, Reason.FRAME_ON_IDLE_STREAM),
        (StreamState.HALF_CLOSED_REMOTE, Scope.ON_STREAM_SCOPE, Reason.FRAME_AFTER_END_STREAM),
        (StreamState.CLOSED, Scope.ON_STREAM_SCOPE, Reason.FRAME_AFTER_RESET),
    ],
)
def test_the_scope_of_a_refusal(state: StreamState, scope: Scope, reason: Reason) -> None:
    assert step(state, StreamEvent.RECV_DATA) == -reason
    assert TABLE[reason][0] == scope


@pytest.mark.rfc("9113 5.1")
@given(st.lists(st.sampled_from(EVENTS), max_size=30))
def test_closed_is_final_and_no_end_comes_twice(events: list[StreamEvent]) -> None:
    state, seen = StreamState.IDLE, []
    for event in events:
        after = step(state, event)
        if after < 0:
            continue
        assert not (state == StreamState.CLOSED and after != StreamState.CLOSED)
        assert event not in (StreamEvent.RECV_END_STREAM, StreamEvent.SEND_END_STREAM) or event not in seen
        state = StreamState(after)
        seen.append(event)


STEPS = st.lists(
    st.tuples(st.sampled_from(["put", "put", "remove", "get"]), st.integers(0, 60).map(lambda n: 2 * n + 1))
)


@settings(max_examples=200)
@given(STEPS)
def test_the_map_is_a_set(steps: list[tuple[str, int]]) -> None:
    model: set[int] = set()
    expected = []
    for verb, number in steps:
        if verb == "put":
            model.add(number)
        elif verb == "remove":
            model.discard(number)
        expected.append(number in model)
    assert map_replay(steps) == expected


def test_numbers_that_fall_on_one_place_are_kept_apart() -> None:
    numbers = [1 + 2 * 16 * k for k in range(12)]
    put = [("put", number) for number in numbers]
    for gone in numbers:
        asked = [("get", number) for number in numbers]
        assert map_replay([*put, ("remove", gone), *asked])[-12:] == [number != gone for number in numbers]
