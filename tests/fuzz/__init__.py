"""What is fuzzed: a target is a module whose function `one(data)` raises where a promise is broken."""

from pathlib import Path

HERE = Path(__file__).parent

CORPUS_FILES = 320
CORPUS_OCTETS = 1 << 20

LONGEST = {
    "frame_feed": 512,
    "field_block": 4096,
    "field_scan": 512,
    "message_scan": 256,
    "conn_client": 4096,
    "conn_origin": 4096,
    "small_parsers": 512,
    "record_feed": 2048,
}
"""Target -> octets of its longest input."""

SHARE = {
    "frame_feed": 1,
    "field_block": 4,
    "field_scan": 2,
    "message_scan": 1,
    "conn_client": 6,
    "conn_origin": 6,
    "small_parsers": 2,
    "record_feed": 2,
}
"""Target -> its part of the time."""
