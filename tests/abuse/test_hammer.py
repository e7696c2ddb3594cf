"""Random and mutated HTTP/2 from both sides at once, with honest calls beside it.

Seeded and bounded. FASTGW_HAMMER_ROUNDS says how many rounds, FASTGW_HAMMER_SEED where to begin. After each
round every slot has come back and no octet waits.
"""

from __future__ import annotations

import contextlib
import os
import random
import socket
import threading

import pytest

from tests.abuse.peers import HEAD, TRAILERS, RawOrigin, Served, client, live, stats, toml, until
from tests.support import frames
from tests.support.frames import Setting
from tests.support.house import House
from tests.support.raw import ClosedError, RawClient

ROUNDS = int(os.environ.get("FASTGW_HAMMER_ROUNDS", "8"))
SEED = int(os.environ.get("FASTGW_HAMMER_SEED", "1"))

NAMES = (b"gw.test", b"gw.test", b"gw.test", b"good.gw.test", b"nobody.test", b"")
_GONE = (OSError, ClosedError, AssertionError)


def _length(dice: random.Random) -> int:
    return dice.choice((0, 0, 1, 5, 9, 100, 1000, 16379, 16384))


def _noise(dice: random.Random) -> bytes:
    return dice.randbytes(dice.randrange(40))


def _settings(dice: random.Random) -> bytes:
    some = (
        (Setting.INITIAL_WINDOW_SIZE, dice.choice((0, 1, 100, 65535, 1 << 20, (1 << 31) - 1))),
        (Setting.HEADER_TABLE_SIZE, dice.choice((0, 64, 4096, 1 << 30))),
        (Setting.MAX_CONCURRENT_STREAMS, dice.choice((0, 1, 3, 100, 1 << 31))),
        (Setting.MAX_FRAME_SIZE, dice.choice((16384, 1 << 20))),
        (77, dice.getrandbits(32)),
    )
    pairs = dice.sample(some, dice.randrange(4))
    return frames.settings(*pairs)


def _block(dice: random.Random, peer: RawClient, fields: list[tuple[bytes, bytes]]) -> bytes:
    """A field block that keeps the tables in step, mostly."""
    if dice.random() < 0.4:
        return peer.encoder.encode(fields)
    block = bytearray(frames.literal(fields))
    if dice.random() < 0.05:
        block[dice.randrange(len(block))] ^= 1 << dice.randrange(8)
    return bytes(block)


def _head(dice: random.Random, stream: int, block: bytes, end: bool) -> bytes:
    """HEADERS, sometimes in pieces."""
    if dice.random() < 0.8:
        return frames.headers(stream, block, end=end)
    cut = dice.randrange(len(block) + 1)
    first = frames.headers(stream, block[:cut], end=end, end_headers=False)
    return first + frames.continuation(stream, block[cut:])


def _any(dice: random.Random, stream: int) -> bytes:
    """One frame that may stand anywhere, mostly legal."""
    return dice.choice(
        (
            lambda: _settings(dice),
            lambda: frames.ping(dice.randbytes(8), ack=dice.random() < 0.3),
            lambda: frames.window_update(0, dice.choice((1, 1000, 65535, 1 << 20))),
            lambda: frames.window_update(stream, dice.choice((1, 100, 70000))),
            lambda: frames.window_update(stream, dice.choice((1, 100, 70000))),
            lambda: frames.rst_stream(stream, dice.randrange(16)),
            lambda: frames.priority(stream, dice.choice((0, stream, 3))),
            lambda: frames.data(stream, dice.randbytes(_length(dice)), end=dice.random() < 0.2),
            lambda: frames.data(stream, b"x" * dice.randrange(50), padding=dice.randrange(256)),
            lambda: frames.frame(dice.randrange(10, 256), stream, _noise(dice), dice.randrange(256)),
        )
    )()


def _rare(dice: random.Random, stream: int) -> bytes:
    """One frame that breaks a rule or ends something."""
    return dice.choice(
        (
            lambda: frames.goaway(dice.choice((0, 1, stream, (1 << 31) - 1)), dice.randrange(14)),
            lambda: frames.window_update(dice.choice((0, stream)), dice.choice((0, (1 << 31) - 1))),
            lambda: frames.headers(stream, dice.randbytes(dice.randrange(30))),
            lambda: frames.continuation(stream, b""),
            lambda: frames.frame(dice.randrange(10), dice.randrange(8), _noise(dice), dice.randrange(256)),
            lambda: frames.frame(0, stream, b"", 0, length=16385),
            lambda: dice.randbytes(dice.randrange(1, 40)),
        )
    )()


def _say(dice: random.Random, peer: RawClient, octets: bytes) -> None:
    """Send in pieces of any size."""
    if dice.random() < 0.02:
        mutated = bytearray(octets)
        mutated[dice.randrange(len(mutated))] ^= 1 << dice.randrange(8)
        octets = bytes(mutated)
    if dice.random() < 0.2 and len(octets) > 1:
        cut = dice.randrange(1, len(octets))
        peer.send(octets[:cut])
        octets = octets[cut:]
    peer.send(octets)


def _swallow(dice: random.Random, peer: RawClient) -> None:
    """Read what is there, or do not."""
    if dice.random() < 0.3:
        peer.sock.settimeout(0.002)
        with contextlib.suppress(TimeoutError):
            while peer.sock.recv(1 << 16):
                pass
        peer.sock.settimeout(2)


def _close(dice: random.Random, peer: RawClient) -> None:
    if dice.random() < 0.3:
        peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    with contextlib.suppress(OSError):
        peer.sock.close()


def _hostile_client(seed: int, house: House) -> None:
    dice = random.Random(seed)
    peer = None
    try:
        tls = dice.random() < 0.2
        peer = house.raw(tls=tls, listener=0 if tls or dice.random() < 0.05 else 1, timeout=2)
        peer.send(frames.PREFACE if dice.random() < 0.98 else dice.randbytes(24), _settings(dice))
        opened = 1
        for _ in range(dice.randrange(5, 80)):
            stream = dice.choice((opened, max(1, opened - 2), dice.randrange(1, opened + 1, 2)))
            luck = dice.random()
            if luck < 0.35:
                fields = frames.request(authority=dice.choice(NAMES))
                if dice.random() < 0.1:
                    fields.append((b"x-long", b"v" * dice.choice((4000, 20000, 33000))))
                if dice.random() < 0.05:
                    fields.append((b"content-length", b"10"))
                opened += 2
                _say(dice, peer, _head(dice, opened, _block(dice, peer, fields), dice.random() < 0.3))
            elif luck < 0.4:
                _say(dice, peer, _head(dice, stream, _block(dice, peer, [(b"x-trailer", b"1")]), True))
            elif luck < 0.985:
                _say(dice, peer, _any(dice, stream))
            else:
                _say(dice, peer, _rare(dice, stream))
            _swallow(dice, peer)
    except _GONE:
        pass
    finally:
        if peer is not None:
            _close(dice, peer)


def _hostile_answers(dice: random.Random, peer: Served) -> None:
    peer.sock.settimeout(2)
    if dice.random() < 0.05:
        return
    peer.send(_settings(dice) if dice.random() < 0.97 else dice.randbytes(20))
    seen = 0
    for _ in range(dice.randrange(5, 300)):
        peer.sock.settimeout(0.005)
        with contextlib.suppress(TimeoutError):
            said = peer.sock.recv(1 << 16)
            if not said:
                return
            seen = min(seen + 2 * said.count(b"\0\0\0\1"), 4000) or 1
        peer.sock.settimeout(2)
        stream = dice.randrange(1, max(seen, 1) + 2, 2)
        luck = dice.random()
        if luck < 0.3:
            fields = dice.choice(
                (HEAD, HEAD, [*HEAD, *TRAILERS], [(b":status", b"103")], [(b":status", b"99")])
            )
            _say(dice, peer, _head(dice, stream, _block(dice, peer, list(fields)), dice.random() < 0.2))
        elif luck < 0.45:
            _say(dice, peer, _head(dice, stream, _block(dice, peer, list(TRAILERS)), dice.random() < 0.95))
        elif luck < 0.99:
            _say(dice, peer, _any(dice, stream))
        else:
            _say(dice, peer, _rare(dice, stream))


def _hostile_origin(seed: int, origin: RawOrigin, stop: threading.Event) -> None:
    dice = random.Random(seed)
    origin.listener.settimeout(0.05)
    while not stop.is_set():
        try:
            peer = Served(origin.listener.accept()[0])
        except OSError:
            continue
        with contextlib.suppress(*_GONE):
            _hostile_answers(dice, peer)
        _close(dice, peer)


def _honest_origin(origin: RawOrigin) -> None:
    """Answers every call on its one connection after the other."""
    while True:
        try:
            peer = Served(origin.listener.accept()[0], timeout=60)
            peer.begin((Setting.INITIAL_WINDOW_SIZE, 1 << 20))
            peer.send(frames.window_update(0, 1 << 30))
            last = 0
            while True:
                frame = peer.read(60)
                if frame.type == frames.Type.HEADERS:
                    stream = frame.stream_id
                    peer.reader.fields(peer._block(frame))
                    if stream <= last:
                        continue  # trailers
                    last = stream
                    peer.head(stream, HEAD)
                    peer.send(frames.data(stream, frames.message(b"honest")))
                    peer.head(stream, TRAILERS, end=True)
                elif frame.type == frames.Type.PING and not frame.flags:
                    peer.send(frames.ping(frame.payload, ack=True))
        except (ClosedError, TimeoutError, AssertionError):
            continue
        except OSError:
            return


def _honest_calls(house: House, failures: list[object]) -> None:
    try:
        raw = client(house, timeout=10)
        for number in range(1, 41, 2):
            raw.head(number, frames.request(authority=b"good.gw.test"), end=True)
            answer = raw.answer(number)
            if answer.grpc_status != 0 or answer.body != frames.message(b"honest"):
                failures.append((number, answer.heads, answer.reset))
        raw.sock.close()
    except BaseException as error:
        failures.append(error)


@pytest.fixture
def hammered(gateway):
    bad, good = RawOrigin(), RawOrigin()
    house = gateway(toml=toml(bad.port, good.port))
    threading.Thread(target=_honest_origin, args=(good,), daemon=True).start()
    yield house, bad
    good.listener.shutdown(socket.SHUT_RDWR)
    bad.close()
    good.close()


@pytest.mark.timeout(max(60, ROUNDS * 20))
def test_random_octets_from_both_sides(hammered):
    house, bad = hammered
    for number in range(SEED, SEED + ROUNDS):
        stop = threading.Event()
        failures: list[object] = []
        seeds = range(number * 100, number * 100 + 6)
        origins = [threading.Thread(target=_hostile_origin, args=(seed, bad, stop)) for seed in seeds[:2]]
        clients = [threading.Thread(target=_hostile_client, args=(seed, house)) for seed in seeds]
        clients.append(threading.Thread(target=_honest_calls, args=(house, failures)))
        for thread in (*origins, *clients):
            thread.start()
        for thread in clients:
            thread.join()
        came_back = until(lambda: not live(house), 4)
        stop.set()
        for thread in origins:
            thread.join()
        assert not failures, (number, failures, stats(house)["refused"])
        assert came_back, (number, live(house))
        assert until(lambda: stats(house)["links_open"] <= 40, 4), (number, stats(house))
