"""RFC 9113 section 6.10: CONTINUATION, and how much of it is too much (section 10.5.1)."""

import itertools

import pytest

from tests.support import frames as f
from tests.support.frames import Code
from tests.support.malformed import Case, cases
from tests.support.playbook import Playbook, refused, reset


@pytest.mark.rfc("9113 6.10")
@pytest.mark.rfc("9113 10.5.1")
@pytest.mark.parametrize("case", cases("6.10", "10.5.1"))
def test_refused(case: Case) -> None:
    refused(case)


@pytest.mark.rfc("9113 6.10")
@pytest.mark.parametrize("pieces", [2, 3, 9])
def test_a_block_may_span_frames_cut_anywhere(pieces: int) -> None:
    book = Playbook("client")
    fields = f.request(b"/a.B/C", b"gw.test", (b"x", b"y" * 50))
    block = book.encoder.encode(fields)
    cuts = [len(block) * number // pieces for number in range(pieces + 1)]
    parts = [block[a:b] for a, b in itertools.pairwise(cuts)]
    book << f.headers(1, parts[0], end=True, end_headers=False)
    for part in parts[1:-1]:
        book << f.continuation(1, part, end_headers=False)
    assert book.events() == []
    book << f.continuation(1, parts[-1])
    assert book.events() == [("head", 1, fields, True)]
    assert book.is_quiet()


@pytest.mark.rfc("9113 6.10")
def test_a_refused_stream_after_a_long_block_leaves_the_connection_in_order() -> None:
    book = Playbook("client")
    block = f.literal([*f.request(), (b"connection", b"close")])
    book << f.headers(1, block[:10], end_headers=False) + f.continuation(1, block[10:])
    book >> reset(1, Code.PROTOCOL_ERROR)
    book << book.head(3, end=True)
    assert [event[:2] for event in book.events()] == [("head", 3)]
