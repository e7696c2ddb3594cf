"""RFC 9113 section 8.1: what frames a message, and what trailers may hold."""

import pytest

from fastgw._core.reasons import Reason
from fastgw._core.wire.fields import Section

REQUEST = [
    (b":method", b"POST"),
    (b":scheme", b"https"),
    (b":path", b"/a.B/C"),
    (b":authority", b"a.example"),
]


def lengths(*values):
    return [(b"content-length", value) for value in values]


@pytest.mark.rfc("9113 8.1")
@pytest.mark.parametrize(
    "name", [b":status", b":path", b":method", b":scheme", b":authority", b":protocol", b":other"]
)
def test_trailers_have_no_pseudo_fields(name):
    assert Section([(b"grpc-status", b"0"), (name, b"200")]).trailers()[0] == Reason.PSEUDO_FIELD_MISPLACED
    assert Section([(name, b"200")]).trailers()[0] == Reason.PSEUDO_FIELD_MISPLACED


@pytest.mark.rfc("9110 6.5.1")
@pytest.mark.parametrize(
    ("field", "reason"),
    [
        ((b"content-length", b"5"), Reason.CONTENT_LENGTH_INVALID),
        ((b"transfer-encoding", b"chunked"), Reason.FIELD_CONNECTION_SPECIFIC),
        ((b"connection", b"close"), Reason.FIELD_CONNECTION_SPECIFIC),
        ((b"te", b"trailers"), Reason.FIELD_TE_INVALID),
        ((b"host", b"a.example"), Reason.AUTHORITY_INVALID),
        ((b"X", b"5"), Reason.FIELD_NAME_INVALID),
        ((b"x", b"a\nb"), Reason.FIELD_VALUE_INVALID),
    ],
)
def test_trailers_frame_and_route_nothing(field, reason):
    assert Section([(b"grpc-status", b"0"), field]).trailers()[0] == reason


@pytest.mark.rfc("9113 8.1")
def test_trailers_may_be_empty_or_hold_metadata():
    assert Section([]).trailers() == (Reason.ACCEPTED, -1)
    trailers = [(b"grpc-status", b"13"), (b"grpc-message", b"no %25 left "), (b"x-detail-bin", b"AAE=")]
    assert Section(trailers).trailers() == (Reason.ACCEPTED, 13)


@pytest.mark.rfc("9113 8.1.1")
@pytest.mark.parametrize("values", [(b"0",), (b"007",), (b"9223372036854775807",)])
def test_content_length_is_a_number(values):
    reason, head = Section(REQUEST + lengths(*values)).request_head()
    assert (reason, head["content_length"]) == (Reason.ACCEPTED, int(values[0]))
    reason, head = Section([(b":status", b"200"), *lengths(*values)]).response_head()
    assert (reason, head["content_length"]) == (Reason.ACCEPTED, int(values[0]))


@pytest.mark.rfc("9113 8.1.1")
@pytest.mark.parametrize(
    "values",
    [
        (b"",),
        (b"-1",),
        (b"+1",),
        (b"1.0",),
        (b"0x10",),
        (b"1 2",),
        (b"5, 5",),
        (b"\xb2",),
        (b"5", b"5"),
        (b"5", b"05"),
        (b"5", b"6"),
        (b"5", b"5", b"6"),
        (b"9223372036854775808",),
        (b"99999999999999999999999999",),
    ],
)
def test_content_length_is_refused_otherwise(values):
    assert Section(REQUEST + lengths(*values)).request_head()[0] == Reason.CONTENT_LENGTH_INVALID
    answer = [(b":status", b"200"), *lengths(*values)]
    assert Section(answer).response_head()[0] == Reason.CONTENT_LENGTH_INVALID
