"""RFC 9113 section 6.7: PING."""

import pytest

from tests.support import frames as f
from tests.support.malformed import BOTH, Case, cases
from tests.support.playbook import Playbook, pong, refused


@pytest.mark.rfc("9113 6.7")
@pytest.mark.parametrize("case", cases("6.7"))
def test_refused(case: Case) -> None:
    refused(case)


@pytest.mark.rfc("9113 6.7")
@pytest.mark.parametrize("toward", BOTH)
def test_a_ping_is_answered_with_its_octets_and_an_answer_is_not(toward: str) -> None:
    book = Playbook(toward)
    book << f.ping(b"12345678") + f.ping(b"unasked!", ack=True)
    book >> pong(b"12345678")
    assert book.is_quiet()
    assert book.events() == []
