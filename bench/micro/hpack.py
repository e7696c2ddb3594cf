"""Nanoseconds per field of wire.hpack: decoding alone, and decoding and encoding as a gateway does both.

Run: PYTHONPATH=src python bench/micro/hpack.py [rounds]. Each figure is the best of nine.
"""

import sys
import time
from collections.abc import Callable

from fastgw._core.wire.hpack_door import Decoder, Encoder

HEAD = [
    (b":method", b"POST"),
    (b":scheme", b"https"),
    (b":path", b"/helloworld.Greeter/SayHello"),
    (b":authority", b"greeter.example.com"),
    (b"content-type", b"application/grpc"),
    (b"te", b"trailers"),
    (b"user-agent", b"grpc-python/1.85.0 grpc-c/53.0.0 (linux; chttp2)"),
    (b"grpc-accept-encoding", b"identity, deflate, gzip"),
]


def custom(call: int) -> list[tuple[bytes, bytes]]:
    """30 fields of which 4 have a new value in each call."""
    kept = [(b"x-custom-field-%d" % at, b"value-%d-of-a-custom-field" % at) for at in range(26)]
    new = [(b"x-new-%d" % at, b"%016x" % (call * 0x9E3779B97F4A7C15 + at & 2**64 - 1)) for at in range(4)]
    return kept + new


def blocks_of(sections: list[list[tuple[bytes, bytes]]]) -> list[bytes]:
    encoder = Encoder()
    return [encoder.encode(section) for section in sections]


def best(work: Callable[[], int]) -> float:
    figures = []
    for _ in range(9):
        begun = time.perf_counter_ns()
        fields = work()
        figures.append((time.perf_counter_ns() - begun) / fields)
    return min(figures)


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    loads = {
        "gRPC head, 8 fields, all indexed": blocks_of([HEAD] * 256),
        "30 custom fields, 4 of them new": blocks_of([custom(call) for call in range(256)]),
        "8 literals, nothing indexed": [
            Encoder().encode([(b"x-request-id", b"%036x" % (call << 64 | at * 77)) for at in range(8)])
            for call in range(256)
        ],
    }
    for label, blocks in loads.items():
        turns = max(1, rounds // 8 if "gRPC" not in label else rounds)
        decode = best(lambda blocks=blocks, turns=turns: Decoder().decode_many(blocks, turns))
        relay = best(lambda blocks=blocks, turns=turns: Encoder().relay_many(Decoder(), blocks, turns))
        print(f"{label:34} decode {decode:6.1f} ns/field   encode {relay - decode:6.1f} ns/field")


if __name__ == "__main__":
    main()
