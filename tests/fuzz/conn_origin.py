"""A whole connection toward an origin: see conn.py."""

from tests.fuzz import conn


def one(data: bytes) -> None:
    conn.one("origin", data)
