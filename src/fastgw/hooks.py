"""Python hooks: which functions are asked about which calls, on which threads, and what they may say."""

from __future__ import annotations

import asyncio
import inspect
import ipaddress
import logging
import os
import queue
import select
import socket
import struct
import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from fastgw._core.proxy.ask import Asks, Question
from fastgw._core.proxy.hooks import Hooks as Rows
from fastgw._core.proxy.hooks import may_change
from fastgw.policy.names import HostnameError, hostname

BUDGET = 0.05  # seconds that a call waits for its hook
BUDGET_MOST = 60.0
REMEMBER_MOST = 3600.0
LATE = 0.1  # seconds beyond the budget after which a coroutine is cancelled
THREADS = 4  # that run hooks which are not coroutines
CALLER_THREADS = 4  # that find out who calls, where that is asked; some of them may wait for an issuer's keys
ABOUT_CALLERS = (1 << 64) - 1  # the number under which the core asks that
STATUS = {
    name: number
    for number, name in enumerate(
        (
            "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
            "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE",
            "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
        ),
        1,
    )
}  # fmt: skip

logger = logging.getLogger("fastgw")


@dataclass(frozen=True, slots=True)
class Deny:
    """The call ends here: `status` is the name of a gRPC status, `message` one sentence for its caller."""

    status: str = "PERMISSION_DENIED"
    message: str = "a hook of this gateway does not let the call pass"
    remember: bool = False

    def __post_init__(self) -> None:
        if self.status not in STATUS:
            raise ValueError(f"{self.status!r} is not the name of a gRPC status of a failure")


@dataclass(frozen=True, slots=True)
class Pass:
    """The call goes on, with changed metadata: first `remove`, then `set`, then `add`. Names are lower-case.

    Pseudo-fields, `grpc-*`, `te`, `content-type` and fields of the connection cannot be changed. `remember`:
    the answer holds for calls with the same `cache_by`; changes are not remembered.
    """

    set: Mapping[str, str | bytes] = field(default_factory=dict)
    add: Sequence[tuple[str, str | bytes]] = ()
    remove: Iterable[str] = ()
    remember: bool = False


class Head:
    """The head of a call that waits. It can be read until the hook has returned, and nothing is read before.

    Values are text; `*-bin` metadata is what came, still in base64.
    """

    __slots__ = ("_question",)

    def __init__(self, question: Question) -> None:
        self._question = question

    def get(self, name: str, default: str = "") -> str:
        """The first value of this metadata key, or pseudo-field."""
        value = self._question.get(name.lower().encode())
        return default if value is None else _text(value)

    def items(self) -> list[tuple[str, str]]:
        """All fields in order, pseudo-fields first."""
        return [(_text(name), _text(value)) for name, value in self._question.fields()]

    @property
    def path(self) -> str:
        """`/package.Service/Method`."""
        return self.get(":path")

    @property
    def host(self) -> str:
        """What the client asked for, as it wrote it."""
        return self.get(":authority") or self.get("host")

    @property
    def service(self) -> str:
        """`package.Service`."""
        return self.path.strip("/").partition("/")[0]

    @property
    def method(self) -> str:
        """The method alone."""
        return self.path.strip("/").partition("/")[2]

    @property
    def ray(self) -> str:
        """The id of the call, as in `fastgw-ray` and the access log."""
        return str(self._question.ray)

    @property
    def peer(self) -> str:
        """The client's address; empty for a unix socket."""
        family = struct.unpack_from("=H", self._question.peer)[0]
        if family == socket.AF_INET:
            return str(ipaddress.IPv4Address(self._question.peer[4:8]))
        if family == socket.AF_INET6:
            return str(ipaddress.IPv6Address(self._question.peer[8:24]))
        return ""


Said = Deny | Pass | None
Hook = Callable[[Head], Said] | Callable[[Head], Awaitable[Said]]


@dataclass(frozen=True, slots=True)
class Row:
    """One hook and the calls it is asked about."""

    function: Hook
    name: str
    host: str
    path: str
    budget_ms: int
    passes: bool
    remember_ms: int
    fields: tuple[str, ...]


def row_of(
    function: Hook,
    *,
    host: str | None,
    service: str | None,
    method: str | None,
    budget: float,
    on_failure: str,
    cache_by: Iterable[str],
    cache_for: float,
) -> Row:
    """What `Gateway.on_request` was told, judged. Raise ValueError."""
    if method is not None and service is None:
        raise ValueError("a method is named together with its service")
    if not 0.001 <= budget <= BUDGET_MOST:
        raise ValueError(f"budget is {budget} s; it must be 0.001 to {BUDGET_MOST:g}")
    if on_failure not in ("deny", "pass"):
        raise ValueError(f'on_failure is {on_failure!r}; it must be "deny" or "pass"')
    if not 0 <= cache_for <= REMEMBER_MOST:
        raise ValueError(f"cache_for is {cache_for} s; it must be 0 to {REMEMBER_MOST:g}")
    fields = tuple(name.lower() for name in cache_by)
    if cache_for > 0 and not fields:
        raise ValueError('cache_by names the fields the answer depends on, as in ("authorization", ":path")')
    wanted = ""
    if host is not None:
        bare = host.removeprefix("*.")
        try:
            wanted = host[: len(host) - len(bare)] + hostname(bare)
        except HostnameError as error:
            raise ValueError(f"host is {host!r}, which {error}") from None
    path = "" if service is None else f"/{service}/{method or ''}"
    name = getattr(function, "__qualname__", type(function).__name__)
    return Row(
        function,
        name,
        wanted,
        path,
        round(budget * 1000),
        on_failure == "pass",
        round(cache_for * 1000),
        fields,
    )


class Hooks:
    """Asks the functions of `rows` on its own threads, coroutines on `loop` or else on a loop of its own."""

    def __init__(
        self,
        rows: Sequence[Row],
        loop: asyncio.AbstractEventLoop | None = None,
        callers: Callable[[list[tuple[bytes, bytes]]], bool] | None = None,
    ) -> None:
        self._rows = tuple(rows)
        self._who = callers
        self._asks = Asks()
        self.core = Rows(
            self._asks,
            [
                (row.name, row.host, row.path, row.budget_ms, row.passes, row.remember_ms, row.fields)
                for row in self._rows
            ],
        )
        self._loop = loop
        self._own_loop: asyncio.AbstractEventLoop | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting: queue.SimpleQueue[Question | None] = queue.SimpleQueue()
        self._callers: queue.SimpleQueue[Question | None] = queue.SimpleQueue()
        self._reading = self._knowing = False
        self._threads: list[threading.Thread] = []
        self._end_read, self._end_write = os.pipe()

    def start(self) -> None:
        """Begin to answer what is asked of hooks."""
        if not self._rows:
            return
        coroutines = [_is_coroutine(row.function) for row in self._rows]
        if any(coroutines) and self._loop is None:
            self._loop = self._own_loop = asyncio.new_event_loop()
            self._thread("fastgw-hooks-loop", self._own_loop.run_forever)
        if not all(coroutines):
            for number in range(THREADS):
                self._thread(f"fastgw-hook-{number}", self._run)
        self._begin_to_read()

    def know_callers(self) -> None:
        """Begin to answer who calls; harmless if repeated."""
        if not self._knowing:
            self._knowing = True
            for number in range(CALLER_THREADS):
                self._thread(f"fastgw-callers-{number}", self._find_out)
            self._begin_to_read()

    def _begin_to_read(self) -> None:
        if not self._reading:
            self._reading = True
            self._thread("fastgw-hooks", self._read)

    def close(self) -> None:
        """Answer no more; questions that are left count as failed."""
        if self._end_write < 0:
            return
        os.close(self._end_write)
        self._end_write = -1
        for _ in range(THREADS):
            self._waiting.put(None)
        for _ in range(CALLER_THREADS):
            self._callers.put(None)
        if self._own_loop is not None:
            asyncio.run_coroutine_threadsafe(self._end_loop(self._own_loop), self._own_loop)
        for thread in self._threads:
            thread.join(1.0)  # a hook that never returns is not waited for
        os.close(self._end_read)
        if self._own_loop is not None and not self._own_loop.is_running():
            self._own_loop.close()

    async def _end_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        """Cancel what still runs on our own loop, then end it."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        loop.stop()

    def _thread(self, name: str, target: Callable[[], None]) -> None:
        thread = threading.Thread(target=target, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _read(self) -> None:
        """Take questions as they come, and give each to where its hook runs."""
        poll = select.poll()
        poll.register(self._asks.descriptor, select.POLLIN)
        poll.register(self._end_read, select.POLLIN)
        while all(descriptor != self._end_read for descriptor, _ in poll.poll()):
            for question in self._asks.take():
                if question.about == ABOUT_CALLERS:
                    self._callers.put(question)
                    continue
                if not _is_coroutine(self._rows[question.about].function):
                    self._waiting.put(question)
                    continue
                assert self._loop is not None
                try:
                    self._loop.call_soon_threadsafe(self._begin, question)
                except RuntimeError:  # the loop has been closed
                    question.fail()

    def _find_out(self) -> None:
        while True:
            question = self._callers.get()
            if question is None:
                return
            try:
                if self._who is not None and self._who(question.fields()):
                    question.let_pass()
                else:
                    question.fail()
            except Exception:
                # Without its text, in which there may be parts of a token.
                logger.error("a caller could not be judged, and was denied")
                _fail(question)

    def _run(self) -> None:
        while True:
            question = self._waiting.get()
            if question is None:
                return
            row = self._rows[question.about]
            try:
                _answer(question, row.function(Head(question)))
            except Exception:
                logger.exception("the hook %s has failed", row.name)
                _fail(question)

    def _begin(self, question: Question) -> None:
        task = asyncio.ensure_future(self._ask(question))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ask(self, question: Question) -> None:
        row = self._rows[question.about]
        try:
            said = row.function(Head(question))
            assert inspect.isawaitable(said)
            # The core gives up when the budget is over; a little later nobody needs the answer any more.
            _answer(question, await asyncio.wait_for(said, row.budget_ms / 1000 + LATE))
        except TimeoutError:
            _fail(question)
        except Exception:
            logger.exception("the hook %s has failed", row.name)
            _fail(question)


def _is_coroutine(function: Hook) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def _answer(question: Question, said: object) -> None:
    if said is None:
        question.let_pass()
    elif isinstance(said, Deny):
        question.deny(STATUS[said.status], said.message.encode(), remember=said.remember)
    elif isinstance(said, Pass):
        put = [(_name(name), _octets(value)) for name, value in (*said.set.items(), *said.add)]
        remove = [*map(_name, said.remove), *map(_name, said.set)]
        question.let_pass(remove=remove, put=put, remember=said.remember)
    else:
        raise TypeError(f"a hook returns None, Pass or Deny, not {type(said).__name__}")


def _fail(question: Question) -> None:
    if question.open:
        question.fail()


def _name(name: str) -> bytes:
    octets = name.lower().encode("ascii")
    if not may_change(octets):
        raise ValueError(f"the field {name} cannot be changed")
    return octets


def _octets(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode("ascii")


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "surrogateescape")
