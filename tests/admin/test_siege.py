"""Whatever is done to the admin API, calls go through; what is written there is text, in force at once."""

from __future__ import annotations

import contextlib
import socket
import statistics
import threading
from collections.abc import Callable

import httpx
import pytest

from tests.support.grpc_echo import Echo, channel
from tests.support.steady import clock, starved

CALLS = 400
IN_FORCE = 0.05  # seconds
NASTY = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</title><svg/onload=alert(1)>",
    "{{7*7}}${7*7}<%= 7*7 %>",
    "'; DROP TABLE zones; --",
    "\u202egnp.exe\u2028\u2029",
)


def raw(api) -> socket.socket:
    host, _, port = api.root.removeprefix("http://").rpartition(":")
    return socket.create_connection((host, int(port)), timeout=5)


def slow(api, over: threading.Event) -> None:
    """Heads that never end, bodies that never come."""
    with contextlib.ExitStack() as stack:
        found = []
        while not over.wait(0.01):
            with contextlib.suppress(OSError):
                if len(found) < 100:
                    found.append(stack.enter_context(raw(api)))
                    found[-1].sendall(b"POST /client/v4/zones HTTP/1.1\r\nhost: x\r\ncontent-length: 99\r\n")
                for one in found:
                    one.send(b"x: y\r\n")


def oversized(api, over: threading.Event) -> None:
    headers = {"authorization": f"Bearer {api.token}"}
    with httpx.Client(headers=headers) as client:
        while not over.is_set():
            with contextlib.suppress(httpx.HTTPError):
                assert client.post(f"{api.url}/zones", content=b"[" * (2 << 20)).status_code in (413, 429)


def tricky(api, over: threading.Event) -> None:
    paths = ("/../..//etc/passwd", "/%2e%2e/%00", "/zones/%ff%fe/..%2f", "//", "/zones?page=-1&page[]=%00")
    while not over.is_set():
        for path in paths:
            with contextlib.suppress(OSError), raw(api) as one:
                head = f"GET /client/v4{path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n"
                one.sendall(f"{head}authorization: Bearer {api.token}\r\n\r\n".encode())
                answer = one.recv(65536)
                assert not answer.startswith(b"HTTP/1.1 5"), answer


def tails(api, over: threading.Event) -> None:
    """Readers that take nothing."""
    with contextlib.ExitStack() as stack:
        for _ in range(16):
            one = stack.enter_context(raw(api))
            head = ["GET /fastgw/v1/tail HTTP/1.1", "host: x", f"authorization: Bearer {api.token}", "", ""]
            one.sendall("\r\n".join(head).encode())
        over.wait()


@pytest.mark.parametrize("attack", [slow, oversized, tricky, tails], ids=lambda attack: attack.__name__)
def test_no_call_fails_meanwhile(api, attack: Callable[..., None]):
    api.zone()
    over = threading.Event()
    failed: list[BaseException] = []

    def run() -> None:
        try:
            attack(api, over)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=run) for _ in range(1 if attack in (slow, tails) else 2)]
    for one in threads:
        one.start()
    host, _, port = api.gateway.addresses[0].rpartition(":")
    try:
        with channel((host, int(port)), ca_pem=api.ca.pem, name="shop.test") as opened:
            for number in range(CALLS):
                assert Echo(opened).unary(b"%d" % number, timeout=5) == b"%d" % number
    finally:
        over.set()
        for one in threads:
            one.join()
    assert failed == []
    assert api.http.get("/user/tokens/verify").status_code in (200, 429, 503), "it still answers"


@pytest.mark.parametrize("text", NASTY)
def test_what_is_written_comes_back_as_text(api, text):
    zone = api.sdk.zones.create(account={"id": api.account}, name="shop.test").id
    said = {"type": "TXT", "name": "note", "content": text, "comment": text, "ttl": 1}
    made = api.http.post(f"/zones/{zone}/dns_records", json=said)
    answers = [
        made,
        api.http.post("/zones", json={"name": text}),
        api.http.get(f"/zones/{zone}/dns_records", params={"name": text}),
        api.http.get("/zones", params={"order": text}),
        api.http.get(f"/zones/{text}"),
        api.http.get(f"/zones/{zone}/settings/{text}"),
        api.http.get(f"/accounts/{api.account}/audit_logs"),
        api.http.get(f"{api.root}/fastgw/v1/usage", params={"zone": text, "since": text}),
    ]
    for answer in answers:
        assert answer.status_code < 500
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-content-type-options"] == "nosniff"
        answer.json()
    if made.status_code == 200:
        (record,) = api.http.get(f"/zones/{zone}/dns_records").json()["result"]
        assert record["comment"] == text


def test_a_change_is_in_force_within_50_ms(api):
    """From the request to the answer, when it is: a call on a connection that was open before sees it."""
    zone = api.zone()
    host, _, port = api.gateway.addresses[0].rpartition(":")
    took = []
    with channel((host, int(port)), ca_pem=api.ca.pem, name="shop.test") as opened:
        echo = Echo(opened)
        for number in range(50):
            value = "off" if number % 2 == 0 else "on"
            begun, waited = clock.now(), starved()
            answer = api.http.patch(f"/zones/{zone}/settings/grpc", json={"value": value})
            took.append(clock.now() - begun - (starved() - waited))
            assert answer.status_code == 200
            try:
                echo.unary(b"x", timeout=5)
                passed = True
            except Exception:
                passed = False
            assert passed == (value == "on")
    took.sort()
    assert statistics.median(took) < IN_FORCE, took
    assert took[int(len(took) * 0.99) - 1] < IN_FORCE, took
