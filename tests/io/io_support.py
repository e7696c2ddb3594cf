"""What the tests of the io rooms share: certificates, contexts, and a peer that runs Python's own TLS."""

import datetime
import ipaddress
import socket
import ssl
import struct
import tempfile
import time
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.bindings._rust import _openssl
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL, crypto

from fastgw._core.io.tls import arm

DONE, WANTS, ENDED, FAILED = range(4)
_NOW = datetime.datetime.now(datetime.UTC)
_DAY = datetime.timedelta(days=1)


class Identity:
    """A key and its certificate."""

    def __init__(self, name, *, issuer=None, hosts=(), ends=_NOW + _DAY, authority=False):
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        self.key = ec.generate_private_key(ec.SECP256R1())
        signer = issuer or self
        builder = (
            x509.CertificateBuilder()
            .subject_name(self.name)
            .issuer_name(signer.name)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(_NOW - 30 * _DAY)
            .not_valid_after(ends)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        if hosts:
            names = x509.SubjectAlternativeName([_alternative(host) for host in hosts])
            builder = builder.add_extension(names, critical=False)
        self.certificate = builder.sign(signer.key, hashes.SHA256())

    @property
    def der(self):
        return self.certificate.public_bytes(serialization.Encoding.DER)

    def write(self, folder):
        """Key and certificate in one PEM file, for Python's ssl."""
        path = Path(folder) / "identity.pem"
        path.write_bytes(
            self.key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + self.certificate.public_bytes(serialization.Encoding.PEM)
        )
        return path


def _alternative(host):
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


@cache
def identity(kind):
    """Made once per run. Kinds without names of their own here are made out to origin.test."""
    if kind in ("ca", "other_ca"):
        return Identity(kind, authority=True)
    hosts = {
        "long": [f"{number}.long.test" for number in range(2000)],
        "second": ["second.test"],
        "wildcard": ["*.wild.test"],
        "partial": ["a*.wild.test"],
    }
    return Identity(
        kind,
        hosts=hosts.get(kind, ["origin.test", "127.0.0.1", "::1"]),
        issuer=None if kind == "self_signed" else identity("other_ca" if kind == "stranger" else "ca"),
        ends=_NOW - _DAY if kind == "expired" else _NOW + _DAY,
    )


def address_of(context):
    """Where the SSL_CTX of a pyOpenSSL context lies."""
    return int(_openssl.ffi.cast("uintptr_t", context._context))


SUITE = "TLS_AES_128_GCM_SHA256"


def server_context(kind="origin", armed=True, highest=None, suite=None):
    context = SSL.Context(SSL.TLS_METHOD)
    if suite:
        context.set_tls13_ciphersuites(suite.encode())
    context.use_certificate(identity(kind).certificate)
    context.use_privatekey(identity(kind).key)
    if highest:
        context.set_max_proto_version(highest)
    if armed:
        arm(address_of(context))
    return context


@cache
def client_context():
    """Kept: a door opened on the address of a context that is gone would crash."""
    context = SSL.Context(SSL.TLS_METHOD)
    context.get_cert_store().add_cert(crypto.X509.from_cryptography(identity("ca").certificate))
    return context


def python_client(alpn=("h2",), version=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return _finish(context, alpn, version)


@cache
def python_server(kind="origin", alpn=("h2",), version=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        context.load_cert_chain(identity(kind).write(folder))
    return _finish(context, alpn, version)


def _finish(context, alpn, version):
    if alpn:
        context.set_alpn_protocols(list(alpn))
    if version:
        context.minimum_version = context.maximum_version = version
    return context


class Peer:
    """Python's TLS without a socket, driven like the door: push, step, pull."""

    def __init__(self, context, *, server_side=False, server_name=None, session=None):
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(
            self.incoming,
            self.outgoing,
            server_side=server_side,
            server_hostname=server_name,
            session=session,
        )
        self.open = False
        self.received = bytearray()
        self.ended = False

    def step(self):
        """Handshake, then read, as far as it goes."""
        try:
            if not self.open:
                self.tls.do_handshake()
                self.open = True
            while octets := self.tls.read(1 << 18):
                self.received += octets
            self.ended = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.ended = True


class SocketPeer(Peer):
    """The same over a TCP socket that never blocks; without a context: cleartext."""

    def __init__(self, sock, context=None, **options):
        self.socket = sock
        sock.setblocking(False)
        self.reads = True
        self.queue = bytearray()
        self.context = context
        if context:
            super().__init__(context, **options)
        else:
            self.open, self.received, self.ended = True, bytearray(), False

    def send(self, octets):
        if self.context:
            for at in range(0, len(octets), 65536):
                self.tls.write(octets[at : at + 65536])
        else:
            self.queue += octets

    def pump(self):
        try:
            while self.reads:
                octets = self.socket.recv(65536)
                if self.context:
                    self.incoming.write(octets) if octets else self.incoming.write_eof()
                else:
                    self.received += octets
                if not octets:
                    self.ended = True
                    break
        except BlockingIOError:
            pass
        except OSError:
            self.ended = True
        if self.context:
            try:
                self.step()
            finally:
                self.queue += self.outgoing.read()
                self._write()
        else:
            self._write()

    def _write(self):
        try:
            while self.queue:
                del self.queue[: self.socket.send(self.queue)]
        except BlockingIOError:
            pass
        except OSError:
            self.queue.clear()

    def reset(self):
        """Close with an RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


def loopback(buffer=None):
    """Two connected TCP sockets; `buffer` bounds what the kernel holds for each."""
    with socket.socket() as listener:
        if buffer:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        near = socket.socket()
        if buffer:
            near.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
            near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
        near.connect(listener.getsockname())
        far, _ = listener.accept()
        if buffer:
            far.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
    return near, far


def sockaddr(port, host="127.0.0.1"):
    return struct.pack("=H", socket.AF_INET) + struct.pack("!H4s8x", port, socket.inet_aton(host))


def until(condition, *steps, seconds=5):
    """Take the steps in turn until the condition holds."""
    last = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < last, "it did not come to pass"
        for step in steps:
            step()
