"""RFC 9113 section 8.3: the pseudo-fields of requests and responses, and no CONNECT and no 101."""

import pytest

from fastgw._core.reasons import Reason
from fastgw._core.wire.fields import Section

METHOD, SCHEME, PATH = (b":method", b"POST"), (b":scheme", b"https"), (b":path", b"/a.B/C")
AUTHORITY = (b":authority", b"a.example")
HEAD = [METHOD, SCHEME, PATH, AUTHORITY]


def request(*fields, without=()):
    """What is said about the usual head, where each of `fields` stands for the one of its name."""
    given = {name for name, _ in fields}
    return Section([one for one in HEAD if one[0] not in given | set(without)] + list(fields)).request_head()[
        0
    ]


def response(*fields):
    return Section(fields).response_head()[0]


@pytest.mark.rfc("9113 8.3")
@pytest.mark.parametrize("name", [b":", b":other", b":Path", b":path ", b":method\x00", b":protocol"])
def test_unknown_pseudo_fields_are_refused(name):
    assert request((name, b"x")) == Reason.PSEUDO_FIELD_UNKNOWN
    assert response((b":status", b"200"), (name, b"x")) == Reason.PSEUDO_FIELD_UNKNOWN


@pytest.mark.rfc("9113 8.3")
def test_each_side_has_its_own():
    assert request((b":status", b"200")) == Reason.PSEUDO_FIELD_MISPLACED
    for field in HEAD:
        assert response((b":status", b"200"), field) == Reason.PSEUDO_FIELD_MISPLACED


@pytest.mark.rfc("9113 8.3")
@pytest.mark.parametrize("late", HEAD)
@pytest.mark.parametrize(
    "field", [(b"x-a", b"1"), (b"host", b"a.example"), (b"te", b"trailers"), (b"content-length", b"1")]
)
def test_they_come_before_all_other_fields(late, field):
    assert request(field, late) == Reason.PSEUDO_FIELD_AFTER_FIELD


@pytest.mark.rfc("9113 8.3")
def test_a_response_begins_with_its_status():
    assert response((b"server", b"x"), (b":status", b"200")) == Reason.PSEUDO_FIELD_AFTER_FIELD


@pytest.mark.rfc("9113 8.3")
@pytest.mark.parametrize("field", HEAD)
def test_they_come_once(field):
    assert Section([*HEAD, field]).request_head()[0] == Reason.PSEUDO_FIELD_DUPLICATE
    assert response((b":status", b"200"), (b":status", b"200")) == Reason.PSEUDO_FIELD_DUPLICATE


@pytest.mark.rfc("9113 8.3.1")
@pytest.mark.parametrize("name", [b":method", b":scheme", b":path", b":authority"])
def test_none_is_missing(name):
    assert request(without=[name]) == Reason.PSEUDO_FIELD_MISSING
    assert Section([]).request_head()[0] == Reason.PSEUDO_FIELD_MISSING


@pytest.mark.rfc("9113 8.3.1")
@pytest.mark.parametrize("method", [b"", b"PO ST", b"POST/", b"P\xc3\x96ST", b"(GET)"])
def test_the_method_is_a_token(method):
    assert request((b":method", method)) == Reason.PSEUDO_FIELD_INVALID


@pytest.mark.rfc("9113 8.3.1")
@pytest.mark.parametrize("method", [b"GET", b"PRI", b"post", b"M-SEARCH", b"TRACE", b"CONNECTX"])
def test_any_token_is_a_method(method):
    assert request((b":method", method)) == Reason.ACCEPTED


@pytest.mark.rfc("9113 8.3.1")
@pytest.mark.parametrize("scheme", [b"", b"ftp", b"HTTPS", b"httpx", b"https:", b"ws"])
def test_the_scheme_is_http_or_https(scheme):
    assert request((b":scheme", b"http")) == Reason.ACCEPTED
    assert request((b":scheme", scheme)) == Reason.PSEUDO_FIELD_INVALID


@pytest.mark.rfc("9113 8.3.1")
@pytest.mark.parametrize(
    "path",
    [
        b"",
        b"a.B/C",
        b"*",
        b"https://a.example/",
        b"/a b",
        b"/a#b",
        b"/a\tb",
        "/é".encode(),
        b"?q",
        b"/\xff",
        b"**",
    ],
)
def test_the_path_begins_with_a_slash_and_is_visible_ascii(path):
    assert request((b":path", path)) == Reason.PATH_INVALID


@pytest.mark.rfc("9113 8.3.1")
@pytest.mark.parametrize(
    "path", [b"/", b"//", b"/a?b=c", b"/%00", b"/a;b,c!$&'()*+=@~", b'/{"a"|^`}', b"/" + b"a" * 500]
)
def test_other_paths_pass(path):
    assert request((b":path", path)) == Reason.ACCEPTED


@pytest.mark.rfc("9113 8.3.1")
def test_the_asterisk_is_for_options():
    assert request((b":method", b"OPTIONS"), (b":path", b"*")) == Reason.ACCEPTED
    assert request((b":method", b"OPTIONS"), (b":path", b"*/")) == Reason.PATH_INVALID


@pytest.mark.rfc("9113 8.3.1")
@pytest.mark.parametrize(
    "authority",
    [b"", b"user@a.example", b"a b", b"a/b", b"a?b", b"a#b", b"a\tb", b"\xc3\xa9.example", b"a\\b", b"<a>"],
)
def test_an_authority_is_a_host_and_no_more(authority):
    assert request((b":authority", authority)) == Reason.AUTHORITY_INVALID
    assert request((b"host", authority), without=[b":authority"]) == Reason.AUTHORITY_INVALID


@pytest.mark.rfc("9113 8.3.1")
@pytest.mark.parametrize(
    "authority", [b"a", b"A.Example:443", b"[2001:db8::1]:8443", b"a_b.c-d", b"127.0.0.1", b"%41"]
)
def test_other_authorities_pass(authority):
    assert request((b":authority", authority)) == Reason.ACCEPTED


@pytest.mark.rfc("9113 8.3.1")
def test_host_stands_in_for_authority_and_agrees_with_it():
    reason, head = Section([METHOD, SCHEME, PATH, (b"host", b"b.example:1")]).request_head()
    assert (reason, head["authority"]) == (Reason.ACCEPTED, b"b.example:1")
    assert request((b"host", b"A.EXAMPLE")) == Reason.ACCEPTED
    for other in (b"b.example", b"a.example:443", b"a.exampl", b"a.examplf"):
        assert request((b"host", other)) == Reason.AUTHORITY_AND_HOST_DISAGREE
    assert request((b"host", b"")) == Reason.AUTHORITY_INVALID


@pytest.mark.rfc("9113 8.3.1")
def test_case_is_folded_for_letters_only():
    authority = (b":authority", b"[::1]")
    assert (
        Section([METHOD, SCHEME, PATH, authority, (b"host", b"{::1}")]).request_head()[0] != Reason.ACCEPTED
    )


@pytest.mark.rfc("9113 8.3.1")
def test_host_comes_once():
    assert request((b"host", b"a.example"), (b"host", b"a.example")) == Reason.AUTHORITY_INVALID


@pytest.mark.rfc("9113 8.3.2")
@pytest.mark.parametrize("status", [b"100", b"103", b"200", b"204", b"404", b"599"])
def test_a_status_has_three_digits(status):
    reason, head = Section([(b":status", status)]).response_head()
    assert (reason, head["status"]) == (Reason.ACCEPTED, int(status))


@pytest.mark.rfc("9113 8.3.2")
@pytest.mark.parametrize(
    "status", [b"", b"20", b"099", b"000", b"600", b"999", b"0200", b"2000", b"20x", b"-20", b"2 0"]
)
def test_other_statuses_are_refused(status):
    assert response((b":status", status)) == Reason.STATUS_INVALID


@pytest.mark.rfc("9113 8.3.2")
def test_a_response_has_a_status():
    assert response((b"server", b"x")) == Reason.PSEUDO_FIELD_MISSING
    assert response() == Reason.PSEUDO_FIELD_MISSING


@pytest.mark.rfc("9113 8.5")
def test_connect_is_not_offered():
    assert Section([(b":method", b"CONNECT"), AUTHORITY]).request_head()[0] == Reason.CONNECT_NOT_ALLOWED
    assert request((b":method", b"CONNECT")) == Reason.CONNECT_NOT_ALLOWED


@pytest.mark.rfc("8441 4")
def test_extended_connect_is_not_offered_either():
    assert request((b":method", b"CONNECT"), (b":protocol", b"websocket")) == Reason.PSEUDO_FIELD_UNKNOWN


@pytest.mark.rfc("9113 8.6")
def test_101_does_not_exist():
    assert response((b":status", b"101")) == Reason.STATUS_INVALID
