"""grpcio clients: so many calls a second of all four kinds, every answer compared, every end noted."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import grpc

from tests.support.grpc_echo import SERVICE, same

KINDS = ("unary", "upload", "download", "chat")
PATIENT = 20.0  # seconds: a call that takes this long is stuck
PACE = 0.03  # seconds from one message of a stream to the next, on average
OLD = 6  # channels for all time; one more is young: it is opened anew every second
OPTIONS = (
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
)


@dataclass
class Call:
    """What became of a call; times are of the monotonic clock."""

    name: str
    kind: str
    begun: float
    ended: float = 0.0
    code: grpc.StatusCode = grpc.StatusCode.OK
    words: str = ""
    error: str = ""  # fastgw-error: `name; side=…; phase=…`
    seen: int = 0  # messages of the answer
    wrong: str = ""  # what of the answer is not what was sent


@dataclass
class Client:
    """`target` as grpcio writes it; `ca_pem` None: in cleartext."""

    target: str
    ca_pem: bytes | None
    authority: str
    rate: float = 200.0
    seed: int = 1
    calls: list[Call] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._dice = random.Random(self.seed)
        self._number = 0
        self._channels: list[grpc.aio.Channel] = []
        self._running: set[asyncio.Task[None]] = set()

    async def run(self, over: asyncio.Event) -> None:
        """Until `over`, and until what is under way then has ended."""
        self._channels = [self._channel() for _ in range(OLD)]
        young, renewed = self._channel(), time.monotonic()
        old_ones: list[asyncio.Task[None]] = []
        due = time.monotonic()
        while not over.is_set():
            due += 1 / self.rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            if time.monotonic() - renewed > 1:
                old_ones.append(asyncio.ensure_future(young.close(PATIENT)))
                young, renewed = self._channel(), time.monotonic()
            place = self._number % (4 * OLD + 1)
            channel = young if place == 4 * OLD else self._channels[place % OLD]
            task = asyncio.ensure_future(self._call(channel))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        await asyncio.gather(*self._running)
        await asyncio.gather(*old_ones, young.close(), *(channel.close() for channel in self._channels))

    def _channel(self) -> grpc.aio.Channel:
        options = (("grpc.default_authority", self.authority), *OPTIONS)
        if self.ca_pem is None:
            return grpc.aio.insecure_channel(self.target, options)
        options += (("grpc.ssl_target_name_override", self.authority),)
        return grpc.aio.secure_channel(self.target, grpc.ssl_channel_credentials(self.ca_pem), options)

    async def _call(self, channel: grpc.aio.Channel) -> None:
        dice = self._dice
        call = Call(f"{self.seed}-{self._number}", KINDS[self._number % 4], time.monotonic())
        self._number += 1
        pace = dice.random() * 2 * PACE
        metadata = (("x-id", call.name), ("x-pace", f"{pace:.4f}"))
        messages = [dice.randbytes(dice.choice((0, 10, 300, 3000))) for _ in range(dice.randrange(1, 9))]
        try:
            await getattr(self, f"_{call.kind}")(channel, call, metadata, messages, pace)
        except grpc.aio.AioRpcError as failure:
            call.code, call.words = failure.code(), failure.details() or ""
            trailers = dict(failure.trailing_metadata() or ())
            call.error = str(trailers.get("fastgw-error", ""))
        except Exception as surprise:
            call.wrong = repr(surprise)
        call.ended = time.monotonic()
        self.calls.append(call)

    # the kinds; what is not as it was sent stands in call.wrong

    async def _unary(self, channel, call, metadata, messages, pace) -> None:  # type: ignore[no-untyped-def]
        asked = channel.unary_unary(SERVICE + "Unary", same, same)
        if await asked(messages[0], timeout=PATIENT, metadata=metadata) != messages[0]:
            call.wrong = "another message"

    async def _upload(self, channel, call, metadata, messages, pace) -> None:  # type: ignore[no-untyped-def]
        asked = channel.stream_unary(SERVICE + "Collect", same, same)
        if await asked(_slowly(messages, pace), timeout=PATIENT, metadata=metadata) != b"".join(messages):
            call.wrong = "another message"

    async def _download(self, channel, call, metadata, messages, pace) -> None:  # type: ignore[no-untyped-def]
        asked = channel.unary_stream(SERVICE + "Count", same, same)
        wanted = [b"m%d" % number for number in range(len(messages))]
        await _compare(call, asked(b"%d" % len(wanted), timeout=PATIENT, metadata=metadata), wanted)

    async def _chat(self, channel, call, metadata, messages, pace) -> None:  # type: ignore[no-untyped-def]
        asked = channel.stream_stream(SERVICE + "Chat", same, same)
        stream = asked(_slowly(messages, pace), timeout=PATIENT, metadata=metadata)
        await _compare(call, stream, messages)


async def _slowly(messages: list[bytes], pace: float) -> AsyncIterator[bytes]:
    for message in messages:
        yield message
        await asyncio.sleep(pace)


async def _compare(call: Call, stream: AsyncIterator[bytes], wanted: list[bytes]) -> None:
    async for message in stream:
        if call.seen >= len(wanted) or message != wanted[call.seen]:
            call.wrong = f"another message number {call.seen}"
        call.seen += 1
    if call.seen != len(wanted):
        call.wrong = call.wrong or f"ended well after {call.seen} messages of {len(wanted)}"
