"""Names become addresses and stay true: a DNS server that does as it is told, no network, short times."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fastgw.serve import lookup as room
from fastgw.serve.hosts import LOOPBACK, HostsFile
from fastgw.serve.lookup import Lookup, SystemResolver, has_route
from tests.support.dns_server import DnsServer, addresses, code, silence

NAME = "origin.example"


class Bell:
    """Counts how often it is rung; `wait(n)`: has it been so often?"""

    def __init__(self) -> None:
        self.count = 0
        self._rung = threading.Condition()

    def __call__(self) -> None:
        with self._rung:
            self.count += 1
            self._rung.notify_all()

    def wait(self, count: int, timeout: float = 5) -> bool:
        with self._rung:
            return self._rung.wait_for(lambda: self.count >= count, timeout)


@pytest.fixture
def server() -> Iterator[DnsServer]:
    with DnsServer() as started:
        yield started


@pytest.fixture(autouse=True)
def short_times(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in {
        "FIRST_WAIT": 6.0,
        "ANSWER_WAIT": 3.0,
        "TTL_LEAST": 0.05,
        "HOSTS_TTL": 0.05,
        "BACKOFF_LEAST": 0.05,
        "BACKOFF_MOST": 0.2,
        "SETTLE": 0.02,
    }.items():
        monkeypatch.setattr(room, name, seconds)


@pytest.fixture
def made(server: DnsServer, tmp_path: Path) -> Iterator[Callable[..., Lookup]]:
    """`made(changed)`: a lookup that asks `server`; `hosts` in the temporary folder is its hosts file."""
    lookups = []

    def make(changed: Callable[[], None] | None = None, **more: object) -> Lookup:
        options = {
            "resolver": server.resolver,
            "hosts": HostsFile(tmp_path / "hosts"),
            "route": lambda _: True,
        }
        lookups.append(Lookup(changed, **{**options, **more}))  # type: ignore[arg-type]
        return lookups[-1]

    yield make
    for one in lookups:
        one.close()
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("fastgw")] == []


def until(look: Callable[[], object], timeout: float = 5) -> bool:
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if look():
            return True
        time.sleep(0.01)
    return False


def now(lookup: Lookup) -> tuple[str, ...]:
    return lookup.addresses([NAME])[NAME]


def test_all_addresses_of_both_families_come_in_order(server, made):
    server.script[NAME] = addresses("10.0.0.10", "2001:db8::1", "10.0.0.9")
    assert made().addresses([NAME, "192.0.2.1", "::1", ""]) == {
        NAME: ("10.0.0.9", "10.0.0.10", "2001:db8::1"),
        "192.0.2.1": ("192.0.2.1",),
        "::1": ("::1",),
        "": (),
    }


def test_addresses_need_no_thread_and_no_server(server, made):
    lookup = made()
    assert lookup.addresses(["10.0.0.1"]) == {"10.0.0.1": ("10.0.0.1",)}
    assert "fastgw-lookup" not in {thread.name for thread in threading.enumerate()}
    assert server.asked == []


def test_an_answer_is_believed_for_its_time(server, made):
    server.script[NAME] = addresses("10.0.0.1", ttl=300)
    lookup = made()
    for _ in range(3):
        assert now(lookup) == ("10.0.0.1",)
    time.sleep(0.2)
    assert [kind for _, kind, _ in server.asked] in (["A", "AAAA"], ["AAAA", "A"])


def test_a_short_answer_is_asked_for_again_and_the_change_is_told(server, made):
    server.script[NAME, "A"] = [addresses("10.0.0.1", ttl=0), addresses("10.0.0.2", "10.0.0.3", ttl=300)]
    server.script[NAME, "AAAA"] = addresses()
    bell = Bell()
    lookup = made(bell)
    assert now(lookup) == ("10.0.0.1",)
    assert (lookup.revision, bell.count) == (0, 0)
    assert bell.wait(1)
    assert now(lookup) == ("10.0.0.2", "10.0.0.3")
    assert lookup.revision == 1


def test_another_order_is_no_change(server, made):
    server.script[NAME, "A"] = [
        addresses("10.0.0.1", "10.0.0.2", ttl=0),
        addresses("10.0.0.2", "10.0.0.1", ttl=0),
    ]
    server.script[NAME, "AAAA"] = addresses()
    bell = Bell()
    lookup = made(bell)
    now(lookup)
    assert server.wait_for(5, NAME)
    assert (lookup.revision, bell.count) == (0, 0)


def test_the_time_of_an_alias_counts_too(server, made, monkeypatch):
    monkeypatch.setattr(room, "TTL_MOST", 0.05)
    server.script[NAME] = addresses("10.0.0.1", ttl=300, alias="real.example", alias_ttl=300)
    assert now(made()) == ("10.0.0.1",)
    assert server.wait_for(3, NAME), "an answer is believed for TTL_MOST at most"


def test_a_short_alias_makes_the_whole_short(server, made):
    server.script[NAME] = addresses("10.0.0.1", ttl=300, alias="real.example", alias_ttl=0)
    assert now(made()) == ("10.0.0.1",)
    assert server.wait_for(3, NAME)


def test_the_last_good_answer_stays(server, made, caplog, monkeypatch):
    monkeypatch.setattr(room, "ANSWER_WAIT", 0.4)
    bad = [code("SERVFAIL"), code("NXDOMAIN"), code("REFUSED"), addresses(ttl=0), silence]
    server.script[NAME] = [addresses("10.0.0.1", ttl=0), addresses("10.0.0.1", ttl=0), *bad, code("SERVFAIL")]
    bell = Bell()
    lookup = made(bell)
    with caplog.at_level(logging.WARNING, "fastgw"):
        assert now(lookup) == ("10.0.0.1",)
        assert server.wait_for(6, NAME)
        assert until(lambda: caplog.records)
    assert now(lookup) == ("10.0.0.1",)
    assert bell.count == 0
    assert "the name origin.example cannot be resolved and stays with 10.0.0.1" in caplog.text


def test_a_name_without_any_address_keeps_its_last_ones(server, made, caplog):
    server.script[NAME, "A"] = [addresses("10.0.0.1", ttl=0), addresses()]
    server.script[NAME, "AAAA"] = addresses()
    lookup = made()
    assert now(lookup) == ("10.0.0.1",)
    assert until(lambda: "cannot be resolved and stays with 10.0.0.1" in caplog.text)
    assert now(lookup) == ("10.0.0.1",)


def test_one_family_that_fails_keeps_its_last_answer(server, made):
    server.script[NAME, "A"] = [addresses("10.0.0.1", ttl=0), addresses("10.0.0.2", ttl=0)]
    server.script[NAME, "AAAA"] = [addresses("2001:db8::1", ttl=0), code("SERVFAIL")]
    bell = Bell()
    lookup = made(bell)
    assert now(lookup) == ("10.0.0.1", "2001:db8::1")
    assert bell.wait(1)
    assert now(lookup) == ("10.0.0.2", "2001:db8::1")


def test_a_family_that_is_gone_is_gone(server, made):
    server.script[NAME, "A"] = addresses("10.0.0.1", ttl=0)
    server.script[NAME, "AAAA"] = [addresses("2001:db8::1", ttl=0), addresses()]
    bell = Bell()
    lookup = made(bell)
    assert now(lookup) == ("10.0.0.1", "2001:db8::1")
    assert bell.wait(1)
    assert now(lookup) == ("10.0.0.1",)


def test_a_name_that_fails_is_asked_for_again_at_growing_distances(server, made, monkeypatch, caplog):
    waits: list[float] = []
    backoff = Lookup._backoff
    monkeypatch.setattr(Lookup, "_backoff", lambda self, name: waits.append(backoff(self, name)) or waits[-1])
    server.script[NAME] = code("SERVFAIL")
    bell = Bell()
    lookup = made(bell)
    with caplog.at_level(logging.WARNING, "fastgw"):
        begun = time.monotonic()
        assert now(lookup) == ()
        assert time.monotonic() - begun < 1, "a failure is an answer: nobody waits on"
        assert until(lambda: len(waits) >= 4)
    assert waits[:4] == [0.05, 0.1, 0.2, 0.2]
    assert caplog.text.count("cannot be resolved and has no address") == 1
    server.script[NAME] = addresses("10.0.0.1")
    assert bell.wait(1)
    assert now(lookup) == ("10.0.0.1",)


def test_a_silent_server_is_waited_for_only_so_long(server, made, monkeypatch):
    monkeypatch.setattr(room, "FIRST_WAIT", 0.2)
    monkeypatch.setattr(room, "ANSWER_WAIT", 2.0)
    server.script[NAME] = [silence, silence, silence, silence, addresses("10.0.0.1")]
    bell = Bell()
    lookup = made(bell)
    begun = time.monotonic()
    assert lookup.addresses([NAME, "b.example", "c.example"])[NAME] == ()
    assert time.monotonic() - begun < 1
    assert bell.wait(1), "the first answer came after nobody waited for it any more"
    assert now(lookup) == ("10.0.0.1",)


def test_a_truncated_answer_is_fetched_over_tcp(server, made):
    server.truncate = True
    many = [f"10.0.1.{number}" for number in range(1, 101)]
    server.script[NAME] = addresses(*many)
    assert now(made()) == tuple(many)
    assert {transport for _, _, transport in server.asked} == {"udp", "tcp"}


def test_the_hosts_file_comes_first_and_dns_after_it(server, made, tmp_path):
    server.script[NAME] = addresses("10.0.0.1")
    hosts = tmp_path / "hosts"
    hosts.write_text(f"# mine\n10.9.9.9 other {NAME.upper()} # and so on\n::9 {NAME}\nnonsense {NAME}\n\n")
    bell = Bell()
    lookup = made(bell)
    assert now(lookup) == ("10.9.9.9", "::9")
    assert server.asked == []
    hosts.write_text("127.0.0.1 localhost\n")
    assert bell.wait(1)
    assert now(lookup) == ("10.0.0.1",)


def test_what_dns_said_before_the_hosts_file_is_forgotten(server, made, tmp_path):
    server.script[NAME, "A"] = addresses("10.0.0.1", ttl=0)
    server.script[NAME, "AAAA"] = [addresses("2001:db8::1", ttl=0), code("SERVFAIL")]
    lookup = made()
    assert now(lookup) == ("10.0.0.1", "2001:db8::1")
    (tmp_path / "hosts").write_text(f"10.9.9.9 {NAME}\n")
    assert until(lambda: now(lookup) == ("10.9.9.9",))
    (tmp_path / "hosts").unlink()
    assert until(lambda: now(lookup) != ("10.9.9.9",))
    assert now(lookup) == ("10.0.0.1",)


def test_localhost_is_this_machine(server, made, tmp_path):
    assert made().addresses(["localhost", "a.localhost"]) == {"localhost": LOOPBACK, "a.localhost": LOOPBACK}
    (tmp_path / "hosts").write_text("127.0.0.1 localhost")
    assert made().addresses(["localhost"]) == {"localhost": ("127.0.0.1",)}
    assert server.asked == []


def test_addresses_without_a_way_to_them_are_left_out_unless_there_are_no_others(server, made):
    server.script[NAME] = addresses("10.0.0.1", "2001:db8::1")
    server.script["six.example"] = addresses("2001:db8::2")
    lookup = made(route=lambda literal: ":" not in literal)
    assert lookup.addresses([NAME, "six.example"]) == {NAME: ("10.0.0.1",), "six.example": ("2001:db8::2",)}
    assert has_route("127.0.0.1")


def test_many_changes_at_once_are_one_call(server, made, monkeypatch):
    monkeypatch.setattr(room, "SETTLE", 0.3)
    monkeypatch.setattr(room, "TTL_LEAST", 0.1)
    names = [f"{letter}.example" for letter in "abcdef"]
    for name in names:
        server.script[name, "A"] = [addresses("10.0.0.1", ttl=0), addresses("10.0.0.2")]
        server.script[name, "AAAA"] = addresses()
    bell = Bell()
    lookup = made(bell)
    lookup.addresses(names)
    assert bell.wait(1)
    assert set(lookup.addresses(names).values()) == {("10.0.0.2",)}
    assert (lookup.revision, bell.count) == (6, 1)


def test_a_change_that_could_not_be_put_in_force_is_tried_again(server, made, caplog):
    server.script[NAME, "A"] = [addresses("10.0.0.1", ttl=0), addresses("10.0.0.2")]
    server.script[NAME, "AAAA"] = addresses()
    bell = Bell()

    def changed() -> None:
        bell()
        if bell.count < 3:
            raise ValueError("not now")

    now(made(changed))
    assert bell.wait(3)
    time.sleep(0.3)
    assert bell.count == 3
    assert caplog.text.count("which could not be put in force") == 2


def test_names_nobody_wants_are_asked_for_no_more(server, made):
    server.script[NAME] = server.script["b.example"] = addresses("10.0.0.1", ttl=0)
    lookup = made()
    lookup.addresses([NAME, "b.example"])
    lookup.forget([NAME])
    assert server.wait_for(3, "b.example")
    count = sum(name == NAME for name, _, _ in server.asked)
    assert server.wait_for(6, "b.example")
    assert sum(name == NAME for name, _, _ in server.asked) == count


def test_closing_ends_the_thread_and_wakes_who_waits(server, made, monkeypatch):
    monkeypatch.setattr(room, "ANSWER_WAIT", 5.0)
    server.script[NAME] = silence
    lookup = made()
    answers: list[object] = []
    waiting = threading.Thread(target=lambda: answers.append(now(lookup)))
    waiting.start()
    assert server.wait_for(1, NAME)
    begun = time.monotonic()
    lookup.close()
    waiting.join(2)
    assert time.monotonic() - begun < 1
    assert answers == [()]
    assert now(lookup) == ()
    assert "fastgw-lookup" not in {thread.name for thread in threading.enumerate()}
    lookup.close()


def test_the_resolver_of_the_system_is_what_its_file_says(tmp_path):
    file = tmp_path / "resolv.conf"
    get = SystemResolver(file)
    assert get().nameservers == ["127.0.0.1"], "the C library's way without a file"
    file.write_text("nameserver 192.0.2.53\nsearch a.example\noptions ndots:5\n")
    first = get()
    assert (first.nameservers, [str(name) for name in first.search]) == (["192.0.2.53"], ["a.example."])
    assert get() is first
    file.write_text("nameserver 192.0.2.54\n")
    assert get().nameservers == ["192.0.2.54"]


def test_short_names_are_looked_for_in_the_search_list(server, made):
    def resolver():
        found = server.resolver()
        found.search = [room_name("svc.example")]
        return found

    server.script["grpc.svc.example"] = addresses("10.0.0.1")
    assert made(resolver=resolver).addresses(["grpc"]) == {"grpc": ("10.0.0.1",)}


def room_name(text: str) -> object:
    import dns.name

    return dns.name.from_text(text)
