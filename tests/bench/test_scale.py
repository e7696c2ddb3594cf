"""The measurement of many zones in a short form: only another order of growth breaks its limits."""

from __future__ import annotations

import time

from bench.scale.lookup import snapshot
from bench.scale.zones import config, denying, make
from fastgw._core.proxy.endpoints import Endpoints
from fastgw._core.proxy.snapshot import probes
from fastgw.published import Published
from fastgw.serve.lookup import Lookup
from fastgw.tls.trust import Shelf

COUNT = 2000


def test_many_zones_and_a_change_to_one():
    numbers: dict[str, int] = {}
    lookup = Lookup(lambda: None)
    published = Published(lookup, Shelf(), Endpoints(), lambda name: numbers.setdefault(name, len(numbers)))
    zones = make(COUNT)
    begun = time.thread_time()
    change = published.change(config(zones), 1)
    published.take(change)
    assert len(change.made) == COUNT
    assert time.thread_time() - begun < 5
    took = []
    for turn in range(20):
        zones = denying(zones, turn * 97, "grpc_disabled")
        begun = time.thread_time()
        change = published.change(config(zones), turn + 2)
        published.take(change)
        took.append(time.thread_time() - begun)
        assert [built.zone.name for built in change.made] == [zones[turn * 97].name]
    assert sorted(took)[10] < 0.02
    lookup.close()
    assert sum(built.block.octets for built in published._built.values()) / COUNT < 3000


def test_lookups_are_as_short_among_many_zones_as_among_few():
    for count in (10, COUNT):
        rows, _, total, _ = probes(snapshot(count)[0])
        assert rows == 5 * count
        assert total / rows < 1.8
