"""The echo origin and the small client, with each other and each with grpcio on the other side."""

from collections.abc import Iterator

import grpc
import pytest

from fastgw.probe.client import Answer, Client, trusting
from fastgw.probe.echo import SERVICE, EchoOrigin
from fastgw.probe.failure import ProbeError
from tests.support.certs import Authority
from tests.support.grpc_echo import SERVICE as GRPC_SERVICE
from tests.support.grpc_echo import Origin, channel, same


@pytest.fixture(params=["tls", "h2c"])
def echo(request: pytest.FixtureRequest, ca: Authority) -> Iterator[tuple[EchoOrigin, Client]]:
    leaf = ca.leaf("localhost")
    tls = request.param == "tls"
    with EchoOrigin(certificate=(str(leaf.certificate), str(leaf.key)) if tls else None) as origin:
        context = trusting(str(ca.file)) if tls else None
        with Client(*origin.address, context=context, authority="localhost") as client:
            yield origin, client


def _ok(answer: Answer) -> list[bytes]:
    assert (answer.http_status, answer.status_name) == (200, "OK")
    return answer.messages


def test_the_four_kinds(echo: tuple[EchoOrigin, Client]) -> None:
    origin, client = echo
    assert _ok(client.call(SERVICE + "Unary", [b"hello"])) == [b"hello"]
    assert _ok(client.call(SERVICE + "ClientStream", [b"a", b"bc", b""])) == [b"3 messages, 3 octets"]
    assert _ok(client.call(SERVICE + "ServerStream", [b"one two three"])) == [b"one", b"two", b"three"]
    assert _ok(client.call(SERVICE + "BidiStream", [b"1", b"2", b"3"], in_turn=True)) == [b"1", b"2", b"3"]
    assert origin.connections == 1


def test_more_than_the_windows_hold(echo: tuple[EchoOrigin, Client]) -> None:
    message = bytes(range(256)) * 16384  # 4 MiB
    assert _ok(echo[1].call(SERVICE + "Unary", [message])) == [message]
    assert _ok(echo[1].call(SERVICE + "BidiStream", [message, message], in_turn=True)) == [message, message]


def test_metadata_comes_back_in_the_trailers(echo: tuple[EchoOrigin, Client]) -> None:
    metadata = [(b"x-echo-a", b"1"), (b"x-echo-a", b"2"), (b"x-echo-b.c_d-bin", b"AAE"), (b"x-other", b"3")]
    answer = echo[1].call(SERVICE + "Unary", [b""], metadata=metadata)
    assert answer.trailers == [(b"grpc-status", b"0"), *metadata[:3]]


def test_what_is_wrong_is_answered_with_a_status(echo: tuple[EchoOrigin, Client]) -> None:
    unknown = echo[1].call(SERVICE + "Nothing", [b"x"])
    assert (unknown.status_name, unknown.trailers_only) == ("UNIMPLEMENTED", True)
    assert "is not a method" in unknown.message
    two = echo[1].call(SERVICE + "Unary", [b"a", b"b"])
    assert (two.status_name, two.message) == ("INVALID_ARGUMENT", "a unary call carries one message, 2 came")
    assert _ok(echo[1].call(SERVICE + "Unary", [b"still here"])) == [b"still here"]


def test_the_client_against_grpcio(ca: Authority, origin: Origin) -> None:
    context = trusting(str(ca.file))
    with Client("127.0.0.1", origin.port, context=context, authority="origin.test") as client:
        metadata = [(b"x-a", b"1"), (b"x-b-bin", b"AP8B")]
        answer = client.call(GRPC_SERVICE + "Unary", [b"hi"], metadata=metadata)
        assert _ok(answer) == [b"hi"]
        assert dict(answer.trailers)[b"x-a"] == b"1"
        assert dict(answer.trailers)[b"x-b-bin"].rstrip(b"=") == b"AP8B"
        assert dict(answer.head)[b"head-x-a"] == b"1"
        assert _ok(client.call(GRPC_SERVICE + "Count", [b"1000"])) == [b"m%d" % n for n in range(1000)]
        assert _ok(client.call(GRPC_SERVICE + "Collect", [b"a", b"b"])) == [b"ab"]
        assert _ok(client.call(GRPC_SERVICE + "Chat", [b"a", b"b"], in_turn=True)) == [b"a", b"b"]
        failed = client.call(GRPC_SERVICE + "Fail", ["100% spaß ".encode()])
        assert (failed.status_name, failed.message) == ("FAILED_PRECONDITION", "100% spaß ")
        assert failed.trailers_only
        late = client.call(GRPC_SERVICE + "FailLate", [b"late"])
        assert (late.messages, late.status_name, late.trailers_only) == (
            [b"late"],
            "FAILED_PRECONDITION",
            False,
        )


def test_grpcio_against_the_echo_origin(ca: Authority) -> None:
    leaf = ca.leaf("localhost")
    with EchoOrigin(certificate=(str(leaf.certificate), str(leaf.key))) as origin:
        opened = channel(origin.address, ca_pem=ca.pem, name="localhost")
        unary = opened.unary_unary(SERVICE + "Unary", same, same)
        answer, call = unary.with_call(b"hello", timeout=10, metadata=[("x-echo-bin", b"\0\xff")])
        assert answer == b"hello"
        assert dict(call.trailing_metadata())["x-echo-bin"] == b"\0\xff"
        bidi = opened.stream_stream(SERVICE + "BidiStream", same, same)
        assert list(bidi(iter([b"a", b"b"]), timeout=10)) == [b"a", b"b"]
        with pytest.raises(grpc.RpcError) as denied:
            opened.unary_unary(SERVICE + "Nothing", same, same)(b"", timeout=10)
        assert denied.value.code() is grpc.StatusCode.UNIMPLEMENTED
        opened.close()


def test_a_failure_is_one_sentence(ca: Authority) -> None:
    with EchoOrigin() as origin:
        with pytest.raises(ProbeError, match=r"TLS handshake with 127\.0\.0\.1:.* failed"):
            Client(*origin.address, context=trusting(str(ca.file)), authority="localhost", timeout=2)
        gone = origin.address
    with pytest.raises(ProbeError, match="does not accept connections"):
        Client(*gone, context=None, authority="localhost")


def test_an_untrusted_certificate_is_refused(ca: Authority, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = Authority(tmp_path_factory.mktemp("other"), "another CA").leaf("localhost")
    with (
        EchoOrigin(certificate=(str(other.certificate), str(other.key))) as origin,
        pytest.raises(ProbeError, match="CERTIFICATE_VERIFY_FAILED"),
    ):
        Client(*origin.address, context=trusting(str(ca.file)), authority="localhost")
