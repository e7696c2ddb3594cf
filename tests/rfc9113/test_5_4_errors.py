"""RFC 9113 section 5.4: the two scopes of an error; section 5.5: what is no error."""

import pytest

from fastgw._core.reasons import TABLE, Reason, Scope
from tests.support import frames as f
from tests.support.frames import Code
from tests.support.malformed import BOTH, CASES
from tests.support.playbook import Playbook, reset


@pytest.mark.rfc("9113 5.4.1")
@pytest.mark.parametrize("toward", BOTH)
def test_after_a_connection_error_nothing_is_read_or_said(toward: str) -> None:
    book = Playbook(toward)
    stream = book.stream()
    book << f.data(0, b"x") + f.ping() + f.data(stream, b"late")
    assert [frame.type for frame in book.output()] == [f.Type.GOAWAY]
    assert book.events() == []
    book << f.settings()
    assert book.output() == []
    heard, lent, live = book.door.close()
    assert [event[:1] + event[3:] for event in heard if event[0] == "reset"] == [("reset", "lost")]
    assert (lent, live) == (0, 0)


@pytest.mark.rfc("9113 5.4.2")
@pytest.mark.parametrize("toward", BOTH)
def test_a_stream_error_leaves_the_other_streams_alone(toward: str) -> None:
    book = Playbook(toward)
    book.stream()
    if toward == "origin":
        book.door.open_stream()
        book.door.send_head(3, f.request())
        book.output()
    book << book.head(3) + f.window_update(1, 0) + f.data(3, b"abc", end=True)
    book >> reset(1, Code.PROTOCOL_ERROR)
    heard = book.events()
    assert ("reset", 1, Code.PROTOCOL_ERROR, "refused") in heard
    assert ("data", 3, b"abc", True) in heard
    assert book.is_quiet()


@pytest.mark.rfc("9113 5.4.2")
def test_a_stream_is_reset_once() -> None:
    book = Playbook("client")
    book.stream()
    book << f.window_update(1, 0) * 5 + f.data(1, b"x") * 5
    book >> reset(1, Code.PROTOCOL_ERROR)
    assert book.is_quiet()


@pytest.mark.rfc("9113 5.5")
@pytest.mark.parametrize("toward", BOTH)
@pytest.mark.parametrize("kind", [10, 11, 12, 16, 0x77, 255])
def test_unknown_frames_are_ignored_wherever_they_stand(toward: str, kind: int) -> None:
    book = Playbook(toward)
    stream = book.stream()
    for number in (0, stream, 2, 99):
        book << f.frame(kind, number, b"anything", 0xFF) + f.frame(kind, number)
    assert book.is_quiet()
    assert book.door.streams == 1


@pytest.mark.rfc("9113 7")
def test_the_cases_agree_with_the_table_of_refusals() -> None:
    for case in CASES:
        scope, code, _ = TABLE[Reason[case.reason]]
        assert (scope == Scope.ON_STREAM_SCOPE) == (case.stream is not None), case
        assert code == case.code, case


UNREACHED = {"ACCEPTED", "REASON_COUNT", "SETTINGS_ACK_TIMEOUT", "HEAD_TIMEOUT", "STALLED", "OUT_OF_MEMORY"}
"""No octets of a peer alone lead there."""

ELSEWHERE = {
    "FRAME_AFTER_CLOSE": "test_5_1_stream_states.py",
    "STREAM_LIMIT_EXCEEDED": "test_5_1_stream_states.py",
    "WINDOW_OVERRUN": "test_6_9_flow_control.py",
    "CONNECTION_WINDOW_OVERRUN": "test_6_9_flow_control.py",
    **dict.fromkeys(
        (
            "CONTROL_FRAME_FLOOD",
            "RESET_FLOOD",
            "PING_FLOOD",
            "SETTINGS_FLOOD",
            "SETTINGS_TOO_MANY",
            "WINDOW_UPDATE_FLOOD",
            "PRIORITY_FLOOD",
            "EMPTY_DATA_FLOOD",
            "UNKNOWN_FRAME_FLOOD",
        ),
        "tests/abuse/test_cve_*.py, test_unknown_frames.py",
    ),
    **dict.fromkeys(
        (
            "FIELD_TE_INVALID",
            "PSEUDO_FIELD_UNKNOWN",
            "PSEUDO_FIELD_DUPLICATE",
            "PSEUDO_FIELD_AFTER_FIELD",
            "PSEUDO_FIELD_INVALID",
            "PATH_INVALID",
            "AUTHORITY_INVALID",
            "AUTHORITY_AND_HOST_DISAGREE",
            "CONTENT_LENGTH_INVALID",
        ),
        "test_8_2_fields.py, test_8_3_pseudo_fields.py, test_8_1_message_framing.py",
    ),
}


@pytest.mark.rfc("9113 5.4")
def test_every_refusal_has_a_case() -> None:
    played = {case.reason for case in CASES} | set(ELSEWHERE) | UNREACHED
    assert {reason.name for reason in Reason} - played == set()
