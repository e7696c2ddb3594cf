"""CVE-2019-9512 and CVE-2019-9515: PING and SETTINGS ask for answers that are never read."""

import pytest

from tests.support import frames as f
from tests.support.frames import Code
from tests.support.malformed import BOTH
from tests.support.playbook import Playbook

LIMIT = 1000


@pytest.mark.rfc("9113 10.5")
@pytest.mark.parametrize("toward", BOTH)
@pytest.mark.parametrize(
    "asks", [f.ping(), f.settings(), f.settings(*[(4, 65535)] * 30)], ids=["ping", "settings", "many"]
)
def test_answers_that_nobody_reads_end_the_connection(toward: str, asks: bytes) -> None:
    book = Playbook(toward)
    for _ in range(50):
        book << asks * 100
    assert book.door.out_length < 40 * LIMIT
    said = book.output()
    assert len(said) == LIMIT + 1
    assert (said[-1].type, said[-1].code) == (f.Type.GOAWAY, Code.ENHANCE_YOUR_CALM)
    assert said[-1].debug == b"control_frame_flood"
    assert book.door.refusals == {"control_frame_flood": 1}
    assert book.door.close()[1:] == (0, 0)


@pytest.mark.parametrize("toward", BOTH)
def test_who_reads_the_answers_may_ask_for_ever(toward: str) -> None:
    book = Playbook(toward)
    for _ in range(20):
        book << f.ping() * LIMIT
        assert len(book.output()) == LIMIT
    assert book.is_quiet()


@pytest.mark.parametrize("toward", BOTH)
def test_answers_to_answers_cost_nothing(toward: str) -> None:
    book = Playbook(toward)
    book << (f.ping(ack=True) + f.settings(ack=True)) * 5000
    assert book.door.out_length == 0
    assert book.is_quiet()
