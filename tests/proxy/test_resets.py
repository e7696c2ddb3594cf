"""Each row of the table of resets, as the core reads it."""

import pytest

from fastgw._core.proxy import resets
from tests.support.frames import Code

CANCELLED, EXHAUSTED, DENIED, INTERNAL, UNAVAILABLE = 1, 8, 7, 13, 14

# code: what the origin hears of a client's reset, the call's status then; the status of an origin's reset
# before and after its head
ROWS = {
    Code.NO_ERROR: (Code.CANCEL, CANCELLED, UNAVAILABLE, INTERNAL),
    Code.PROTOCOL_ERROR: (Code.PROTOCOL_ERROR, INTERNAL, INTERNAL, INTERNAL),
    Code.INTERNAL_ERROR: (Code.INTERNAL_ERROR, INTERNAL, INTERNAL, INTERNAL),
    Code.FLOW_CONTROL_ERROR: (Code.FLOW_CONTROL_ERROR, INTERNAL, INTERNAL, INTERNAL),
    Code.SETTINGS_TIMEOUT: (Code.SETTINGS_TIMEOUT, INTERNAL, INTERNAL, INTERNAL),
    Code.STREAM_CLOSED: (Code.STREAM_CLOSED, CANCELLED, INTERNAL, INTERNAL),
    Code.FRAME_SIZE_ERROR: (Code.FRAME_SIZE_ERROR, INTERNAL, INTERNAL, INTERNAL),
    Code.REFUSED_STREAM: (Code.CANCEL, CANCELLED, UNAVAILABLE, UNAVAILABLE),
    Code.CANCEL: (Code.CANCEL, CANCELLED, CANCELLED, CANCELLED),
    Code.COMPRESSION_ERROR: (Code.COMPRESSION_ERROR, INTERNAL, INTERNAL, INTERNAL),
    Code.CONNECT_ERROR: (Code.CONNECT_ERROR, INTERNAL, INTERNAL, INTERNAL),
    Code.ENHANCE_YOUR_CALM: (Code.ENHANCE_YOUR_CALM, EXHAUSTED, EXHAUSTED, EXHAUSTED),
    Code.INADEQUATE_SECURITY: (Code.INADEQUATE_SECURITY, DENIED, DENIED, DENIED),
    Code.HTTP_1_1_REQUIRED: (Code.HTTP_1_1_REQUIRED, INTERNAL, INTERNAL, INTERNAL),
}


def test_each_code_has_a_row():
    assert set(ROWS) == set(Code) == {Code(code) for code in resets.TABLE}


@pytest.mark.parametrize("code", ROWS, ids=lambda code: code.name)
def test_a_row(code):
    assert resets.meaning(code) == ROWS[code]


@pytest.mark.parametrize("code", [14, 15, 255, 0xFFFFFFFF])
def test_a_code_nobody_knows_is_an_internal_error(code):
    assert resets.meaning(code) == ROWS[Code.INTERNAL_ERROR]
