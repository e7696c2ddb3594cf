"""grpcio clients that make calls of every kind, check each octet, cancel and go away at random."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator

import grpc

from tests.soak.book import CANCELLED, DEADLINE_EXCEEDED, Book, Call
from tests.soak.processes import Gateway
from tests.support.grpc_echo import Echo, channel

PATIENT = 30.0  # seconds: a call that takes this long is stuck
MIB = 1 << 20


class Wrong(Exception):  # noqa: N818  not an error of the program: the finding itself
    """What came back is not what was sent."""


class Caller:
    """One client in a thread of its own: a channel, one call after the other."""

    def __init__(self, seed: int, gateway: Gateway, ca_pem: bytes, book: Book, over: threading.Event) -> None:
        self.dice = random.Random(seed)
        self.gateway, self.ca_pem, self.book, self.over = gateway, ca_pem, book, over
        self.turns: list[tuple[int, Callable[[Echo], None]]] = [
            (40, self._small),
            (4, self._large),
            (10, self._upload),
            (12, self._download),
            (12, self._chat),
            (8, self._endless),
            (5, self._late),
            (5, self._failing),
            (2, self._slow_chat),
        ]
        self.name = ""

    def run(self) -> None:
        on = None
        try:
            while not self.over.is_set():
                if on is None:
                    on = self._channel()
                echo = Echo(on)
                self._turn(echo)
                if self.dice.random() < 0.03:
                    self._leave(on, echo)
                    on = None
                self.over.wait(self.dice.random() * 0.06)
        except BaseException as error:
            self.book.find(f"a client broke: {error!r}")
        finally:
            if on is not None:
                on.close()

    def _channel(self) -> grpc.Channel:
        self.name = self.dice.choice(("a", "b", "steady"))
        tls = self.dice.random() < 0.7
        return channel(
            self.gateway.tls if tls else self.gateway.plain,
            ca_pem=self.ca_pem if tls else None,
            name=f"{self.name}.gw.test",
        )

    def _turn(self, echo: Echo) -> None:
        weights = [weight for weight, _ in self.turns]
        self.dice.choices([turn for _, turn in self.turns], weights)[0](echo)

    def _leave(self, on: grpc.Channel, echo: Echo) -> None:
        """Close the connection under calls that run."""
        running = [echo.sleep.future(b"5", timeout=PATIENT) for _ in range(self.dice.randrange(4))]
        running.append(echo.endless(b"x" * 5000, timeout=PATIENT))
        time.sleep(self.dice.random() * 0.1)
        on.close()
        self.book.count("channels closed under calls")
        for one in running:
            self._end(Call("left", self.name, time.monotonic(), PATIENT, frozenset({CANCELLED})), one)

    def _call(self, kind: str, *may: grpc.StatusCode, timeout: float = PATIENT) -> Call:
        return Call(kind, self.name, time.monotonic(), timeout, frozenset(may))

    def _end(self, call: Call, asked: grpc.Call) -> None:
        code, words = asked.code(), asked.details() or ""
        trailers = asked.trailing_metadata() or ()
        mine = [str(value) for key, value in trailers if key == "fastgw-error"]
        self.book.close(call, code, time.monotonic(), " ".join((words, *mine)))

    def _finish(self, call: Call, asked: grpc.Call, wanted: bytes) -> None:
        """The end of a call with one answer."""
        try:
            if asked.result() != wanted:  # type: ignore[attr-defined]
                self.book.find(f"{call.kind} on {call.name}: other octets came back")
        except (grpc.RpcError, grpc.FutureCancelledError):
            pass
        self._end(call, asked)

    def _follow(self, call: Call, asked: grpc.Call, wanted: Iterator[bytes], stop: int, pause: float) -> None:
        """Read a stream, slowly if `pause` seconds; cancel after `stop` messages."""
        number = 0
        try:
            for number, message in enumerate(asked, 1):  # type: ignore[arg-type]
                if message != next(wanted, None):
                    raise Wrong
                if number == stop:
                    asked.cancel()
                if pause:
                    time.sleep(pause)
        except grpc.RpcError:
            pass
        except Wrong:
            self.book.find(f"{call.kind} on {call.name}: another message number {number}")
            asked.cancel()
        self._end(call, asked)
        if asked.code() is grpc.StatusCode.OK and next(wanted, None) is not None:
            self.book.find(f"{call.kind} on {call.name}: ended well after {number} messages only")

    # kinds of calls

    def _unary(self, kind: str, echo: Echo, size: int) -> None:
        message = self.dice.randbytes(size)
        if self.dice.random() < 0.15:
            call = self._call(kind, CANCELLED)
            asked = echo.unary.future(message, timeout=PATIENT)
            time.sleep(self.dice.random() * 0.02)
            asked.cancel()
        else:
            call = self._call(kind)
            asked = echo.unary.future(message, timeout=PATIENT)
        self._finish(call, asked, message)

    def _small(self, echo: Echo) -> None:
        for _ in range(self.dice.randrange(1, 12)):
            self._unary("small", echo, self.dice.choice((0, 1, 30, 400, 3000)))

    def _large(self, echo: Echo) -> None:
        self._unary("1 MiB", echo, MIB)

    def _upload(self, echo: Echo) -> None:
        dice = self.dice
        messages = [dice.randbytes(dice.choice((0, 10, 5000, 40000))) for _ in range(dice.randrange(60))]
        stop = dice.choice((None, None, None, dice.randrange(60)))
        call = self._call("upload", *(() if stop is None else (CANCELLED,)))
        halt = threading.Event()

        def send() -> Iterator[bytes]:
            for number, message in enumerate(messages):
                if number == stop:
                    halt.set()
                yield message

        asked = echo.collect.future(send(), timeout=PATIENT)
        if stop is not None:
            halt.wait(0.5)
            asked.cancel()
        self._finish(call, asked, b"".join(messages))

    def _download(self, echo: Echo) -> None:
        count = self.dice.choice((0, 1, 50, 1500))
        stop = self.dice.choice((0, 0, 0, self.dice.randrange(1, 100)))
        call = self._call("download", *((CANCELLED,) if stop else ()))
        asked = echo.count(b"%d" % count, timeout=PATIENT)
        self._follow(call, asked, (b"m%d" % number for number in range(count)), stop, 0)

    def _chat(self, echo: Echo, pause: float = 0.0) -> None:
        dice = self.dice
        messages = [dice.randbytes(dice.choice((0, 10, 500, 20000))) for _ in range(dice.randrange(1, 50))]
        stop = dice.choice((0, 0, 0, dice.randrange(1, 50)))
        call = self._call("chat", *((CANCELLED,) if stop else ()))
        asked = echo.chat(iter(messages), timeout=PATIENT)
        self._follow(call, asked, iter(messages), stop, pause)

    def _slow_chat(self, echo: Echo) -> None:
        self._chat(echo, self.dice.random() * 0.15)

    def _endless(self, echo: Echo) -> None:
        """A stream that only the client ends, mostly read slower than it comes."""
        message = self.dice.randbytes(self.dice.choice((10, 3000, 60000)))
        call = self._call("endless", CANCELLED)
        asked = echo.endless(message, timeout=PATIENT)
        pause = self.dice.choice((0, 0.01, 0.05))
        self._follow(call, asked, iter(lambda: message, None), self.dice.randrange(1, 60), pause)

    def _late(self, echo: Echo) -> None:
        timeout = 0.05 + self.dice.random() * 0.4
        call = self._call("late", DEADLINE_EXCEEDED, timeout=timeout)
        self._finish(call, echo.sleep.future(b"5", timeout=timeout), b"5")

    def _failing(self, echo: Echo) -> None:
        code = self.dice.choice((grpc.StatusCode.NOT_FOUND, grpc.StatusCode.DATA_LOSS))
        call = self._call("failing", code)
        metadata = [("x-code", code.name), ("x-filler", "f" * self.dice.choice((1, 500, 3000)))]
        if self.dice.random() < 0.5:
            asked = echo.fail.future(b"as asked", timeout=PATIENT, metadata=metadata)
            self._finish(call, asked, b"")
        else:
            asked = echo.fail_late(b"as asked", timeout=PATIENT, metadata=metadata)
            self._follow(call, asked, iter((b"as asked",)), 0, 0)
