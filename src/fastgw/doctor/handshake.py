"""One TLS handshake: what was agreed on and which chain was sent; nothing is judged."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL

from fastgw.doctor.facts import Hello, Target
from fastgw.errors import CertificateError
from fastgw.probe.channel import READ
from fastgw.tls.context import client_context
from fastgw.tls.pipe import TlsError, TlsPipe

FIRST = 64  # octets of plaintext that are kept
CHAIN_MAX = 16  # certificates of a chain that are looked at
HANDSHAKE_MAX = 1 << 18  # octets a peer may say in a handshake
_OLDEST = 0x0301  # TLS 1.0


class SeenPipe(TlsPipe):
    """A TlsPipe that leaves ALPN to others to judge and keeps the first octets of plaintext."""

    def __init__(self, context: SSL.Context, server_name: str, alpn: tuple[str, ...]) -> None:
        self.asks = False
        context.set_info_callback(self._note)
        super().__init__(context, server_name)
        self._tls.set_alpn_protos([name.encode() for name in alpn])
        self.first = b""

    def _note(self, connection: SSL.Connection, where: int, result: int) -> None:
        """OpenSSL says which message it has just taken in."""
        if b"certificate request" in connection.get_state_string():
            self.asks = True

    def handshake(self) -> bool:
        """One step; is it over? Raise TlsError, but not for ALPN."""
        try:
            return super().handshake()
        except TlsError:
            if self._tls.get_finished() and self._tls.get_peer_finished():
                return True
            raise

    def feed(self, octets: bytes) -> bytes:
        """Ciphertext in, plaintext out. Raise TlsError."""
        plain = super().feed(octets)
        self.first += plain[: FIRST - len(self.first)]
        return plain

    def hello(self) -> Hello:
        """What came of the handshake."""
        chain = cast("list[Any]", self._tls.get_peer_cert_chain(as_cryptography=True) or [])
        return Hello(
            version=self._tls.get_protocol_version_name(),
            cipher=self._tls.get_cipher_name() or "",
            alpn=self._tls.get_alpn_proto_negotiated().decode("latin-1"),
            chain=tuple(one.public_bytes(Encoding.DER) for one in chain[:CHAIN_MAX]),
            asks=self.asks,
        )


def grpc_context(target: Target) -> SSL.Context:
    """TLS as gRPC clients speak it. Raise CertificateError for an unusable client certificate."""
    return _with_certificate(client_context(verify=False, roots=None), target)


def wide_context(target: Target) -> SSL.Context:
    """TLS with all that OpenSSL still knows: to see what a server speaks that gRPC clients cannot talk to."""
    context: Any = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_verify(SSL.VERIFY_NONE)
    context.set_min_proto_version(_OLDEST)
    context.set_cipher_list(b"ALL:@SECLEVEL=0")
    return _with_certificate(context, target)


def _with_certificate(context: Any, target: Target) -> SSL.Context:
    if target.certificate is not None and target.key is not None:
        try:
            context.use_certificate_chain_file(str(target.certificate))
            context.use_privatekey_file(str(target.key))
            context.check_privatekey()
        except SSL.Error:
            raise CertificateError(
                "the client certificate and its key cannot be used: they must be PEM and belong together"
            ) from None
    return cast("SSL.Context", context)


async def shake(
    pipe: SeenPipe, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, timeout: float
) -> Hello:
    """The handshake over an open connection, with its outcome; a bad one is no exception."""
    heard = 0
    try:
        async with asyncio.timeout(timeout):
            while not pipe.handshake():
                writer.write(pipe.pending())
                octets = await reader.read(READ)
                heard += len(octets)
                if not octets:
                    return Hello(error="it closed the connection in the TLS handshake")
                if heard > HANDSHAKE_MAX:
                    return Hello(error="it says more than a TLS handshake can hold")
                pipe.put(octets)
            writer.write(pipe.pending())
            return pipe.hello()
    except TimeoutError:
        return Hello(error=f"no TLS handshake within {timeout:g} s", timed_out=True)
    except TlsError as error:
        # The alert that tells the peer why, as TLS wants it.
        writer.write(pipe.pending())
        return Hello(error=f"it {error}", asks=pipe.asks)
    except OSError as error:
        return Hello(error=f"the connection broke in the TLS handshake: {error.strerror or error}")
