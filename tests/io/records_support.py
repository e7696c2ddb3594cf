"""A client's records of TLS 1.3, sealed and opened by `cryptography`: another opinion about RFC 8446."""

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from fastgw._core.io.records import RecordsDoor

ALERT, HANDSHAKE, DATA = 21, 22, 23
DONE, WANTS, ENDED, FAILED = range(4)
CLIENT, SERVER = bytes(range(32)), bytes(range(32, 64))
UPDATE, UPDATE_BOTH = b"\x18\0\0\x01\0", b"\x18\0\0\x01\x01"
CLOSE_NOTIFY = b"\x01\0"


def expand(secret, label, length):
    """HKDF-Expand-Label with an empty context (RFC 8446 section 7.1)."""
    name = b"tls13 " + label
    info = length.to_bytes(2, "big") + bytes([len(name)]) + name + b"\0"
    return HKDFExpand(hashes.SHA256(), length, info).derive(secret)


class Way:
    """One direction: what is sealed on it, and opened."""

    def __init__(self, secret, sequence=0):
        self.secret = secret
        self.sequence = sequence
        self._keys()

    def _keys(self):
        self.key, self.iv = AESGCM(expand(self.secret, b"key", 16)), expand(self.secret, b"iv", 12)

    def update(self):
        self.secret = expand(self.secret, b"traffic upd", 32)
        self.sequence = 0
        self._keys()

    def _nonce(self):
        nonce = bytes(a ^ b for a, b in zip(self.iv, self.sequence.to_bytes(12, "big"), strict=True))
        self.sequence += 1
        return nonce

    def seal(self, content, kind=DATA, padding=0, version=b"\x03\x03"):
        return self.seal_raw(content + bytes([kind]) + bytes(padding), version)

    def seal_raw(self, inner, version=b"\x03\x03"):
        head = b"\x17" + version + (len(inner) + 16).to_bytes(2, "big")
        return head + self.key.encrypt(self._nonce(), inner, head)

    def open(self, sealed):
        """The records, each a pair of type and content."""
        found = []
        while sealed:
            size = 5 + int.from_bytes(sealed[3:5], "big")
            record, sealed = sealed[:size], sealed[size:]
            assert record[:3] == b"\x17\x03\x03"
            inner = self.key.decrypt(self._nonce(), record[5:], record[:5])
            found.append((inner[-1], inner[:-1]))
            if found[-1][0] == HANDSHAKE:
                self.update()
        return found


class Client:
    """Both directions of a client, and the server's records it talks to."""

    def __init__(self, **options):
        self.out, self.back = Way(CLIENT), Way(SERVER)
        self.door = RecordsDoor(CLIENT, SERVER, **options)

    def give(self, sealed):
        """Push, and all that comes out: how it ended and the octets."""
        self.door.push(sealed)
        return self.door.read()

    def heard(self):
        """What the server says unasked."""
        return self.back.open(self.door.pull())

    def refused(self, sealed, alert):
        """These octets end the connection with this alert; what came out before."""
        result, octets = self.give(sealed)
        assert result == FAILED
        assert self.heard() == [(ALERT, bytes([2, alert]))]
        assert self.give(self.out.seal(b"late")) == (FAILED, b"")
        assert self.door.pull() == b""
        assert self.door.held == 0 or not self.door.error().startswith("the peer sent the")
        return octets
