"""The raw client of the tests sees what a server does with right and wrong octets."""

from fastgw.probe.echo import SERVICE, EchoOrigin
from tests.support import frames
from tests.support.frames import Code, Setting, Type
from tests.support.raw import RawClient


def test_a_call_made_of_octets() -> None:
    with EchoOrigin() as origin, RawClient(origin.address) as raw:
        theirs = raw.begin((Setting.INITIAL_WINDOW_SIZE, 1000))
        assert theirs.settings[Setting.MAX_CONCURRENT_STREAMS] == 1000
        path = SERVICE.encode() + b"Unary"
        raw.send(frames.headers(1, frames.literal(frames.request(path))))
        raw.send(frames.data(1, frames.message(b"x" * 5000), end=True, padding=7))
        answer = raw.answer(1)
        assert answer.body == frames.message(b"x" * 5000)
        assert (answer.head[b":status"], answer.grpc_status, answer.reset) == (b"200", 0, None)
        raw.head(3, frames.request(SERVICE.encode() + b"None"), end=True)
        assert raw.answer(3).trailers_only
        raw.expect_alive()


def test_wrong_octets_end_the_connection() -> None:
    with EchoOrigin() as origin:
        with RawClient(origin.address) as raw:
            raw.begin()
            raw.send(frames.data(0, b"x"))
            assert raw.expect_goaway(Code.PROTOCOL_ERROR).type == Type.GOAWAY
        with RawClient(origin.address) as raw:
            raw.begin()
            raw.send(frames.frame(Type.PING, 0, b"1234"))
            raw.expect_goaway(Code.FRAME_SIZE_ERROR)


def test_long_literals_are_what_they_say() -> None:
    fields = [(b"a" * n, b"b" * (n * 3)) for n in (1, 126, 127, 128, 300, 20000)]
    assert frames.Reader().fields(frames.literal(fields)) == fields
