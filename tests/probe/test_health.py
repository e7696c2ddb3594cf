"""Health checks against grpcio's own health service: each kind, TLS, unix sockets, what changes when."""

from __future__ import annotations

import contextlib
import logging
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from fastgw.probe.health import Health, HealthTarget
from fastgw.tls.context import client_context
from tests.support.certs import Authority, Leaf
from tests.tls.pki import Pki

S = health_pb2.HealthCheckResponse


class CheckOnly(health_pb2_grpc.HealthServicer):
    """A server of the time before Watch."""

    def Check(self, request: Any, context: Any) -> Any:  # noqa: N802
        return S(status=S.SERVING)


class Served:
    """A grpcio server with the health service; `states` changes what it says."""

    def __init__(self, where: str = "127.0.0.1:0", leaf: Leaf | None = None, old: bool = False) -> None:
        options = (("grpc.so_reuseport", 0),)
        self.server = grpc.server(futures.ThreadPoolExecutor(8), options=options)
        self.states = health.HealthServicer()
        self.states.set("", S.SERVING)
        self.states.set("shop.Cart", S.SERVING)
        health_pb2_grpc.add_HealthServicer_to_server(CheckOnly() if old else self.states, self.server)
        if leaf is None:
            self.port = self.server.add_insecure_port(where)
        else:
            pair = (leaf.key_pem, leaf.certificate_pem)
            self.port = self.server.add_secure_port(where, grpc.ssl_server_credentials((pair,)))
        self.server.start()

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self.port

    def __enter__(self) -> Served:
        return self

    def __exit__(self, *_: object) -> None:
        self.server.stop(None).wait(5)


class Reports:
    """What was reported, in order."""

    def __init__(self) -> None:
        self.all: queue.Queue[tuple[Any, bool, str]] = queue.Queue()

    def __call__(self, key: Any, healthy: bool, why: str) -> None:
        self.all.put((key, healthy, why))

    def next(self, timeout: float = 10) -> tuple[Any, bool, str]:
        return self.all.get(timeout=timeout)

    def silent(self, seconds: float) -> bool:
        try:
            self.all.get(timeout=seconds)
        except queue.Empty:
            return True
        return False


@pytest.fixture
def reports() -> Reports:
    return Reports()


@pytest.fixture
def check(reports: Reports) -> Iterator[Callable[..., Health]]:
    """`check(target, …)` begins; all is closed at the end, and no thread and no descriptor is left."""
    started = []

    def start(*targets: HealthTarget) -> Health:
        started.append(Health(targets, reports))
        return started[-1]

    yield start
    for one in started:
        one.close()
    assert not [
        thread.name for thread in threading.enumerate() if thread.name.startswith(("fastgw", "asyncio"))
    ]


def target(address: Any, **more: Any) -> HealthTarget:
    usual = {"key": 1, "interval": 0.05, "timeout": 2.0, "rise": 2, "fall": 2}
    return HealthTarget(address=address, **{**usual, **more})


@pytest.mark.parametrize("kind", ["grpc", "watch", "tcp"])
def test_each_kind_finds_a_server_and_its_end(check, reports, kind):
    with Served() as served:
        check(target(served.address, kind=kind))
        assert reports.next()[:2] == (1, True)
        assert reports.silent(0.2), "nothing changes, nothing is said"
    key, healthy, why = reports.next()
    assert (key, healthy) == (1, False)
    assert f"127.0.0.1:{served.port}" in why
    with Served(f"127.0.0.1:{served.port}"):
        assert reports.next()[:2] == (1, True)


@pytest.mark.parametrize("kind", ["grpc", "watch"])
def test_what_the_service_says(check, reports, kind):
    with Served() as served:
        check(target(served.address, kind=kind, service="shop.Cart"))
        assert reports.next()[:2] == (1, True)
        served.states.set("shop.Cart", S.NOT_SERVING)
        _, healthy, why = reports.next()
        assert (healthy, why) == (False, f"127.0.0.1:{served.port} says NOT_SERVING for shop.Cart")
        served.states.set("shop.Cart", S.SERVING)
        assert reports.next()[1] is True


@pytest.mark.parametrize(
    ("kind", "words"), [("grpc", "does not know the service"), ("watch", "SERVICE_UNKNOWN")]
)
def test_a_service_that_is_not_there(check, reports, kind, words):
    with Served() as served:
        check(target(served.address, kind=kind, service="no.Such"))
        _, healthy, why = reports.next()
        assert not healthy
        assert words in why


def test_a_watch_takes_an_endpoint_out_within_100_ms(check, reports):
    """However long the interval and whatever `fall` says. The median: other work may hold us up once."""
    took = []
    with Served() as served:
        check(target(served.address, kind="watch", interval=60.0, fall=5, rise=5))
        assert reports.next()[1] is True
        for _ in range(5):
            for state in (S.NOT_SERVING, S.SERVING):
                begun = time.monotonic()
                served.states.set("", state)
                assert reports.next()[1] is (state == S.SERVING)
                took.append(time.monotonic() - begun)
    assert sorted(took)[len(took) // 2] < 0.1


def test_no_watch_is_said_once_and_check_stands_in(check, reports, caplog):
    caplog.set_level(logging.WARNING, "fastgw")
    with Served(old=True) as served:
        check(target(served.address, kind="watch"))
        assert reports.next()[:2] == (1, True)
    assert reports.next()[1] is False
    with Served(f"127.0.0.1:{served.port}", old=True):
        assert reports.next()[1] is True
    assert [
        record.message.count("does not know Health/Watch")
        for record in caplog.records
        if record.name == "fastgw"
    ] == [1]


def context(ca: Authority | None) -> Any:
    roots = None if ca is None else x509.load_pem_x509_certificates(ca.pem)
    return client_context(verify=ca is not None, roots=roots)


@pytest.mark.parametrize("kind", ["grpc", "watch"])
def test_tls_like_the_calls(check, reports, ca, origin_leaf, tmp_path, kind):
    other = tmp_path / "other"
    other.mkdir()
    verified = context(ca)
    with Served(leaf=origin_leaf) as served:
        common = {"kind": kind, "interval": 60.0}
        check(
            target(served.address, key="good", context=verified, server_name="origin.test", **common),
            target(served.address, key="address", context=verified, server_name="127.0.0.1", **common),
            target(served.address, key="name", context=verified, server_name="else.test", **common),
            target(
                served.address,
                key="ca",
                context=context(Authority(other)),
                server_name="origin.test",
                **common,
            ),
            target(served.address, key="any", context=context(None), server_name="else.test", **common),
            target(served.address, key="clear", **common),
        )
        found = {key: (healthy, why) for key, healthy, why in (reports.next() for _ in range(6))}
    assert {key: healthy for key, (healthy, _) in found.items()} == {
        "good": True, "address": True, "any": True, "name": False, "ca": False, "clear": False,
    }  # fmt: skip
    assert "failed the TLS handshake: certificate verify failed" in found["name"][1]
    assert "failed the TLS handshake: certificate verify failed" in found["ca"][1]


@pytest.mark.parametrize("kind", ["grpc", "watch"])
def test_a_common_name_counts_where_the_zone_says_so_and_alone(check, reports, tmp_path, kind):
    pki = Pki(tmp_path)
    root = pki.make("root", ca=True)
    bare = pki.make("bare", common="old.test", issuer=root)
    listed = pki.make("listed", "else.test", common="old.test", issuer=root)
    usual = {
        "kind": kind,
        "interval": 60.0,
        "context": client_context(verify=True, roots=[root.leaf]),
        "server_name": "old.test",
        "names": ("old.test", "127.0.0.1"),
    }
    with contextlib.ExitStack() as stack:
        pairs = [Leaf(pair.certificate, pair.key) for pair in (bare, listed)]
        one, two = (stack.enter_context(Served(leaf=pair)) for pair in pairs)
        check(
            target(one.address, key="counts", common_name=True, **usual),
            target(one.address, key="does not", **usual),
            target(two.address, key="lists names", common_name=True, **usual),
        )
        found = {key: (healthy, why) for key, healthy, why in (reports.next() for _ in range(3))}
    assert {key: healthy for key, (healthy, _) in found.items()} == {
        "counts": True, "does not": False, "lists names": False,
    }  # fmt: skip
    assert "shows a certificate for no name, not for old.test" in found["does not"][1]
    assert "shows a certificate for else.test, not for old.test" in found["lists names"][1]


def test_a_unix_socket(check, reports, tmp_path: Path):
    path = tmp_path / "origin"
    with Served(f"unix:{path}"):
        check(target(str(path), kind="watch"), target(str(path), key=2, kind="tcp"))
        assert {reports.next()[:2] for _ in range(2)} == {(1, True), (2, True)}
    assert {reports.next()[:2] for _ in range(2)} == {(1, False), (2, False)}


def test_rise_and_fall(check, reports):
    """The first result is the verdict; then it takes as many in a row as were asked for."""
    with Served() as served:
        check(target(served.address, rise=4, fall=3, interval=0.1))
        assert reports.next()[1] is True
        for state, least in ((S.NOT_SERVING, 2), (S.SERVING, 3)):
            served.states.set("", state)
            begun = time.monotonic()
            assert reports.next()[1] is (state == S.SERVING)
            assert time.monotonic() - begun > least * 0.09 - 0.02
        served.states.set("", S.NOT_SERVING)
        time.sleep(0.12)
        served.states.set("", S.SERVING)
        assert reports.silent(0.4), "one bad result is none"


def test_replace_keeps_what_did_not_change(check, reports):
    with Served() as one, Served() as two:
        kept = target(one.address, key="kept", kind="watch")
        went = target(two.address, key="went", kind="watch")
        checks = check(kept, went)
        assert {reports.next()[:2] for _ in range(2)} == {("kept", True), ("went", True)}
        channel = checks._checks["kept"][0]._channel
        came = target(two.address, key="came")
        checks.replace([kept, came])
        assert reports.next()[:2] == ("came", True)
        assert checks.verdicts() == {"kept": True, "came": True}
        two.states.set("", S.NOT_SERVING)
        assert reports.next()[:2] == ("came", False), "and nothing of the one that went"
        assert checks._checks["kept"][0]._channel is channel, "the connection is the same"
        assert reports.silent(0.2)
        one.states.set("", S.NOT_SERVING)
        assert reports.next()[:2] == ("kept", False)


def test_a_watch_stays_while_nothing_changes(check, reports):
    """Its connection too: a grpcio server ends those with too many PINGs and no data between them."""
    with Served() as served:
        checks = check(target(served.address, kind="watch", interval=0.05, fall=1))
        assert reports.next()[1] is True
        channel = checks._checks[1][0]._channel
        assert reports.silent(1.0), "20 intervals"
        assert checks._checks[1][0]._channel is channel
        assert channel.reusable
        served.states.set("", S.NOT_SERVING)
        assert reports.next()[1] is False


def test_connections_are_kept_between_checks(check, reports):
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as listener, Served() as served:
        accepted = []

        def forward() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    accepted.append(client)
                    origin = socket.create_connection(served.address)
                    for a, b in ((client, origin), (origin, client)):
                        threading.Thread(target=pour, args=(a, b), daemon=True).start()

        threading.Thread(target=forward, daemon=True).start()
        check(target(listener.getsockname(), interval=0.02))
        assert reports.next()[1] is True
        time.sleep(0.4)
        assert len(accepted) == 1
        accepted[0].shutdown(socket.SHUT_RDWR)
        assert reports.silent(0.3), "a connection that has gone between two checks is no failure"
        assert len(accepted) == 2
        listener.shutdown(socket.SHUT_RDWR)


def pour(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while octets := source.recv(65536):
            sink.sendall(octets)
        sink.shutdown(socket.SHUT_RDWR)


def test_a_report_that_fails_ends_nothing(caplog):
    with Served() as served:
        heard = threading.Semaphore(0)

        def report(key: Any, healthy: bool, why: str) -> None:
            heard.release()
            raise RuntimeError("broken")

        checks = Health([target(served.address, kind="watch")], report)
        assert heard.acquire(timeout=5)
        served.states.set("", S.NOT_SERVING)
        assert heard.acquire(timeout=5)
        checks.close()
        checks.close()
        checks.replace([target(served.address)])
    assert "could not be reported" in caplog.text


def test_two_hundred_endpoints_on_one_thread(check, reports):
    with Served() as served:
        before = threading.active_count()
        check(*(target(served.address, key=number, kind="tcp", interval=1.0) for number in range(200)))
        assert {reports.next()[:2] for _ in range(200)} == {(number, True) for number in range(200)}
        assert threading.active_count() <= before + 1
