"""RFC 9113 section 3.4: how a connection begins."""

import pytest

from tests.support import frames as f
from tests.support.frames import Reader, Type
from tests.support.malformed import Case, cases
from tests.support.playbook import Playbook, refused


@pytest.mark.rfc("9113 3.4")
@pytest.mark.parametrize("case", cases("3.4"))
def test_refused(case: Case) -> None:
    refused(case)


@pytest.mark.rfc("9113 3.4")
def test_our_settings_are_said_before_the_client_has_said_anything() -> None:
    book = Playbook("client", begun=False)
    assert [frame.type for frame in book.output()] == [Type.SETTINGS]


@pytest.mark.rfc("9113 3.4")
def test_toward_an_origin_we_begin_with_the_preface_and_forbid_push() -> None:
    door = Playbook("origin", begun=False).door
    octets = door.take_output()
    assert octets.startswith(f.PREFACE)
    first = Reader().feed(octets[len(f.PREFACE) :])[0]
    assert (first.type, first.settings[f.Setting.ENABLE_PUSH]) == (Type.SETTINGS, 0)


@pytest.mark.rfc("9113 3.4")
@pytest.mark.parametrize("cut", range(1, len(f.PREFACE) + 9))
def test_the_preface_may_come_in_two_pieces(cut: int) -> None:
    book = Playbook("client", begun=False)
    octets = f.PREFACE + f.settings()
    book << octets[:cut]
    assert not book.door.broken
    book << octets[cut:]
    assert [frame.flags for frame in book.output()] == [0, f.ACK]


@pytest.mark.rfc("9113 3.4")
def test_requests_may_follow_before_our_settings_are_acknowledged() -> None:
    book = Playbook("client", begun=False)
    book << f.PREFACE + f.settings() + book.head(1, end=True)
    assert [event[0] for event in book.events()] == ["head"]
