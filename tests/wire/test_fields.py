"""What a field is; and a stranger's reading of the RFC on what we accept."""

import pytest
from h2.exceptions import ProtocolError
from h2.utilities import HeaderValidationFlags, validate_headers
from hypothesis import given
from hypothesis import strategies as st

from fastgw._core.reasons import Reason
from fastgw._core.wire import fields
from fastgw._core.wire.fields import FieldKind, Section

GRPC = [
    (b":method", b"POST"),
    (b":scheme", b"https"),
    (b":path", b"/echo.Echo/Say"),
    (b":authority", b"echo.example.com"),
    (b"te", b"trailers"),
    (b"content-type", b"application/grpc"),
    (b"user-agent", b"grpc-c++/1.60"),
    (b"grpc-timeout", b"1S"),
]


def judge(name, value=b""):
    return Section([(name, value)]).judged()[0]


@pytest.mark.parametrize("name", fields.TABLE)
def test_each_known_name_has_its_kind_and_its_neighbours_do_not(name):
    assert judge(name)[0] == fields.TABLE[name]
    for other in (name + b"x", b"x" + name, name[:-1], name[:-1] + b"~", name.upper()):
        if other not in fields.TABLE:
            assert judge(other)[0] == (
                FieldKind.PSEUDO_UNKNOWN if other.startswith(b":") else FieldKind.ORDINARY
            )


@given(name=st.text("abcdefghijklmnopqrstuvwxyz:-0123456789", max_size=24).map(str.encode))
def test_a_kind_is_what_the_table_says(name):
    expected = FieldKind.PSEUDO_UNKNOWN if name.startswith(b":") else FieldKind.ORDINARY
    assert judge(name)[0] == fields.TABLE.get(name, expected)


@pytest.mark.parametrize("name", [b"a.b_c-d", b"x-bin", b"0", b"grpc.server-stats_bin", b"!#$%&'*+-.^_`|~"])
def test_metadata_keys_pass(name):
    assert judge(name, b"v")[1] == Reason.ACCEPTED


def test_a_message_of_grpc_may_end_in_a_space_but_not_in_a_control_octet():
    assert judge(b"grpc-message", b" stream closed \t")[1] == Reason.ACCEPTED
    assert judge(b"grpc-status", b"1 ")[1] == Reason.FIELD_VALUE_INVALID
    assert judge(b"grpc-message", b"stream\r\nx: y")[1] == Reason.FIELD_VALUE_INVALID


def test_a_request_head_is_read():
    reason, head = Section([*GRPC, (b"content-length", b"0012")]).request_head()
    assert reason == Reason.ACCEPTED
    assert head == {
        "method": b"POST",
        "scheme": b"https",
        "path": b"/echo.Echo/Say",
        "authority": b"echo.example.com",
        "content_type": b"application/grpc",
        "grpc_timeout": b"1S",
        "content_length": 12,
        "te_trailers": True,
    }


def test_what_is_absent_is_told():
    reason, head = Section(GRPC[:4]).request_head()
    assert reason == Reason.ACCEPTED
    assert (head["content_type"], head["grpc_timeout"], head["content_length"]) == (None, None, -1)
    assert head["te_trailers"] is False


def test_the_first_of_several_counts():
    more = [(b"content-type", b"text/html"), (b"grpc-timeout", b"9H")]
    _, head = Section(GRPC + more).request_head()
    assert (head["content_type"], head["grpc_timeout"]) == (b"application/grpc", b"1S")
    assert Section([(b"grpc-status", b"5"), (b"grpc-status", b"0")]).trailers() == (Reason.ACCEPTED, 5)
    reason, head = Section(
        [(b":status", b"200"), (b"grpc-status", b"5"), (b"grpc-status", b"0")]
    ).response_head()
    assert (reason, head["grpc_status"]) == (Reason.ACCEPTED, 5)


def test_a_response_head_is_read():
    answer = [(b":status", b"200"), (b"content-type", b"application/grpc"), (b"grpc-status", b"12")]
    reason, head = Section(answer).response_head()
    assert reason == Reason.ACCEPTED
    assert head == {
        "status": 200,
        "content_type": b"application/grpc",
        "content_length": -1,
        "grpc_status": 12,
    }


@pytest.mark.parametrize(
    ("value", "status"),
    [
        (b"0", 0),
        (b"16", 16),
        (b"007", 7),
        (b"2147483647", 2147483647),
        (b"2147483648", -1),
        (b"99999999999999999999", -1),
        (b"-1", -1),
        (b"+1", -1),
        (b"", -1),
        (b"1x", -1),
        (b"OK", -1),
    ],
)
def test_grpc_status_is_a_number_or_nothing(value, status):
    assert Section([(b"grpc-status", value)]).trailers() == (Reason.ACCEPTED, status)
    assert (
        Section([(b":status", b"200"), (b"grpc-status", value)]).response_head()[1]["grpc_status"] == status
    )


def test_a_full_section_is_read_to_its_end():
    crowd = [*GRPC, *[(b"x-%d" % number, b"") for number in range(256 - len(GRPC))]]
    assert Section(crowd).request_head()[0] == Reason.ACCEPTED
    assert Section([*crowd[:-1], (b"X", b"")]).request_head()[0] == Reason.FIELD_NAME_INVALID


# Whatever we accept, python-hyper accepts too; only the spaces around grpc-message are our own leniency.

names = st.sampled_from(
    [*fields.TABLE, b":other", b"x-a", b"X-a", b"a b", b"a:b", b"", b"a\x00", b"a\x7f", b"a\x80", b"trailer"]
)
values = st.sampled_from(
    [
        b"",
        b"POST",
        b"https",
        b"/",
        b"*",
        b"/a b",
        b"a.example",
        b"A.example",
        b"b.example",
        b"200",
        b"101",
        b"trailers",
        b"gzip",
        b"5",
        b"05",
        b"-5",
        b"5,5",
        b" x",
        b"x\t",
        b"a\r\nb",
        b"a\x00b",
        b"a\tb",
        b"\xc3\xa9",
        b"a@b",
        b"CONNECT",
    ]
)
pairs = st.lists(st.tuples(names, values), max_size=6)
positions = st.lists(st.integers(0, 12), max_size=6)


def mixed(section, others, places):
    """`section` with `others` put in at `places`."""
    section = list(section)
    for other, place in zip(others, places, strict=False):
        section.insert(place, other)
    return section


def stranger_accepts(section, **flags):
    known = {"is_client": False, "is_trailer": False, "is_response_header": False, "is_push_promise": False}
    section = [(name, value.strip() if name == b"grpc-message" else value) for name, value in section]
    try:
        list(validate_headers(section, HeaderValidationFlags(**known | flags)))
    except ProtocolError:
        return False
    return True


@given(others=pairs, places=positions, dropped=st.one_of(st.none(), st.integers(0, 3)))
def test_accepted_requests_are_accepted_by_a_stranger(others, places, dropped):
    section = mixed([one for at, one in enumerate(GRPC) if at != dropped], others, places)
    reason, head = Section(section).request_head()
    if reason == Reason.ACCEPTED:
        assert stranger_accepts(section)
        assert head["authority"] == dict(reversed(section)).get(b":authority", dict(section).get(b"host"))


@given(others=pairs, places=positions)
def test_accepted_responses_are_accepted_by_a_stranger(others, places):
    section = mixed([(b":status", b"200"), (b"content-type", b"application/grpc")], others, places)
    if Section(section).response_head()[0] == Reason.ACCEPTED:
        assert stranger_accepts(section, is_client=True, is_response_header=True)


@given(others=pairs)
def test_accepted_trailers_are_accepted_by_a_stranger(others):
    section = [(b"grpc-status", b"0"), *others]
    if Section(section).trailers()[0] == Reason.ACCEPTED:
        assert stranger_accepts(section, is_client=True, is_trailer=True)
