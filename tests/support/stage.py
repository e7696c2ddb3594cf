"""Origins that act out what the metadata of a call asks for; a client that keeps a ledger of its windows."""

from __future__ import annotations

import hashlib
import itertools
import textwrap
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.support import frames
from tests.support.calls import eventually
from tests.support.frames import ACK, Code, Frame, Setting, Type
from tests.support.house import House, alive
from tests.support.raw import Answer, ClosedError, RawClient
from tests.support.raw_origin import GRPC_HEAD, OK, RawOrigin, RawServer

WINDOW = 65535
Fields = list[tuple[bytes, bytes]]


def config(
    *ports: int | str, origin: str = "", retry: str = "", more: str = "", settings: str = "", limits: str = ""
) -> str:
    """gw.test in cleartext, its endpoints at `ports`; a text is a port and further keys of its record."""
    target = 'name = "@", content = "127.0.0.1", proxied = true, origin_protocol = "h2c"'
    records = ",\n".join(f"{{ {target}, origin_port = {port} }}" for port in ports)
    inline = f'grpc = "on", ssl = "full"{settings and ", " + settings}'
    return "\n".join(
        (
            '[server]\nlisten = ["h2c://127.0.0.1:0"]\nworkers = 1\ndrain_timeout = "100ms"',
            f'[[zone]]\nname = "gw.test"\nsettings = {{ {inline} }}',
            f"dns = [{records}]",
            f"[zone.origin]\n{textwrap.dedent(origin)}" if origin else "",
            f"[zone.retry]\n{retry}" if retry else "",
            textwrap.dedent(more),
            f"[limits]\n{limits}" if limits else "",
        )
    )


@dataclass
class Attempt:
    """One stream, as an origin sees it."""

    stage: Stage
    peer: RawServer
    stream_id: int
    fields: Fields
    act: str
    at: float = field(default_factory=time.monotonic)
    body: bytearray = field(default_factory=bytearray)
    ended: bool = False
    reset: Code | None = None
    over: bool = False  # the origin has said its last word

    @property
    def metadata(self) -> dict[bytes, bytes]:
        return dict(self.fields)

    def head(self) -> None:
        self.peer.head(self.stream_id, GRPC_HEAD)

    def data(self, octets: bytes, *, end: bool = False) -> None:
        self.peer.send(frames.data(self.stream_id, octets, end=end))

    def trailers(self, *more: tuple[bytes, bytes], only: bool = False) -> None:
        self.over = True
        self.peer.head(self.stream_id, [*(GRPC_HEAD if only else ()), *(more or OK)], end=True)

    def refuse(self, code: Code) -> None:
        self.over = True
        self.peer.send(frames.rst_stream(self.stream_id, code))

    def goaway(self) -> None:
        self.over = True
        self.peer.send(frames.goaway(max(self.stream_id - 2, 0)))

    def lose(self) -> None:
        raise ClosedError([])

    def answer(self) -> None:
        self.head()
        self.data(echoed(bytes(self.body)))
        self.trailers()


def echoed(octets: bytes) -> bytes:
    """What "ok" answers to these octets: themselves, or a hash of what is too long for a window."""
    return octets if len(octets) <= 1000 else hashlib.sha256(octets).digest()


def _status(number: bytes, *more: tuple[bytes, bytes]) -> Fields:
    return [(b"grpc-status", number), *more]


def _head_first(attempt: Attempt) -> None:
    attempt.head()
    attempt.trailers(*_status(b"14"))


def _message_first(attempt: Attempt) -> None:
    attempt.head()
    attempt.data(frames.message(b"once"))
    attempt.trailers(*_status(b"14"))


def _early_hint(attempt: Attempt) -> None:
    attempt.peer.head(attempt.stream_id, [(b":status", b"103"), (b"x-hint", b"1")])
    attempt.refuse(Code.REFUSED_STREAM)


def _echo_each(attempt: Attempt) -> None:
    attempt.head()


# name: (at which moment, what is done)
ACTS: dict[str, tuple[str, Callable[[Attempt], object]]] = {
    "ok": ("end", Attempt.answer),
    "hold": ("never", Attempt.answer),
    "head": ("head", _echo_each),
    "refuse": ("head", lambda attempt: attempt.refuse(Code.REFUSED_STREAM)),
    "refuse-late": ("data", lambda attempt: attempt.refuse(Code.REFUSED_STREAM)),
    "refuse-end": ("end", lambda attempt: attempt.refuse(Code.REFUSED_STREAM)),
    "hint": ("head", _early_hint),
    "goaway": ("head", Attempt.goaway),
    "goaway-late": ("data", Attempt.goaway),
    "goaway-end": ("end", Attempt.goaway),
    "lose": ("head", Attempt.lose),
    "lose-late": ("data", Attempt.lose),
    "lose-end": ("end", Attempt.lose),
    "internal": ("end", lambda attempt: attempt.refuse(Code.INTERNAL_ERROR)),
    "no-error": ("end", lambda attempt: attempt.refuse(Code.NO_ERROR)),
    "down": ("head", lambda attempt: attempt.trailers(*_status(b"14"), only=True)),
    "down-end": ("end", lambda attempt: attempt.trailers(*_status(b"14"), only=True)),
    "down-late": ("end", _head_first),
    "down-message": ("end", _message_first),
}


def pushback(value: bytes) -> Callable[[Attempt], None]:
    more = (b"grpc-retry-pushback-ms", value)
    return lambda attempt: attempt.trailers(*_status(b"14", more), only=True)


class Stage(RawOrigin):
    """Acts out `x-acts` of each call, one act per attempt of it, then "ok"; `always` instead of all that.

    settings  what it announces
    opened    when connections came
    pings     when PINGs came
    """

    def __init__(
        self, theatre: Theatre, *settings: tuple[int, int], always: str = "", credit: int = 1 << 24
    ) -> None:
        super().__init__(self._perform, None, timeout=60.0)
        self.theatre = theatre
        self.settings = settings
        self.always = always
        self.delay = 0.0
        self.credit = credit
        self.mute = False  # PINGs are not answered
        self.opened: list[float] = []
        self.pings: list[float] = []
        self.attempts: list[Attempt] = []
        self.servers: list[RawServer] = []

    def _perform(self, peer: RawServer) -> None:
        self.opened.append(time.monotonic())
        self.servers.append(peer)
        peer.begin(*self.settings)
        peer.timeout = 600.0
        if self.credit:
            peer.send(frames.window_update(0, self.credit))
        open_ones: dict[int, Attempt] = {}
        while True:
            self._take(peer, peer.read(), open_ones)

    def _take(self, peer: RawServer, frame: Frame, open_ones: dict[int, Attempt]) -> None:
        one = open_ones.get(frame.stream_id)
        if frame.type == Type.PING and not frame.flags & ACK:
            self.pings.append(time.monotonic())
            if not self.mute:
                peer.send(frames.ping(frame.payload, ack=True))
        elif frame.type == Type.HEADERS:
            fields = peer.fields(frame)
            if one is None:
                one = open_ones[frame.stream_id] = self.theatre.enter(self, peer, frame.stream_id, fields)
                if self.delay:
                    threading.Event().wait(self.delay)
                self._moment(one, "head")
        elif frame.type == Type.RST_STREAM and one is not None:
            one.reset, one.over = frame.code, True
        elif frame.type == Type.DATA and one is not None:
            one.body += frame.payload
            if frame.payload:
                peer.send(frames.window_update(0, len(frame.payload)))
                self._moment(one, "data")
                if not one.over and not frame.ends_stream:
                    peer.send(frames.window_update(one.stream_id, len(frame.payload)))
        if frame.ends_stream and one is not None:
            one.ended = True
            self._moment(one, "end")

    def _moment(self, one: Attempt, moment: str) -> None:
        when, do = self.theatre.acts[one.act]
        if not one.over and (moment == when or (moment, when) == ("end", "data")):
            do(one)


class Theatre:
    """What stages have in common: the acts they know, and all attempts of each call (`x-call`), in order."""

    def __init__(self) -> None:
        self.acts = dict(ACTS)
        self.lock = threading.Lock()
        self.calls: dict[bytes, list[Attempt]] = defaultdict(list)

    def enter(self, stage: Stage, peer: RawServer, stream_id: int, fields: Fields) -> Attempt:
        metadata = dict(fields)
        name = metadata.get(b"x-call", b"")
        with self.lock:
            acts = metadata.get(b"x-acts", b"").decode().split()
            number = len(self.calls[name])
            act = stage.always or (acts[number] if number < len(acts) else "ok")
            one = Attempt(stage, peer, stream_id, fields, act)
            self.calls[name].append(one)
            stage.attempts.append(one)
        return one


@dataclass
class Heard:
    """One stream, as the client sees it."""

    left: int
    name: bytes
    heads: list[Fields] = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray)
    reset: Code | None = None
    over: bool = False
    at: float = 0.0  # when it was over


class Caller:
    """A client in cleartext that knows its windows: what it may send, and that it gets no more back."""

    _names = itertools.count()

    def __init__(self, house: House, *pairs: tuple[int, int], timeout: float = 10.0) -> None:
        self.raw: RawClient = house.raw(tls=False, timeout=timeout)
        theirs = self.raw.begin(*pairs).settings
        self.stream_window = theirs.get(Setting.INITIAL_WINDOW_SIZE, WINDOW)
        self.raw.send(frames.window_update(0, 1 << 28))
        self.left = WINDOW
        self.next_id = 1
        self.streams: dict[int, Heard] = {}

    def open(
        self, *acts: str, end: bool = False, fields: Fields | None = None, path: bytes = b"/a.B/C"
    ) -> int:
        """A new call whose attempts are to be acted so; returns its stream."""
        stream_id = self.next_id
        self.next_id += 2
        name = b"%d" % next(self._names)
        self.streams[stream_id] = Heard(self.stream_window, name)
        more = [(b"x-call", name), (b"x-acts", " ".join(acts).encode()), *(fields or [])]
        self.raw.head(stream_id, frames.request(path, b"gw.test", *more), end=end)
        return stream_id

    def send(self, stream_id: int, octets: bytes = b"", *, end: bool = False) -> None:
        """DATA, as windows allow; nothing more once the stream is over."""
        heard = self.streams[stream_id]
        while not heard.over:
            size = min(len(octets), 16384, self.left, heard.left)
            if size or not octets:
                last = size == len(octets)
                self.raw.send(frames.data(stream_id, octets[:size], end=end and last))
                self.left -= size
                heard.left -= size
                octets = octets[size:]
                if last:
                    return
            else:
                self.take()

    def take(self, timeout: float | None = None) -> Frame:
        """One more frame, put where it belongs."""
        frame = self.raw.read(timeout)
        heard = self.streams.get(frame.stream_id)
        if frame.type == Type.WINDOW_UPDATE:
            size = int.from_bytes(frame.payload, "big")
            if heard is None:
                self.left += size
                assert self.left <= WINDOW, "connection credit was given twice"
            else:
                heard.left += size
                assert heard.left <= self.stream_window, "stream credit was given twice"
        elif frame.type == Type.HEADERS and heard is not None:
            assert not heard.over
            heard.heads.append(self.raw.fields(frame))
        elif frame.type == Type.DATA and heard is not None:
            heard.body += frame.payload
        elif frame.type == Type.RST_STREAM and heard is not None:
            heard.reset = frame.code
        if heard is not None and not heard.over and (frame.ends_stream or frame.type == Type.RST_STREAM):
            heard.over, heard.at = True, time.monotonic()
        return frame

    def sync(self) -> None:
        """All that was sent has been dealt with, and what the gateway says to it is taken."""
        self.raw.send(frames.ping(b"in step!"))
        while True:
            frame = self.take()
            if frame.type == Type.PING and frame.flags & ACK:
                return

    def result(self, stream_id: int) -> Answer:
        heard = self.streams[stream_id]
        while not heard.over:
            self.take()
        return Answer(heard.heads, bytes(heard.body), heard.reset)

    def name(self, stream_id: int) -> bytes:
        return self.streams[stream_id].name

    def cancel(self, stream_id: int) -> None:
        self.raw.send(frames.rst_stream(stream_id))
        self.streams[stream_id].over = True

    def check_whole(self) -> None:
        """No call is open: is the connection's window whole? Credit comes in lots, so one is made to come."""
        assert all(heard.over for heard in self.streams.values())
        stream_id = self.open()
        for _ in range(40):
            before = self.left
            self.send(stream_id, b"x" * 1000)
            self.sync()
            if self.left >= before:
                break
        assert self.left == WINDOW, f"{WINDOW - self.left} octets of the connection's window are lost"
        self.send(stream_id, end=True)
        assert self.result(stream_id).grpc_status == 0


def is_quiet(house: House) -> bool:
    """No call, no stream, no octets are left, and no endpoint has a call running; connections may be open."""
    running = [row["calls_running"] for row in house.gateway.stats()["endpoints"]]
    return not any(running) and not set(alive(house.gateway)) - {"links_open", "octets_lent"}


def settles(house: House) -> None:
    eventually(lambda: is_quiet(house))


def total(house: House) -> dict[str, int]:
    return house.gateway.stats()["total"]  # type: ignore[no-any-return]
