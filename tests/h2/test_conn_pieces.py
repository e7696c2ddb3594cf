"""h2.conn: the same octets in any pieces are the same events and the same answer."""

import itertools

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.support import frames as f
from tests.support.malformed import CASES
from tests.support.playbook import Playbook

FRAMES = {
    "client": [
        f.data(1, bytes(range(200)), padding=7),
        f.data(1, b"", end=True),
        f.data(1, bytes(500), end=True, padding=3),
        f.headers(1, f.literal([(b"grpc-status", b"0")]), end=True),
        f.headers(3, f.literal(f.request()), end_headers=False) + f.continuation(3, b""),
        f.headers(5, f.literal([*f.request(), (b"content-length", b"10")])),
        f.data(5, b"12345678", padding=0),
        f.data(3, bytes(3000)),
    ],
    "origin": [
        f.data(1, bytes(range(200)), padding=7),
        f.headers(1, f.literal([(b"grpc-status", b"0")]), end=True),
        f.data(1, bytes(3000), end=True),
    ],
}
COMMON = [
    f.settings((f.Setting.INITIAL_WINDOW_SIZE, 10)),
    f.ping(b"12345678"),
    f.window_update(0, 100),
    f.window_update(1, 100),
    f.frame(0x77, 1, bytes(30)),
    f.priority(9, 3),
    f.rst_stream(1),
    f.goaway(1),
]
BAD = {
    side: [case.octets for case in CASES if case.toward == side and case.before == "open"] for side in FRAMES
}


def play(toward: str, pieces: list[bytes]) -> tuple[list, bytes, object, tuple]:
    book = Playbook(toward, credits=False)
    stream = book.stream()
    if toward == "client":
        book.door.send_head(stream, [(b":status", b"200")])
    book.door.send_data(stream, bytes(70000))
    heard: list[tuple] = []
    for piece in pieces:
        book << piece
        for event in book.events():
            last = heard[-1] if heard else ("",)
            if event[0] == last[0] == "data" and event[1] == last[1] and not last[3]:
                heard[-1] = ("data", event[1], last[2] + event[2], event[3])
            else:
                heard.append(event)
    out = book.door.take_output()
    window = book.door.recv_window
    assert book.door.close()[1:] == (0, 0)
    return heard, out, book.door.reason, window


def whole_and_cut(toward: str, octets: bytes, cuts: list[int]) -> None:
    places = sorted({0, len(octets), *(cut % (len(octets) + 1) for cut in cuts)})
    pieces = [octets[a:b] for a, b in itertools.pairwise(places)]
    assert play(toward, pieces) == play(toward, [octets])


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data(), st.sampled_from(["client", "origin"]))
def test_pieces_do_not_matter(data: st.DataObject, toward: str) -> None:
    good = st.lists(st.sampled_from(FRAMES[toward] + COMMON), min_size=1, max_size=10)
    octets = b"".join(data.draw(good))
    if data.draw(st.booleans()):
        octets += data.draw(st.sampled_from(BAD[toward]))
    whole_and_cut(toward, octets, data.draw(st.lists(st.integers(0, 1 << 20), max_size=12)))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1 << 32))
@example(0)
def test_one_octet_at_a_time_is_a_piece_too(pick: int) -> None:
    for toward, rows in BAD.items():
        small = [octets for octets in rows if len(octets) < 300]
        octets = FRAMES[toward][pick % len(FRAMES[toward])] + small[pick % len(small)]
        whole_and_cut(toward, octets, list(range(len(octets))))
