"""An issuer of tokens for tests: keys, key sets, and a server that can misbehave."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

ISSUER = "https://issuer.test"
AUDIENCE = "gateway"


class Issuer:
    """Signs with one key at a time; `rotate` makes another."""

    def __init__(self, algorithm: str = "ES256") -> None:
        self.algorithm = algorithm
        self.rows: list[dict[str, Any]] = []
        self.rotate()

    def rotate(self, keep: bool = True) -> None:
        number = int(self.rows[-1]["kid"]) + 1 if self.rows else 1
        if self.algorithm.startswith("ES"):
            self.key: Any = ec.generate_private_key(ec.SECP256R1())
            row = jwt.algorithms.ECAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        else:
            self.key = rsa.generate_private_key(65537, 2048)
            row = jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        row = {**row, "kid": str(number), "use": "sig", "alg": self.algorithm}
        self.rows = [*self.rows, row] if keep else [row]

    @property
    def kid(self) -> str:
        return str(self.rows[-1]["kid"])

    @property
    def public_pem(self) -> bytes:
        return bytes(self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))

    @property
    def private_pem(self) -> bytes:
        return bytes(self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))

    def jwks(self) -> bytes:
        return json.dumps({"keys": self.rows}).encode()

    def token(self, *, header: dict[str, Any] | None = None, lifetime: float = 600, **claims: Any) -> str:
        told = {"iss": ISSUER, "aud": AUDIENCE, "sub": "somebody", "exp": time.time() + lifetime, **claims}
        told = {name: value for name, value in told.items() if value is not None}
        headers = {"kid": self.kid, **(header or {})}
        # Not jwt.encode, which refuses to write what is wrong.
        return jwt.PyJWS().encode(json.dumps(told).encode(), self.key, self.algorithm, headers)


class KeyServer:
    """`body` and `status` are what it answers; `pause` seconds before, `trickle` between any two octets."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.status = 200
        self.pause = self.trickle = 0.0
        self.location = ""
        self.asked = 0
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked += 1
                time.sleep(server.pause)
                self.send_response(server.status)
                if server.location:
                    self.send_header("Location", server.location)
                self.send_header("Content-Length", str(len(server.body)))
                self.end_headers()
                try:
                    for piece in server.pieces():
                        self.wfile.write(piece)
                except OSError:
                    pass

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def pieces(self) -> Iterator[bytes]:
        if not self.trickle:
            yield self.body
            return
        for octet in self.body:
            time.sleep(self.trickle)
            yield bytes([octet])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/keys"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
