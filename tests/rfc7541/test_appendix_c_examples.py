"""RFC 7541 appendix C: the examples, decoded, and encoded where the choices are ours too."""

import pytest

from fastgw._core.wire.hpack_door import Decoder, Encoder, huffman_encode

REQUESTS = [
    [(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"www.example.com")],
    [
        (b":method", b"GET"),
        (b":scheme", b"http"),
        (b":path", b"/"),
        (b":authority", b"www.example.com"),
        (b"cache-control", b"no-cache"),
    ],
    [
        (b":method", b"GET"),
        (b":scheme", b"https"),
        (b":path", b"/index.html"),
        (b":authority", b"www.example.com"),
        (b"custom-key", b"custom-value"),
    ],
]
REQUEST_TABLES = [
    (57, [(b":authority", b"www.example.com")]),
    (110, [(b"cache-control", b"no-cache"), (b":authority", b"www.example.com")]),
    (
        164,
        [
            (b"custom-key", b"custom-value"),
            (b"cache-control", b"no-cache"),
            (b":authority", b"www.example.com"),
        ],
    ),
]
PLAIN_REQUESTS = [
    "828684410f7777772e6578616d706c652e636f6d",
    "828684be58086e6f2d6361636865",
    "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565",
]
CODED_REQUESTS = [
    "828684418cf1e3c2e5f23a6ba0ab90f4ff",
    "828684be5886a8eb10649cbf",
    "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
]

DATE = b"Mon, 21 Oct 2013 20:13:21 GMT"
DATE_LATER = b"Mon, 21 Oct 2013 20:13:22 GMT"
COOKIE = b"foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"
LOCATION = (b"location", b"https://www.example.com")
RESPONSES = [
    [(b":status", b"302"), (b"cache-control", b"private"), (b"date", DATE), LOCATION],
    [(b":status", b"307"), (b"cache-control", b"private"), (b"date", DATE), LOCATION],
    [
        (b":status", b"200"),
        (b"cache-control", b"private"),
        (b"date", DATE_LATER),
        LOCATION,
        (b"content-encoding", b"gzip"),
        (b"set-cookie", COOKIE),
    ],
]
RESPONSE_TABLES = [
    (222, [LOCATION, (b"date", DATE), (b"cache-control", b"private"), (b":status", b"302")]),
    (222, [(b":status", b"307"), LOCATION, (b"date", DATE), (b"cache-control", b"private")]),
    (215, [(b"set-cookie", COOKIE), (b"content-encoding", b"gzip"), (b"date", DATE_LATER)]),
]
SIZE_256 = b"\x3f\xe1\x01"
PLAIN_RESPONSES = [
    "4803333032580770726976617465611d" + DATE.hex() + "6e1768747470733a2f2f7777772e6578616d706c652e636f6d",
    "4803333037c1c0bf",
    "88c1611d" + DATE_LATER.hex() + "c05a04677a69707738" + COOKIE.hex(),
]
CODED_RESPONSES = [
    "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3",
    "4883640effc1c0bf",
    "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f"
    "3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
]


def pairs(decoder: Decoder) -> list[tuple[bytes, bytes]]:
    return [field[:2] for field in decoder.fields]


@pytest.mark.parametrize("blocks", [PLAIN_REQUESTS, CODED_REQUESTS])
def test_requests_decode(blocks: list[str]) -> None:
    decoder = Decoder()
    for block, request, (size, table) in zip(blocks, REQUESTS, REQUEST_TABLES, strict=True):
        assert decoder.decode(bytes.fromhex(block)) == 0
        assert pairs(decoder) == request
        assert (decoder.table_size, decoder.table) == (size, table)


@pytest.mark.parametrize("blocks", [PLAIN_RESPONSES, CODED_RESPONSES])
def test_responses_decode_with_eviction(blocks: list[str]) -> None:
    decoder = Decoder()
    assert decoder.decode(SIZE_256) == 0
    for block, response, (size, table) in zip(blocks, RESPONSES, RESPONSE_TABLES, strict=True):
        assert decoder.decode(bytes.fromhex(block)) == 0
        assert pairs(decoder) == response
        assert (decoder.table_size, decoder.table) == (size, table)


def test_requests_encode_to_the_octets_of_c_4() -> None:
    encoder = Encoder()
    for block, request, (size, table) in zip(CODED_REQUESTS, REQUESTS, REQUEST_TABLES, strict=True):
        assert encoder.encode(request).hex() == block
        assert (encoder.table_size, encoder.table) == (size, table)


@pytest.mark.parametrize(
    ("block", "field", "table", "flags"),
    [
        ("400a637573746f6d2d6b65790d637573746f6d2d686561646572", (b"custom-key", b"custom-header"), True, 0),
        ("040c2f73616d706c652f70617468", (b":path", b"/sample/path"), False, 0),
        ("100870617373776f726406736563726574", (b"password", b"secret"), False, 1),
        ("82", (b":method", b"GET"), False, 0),
    ],
)
def test_single_representations(block: str, field: tuple[bytes, bytes], table: bool, flags: int) -> None:
    decoder = Decoder()
    assert decoder.decode(bytes.fromhex(block)) == 0
    assert [(row[:2], row[4]) for row in decoder.fields] == [(field, flags)]
    assert decoder.table == ([field] if table else [])


def test_never_indexed_stays_never_indexed() -> None:
    block = Encoder().encode([(b"password", b"secret", True)])
    coded = huffman_encode(b"password"), huffman_encode(b"secret")
    assert (
        block == b"\x10" + bytes([0x80 | len(coded[0])]) + coded[0] + bytes([0x80 | len(coded[1])]) + coded[1]
    )
