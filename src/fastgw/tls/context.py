"""TLS contexts for the workers: versions, ciphers, groups, tickets; finished here, run by the core.

No Python callback is ever set on one: the core opens connections from it that pyOpenSSL knows nothing of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from cryptography import x509
from OpenSSL import SSL, crypto

from fastgw.errors import CertificateError, StartupError
from fastgw.policy.tls import CIPHERS
from fastgw.tls.material import Material

CIPHERS_TLS12 = ":".join(CIPHERS)  # RFC 9113 appendix A prohibits all else in TLS 1.2
CIPHERS_TLS13 = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
DEFAULT_GROUPS = ("X25519", "P-256")
ORIGIN_GROUPS = ("X25519", "P-256", "P-384")
SESSION_SECONDS = 7200  # life of a ticket

_OPTIONS: int = SSL.OP_NO_COMPRESSION | getattr(SSL, "OP_NO_RENEGOTIATION")  # noqa: B009, the types lack it
# Names the public interface of cryptography and pyOpenSSL does not promise.
_PRIVATE = ("SSL_CTX_set1_curves_list",)


@dataclass(frozen=True, slots=True)
class ClientTrust:
    """Whose certificates clients may show, and which of them are revoked."""

    authorities: tuple[x509.Certificate, ...]
    crls: tuple[x509.CertificateRevocationList, ...] = ()


def front_context(groups: Sequence[str] = DEFAULT_GROUPS) -> SSL.Context:
    """What connections are accepted with until their name is known: no certificate, but the tickets' keys."""
    made = SSL.Context(SSL.TLS_SERVER_METHOD)
    _serve(made, groups, ())
    return made


def server_context(
    material: Material,
    groups: Sequence[str] = DEFAULT_GROUPS,
    ciphers: Sequence[str] = (),
    clients: ClientTrust | None = None,
) -> SSL.Context:
    """A context that shows `material` to clients. Raise CertificateError if OpenSSL does not take it.

    `ciphers`: of TLS 1.2, empty: all. `clients`: who vouches for them; whether they are asked is the core's
    to say.
    """
    made = SSL.Context(SSL.TLS_SERVER_METHOD)
    context: Any = made  # its published types lag behind what it takes
    _serve(made, groups, ciphers)
    _show(made, material)
    if clients is not None:
        _believe(made, clients.authorities, clients.crls)
        for authority in clients.authorities:
            context.add_client_ca(authority)
    return made


def _serve(context: Any, groups: Sequence[str], ciphers: Sequence[str]) -> None:
    _harden(context, groups, ":".join(ciphers) or CIPHERS_TLS12)
    context.set_options(SSL.OP_CIPHER_SERVER_PREFERENCE)
    # Tickets keep sessions at the client. A cache would be shared by all workers under one lock.
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_session_id(b"fastgw")
    context.set_timeout(SESSION_SECONDS)


def _show(context: Any, material: Material) -> None:
    """The chain and its key are what the other side sees. Raise CertificateError."""
    try:
        context.use_certificate(material.chain[0])
        for certificate in material.chain[1:]:
            context.add_extra_chain_cert(certificate)
        context.use_privatekey(material.key)
        context.check_privatekey()
    except SSL.Error as error:
        raise CertificateError(f"is refused by OpenSSL: {_openssl_text(error)}") from None


def _believe(
    context: Any,
    roots: Sequence[x509.Certificate],
    crls: Sequence[x509.CertificateRevocationList],
    chain: bool = False,
) -> None:
    """`chain`: authorities are looked up too; who verifies lets those pass whose issuer's list is missing."""
    store = context.get_cert_store()
    for root in roots:
        store.add_cert(crypto.X509.from_cryptography(root))
    for crl in crls:
        store.add_crl(crl)
    if crls:
        more = crypto.X509StoreFlags.CRL_CHECK_ALL if chain else 0
        store.set_flags(crypto.X509StoreFlags.CRL_CHECK | more)


def client_context(
    *,
    verify: bool,
    roots: Sequence[x509.Certificate] | None,
    groups: Sequence[str] = ORIGIN_GROUPS,
    more: Sequence[x509.Certificate] = (),
    crls: Sequence[x509.CertificateRevocationList] = (),
    shown: Material | None = None,
) -> SSL.Context:
    """A context for connections to origins. The core sets name and ALPN.

    `roots` are believed, None: the public ones; and `more` in either case. `shown` to an origin that asks.
    """
    made = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context: Any = made
    _harden(context, groups, CIPHERS_TLS12)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    if shown is not None:
        _show(made, shown)
    if not verify:
        context.set_verify(SSL.VERIFY_NONE)
        return made
    context.set_verify(SSL.VERIFY_PEER)
    if roots is None:
        context.set_default_verify_paths()
    _believe(made, [*(roots or ()), *more], crls, chain=True)
    return made


def context_address(context: Any) -> int:
    """Where OpenSSL keeps the context: what the core takes. Valid as long as `context` lives."""
    ffi, _ = private_library()
    try:
        return int(ffi.cast("uintptr_t", context._context))
    except AttributeError:
        raise StartupError(_moved("Context._context")) from None


def _harden(context: Any, groups: Sequence[str], ciphers: str) -> None:
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_cipher_list(ciphers.encode())
    context.set_tls13_ciphersuites(CIPHERS_TLS13.encode())
    context.set_options(_OPTIONS)
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)
    _, lib = private_library()
    if lib.SSL_CTX_set1_curves_list(context._context, ":".join(groups).encode()) != 1:
        raise StartupError(f"this OpenSSL does not know all of the TLS groups {', '.join(groups)}")


def private_library() -> tuple[Any, Any]:
    """OpenSSL inside `cryptography`, by its private door; one clear sentence if the door has moved."""
    try:
        from cryptography.hazmat.bindings._rust import _openssl

        ffi, lib = _openssl.ffi, _openssl.lib
    except (ImportError, AttributeError):
        raise StartupError(_moved("cryptography.hazmat.bindings._rust._openssl")) from None
    for name in _PRIVATE:
        if not hasattr(lib, name):
            raise StartupError(_moved(name))
    return ffi, lib


def _moved(name: str) -> str:
    versions = (
        f"cryptography {metadata.version('cryptography')} and pyOpenSSL {metadata.version('pyOpenSSL')}"
    )
    return (
        f"{versions} no longer offer {name}, which fastgw needs for TLS; install the versions fastgw asks for"
    )


def _openssl_text(error: SSL.Error) -> str:
    reasons = [entry[-1] for entry in error.args[0]] if error.args and isinstance(error.args[0], list) else []
    return ", ".join(reason for reason in reasons if reason) or "no reason given"
