"""RFC 9113 section 6.5: SETTINGS."""

import pytest

from tests.support import frames as f
from tests.support.frames import Setting, Type
from tests.support.malformed import BOTH, Case, cases
from tests.support.playbook import Playbook, Said, pong, refused

ACKNOWLEDGED = Said(Type.SETTINGS, 0, payload=b"", flags=f.ACK)


@pytest.mark.rfc("9113 6.5")
@pytest.mark.parametrize("case", cases("6.5", "6.5.2"))
def test_refused(case: Case) -> None:
    refused(case)


@pytest.mark.rfc("9113 6.5")
@pytest.mark.parametrize("toward", BOTH)
def test_settings_are_acknowledged_once_each_and_in_order(toward: str) -> None:
    book = Playbook(toward)
    book << f.settings() + f.ping(b"between!") + f.settings((Setting.MAX_FRAME_SIZE, 20000))
    book >> ACKNOWLEDGED >> pong(b"between!") >> ACKNOWLEDGED
    assert book.is_quiet()


@pytest.mark.rfc("9113 6.5.2")
@pytest.mark.parametrize("toward", BOTH)
@pytest.mark.parametrize(
    "pair",
    [
        (Setting.ENABLE_PUSH, 0),
        (Setting.INITIAL_WINDOW_SIZE, 0x7FFFFFFF),
        (Setting.INITIAL_WINDOW_SIZE, 0),
        (Setting.MAX_FRAME_SIZE, 16384),
        (Setting.MAX_FRAME_SIZE, 0xFFFFFF),
        (Setting.MAX_CONCURRENT_STREAMS, 0),
        (Setting.HEADER_TABLE_SIZE, 0xFFFFFFFF),
        (Setting.MAX_HEADER_LIST_SIZE, 0),
        (0, 1),
        (0xFFFF, 0xFFFFFFFF),
    ],
)
def test_what_is_legal_or_unknown_is_taken(toward: str, pair: tuple[int, int]) -> None:
    book = Playbook(toward)
    book << f.settings(pair)
    book >> ACKNOWLEDGED
    assert book.is_quiet()


@pytest.mark.rfc("9113 6.5.3")
def test_of_one_setting_twice_the_last_counts() -> None:
    window = Setting.INITIAL_WINDOW_SIZE
    book = Playbook("client", theirs=f.settings((window, 10), (window, 20)))
    assert book.door.stream_send_window(book.stream()) == 20
