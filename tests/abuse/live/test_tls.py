"""Attacks on TLS and around it (RFC 9113 section 9.2): old versions, wrong names, lies in records."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import warnings

import pytest

from tests.support import frames as f
from tests.support.raw import h2_context
from tests.support.siege import MIB, Siege, goaway_of


def closed(sock: socket.socket, seconds: float = 3.0) -> bytes:
    """What the gateway says before it ends the connection, which it must."""
    sock.settimeout(seconds)
    said = b""
    with contextlib.suppress(ConnectionError):
        while octets := sock.recv(65536):
            said += octets
    return said


def context_of(version: ssl.TLSVersion, ciphers: str | None = None) -> ssl.SSLContext:
    context = h2_context()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = version
        context.maximum_version = version
    if ciphers is not None:
        context.set_ciphers(ciphers)
    return context


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1], ids=lambda v: v.name)
def test_old_versions(siege: Siege, version: ssl.TLSVersion) -> None:
    context = context_of(version, "ALL:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError, match="ALERT"), siege.raw(context=context):
        pass
    siege.is_well()


@pytest.mark.parametrize("ciphers", ["AES128-GCM-SHA256", "AES256-SHA", "ECDHE-ECDSA-AES128-SHA"])
def test_ciphers_of_appendix_a(siege: Siege, ciphers: str) -> None:
    """RFC 9113 appendix A: no key exchange without forward secrecy, no CBC."""
    context = context_of(ssl.TLSVersion.TLSv1_2, ciphers)
    with pytest.raises(ssl.SSLError, match="ALERT"), siege.raw(context=context):
        pass
    siege.is_well()


@pytest.mark.parametrize("protocols", [(), ("http/1.1",), ("h3",), ("h2c",), ("x" * 255,)], ids=repr)
def test_alpn_without_h2(siege: Siege, protocols: tuple[str, ...]) -> None:
    """Whoever does not speak h2 is told so in the handshake or at once after it; nothing is served."""
    with contextlib.suppress(OSError), siege.raw(context=h2_context(protocols=protocols)) as raw:
        raw.send(b"GET / HTTP/1.1\r\nHost: gw.test\r\n\r\n")
        assert b"HTTP/1.1 200" not in closed(raw.sock)
    siege.is_well()


@pytest.mark.parametrize(
    "name", ["nobody.test", "gw.test.evil.test", "a" * 63 + ".test", "xn--nxasmq6b.test"]
)
def test_unknown_and_odd_server_names(siege: Siege, name: str) -> None:
    """The default certificate or a refusal, and no call to a zone it does not cover."""
    with contextlib.suppress(OSError), siege.raw(name=name, context=h2_context()) as raw:
        raw.begin()
        raw.head(1, f.request(authority=name.encode()), end=True)
        answer = raw.answer(1)
        assert answer.reset is not None or b"fastgw-error" in answer.head
    siege.is_well()


def test_server_name_and_authority_that_differ(siege: Siege) -> None:
    """Domain fronting: an authority that the certificate does not cover is misdirected (RFC 9110 section 7.4)."""
    before = siege.origin.calls
    with siege.raw() as raw:
        raw.begin()
        for number, name in enumerate((b"other.test", b"a.b.gw.test", b"gw.test.", b"GW.TEST:1")):
            raw.head(2 * number + 1, f.request(authority=name), end=True)
            answer = raw.answer(2 * number + 1)
            if name.lower().startswith(b"gw.test"):
                continue
            assert answer.reset is not None or b"fastgw-error" in answer.head
    assert siege.origin.calls - before <= 2


def record(kind: int, payload: bytes, *, length: int | None = None, version: int = 0x0303) -> bytes:
    return struct.pack("!BHH", kind, version, len(payload) if length is None else length) + payload


CLEAR = {
    "http-1": b"GET / HTTP/1.1\r\nHost: gw.test\r\n\r\n",
    "h2-preface": f.PREFACE + f.settings(),
    "zeroes": bytes(5000),
    "random": bytes(number * 2654435761 >> 7 & 0xFF for number in range(5000)),
    "record-too-long": record(22, bytes(100), length=0xFFFF),
    "record-empty": record(22, b"") * 200,
    "record-of-data": record(23, bytes(100)),
    "alert": record(21, b"\2\50"),
    "change-cipher": record(20, b"\1") * 100,
    "hello-cut-in-records": b"".join(record(22, bytes((octet,))) for octet in b"\1\0\2\0\3\3" + bytes(300)),
    "hello-of-16-mib": record(22, b"\1\xff\xff\xff\3\3" + bytes(16000)) + record(22, bytes(16384)) * 60,
    "ssl-2": b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10" + bytes(37),
    "proxy-protocol": b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n",
}


@pytest.mark.parametrize("name", CLEAR)
def test_what_is_no_handshake(siege: Siege, name: str) -> None:
    def attack() -> None:
        for _ in range(20):
            with socket.create_connection(siege.address, 5) as sock:
                with contextlib.suppress(OSError):
                    sock.sendall(CLEAR[name])
                    sock.shutdown(socket.SHUT_WR)
                said = closed(sock)
                assert len(said) < 200, said

    siege.under(attack, calls=20)


class Bio:
    """A TLS client whose records pass through the test's hands."""

    def __init__(self, siege: Siege) -> None:
        self.sock = socket.create_connection(siege.address, 5)
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = h2_context().wrap_bio(self._in, self._out, server_hostname="gw.test")

    def handshake(self, step: int = 1 << 20) -> None:
        while True:
            try:
                self.tls.do_handshake()
                self.put(step=step)
                return
            except ssl.SSLWantReadError:
                self.put(step=step)
                self._in.write(self.sock.recv(65536))

    def put(self, octets: bytes = b"", step: int = 1 << 20, change: bool = False) -> None:
        """Encrypt and send, in pieces of `step` octets; `change` flips a bit in the last record."""
        if octets:
            self.tls.write(octets)
        wire = bytearray(self._out.read())
        if change:
            wire[-1] ^= 1
        for at in range(0, len(wire), step):
            self.sock.sendall(wire[at : at + step])

    def frames(self, reader: f.Reader) -> list[f.Frame]:
        while True:
            try:
                return reader.feed(self.tls.read(65536))
            except ssl.SSLWantReadError:
                octets = self.sock.recv(65536)
                if not octets:
                    raise ConnectionResetError from None
                self._in.write(octets)


def begin(siege: Siege, step: int = 1 << 20) -> Bio:
    bio = Bio(siege)
    bio.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    bio.handshake(step)
    bio.put(f.PREFACE + f.settings() + f.settings(ack=True), step)
    return bio


def test_handshake_and_frames_octet_by_octet(siege: Siege) -> None:
    """Legal, if odd: it works, and costs little."""

    def attack() -> None:
        bio = begin(siege, step=1)
        with bio.sock:
            bio.put(f.headers(1, f.literal(f.request())) + f.data(1, f.message(b"x"), end=True), step=1)
            reader, seen = f.Reader(), []
            while not any(frame.stream_id == 1 and frame.ends_stream for frame in seen):
                seen += bio.frames(reader)

    siege.under(attack)


def test_records_of_one_octet(siege: Siege) -> None:
    """Each octet of each frame sealed alone: 22 octets on the wire for one."""

    def attack() -> None:
        bio = begin(siege)
        with bio.sock:
            octets = f.headers(1, f.literal(f.request())) + f.data(1, f.message(b"x" * 3000), end=True)
            for octet in octets:
                bio.tls.write(bytes((octet,)))
            bio.put()
            reader, seen = f.Reader(), []
            while not any(frame.stream_id == 1 and frame.ends_stream for frame in seen):
                seen += bio.frames(reader)

    siege.under(attack)


def test_a_record_that_was_changed(siege: Siege) -> None:
    """A bit flipped on the way ends the connection; nothing of it is acted on."""
    before = siege.origin.calls

    def attack() -> None:
        for _ in range(20):
            bio = begin(siege)
            with bio.sock:
                bio.put(
                    f.headers(1, f.literal(f.request())) + f.data(1, f.message(b"x"), end=True), change=True
                )
                closed(bio.sock)

    cost = siege.under(attack, calls=20)
    assert siege.origin.calls == before + len(cost.latencies) + 2


@pytest.mark.parametrize("half", [False, True], ids=["all", "write"])
def test_fin_without_close_notify(siege: Siege, half: bool) -> None:
    """Truncation: a call without its end is no call that has ended well at the origin."""

    def attack() -> None:
        for _ in range(20):
            bio = begin(siege)
            bio.put(
                f.headers(1, f.literal(f.request(b"/fastgw.test.Echo/Collect"))) + f.data(1, f.message(b"x"))
            )
            if half:
                bio.sock.shutdown(socket.SHUT_WR)
                closed(bio.sock)
            bio.sock.close()

    siege.under(attack, calls=20)
    siege.origin_is_idle()


def test_half_handshakes_in_numbers(siege: Siege) -> None:
    """200 ClientHellos, and nobody who finishes; each costs a signature and is forgotten."""

    def attack() -> None:
        for _ in range(200):
            bio = Bio(siege)
            with contextlib.suppress(ssl.SSLWantReadError):
                bio.tls.do_handshake()
            bio.put()
            bio.sock.close()

    siege.under(attack, grows=16 * MIB)


def test_handshakes_in_numbers(siege: Siege) -> None:
    """100 connections that only come and go."""

    def attack() -> None:
        for _ in range(100):
            siege.raw().sock.close()

    siege.under(attack, grows=16 * MIB)


def test_renegotiation_is_refused(siege: Siege) -> None:
    """RFC 9113 section 9.2.1: a second ClientHello on a TLS 1.2 connection is no h2; here, octets that look like it."""
    with siege.raw(context=context_of(ssl.TLSVersion.TLSv1_2)) as raw:
        raw.begin()
        raw.send(record(22, b"\1\0\0\5\3\3abc"))
        assert goaway_of(raw)[0] != 0
