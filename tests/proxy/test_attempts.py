"""Calls tried again: what saves them, what must not, octet for octet, and every window whole afterwards."""

from __future__ import annotations

import itertools
import socket
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support import frames
from tests.support.calls import eventually
from tests.support.frames import Code, Setting
from tests.support.house import House
from tests.support.stage import Attempt, Caller, Stage, Theatre, config, echoed, pushback, settles, total
from tests.support.steady import clock

UNSEEN = ("refuse", "refuse-late", "refuse-end", "goaway", "goaway-late", "goaway-end", "hint")
POLICY = 'on = ["unavailable"]\nattempts = 4'
WINDOWS = "stream_window = 65535\nconnection_window = 65535"


@pytest.fixture
def two(theatre):
    with Stage(theatre) as one, Stage(theatre) as other:
        yield one, other


@pytest.fixture
def start(gateway, two):
    """`start(retry=…)`: a gateway in front of both stages, and a caller."""
    houses: list[House] = []

    def begin(*pairs, **more):
        houses.append(gateway(toml=config(*(stage.port for stage in two), limits=WINDOWS, **more)))
        return Caller(houses[-1], *pairs)

    yield begin
    for house in houses:
        settles(house)


def attempts(theatre: Theatre, caller: Caller, stream_id: int) -> list[Attempt]:
    return theatre.calls[caller.name(stream_id)]


def acts(theatre: Theatre, caller: Caller, stream_id: int) -> list[str]:
    return [attempt.act for attempt in attempts(theatre, caller, stream_id)]


# ---- never seen by an application


@pytest.mark.parametrize("act", UNSEEN)
@pytest.mark.parametrize("pieces", [[b"all at once"], [b"a", b"", b"bc" * 9000], [b"", b""], []])
def test_a_call_nobody_looked_at_is_sent_again_octet_for_octet(theatre, two, start, act, pieces):
    caller = start()
    call = caller.open(act, end=not pieces)
    for number, piece in enumerate(pieces, 1):
        caller.send(call, piece, end=number == len(pieces))
        caller.sync()
    answer = caller.result(call)
    assert answer.grpc_status == 0
    assert answer.body == echoed(b"".join(pieces))
    first, *rest = attempts(theatre, caller, call)
    assert [attempt.act for attempt in (first, *rest)] == [act, "ok"]
    assert first.stage is not rest[0].stage, "the other endpoint's turn"
    assert b"".join(pieces).startswith(first.body)
    assert rest[0].ended
    assert first.fields == rest[0].fields
    caller.check_whole()


@pytest.mark.parametrize("act", UNSEEN)
def test_then_again_on_the_same_endpoint_after_a_pause(theatre, one, gateway, act):
    house = gateway(toml=config(one.port))
    caller = Caller(house)
    call = caller.open(act, act)
    begun = time.monotonic()
    caller.send(call, b"octets", end=True)
    assert caller.result(call).body == b"octets"
    tried = attempts(theatre, caller, call)
    assert [attempt.act for attempt in tried] == [act, act, "ok"]
    assert time.monotonic() - begun >= 0.013, "at least half of 10 ms, then of 20 ms"
    assert total(house)["attempts_again"] == 2
    settles(house)


def test_the_number_of_attempts_has_an_end(theatre, start):
    caller = start()
    call = caller.open(*["refuse"] * 50)
    caller.send(call, b"x", end=True)
    answer = caller.result(call)
    assert answer.grpc_status == 14
    assert answer.trailers[b"fastgw-error"].startswith(b"origin_reset; side=origin; phase=stream; endpoint=")
    assert acts(theatre, caller, call) == ["refuse"] * 3


def test_refused_connections_lead_to_the_next_endpoint_and_then_to_an_end(theatre, one, gateway):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        house = gateway(toml=config(taken.getsockname()[1], one.port, origin="eject_after = 0"))
        caller = Caller(house)
        for _ in range(6):
            call = caller.open()
            caller.send(call, b"octets", end=True)
            assert caller.result(call).body == b"octets"
        dead, alive = house.gateway.stats()["endpoints"]
        assert dead["connects_failed"] >= 3
        assert dead["calls_failed"] == alive["calls_failed"] == alive["connects_failed"] == 0
        settles(house)
        only = gateway(toml=config(taken.getsockname()[1]))
        caller = Caller(only)
        call = caller.open(end=True)
        assert caller.result(call).trailers[b"fastgw-error"].startswith(b"origin_refused; side=origin")
        settles(only)


def test_an_endpoint_that_refused_a_stream_is_asked_again_if_the_others_are_gone(theatre, one, gateway):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        house = gateway(toml=config(one.port, taken.getsockname()[1]))
        caller = Caller(house)
        call = caller.open("refuse")
        caller.send(call, b"octets", end=True)
        assert caller.result(call).body == b"octets"
        settles(house)


@pytest.mark.parametrize("act", ["lose", "lose-late", "lose-end", "internal", "no-error"])
def test_what_an_application_may_have_seen_is_not_sent_again(theatre, start, act):
    caller = start()
    call = caller.open(act)
    caller.send(call, b"x", end=True)
    assert caller.result(call).grpc_status == (13 if act == "internal" else 14)
    assert acts(theatre, caller, call) == [act]
    caller.check_whole()


# ---- by policy


@pytest.mark.parametrize(
    "act", ["lose", "lose-late", "lose-end", "no-error", "down", "down-end", "down-late"]
)
def test_a_policy_sends_it_again_until_something_reached_the_client(theatre, start, act):
    caller = start(retry=POLICY)
    call = caller.open(act, act, act)
    caller.send(call, b"once", end=False)
    caller.send(call, b"and more", end=True)
    answer = caller.result(call)
    assert answer.grpc_status == 0
    assert answer.body == b"onceand more"
    assert len(answer.heads) == 2
    assert acts(theatre, caller, call) == [act] * 3 + ["ok"]
    caller.check_whole()


def test_a_head_is_not_held_back_from_a_client_that_waits_for_it(theatre, start):
    caller = start(retry=POLICY)
    call = caller.open("head")
    while not caller.streams[call].heads:
        caller.take()
    caller.send(call, b"only now", end=True)
    attempt = attempts(theatre, caller, call)[0]
    eventually(lambda: attempt.ended)
    attempt.trailers((b"grpc-status", b"14"))
    answer = caller.result(call)
    assert (answer.grpc_status, len(answer.heads)) == (14, 2)
    assert acts(theatre, caller, call) == ["head"]
    caller.check_whole()


def test_a_status_that_is_not_listed_and_one_behind_a_message_are_passed_on(theatre, start):
    caller = start(retry='on = ["aborted"]')
    call = caller.open("down-late", end=True)
    assert caller.result(call).grpc_status == 14
    assert len(caller.result(call).heads) == 2
    caller = start(retry=POLICY)
    call = caller.open("down-message", end=True)
    answer = caller.result(call)
    assert (answer.grpc_status, answer.body) == (14, frames.message(b"once"))
    assert acts(theatre, caller, call) == ["down-message"]


def test_attempts_by_policy_have_an_end_and_the_last_answer_is_the_origins(theatre, start):
    caller = start(retry='on = ["unavailable"]\nattempts = 2')
    for act in ("down", "down-late"):
        call = caller.open(act, act, act, end=True)
        answer = caller.result(call)
        assert answer.grpc_status == 14
        assert b"fastgw-error" not in answer.trailers
        assert acts(theatre, caller, call) == [act] * 2


def test_more_than_is_kept_is_not_sent_again(theatre, start):
    caller = start(retry='on = ["unavailable"]\nbytes = 1000')
    for size, act, status in (
        (1000, "refuse-end", 0), (1001, "refuse-end", 14), (1000, "down-end", 0), (1001, "down-end", 14),
    ):  # fmt: skip
        call = caller.open(act)
        caller.send(call, b"x" * size, end=True)
        assert caller.result(call).grpc_status == status, (size, act)
    caller.check_whole()


def test_the_budget_is_a_fifth_of_the_calls(theatre, one, gateway):
    house = gateway(
        toml=config(one.port, origin="eject_after = 0", retry='on = ["unavailable"]\nattempts = 2')
    )
    caller = Caller(house)
    for _ in range(100):
        call = caller.open("down", "down", end=True)
        assert caller.result(call).grpc_status == 14
    now = total(house)
    assert now["attempts_again"] == 10 + 100 // 5
    assert now["retries_over_budget"] == 100 - now["attempts_again"]


@pytest.mark.parametrize(
    ("value", "again"),
    [
        *((value, True) for value in (b"0", b"80")),
        *((value, False) for value in (b"-1", b"", b"soon", b"+5", b"1e3", b"9" * 30)),
        *(
            (value, False) for value in (b"315360000000", b"100001")
        ),  # ten years; longer than streams may be silent
    ],
)
def test_pushback(theatre, start, value, again):
    theatre.acts["push"] = ("head", pushback(value))
    caller = start(retry=POLICY)
    call = caller.open("push", end=True)
    answer = caller.result(call)
    tried = attempts(theatre, caller, call)
    assert (len(tried) == 2) == again == (answer.grpc_status == 0)
    if again:
        assert tried[1].at - tried[0].at >= int(value) / 1000 - 0.001
    else:
        assert answer.trailers[b"grpc-retry-pushback-ms"] == value.strip()


def test_a_pushback_beyond_the_deadline_is_not_waited_for(theatre, start):
    theatre.acts["push"] = ("head", pushback(b"5000"))
    caller = start(retry=POLICY)
    begun = clock.now()
    call = caller.open("push", end=True, fields=[(b"grpc-timeout", b"2S")])
    assert caller.result(call).trailers[b"grpc-retry-pushback-ms"] == b"5000"
    assert clock.now() - begun < 1


# ---- the client goes meanwhile


def _waiting(theatre, one, gateway, how):
    """A gateway and a caller whose call waits: in the queue of a full connection, or for its next attempt."""
    if how == "backing off":
        theatre.acts["push"] = ("data", pushback(b"60000"))
        house = gateway(toml=config(one.port, retry=POLICY))
        caller = Caller(house)
        call = caller.open("push")
        caller.send(call, b"x" * 5000)
        eventually(lambda: one.attempts and one.attempts[0].over)
    else:
        house = gateway(toml=config(one.port, origin="connections = 1"))
        caller = Caller(house)
        held = caller.open("hold")
        eventually(lambda: one.attempts)
        call = caller.open()
        caller.send(call, b"x" * 5000)
        caller.cancel(held) if how == "freed" else None
    caller.sync()
    return house, caller, call


@pytest.mark.parametrize("how", ["backing off", "queued"])
@pytest.mark.parametrize("end", ["cancel", "close"])
def test_the_client_goes_while_its_call_waits(theatre, gateway, how, end):
    with Stage(theatre, (Setting.MAX_CONCURRENT_STREAMS, 1)) as one:
        house, caller, call = _waiting(theatre, one, gateway, how)
        if end == "cancel":
            caller.cancel(call)
        else:
            caller.raw.sock.close()
        eventually(
            lambda: total(house)["exchanges_open"] == (1 if how == "queued" and end == "cancel" else 0)
        )
        time.sleep(0.05)
        assert len(one.attempts) == 1, "whoever goes is not served first"
        if end == "cancel":
            for stream_id, heard in caller.streams.items():
                if not heard.over:
                    caller.cancel(stream_id)
        settles(house)


def test_a_request_larger_than_all_windows_while_its_call_waits(theatre, gateway):
    octets = bytes(range(256)) * 2000
    with Stage(theatre, (Setting.MAX_CONCURRENT_STREAMS, 1)) as one:
        house = gateway(toml=config(one.port, origin="connections = 1", limits=WINDOWS))
        caller = Caller(house)
        held = caller.open("head")
        eventually(lambda: one.attempts)
        calls = [caller.open(), caller.open()]
        for call in calls:
            caller.send(call, octets[: caller.streams[call].left])
            caller.sync()
            assert caller.streams[call].left == 0, "its own window pays"
        assert caller.left > 0, "its neighbours' does not"
        caller.cancel(held)
        for call in calls:
            caller.send(call, octets[65535:], end=True)
            assert caller.result(call).body == echoed(octets)
        caller.check_whole()
        settles(house)


def test_a_small_window_of_the_origin_while_a_call_is_sent_again(theatre, gateway):
    octets = bytes(range(256)) * 200
    pairs = ((Setting.INITIAL_WINDOW_SIZE, 700),)
    with Stage(theatre, *pairs) as one, Stage(theatre, *pairs) as other:
        house = gateway(toml=config(one.port, other.port, limits=WINDOWS))
        caller = Caller(house)
        for act in itertools.islice(itertools.cycle(UNSEEN), 21):
            call = caller.open(act, act)
            caller.send(call, octets[:3000])
            caller.sync()
            caller.send(call, octets[3000:], end=True)
            answer = caller.result(call)
            assert answer.body == echoed(octets), (act, answer.trailers)
        caller.check_whole()
        settles(house)


# ---- credit


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    script=st.lists(st.sampled_from(UNSEEN), max_size=4),
    pieces=st.lists(st.integers(0, 30_000) | st.sampled_from([0, 1, 16384]), max_size=5),
    pause=st.booleans(),
)
def test_any_script_of_origins_leaves_request_and_windows_whole(stages, script, pieces, pause):
    theatre, _, caller = stages
    octets = b"".join(bytes([65 + number]) * size for number, size in enumerate(pieces))
    call = caller.open(*script, end=not pieces)
    at = 0
    for number, size in enumerate(pieces, 1):
        caller.send(call, octets[at : at + size], end=number == len(pieces))
        at += size
        if pause:
            caller.sync()
    answer = caller.result(call)
    tried = theatre.calls[caller.name(call)]
    if len(octets) <= 65536:
        assert answer.grpc_status == 0, answer.trailers
    if answer.grpc_status == 0:
        assert answer.body == echoed(octets)
        assert tried[-1].body == octets
    for attempt in tried:
        assert octets.startswith(bytes(attempt.body)), "a replay is the request from its beginning"
    caller.check_whole()


@pytest.fixture(scope="module")
def stages(tmp_path_factory, ca):
    theatre = Theatre()
    with Stage(theatre, (Setting.INITIAL_WINDOW_SIZE, 9000)) as one, Stage(theatre) as other:
        text = config(one.port, other.port, limits=WINDOWS, retry="attempts = 10", origin="eject_after = 0")
        with House(text, tmp_path_factory.mktemp("stages"), ca) as house:
            yield theatre, house, Caller(house)
            settles(house)


def test_the_windows_of_a_stream_are_whole_after_its_replays(theatre, start):
    """Credit of the stream itself, on calls that go on long after they were sent again."""
    caller = start(retry="attempts = 10\nbytes = 20000")
    for script in itertools.product(("refuse-late", "goaway-late", "refuse"), repeat=2):
        call = caller.open(*script)
        for _ in range(4):
            caller.send(call, b"y" * 5000)
            caller.sync()
        eventually(lambda: len(attempts(theatre, caller, call)) == 3)  # noqa: B023
        for _ in range(150):
            before = caller.streams[call].left
            caller.send(call, b"x" * 1000)
            caller.sync()
            if caller.streams[call].left >= before:
                break
        eventually(lambda: len(attempts(theatre, caller, call)[-1].body) > 20000)  # noqa: B023
        caller.sync()
        missing = caller.stream_window - caller.streams[call].left
        assert missing <= caller.stream_window // 2, "no more is owed than what comes in one lot"
        caller.send(call, b"z" * 200_000, end=True)
        caller.result(call)
    caller.check_whole()


def test_hundreds_of_calls_at_once_that_are_all_sent_again(theatre, start):
    caller = start(retry="attempts = 10")
    for _ in range(6):
        calls = {}
        for number in range(50):
            calls[caller.open(UNSEEN[number % 2])] = b"%d" % number * 200
        for call, octets in calls.items():
            caller.send(call, octets, end=True)
        for call, octets in calls.items():
            answer = caller.result(call)
            assert (answer.grpc_status, answer.body) == (0, octets), (answer.trailers, answer.reset)
    caller.check_whole()


def test_a_late_reset_after_a_whole_answer_is_no_failure(theatre, start):
    theatre.acts["done"] = (
        "head",
        lambda attempt: (attempt.head(), attempt.trailers(), attempt.refuse(Code.NO_ERROR)),
    )
    caller = start(retry=POLICY)
    call = caller.open("done")
    assert caller.result(call).grpc_status == 0
    caller.check_whole()
