"""The short form of the soak: `python -m tests.soak --seconds 600` is the long one."""

from __future__ import annotations

import os

import grpc
import pytest

from tests.soak.book import LATE, Book, Call
from tests.soak.storm import MIB, Storm

SECONDS = 5.0


@pytest.mark.timeout(150)
def test_a_short_storm() -> None:
    storm = Storm(SECONDS, int(os.environ.get("FASTGW_SOAK_SEED", "1")), last=16 * MIB)
    assert storm.run() == []


class Away:
    """An origin that was away from 10 to 12."""

    @staticmethod
    def was_away(begun: float, ended: float) -> bool:
        return begun <= 12 and ended >= 10


@pytest.mark.parametrize(
    ("name", "begun", "ended", "code", "explained"),
    [
        ("a", 1, 2, grpc.StatusCode.OK, True),
        ("a", 1, 2, grpc.StatusCode.UNAVAILABLE, False),
        ("a", 9, 10.5, grpc.StatusCode.UNAVAILABLE, True),
        ("a", 9, 10.5, grpc.StatusCode.INTERNAL, False),
        ("steady", 9, 10.5, grpc.StatusCode.UNAVAILABLE, False),
        ("steady", 9, 10.5, grpc.StatusCode.NOT_FOUND, True),
        ("a", 9, 9 + 5 + LATE + 0.1, grpc.StatusCode.OK, False),
    ],
)
def test_which_ends_are_explained(name, begun, ended, code, explained) -> None:
    book = Book([Away()])
    book.close(Call("small", name, begun, 5, frozenset({grpc.StatusCode.NOT_FOUND})), code, ended)
    assert (book.findings == []) is explained
