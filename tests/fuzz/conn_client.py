"""A whole connection toward a client: see conn.py."""

from tests.fuzz import conn


def one(data: bytes) -> None:
    conn.one("client", data)
