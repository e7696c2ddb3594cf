"""One TLS connection to an origin as octets in, octets out, for cold paths; the core has its own."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Any

from cryptography import x509
from OpenSSL import SSL

from fastgw.errors import FastgwError
from fastgw.policy.names import covers
from fastgw.tls.context import private_library
from fastgw.tls.material import common_name_of, names_of

_NO_PARTIAL_WILDCARDS = 4  # X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS
_UNABLE_TO_GET_CRL = 3  # X509_V_ERR_UNABLE_TO_GET_CRL
_PIECE = 16384


class TlsError(FastgwError):
    """The handshake or a record was refused; the end of a sentence."""


class TlsPipe:
    """Our side of it: asks for `server_name`.

    If `context` verifies, the certificate must bear one of `names`, or `server_name` if there are none.
    `common_name`: where it lists no names at all, its common name may be one of `names`.
    """

    def __init__(
        self,
        context: SSL.Context,
        server_name: str,
        alpn: str = "h2",
        names: Sequence[str] = (),
        common_name: bool = False,
    ) -> None:
        self._tls: Any = SSL.Connection(context, None)
        self._alpn = alpn
        self._tls.set_connect_state()
        self._tls.set_alpn_protos([alpn.encode()])
        literal = _address(server_name)
        if literal is None and server_name:
            self._tls.set_tlsext_host_name(server_name.encode("idna"))
        self._names = tuple(names)
        if self._tls.get_verify_mode() != SSL.VERIFY_NONE:
            self._tls.set_verify(SSL.VERIFY_PEER, _verified)
        self._common_name = common_name
        if self._tls.get_verify_mode() != SSL.VERIFY_NONE and not names:
            self._demand(server_name, literal)

    def _demand(self, server_name: str, literal: bytes | None) -> None:
        """The certificate must be for this name; a check that cannot be set must not turn into no check."""
        ffi, lib = private_library()
        checks = lib.SSL_get0_param(self._tls._ssl)
        lib.X509_VERIFY_PARAM_set_hostflags(checks, _NO_PARTIAL_WILDCARDS)
        if literal is not None:
            done = lib.X509_VERIFY_PARAM_set1_ip(checks, ffi.new("unsigned char[]", literal), len(literal))
        else:
            name = server_name.encode("idna")
            done = lib.X509_VERIFY_PARAM_set1_host(checks, name, len(name)) if name else 0
        if done != 1:
            raise TlsError(f"cannot be told to check for {server_name!r}")

    def handshake(self) -> bool:
        """One step; is it over? What is to be sent is in `pending`. Raise TlsError."""
        try:
            self._tls.do_handshake()
        except SSL.WantReadError:
            return False
        except SSL.Error as error:
            raise TlsError(f"failed the TLS handshake: {_text(error)}") from None
        if self._names and self._tls.get_verify_mode() != SSL.VERIFY_NONE:
            self._check_names()
        if self._tls.get_alpn_proto_negotiated() != self._alpn.encode():
            raise TlsError(f"speaks TLS but did not agree on HTTP/2 (ALPN {self._alpn})")
        return True

    def _check_names(self) -> None:
        """OpenSSL can be told one name only; of several one must be borne. Raise TlsError."""
        shown = self._tls.get_peer_certificate(as_cryptography=True)
        if shown is None or not any(bears(shown, name, self._common_name) for name in self._names):
            listed = ", ".join(() if shown is None else names_of(shown)) or "no name"
            raise TlsError(f"shows a certificate for {listed}, not for {self._names[0]}")

    def feed(self, octets: bytes) -> bytes:
        """Ciphertext in, plaintext out. Raise TlsError."""
        plain = []
        try:
            while octets:
                octets = octets[self._tls.bio_write(octets) :]
            while True:
                piece = self._tls.recv(_PIECE)
                plain.append(piece)
        except (SSL.WantReadError, SSL.ZeroReturnError):
            return b"".join(plain)
        except SSL.Error as error:
            raise TlsError(f"broke TLS: {_text(error)}") from None

    def put(self, octets: bytes) -> None:
        """Ciphertext in, during the handshake."""
        self._tls.bio_write(octets)

    def seal(self, octets: bytes) -> bytes:
        """Plaintext in, ciphertext out."""
        at = 0
        while at < len(octets):
            at += self._tls.send(octets[at : at + _PIECE])
        return self.pending()

    def pending(self) -> bytes:
        """Ciphertext that is to be sent."""
        pieces = []
        try:
            while True:
                pieces.append(self._tls.bio_read(_PIECE))
        except SSL.WantReadError:
            return b"".join(pieces)


def bears(leaf: x509.Certificate, name: str, common: bool = False) -> bool:
    """Is it made out to `name`? `common`: in its common name, where it lists no names at all."""
    if any(covers(pattern, name) for pattern in names_of(leaf)):
        return True
    pattern = common_name_of(leaf) if common else ""
    return pattern == name if _address(name) is not None else covers(pattern, name)


def _verified(_: object, __: object, error: int, depth: int, found: int) -> bool:
    """As the core does for calls: of authorities only those are looked up whose issuer's list is at hand."""
    return bool(found) or (error == _UNABLE_TO_GET_CRL and depth > 0)


def _address(text: str) -> bytes | None:
    try:
        return ipaddress.ip_address(text).packed
    except ValueError:
        return None


def _text(error: SSL.Error) -> str:
    reasons = [entry[-1] for entry in error.args[0]] if error.args and isinstance(error.args[0], list) else []
    return ", ".join(reason for reason in reasons if reason) or str(error) or type(error).__name__
