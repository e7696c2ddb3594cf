"""CVE-2020-11080: one SETTINGS frame with thousands of entries."""

import pytest

from tests.abuse.budgets import Flood, begun, is_served
from tests.support import frames as f
from tests.support.frames import Setting
from tests.support.malformed import BOTH


def entries(count: int) -> bytes:
    return f.settings(*[(Setting.INITIAL_WINDOW_SIZE, 65535)] * count)


@pytest.mark.rfc("9113 10.5")
@pytest.mark.parametrize("toward", BOTH)
@pytest.mark.parametrize("most", [None, 1, 6])
def test_one_more_than_the_limit_is_too_many(toward: str, most: int | None) -> None:
    book = begun(toward, limits={} if most is None else {"settings_entries": most})
    most = most or 32
    book << entries(most)
    assert len(book.output()) == 1
    Flood(book, "settings_too_many", entries(most + 1)).is_refused()


@pytest.mark.parametrize("toward", BOTH)
def test_every_setting_there_is_and_some_that_are_not(toward: str) -> None:
    book = begun(toward)
    greased = [(0x0A0A + 0x1010 * number, number) for number in range(16)]
    book << f.settings(
        *([(Setting.ENABLE_PUSH, 0)] if toward == "client" else []),
        (Setting.HEADER_TABLE_SIZE, 0),
        (Setting.HEADER_TABLE_SIZE, 4096),
        (Setting.MAX_CONCURRENT_STREAMS, 100),
        (Setting.INITIAL_WINDOW_SIZE, 1 << 20),
        (Setting.MAX_FRAME_SIZE, 16384),
        (Setting.MAX_HEADER_LIST_SIZE, 1 << 16),
        *greased,
    )
    is_served(book)
