"""RFC 9113 section 8.2: which names and values may travel, and which fields may not."""

import pytest

from fastgw._core.reasons import Reason
from fastgw._core.wire.fields import Section

REQUEST = [
    (b":method", b"POST"),
    (b":scheme", b"https"),
    (b":path", b"/a.B/C"),
    (b":authority", b"a.example"),
]
RESPONSE = [(b":status", b"200")]


def refusals(name, value):
    """What each kind of section says about this field at its end."""
    field = (name, value)
    return {
        Section([*REQUEST, field]).request_head()[0],
        Section([*RESPONSE, field]).response_head()[0],
        Section([(b"grpc-status", b"0"), field]).trailers()[0],
    }


@pytest.mark.rfc("9113 8.2.1")
@pytest.mark.parametrize(
    "octet", [*range(0x21), *range(0x41, 0x5B), *range(0x7F, 0x100), *b'"(),/:;<=>?@[\\]{}']
)
def test_names_are_lower_case_tokens(octet):
    for name in (
        bytes([octet]) + b"name",
        b"na" + bytes([octet]) + b"me",
        b"a-name-of-16-oct" + bytes([octet]),
    ):
        if not name.startswith(b":"):
            assert refusals(name, b"v") == {Reason.FIELD_NAME_INVALID}


@pytest.mark.rfc("9113 8.2.1")
def test_a_name_is_not_empty():
    assert refusals(b"", b"v") == {Reason.FIELD_NAME_INVALID}


@pytest.mark.rfc("9113 8.2.1")
@pytest.mark.parametrize("octet", [*range(0x09), *range(0x0A, 0x20), 0x7F])
def test_values_hold_no_control_octets(octet):
    for value in (bytes([octet]), b"a" + bytes([octet]) + b"b", b"x" * 70 + bytes([octet]) + b"x"):
        assert refusals(b"x-name", value) == {Reason.FIELD_VALUE_INVALID}
        assert refusals(b"grpc-message", value) == {Reason.FIELD_VALUE_INVALID}


@pytest.mark.rfc("9113 8.2.1")
@pytest.mark.parametrize("value", [b" v", b"v ", b"\tv", b"v\t", b" "])
def test_values_have_no_space_at_the_edges(value):
    assert refusals(b"x-name", value) == {Reason.FIELD_VALUE_INVALID}
    assert refusals(b"grpc-message", value) == {Reason.ACCEPTED}


@pytest.mark.rfc("9113 8.2.1")
@pytest.mark.parametrize("value", [b"", b"a b", b"a\tb", "é".encode(), b"\x80\xff", bytes(range(0x21, 0x7F))])
def test_other_values_pass(value):
    assert refusals(b"x-name", value) == {Reason.ACCEPTED}


@pytest.mark.rfc("9113 8.2.2")
@pytest.mark.parametrize(
    "name", [b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"]
)
def test_fields_of_a_connection_are_refused(name):
    assert refusals(name, b"chunked") == {Reason.FIELD_CONNECTION_SPECIFIC}


@pytest.mark.rfc("9113 8.2.2")
@pytest.mark.parametrize("value", [b"", b"gzip", b"trailers, gzip", b"Trailers", b"trailers;q=1", b"trailer"])
def test_te_says_trailers_or_nothing(value):
    assert Section([*REQUEST, (b"te", b"trailers")]).request_head()[0] == Reason.ACCEPTED
    assert Section([*REQUEST, (b"te", value)]).request_head()[0] == Reason.FIELD_TE_INVALID


@pytest.mark.rfc("9113 8.2.2")
def test_te_is_for_requests():
    assert Section([*RESPONSE, (b"te", b"trailers")]).response_head()[0] == Reason.FIELD_TE_INVALID


@pytest.mark.rfc("9113 8.2.3")
def test_cookies_may_come_in_crumbs():
    assert Section([*REQUEST, (b"cookie", b"a=1"), (b"cookie", b"b=2")]).request_head()[0] == Reason.ACCEPTED
