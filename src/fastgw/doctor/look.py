"""Looks at an endpoint step by step and writes down what it saw; each step is bounded in time and octets."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import threading

from OpenSSL import SSL

from fastgw.doctor.facts import Facts, Hello, Speaks, Target
from fastgw.doctor.handshake import FIRST, SeenPipe, grpc_context, shake, wide_context
from fastgw.doctor.talk import Talk
from fastgw.policy.names import address
from fastgw.probe.channel import READ, connect
from fastgw.probe.failure import ProbeError

ADDRESSES_MAX = 8  # of one name that are connected to
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"
_NO_ROUTE = (errno.ENETUNREACH, errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)


async def look(target: Target) -> Facts:
    """All that can be seen of `target`. Raise CertificateError if its client certificate is unusable."""
    facts = Facts(target)
    contexts = None if target.plaintext else (grpc_context(target), wide_context(target))
    await _resolve(facts)
    if facts.addresses:
        await _connect(facts)
    good = [at for at, error in facts.connects if not error]
    if not good:
        return facts
    place = good[0], target.port
    if contexts is None:
        await _talk(facts, place)
        if facts.settings is None and not facts.speaks:
            await _try_tls(facts, place)
    elif await _greet(facts, place, contexts[0]):
        return facts
    elif facts.hello is not None and not facts.hello.timed_out:
        await _look_wider(facts, place, contexts[1])
    return facts


async def _resolve(facts: Facts) -> None:
    """Ask the resolver of the system, in a thread that nobody waits for at the end."""
    target = facts.target
    literal = address(target.host)
    if literal is not None:
        facts.addresses = (literal,)
        return
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[tuple[str, ...] | str] = loop.create_future()

    def put(result: tuple[str, ...] | str) -> None:
        if not answer.done():
            answer.set_result(result)

    def ask() -> None:
        result: tuple[str, ...] | str
        try:
            rows = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
            result = tuple(dict.fromkeys(str(row[4][0]) for row in rows))
        except (OSError, UnicodeError) as error:
            result = str(getattr(error, "strerror", None) or error).lower()
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(put, result)

    threading.Thread(target=ask, name="doctor resolver", daemon=True).start()
    try:
        async with asyncio.timeout(target.timeout):
            found = await answer
    except TimeoutError:
        found = f"no answer within {target.timeout:g} s"
    if isinstance(found, str):
        facts.name_error = found
    else:
        facts.addresses = found


async def _connect(facts: Facts) -> None:
    """Try all addresses at once; one that this machine has no route to says nothing about the endpoint."""
    tried = facts.addresses[:ADDRESSES_MAX]
    found = await asyncio.gather(*(_try(at, facts.target) for at in tried))
    routed = tuple((at, error) for at, error, ours in found if not ours)
    facts.connects = routed or tuple((at, error) for at, error, _ in found)
    facts.unrouted = tuple(at for at, _, ours in found if ours) if routed else ()


async def _try(at: str, target: Target) -> tuple[str, str, bool]:
    """The address; why no connection came about, empty if one did; and is that for want of a route."""
    try:
        async with asyncio.timeout(target.timeout):
            _, writer = await asyncio.open_connection(at, target.port)
    except TimeoutError:
        return at, f"did not accept within {target.timeout:g} s", False
    except OSError as error:
        words = (os.strerror(error.errno) if error.errno else str(error)).lower()
        return at, words, error.errno in _NO_ROUTE
    writer.transport.abort()
    return at, "", False


async def _greet(facts: Facts, place: tuple[str, int], context: SSL.Context) -> bool:
    """TLS as gRPC clients speak it, then HTTP/2 over it; did TLS and ALPN come about?"""
    pipe = SeenPipe(context, facts.target.asked, ("h2",))
    try:
        reader, writer = await _open(place, facts.target.timeout)
    except ProbeError as error:
        facts.hello = Hello(error=str(error))
        return False
    facts.hello = await shake(pipe, reader, writer, facts.target.timeout)
    if facts.hello.error or facts.hello.alpn != "h2":
        writer.transport.abort()
        return False
    await _converse(facts, Talk(place, reader, writer, pipe))
    return True


async def _talk(facts: Facts, place: tuple[str, int]) -> None:
    """HTTP/2 without TLS, by prior knowledge."""
    try:
        reader, writer = await _open(place, facts.target.timeout)
    except ProbeError as error:
        facts.talk_error = str(error)
        return
    await _converse(facts, Talk(place, reader, writer, None))


async def _try_tls(facts: Facts, place: tuple[str, int]) -> None:
    """Servers of TLS say nothing to a cleartext preface: do they answer to what they expect?"""
    pipe = SeenPipe(wide_context(facts.target), facts.target.asked, ("h2", "http/1.1"))
    with contextlib.suppress(ProbeError):
        reader, writer = await _open(place, facts.target.timeout)
        if not (await shake(pipe, reader, writer, facts.target.timeout)).error:
            facts.speaks = "tls"
        writer.transport.abort()


async def _converse(facts: Facts, talk: Talk) -> None:
    """SETTINGS, a call, and PINGs, as far as it comes."""
    target = facts.target
    try:
        async with asyncio.timeout(target.timeout):
            await talk.greeting()
        facts.call = await talk.call(target)
        # A refusal of all that is odd may come as GOAWAY: what came before it stays true.
        facts.pings = await talk.pings(target.pings, target.timeout) if target.pings else None
    except TimeoutError:
        facts.talk_error = f"no SETTINGS within {target.timeout:g} s"
    except ProbeError as error:
        facts.talk_error = str(error)
    finally:
        facts.settings, facts.first = talk.settings, talk.first
        await talk.close()
    if facts.settings is None:
        facts.speaks = _language(facts.first)


async def _look_wider(facts: Facts, place: tuple[str, int], context: SSL.Context) -> None:
    """gRPC clients get no further: with what could one get further?"""
    pipe = SeenPipe(context, facts.target.asked, ("h2", "http/1.1"))
    with contextlib.suppress(ProbeError):
        reader, writer = await _open(place, facts.target.timeout)
        facts.wide = await shake(pipe, reader, writer, facts.target.timeout)
        writer.transport.abort()
    if facts.wide is None or facts.wide.error:
        with contextlib.suppress(ProbeError, OSError, TimeoutError):
            facts.first = await _say_preface(place, facts.target.timeout)
            facts.speaks = _language(facts.first)


async def _say_preface(place: tuple[str, int], timeout: float) -> bytes:
    """What answers the preface of HTTP/2 in cleartext. Raise ProbeError, OSError or TimeoutError."""
    reader, writer = await _open(place, timeout)
    try:
        writer.write(_PREFACE)
        async with asyncio.timeout(timeout):
            octets = await reader.read(READ)
            while octets and len(octets) < 9:
                more = await reader.read(READ)
                if not more:
                    break
                octets += more
        return octets[:FIRST]
    finally:
        writer.transport.abort()


async def _open(place: tuple[str, int], timeout: float) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    try:
        async with asyncio.timeout(timeout):
            return await connect(place)
    except TimeoutError:
        raise ProbeError(f"{place[0]} did not accept a second connection within {timeout:g} s") from None


def _language(first: bytes) -> Speaks:
    """What these are the first octets of."""
    if not first:
        return ""
    if first[3:4] == b"\4" and first[:2] == b"\0\0":
        return "http/2"
    if first.startswith(b"HTTP/"):
        return "http/1.1"
    if first[:2] in (b"\x15\x03", b"\x16\x03"):
        return "tls"
    return "something else"
