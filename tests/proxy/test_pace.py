"""The bucket that a stream's messages and octets fill, against plain arithmetic with fractions."""

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from fastgw._core.proxy.pace import Bucket, Gait

PERIOD = 10_000
STEPS = st.lists(
    st.tuples(st.integers(0, 4_000), st.integers(0, 400), st.integers(0, 6)), min_size=1, max_size=60
)


class Model:
    def __init__(self, most: int) -> None:
        self.most, self.level, self.at = most, Fraction(0), 0

    def take(self, now: int, count: int) -> bool:
        self.level = max(self.level - Fraction(self.most * (now - self.at), PERIOD), Fraction(0)) + count
        self.at = now
        return self.level <= 2 * self.most


@settings(deadline=None)
@given(STEPS, st.integers(1, 500), st.integers(1, 20))
def test_a_bucket_empties_in_a_period(steps: list[tuple[int, int, int]], octets: int, messages: int) -> None:
    bucket, of_octets, of_messages, now = Bucket(messages, octets, PERIOD), Model(octets), Model(messages), 0
    for wait, size, count in steps:
        now += wait
        fits = of_octets.take(now, size), of_messages.take(now, count)
        wanted = Gait.IN_TIME if fits[0] else Gait.TOO_MANY_OCTETS
        assert bucket.take(size, count, now) == (wanted if fits[1] else Gait.TOO_MANY_MESSAGES)


@settings(deadline=None)
@given(STEPS, st.integers(1, 500), st.integers(0, 2_000))
def test_who_sends_no_more_than_was_given_is_never_refused(
    steps: list[tuple[int, int, int]], most: int, window: int
) -> None:
    bucket, now, owed = Bucket(0, most, PERIOD), 0, 0
    outstanding = min(window, 2 * most)
    for wait, size, _ in steps:
        now += wait
        size = min(size, outstanding)
        assert bucket.take(size, 0, now) == Gait.IN_TIME
        outstanding -= size
        owed += size
        given_now = min(owed, bucket.room(outstanding, now))
        owed -= given_now
        outstanding += given_now


def test_credit_comes_back_in_time() -> None:
    bucket = Bucket(0, 1_000, PERIOD)
    assert bucket.take(1_500, 0, 0) == Gait.IN_TIME
    assert bucket.room(0, 0) == 500
    assert bucket.room(500, 0) == 0
    assert bucket.room(500, 5_000) == 500
    assert bucket.room(0, 15_000) == 2_000
    assert bucket.wait(0) == 1_000


def test_too_many_messages_get_no_credit_until_they_are_within_the_limit() -> None:
    bucket = Bucket(10, 0, PERIOD)
    assert bucket.room(1 << 20, 0) == (1 << 64) - 1
    assert bucket.take(5, 11, 0) == Gait.IN_TIME
    assert bucket.room(0, 0) == 0
    assert bucket.wait(0) == 1_000
    assert bucket.room(0, 999) == 0
    assert bucket.room(0, 1_000) == (1 << 64) - 1


def test_the_largest_limit_does_not_overflow() -> None:
    bucket = Bucket(0x7FFFFFFF, 1 << 40, 4_095_000)
    gaits = [bucket.take(0xFFFFFFFF, 0xFFFFFFFF >> 8, 1) for _ in range(513)]
    assert gaits.index(Gait.TOO_MANY_MESSAGES) == 256
    bucket = Bucket(0, 1 << 40, 4_095_000)
    gaits = [bucket.take(0xFFFFFFFF, 0, 1) for _ in range(514)]
    assert gaits.index(Gait.TOO_MANY_OCTETS) == 512
    assert bucket.take(0, 0, 1 << 50) == Gait.IN_TIME
