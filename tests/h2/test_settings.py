"""h2.settings: what a SETTINGS payload changes, against hyperframe."""

import pytest
from hyperframe.frame import SettingsFrame
from hypothesis import given
from hypothesis import strategies as st

from fastgw._core.h2.settings import Setting, read
from fastgw._core.reasons import Reason
from tests.support import frames as f

LEGAL = {
    Setting.HEADER_TABLE_SIZE: st.integers(0, 0xFFFFFFFF),
    Setting.ENABLE_PUSH: st.just(0),
    Setting.MAX_CONCURRENT_STREAMS: st.integers(0, 0xFFFFFFFF),
    Setting.INITIAL_WINDOW_SIZE: st.integers(0, 0x7FFFFFFF),
    Setting.MAX_FRAME_SIZE: st.integers(16384, 0xFFFFFF),
    Setting.MAX_HEADER_LIST_SIZE: st.integers(0, 0xFFFFFFFF),
}
PAIRS = st.one_of(
    *(st.tuples(st.just(int(number)), values) for number, values in LEGAL.items()),
    st.tuples(st.integers(7, 0xFFFF), st.integers(0, 0xFFFFFFFF)),
)


@pytest.mark.rfc("9113 6.5.1")
@given(st.lists(PAIRS, max_size=20), st.booleans())
def test_legal_settings_in_order(pairs: list[tuple[int, int]], from_server: bool) -> None:
    payload = f.settings(*pairs)[9:]
    oracle = SettingsFrame()
    oracle.parse_body(memoryview(payload))
    reason, now = read(payload, from_server)
    assert reason == Reason.ACCEPTED
    for number in LEGAL:
        if int(number) in oracle.settings:
            assert now[number.name.lower()] == oracle.settings[int(number)]


@pytest.mark.rfc("9113 6.5.2")
def test_the_defaults() -> None:
    unlimited = 0xFFFFFFFF
    assert read(b"", False)[1] == {
        "header_table_size": 4096,
        "enable_push": True,
        "max_concurrent_streams": unlimited,
        "initial_window_size": 65535,
        "max_frame_size": 16384,
        "max_header_list_size": unlimited,
    }


@pytest.mark.rfc("9113 6.5.2")
@pytest.mark.parametrize("value", [0, 1, 2, 0xFFFFFFFF])
@pytest.mark.parametrize("from_server", [False, True])
def test_enable_push(value: int, from_server: bool) -> None:
    legal = value == 0 or (value == 1 and not from_server)
    reason, _ = read(f.settings((Setting.ENABLE_PUSH, value))[9:], from_server)
    assert reason == (Reason.ACCEPTED if legal else Reason.SETTINGS_ENABLE_PUSH_INVALID)
