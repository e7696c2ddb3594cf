"""The loop: who is called, in which order, and what a handler may do to the others."""

import os
import select
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastgw._core.io.loop import LoopDoor

TICK = 1 << 22
TICK_MS = TICK / 1e6
ROUND_MS = 2048 * TICK_MS


def fired(door):
    return [number for number, _ in door.fired()]


def test_timers_fire_in_order_of_their_ticks_and_never_early():
    door = LoopDoor()
    start = door.now
    for number, delay in enumerate((400, 100, 300, 200)):
        door.start(number, delay)
    for _ in range(600):
        door.advance(1)
    log = door.fired()
    assert [number for number, _ in log] == [1, 3, 2, 0]
    for (_, at), delay in zip(log, (100, 200, 300, 400), strict=True):
        late = at - start - delay * 1_000_000
        assert 0 <= late <= TICK + 1_000_000
    assert door.running == 0
    assert door.occupied == []


def test_a_timer_beyond_one_round_waits_for_its_own_round():
    door = LoopDoor()
    delay = int(ROUND_MS * 2 + 500)
    door.start(0, delay)
    door.start(1, 500)
    for _ in range(int(delay / 10) - 2):
        door.advance(10)
    assert fired(door) == [1]
    assert len(door.occupied) == 1
    door.advance(60)
    assert fired(door) == [0]


def test_one_long_pause_still_fires_in_order():
    door = LoopDoor()
    door.start(0, int(ROUND_MS * 3))
    door.start(1, int(ROUND_MS * 2))
    door.start(2, 50)
    door.start(3, int(ROUND_MS))
    door.advance(int(ROUND_MS * 5))
    assert fired(door) == [2, 3, 1, 0]


def test_a_stopped_timer_does_not_fire_and_may_be_stopped_twice():
    door = LoopDoor()
    door.start(0, 50)
    door.start(1, 50)
    door.stop(0)
    door.stop(0)
    assert door.running == 1
    door.advance(200)
    assert fired(door) == [1]


def test_starting_again_moves_the_timer():
    door = LoopDoor()
    door.start(0, 50)
    door.start(0, 500)
    assert door.running == 1
    door.advance(300)
    assert fired(door) == []
    door.advance(300)
    assert fired(door) == [0]


def test_fire_may_start_itself_again():
    door = LoopDoor()
    door.when_fired(0, 0, 0)
    door.start(0, 0)
    for _ in range(5):
        door.advance(20)
    assert 3 <= len(fired(door)) <= 5
    assert door.running == 1


def test_fire_may_stop_one_that_is_due_in_the_same_sweep():
    door = LoopDoor()
    door.when_fired(0, 1, -1)
    door.start(0, 100)
    door.start(1, 100)
    door.start(2, 100)
    door.advance(200)
    assert fired(door) == [0, 2]
    assert door.running == 0
    assert door.occupied == []


def test_fire_may_start_one_that_is_due_in_the_same_sweep():
    door = LoopDoor()
    door.when_fired(0, 1, 300)
    door.start(0, 100)
    door.start(1, 100)
    door.advance(200)
    assert fired(door) == [0]
    door.advance(400)
    assert fired(door) == [1]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("start"), st.integers(0, 7), st.integers(0, 30_000)),
            st.tuples(st.just("stop"), st.integers(0, 7), st.just(0)),
            st.tuples(st.just("advance"), st.just(0), st.integers(0, 20_000)),
        ),
        max_size=40,
    )
)
def test_the_wheel_agrees_with_a_sorted_list(steps):
    door = LoopDoor()
    swept, due = door.now >> 22, {}
    for what, number, value in steps:
        if what == "start":
            tick = -(-(door.now + value * 1_000_000) // TICK)
            due[number] = max(tick, swept + 1)
            door.start(number, value)
        elif what == "stop":
            due.pop(number, None)
            door.stop(number)
        else:
            door.advance(value)
            swept = door.now >> 22
            expected = sorted(tick for tick in due.values() if tick <= swept)
            log = fired(door)
            assert [due.pop(number) for number in log] == expected
        assert door.running == len(due)
        assert door.occupied == sorted({tick & 2047 for tick in due.values()})


def test_the_wait_ends_with_the_next_timer():
    door = LoopDoor()
    door.turn(0)
    began = time.monotonic()
    door.start(0, 30)
    while not (log := fired(door)):
        door.turn(-1)
    assert log == [0]
    assert 0.030 <= time.monotonic() - began < 1


def test_the_wait_ends_at_its_limit():
    door = LoopDoor()
    door.start(0, 5000)
    began = time.monotonic()
    assert door.turn(20) == 0
    assert time.monotonic() - began < 1
    assert fired(door) == []


def test_wake_from_another_thread_ends_the_wait_once():
    door = LoopDoor()
    thread = threading.Timer(0.02, door.wake)
    thread.start()
    began = time.monotonic()
    assert door.turn(5000) == 0
    assert time.monotonic() - began < 2
    thread.join()
    began = time.monotonic()
    door.turn(20)
    assert time.monotonic() - began >= 0.019


def test_wakes_before_the_wait_are_not_lost():
    door = LoopDoor()
    door.wake()
    door.wake()
    began = time.monotonic()
    door.turn(5000)
    assert time.monotonic() - began < 2


@pytest.fixture
def pipes():
    pairs = [os.pipe() for _ in range(3)]
    yield pairs
    for pair in pairs:
        for fd in pair:
            os.close(fd)


def test_what_is_left_unread_is_reported_again(pipes):
    door = LoopDoor()
    assert door.watch(0, pipes[0][0], select.EPOLLIN) == 0
    os.write(pipes[0][1], b"x")
    assert [door.turn(100), door.turn(100)] == [1, 1]
    assert door.ready() == [(0, select.EPOLLIN)] * 2


def test_a_source_forgotten_by_another_is_skipped(pipes):
    door = LoopDoor()
    for number, (reader, writer) in enumerate(pipes):
        door.watch(number, reader, select.EPOLLIN)
        os.write(writer, b"x")
    for number in range(3):
        door.when_ready(number, (number + 1) % 3)
    assert door.turn(100) == 2
    (first, _), (second, _) = door.ready()
    assert second != (first + 1) % 3


def test_watching_changes_and_ends(pipes):
    door = LoopDoor()
    writer = pipes[0][1]
    door.watch(0, writer, select.EPOLLOUT)
    assert door.turn(0) == 1
    door.watch(0, writer, 0)
    assert door.turn(0) == 0
    door.watch(0, writer, select.EPOLLOUT)
    assert door.turn(0) == 1
    door.forget(0)
    door.forget(0)
    assert door.turn(0) == 0
    assert door.watch(0, 1 << 20, select.EPOLLIN) != 0


def test_no_descriptor_stays_open():
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        LoopDoor()
    assert len(os.listdir("/proc/self/fd")) == before
