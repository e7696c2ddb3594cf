"""CVE-2019-9517: an open HTTP/2 window over a socket that takes nothing; what waits is bounded."""

import pytest

from tests.support import frames as f
from tests.support.frames import Setting
from tests.support.playbook import RESPONSE, Playbook

HIGH = 262144


@pytest.mark.rfc("9113 10.5")
def test_data_stops_at_the_outbox_and_waits_in_its_stream() -> None:
    book = Playbook("client", theirs=f.settings((Setting.INITIAL_WINDOW_SIZE, 0x7FFFFFFF)))
    book << f.window_update(0, 0x7FFFFFFF - 65535)
    stream = book.stream(ended=True)
    book.door.send_head(stream, RESPONSE)
    waiting = book.door.send_data(stream, bytes(4 << 20), True)
    assert HIGH <= book.door.out_length <= HIGH + 2 * 16384
    assert waiting == book.door.waiting > 3 << 20
    assert sum(len(frame.payload) for frame in book.output() if frame.type == f.Type.DATA) == 4 << 20
    assert book.events("ended") == [("ended", stream)]
    assert book.door.waiting == 0
