from collections.abc import Mapping
from enum import IntFlag

class BotReason(IntFlag):
    AGENT_MISSING = 1
    AGENT_TWICE = 2
    AGENT_MALFORMED = 4
    AGENT_UNKNOWN = 8
    AGENT_TOOL = 16
    AGENT_SCANNER = 32
    BROWSER_NATIVE = 64
    SETTINGS_DIFFER = 128
    ORDER_DIFFERS = 256
    WINDOW_DIFFERS = 512
    TLS_DIFFERS = 1024
    TLS_ODD = 2048
    ALPN_ODD = 4096
    TE_MISSING = 8192
    ENCODINGS_MISSING = 16384
    ORIGIN_MISSING = 32768
    FETCH_MISSING = 65536
    NOT_GRPC = 131072

class Trait(IntFlag):
    BROWSER = 1
    WIDENS = 2
    ENCODES = 4

TABLE: Mapping[BotReason, tuple[int, str]]
FAMILIES: Mapping[str, tuple[tuple[str, ...], str, str, tuple[int, int], tuple[int, int], int]]

def words(reasons: int) -> list[str]: ...
def score(
    fields: list[tuple[bytes, bytes]],
    settings: bytes | None = None,
    window: int = 0,
    ja4: bytes | None = None,
    hello_seen: bool = False,
) -> tuple[int, list[str]]: ...
