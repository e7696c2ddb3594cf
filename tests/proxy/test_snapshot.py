"""Snapshots that follow each other: indices against plain dicts, certificates against a list of rules."""

from __future__ import annotations

import gc
import weakref

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastgw._core.proxy.endpoints import Endpoints
from fastgw._core.proxy.entries import EndpointEntry, HostEntry, OriginEntry, ZoneEntry
from fastgw._core.proxy.route import sockaddr
from fastgw._core.proxy.rows import Certificate, ZoneBlock
from fastgw._core.proxy.snapshot import Snapshot, certificate_of, lookup_cost, probes

ENDPOINTS = Endpoints()
CONTEXT = 1  # the address of no context: nothing here opens a connection


def endpoint(registry=ENDPOINTS, identity=b"id"):
    state = registry.number_of(identity, "127.0.0.1:443")
    return EndpointEntry(sockaddr("127.0.0.1", 443), 0, "o.example", True, 1, 2, "127.0.0.1:443", state)


def origin(name="o.example", **more):
    return OriginEntry(name, (endpoint(),), **more)


def block(name, hosts=(), certificates=(), *, number=0, origins=None, own=None):
    """`hosts`: {name: proxied}; `own`: {name: a certificate of its own}."""
    entries = [
        HostEntry(host, proxied, 0 if proxied else -1, (own or {}).get(host))
        for host, proxied in dict(hosts).items()
    ]
    zone = ZoneEntry(name, number, grpc=True, http=False, encrypted=True)
    return ZoneBlock(zone, entries, [origin(name)] if origins is None else origins, certificates, ENDPOINTS)


# Hostnames, change by change

label = st.sampled_from("abc")
name = st.lists(label, min_size=1, max_size=4).map(".".join)
host = st.builds(lambda star, text: "*." + text if star else text, st.booleans(), name)
zones = st.dictionaries(
    st.sampled_from("uvwxyz"), st.dictionaries(host, st.booleans(), max_size=12), max_size=6
)


def disjoint(wanted):
    """The same, each hostname in the first zone that has it only."""
    seen = set()
    made = {}
    for zone, hosts in wanted.items():
        made[zone] = {one: proxied for one, proxied in hosts.items() if one not in seen}
        seen |= hosts.keys()
    return made


def by_dns(zones, asked):
    """(zone, record, is it proxied) by DNS: the name, else the closest wildcard; a record stops it."""
    rows = {
        record: (zone, record, proxied) for zone, hosts in zones.items() for record, proxied in hosts.items()
    }
    if asked in rows:
        return rows[asked]
    above = asked
    while "." in above:
        above = above.partition(".")[2]
        if "*." + above in rows:
            return rows["*." + above]
        if above in rows:
            return None
    return None


@settings(max_examples=60)
@given(steps=st.lists(zones, min_size=1, max_size=6), asked=st.lists(name, min_size=1, max_size=20))
def test_successors_answer_as_the_rules_of_dns_say(steps, asked):
    blocks, before = {}, None
    for revision, wanted in enumerate(map(disjoint, steps)):
        kept = {zone: had for zone, had in blocks.items() if wanted.get(zone) == had[0]}
        fresh = {zone: (hosts, block(zone, hosts)) for zone, hosts in wanted.items() if zone not in kept}
        now = Snapshot(
            revision=revision,
            before=before,
            dropped=[had[1] for zone, had in blocks.items() if zone not in kept],
            added=[made[1] for made in fresh.values()],
        )
        for one in asked:
            found = by_dns(wanted, one)
            expected = ("unknown", "", "", "")
            if found is not None:
                zone, record, proxied = found
                expected = ("proxied" if proxied else "dns_only", zone, record, zone if proxied else "")
            assert now.explain(one) == expected
        rows, slots, _, _ = probes(now)
        assert rows == sum(map(len, wanted.values()))
        assert 2 * rows <= slots
        blocks, before = {**kept, **fresh}, now


@settings(max_examples=20)
@given(order=st.permutations(range(150)), keep=st.integers(0, 40))
def test_what_is_taken_out_leaves_no_hole(order, keep):
    made = [block(f"z{number}", {f"h{number}.example": True, f"*.w{number}": True}) for number in range(150)]
    snapshot = Snapshot(revision=0, added=made)
    for revision, number in enumerate(order[keep:]):
        snapshot = Snapshot(revision=revision, before=snapshot, dropped=[made[number]])
        if revision % 29 == 0 or revision == len(order) - keep - 1:
            left = set(order[keep + revision + 1 :]) | set(order[:keep])
            for other in range(150):
                expected = "proxied" if other in left else "unknown"
                assert snapshot.explain(f"h{other}.example")[0] == expected
                assert snapshot.explain(f"a.b.w{other}")[0] == expected
    assert probes(snapshot)[0] == 2 * keep


def test_names_may_move_between_zones_in_one_change():
    one, two = block("a", {"x.example": True}), block("b", {"y.example": True})
    before = Snapshot(revision=1, added=[one, two])
    moved = [block("a", {"y.example": True}), block("b", {"x.example": True})]
    now = Snapshot(revision=2, before=before, dropped=[one, two], added=moved)
    assert (now.explain("x.example")[1], now.explain("y.example")[1]) == ("b", "a")
    assert (before.explain("x.example")[1], before.explain("y.example")[1]) == ("a", "b")


def test_a_change_that_does_not_fit_is_refused_and_harms_nothing():
    one = block("a", {"x.example": True})
    before = Snapshot(revision=1, added=[one])
    for wrong, words in (
        ({"added": [block("b", {"x.example": True})]}, "x.example is there twice"),
        ({"added": [block("a", {"y.example": True})]}, "zone a is there twice"),
        ({"dropped": [block("a")]}, "zone a is not in the snapshot"),
        ({"dropped": [one, one]}, "zone a is not in the snapshot"),
    ):
        with pytest.raises(ValueError, match=words):
            Snapshot(revision=2, before=before, **wrong)
    assert before.explain("x.example")[1] == "a"
    assert Snapshot(revision=2, before=before, dropped=[one]).explain("x.example")[0] == "unknown"


def test_a_released_snapshot_only_holds_its_blocks():
    before = Snapshot(revision=1, added=[block("a", {"x.example": True})])
    now = Snapshot(revision=2, before=before)
    before.release()
    before.release()
    assert before.explain("x.example")[0] == "unknown"
    assert now.explain("x.example")[0] == "proxied"
    with pytest.raises(ValueError, match="has no successor"):
        Snapshot(revision=3, before=before)


def test_lookups_look_at_few_slots_however_many_zones_there_are():
    many = [
        block(f"z{number}", {f"h{one}.z{number}.example": True for one in range(5)}, number=number)
        for number in range(2000)
    ]
    snapshot = Snapshot(revision=1, added=many)
    rows, _, total, most = probes(snapshot)
    assert rows == 10_000
    assert total / rows < 1.6
    assert most < 60
    assert lookup_cost(snapshot, [b"h1.z77.example:443"], 10) > 0


# Certificates

sans = st.lists(host, max_size=3, unique=True)
shows = st.lists(st.integers(0, 5), max_size=2, unique=True)


def covered(names, asked):
    """2: exactly, 1: by a wildcard, 0: not."""
    above = asked.partition(".")[2]
    return 2 if asked in names else 1 if above and "*." + above in names else 0


def chosen(names, zones, shown, own, default, asked):
    """The number of the certificate, from the rules; `shown`: numbers in the order they came into force."""
    found = by_dns(zones, asked)
    if found is not None:
        zone, record, _ = found
        if (zone, record) in own:
            return own[zone, record]
        mine = shown[zone]
        for kind in (2, 1):
            for number in reversed(mine):
                if covered(names[number], asked) == kind:
                    return number
    everybody = shown["*order*"]
    for kind in (2, 1):
        for number in reversed(everybody):
            if covered(names[number], asked) == kind:
                return number
    if found is not None and shown[found[0]]:
        return shown[found[0]][0]
    return default


@settings(max_examples=80)
@given(
    names=st.lists(sans, min_size=6, max_size=6),
    steps=st.lists(
        st.tuples(
            st.dictionaries(
                st.sampled_from("uvw"),
                st.tuples(st.dictionaries(host, st.just(True), max_size=3), shows),
                max_size=3,
            ),
            st.integers(0, 5),
        ),
        min_size=1,
        max_size=5,
    ),
    asked=st.lists(name, min_size=1, max_size=12),
)
def test_the_certificate_is_the_one_the_rules_say(names, steps, asked):
    pool = [Certificate(CONTEXT, listed, b"%d" % number) for number, listed in enumerate(names)]
    special = Certificate(CONTEXT, ["a.b"], b"9", demand=7)
    blocks, before, order = {}, None, []
    for revision, (wanted, default) in enumerate(steps):
        zones = disjoint({zone: hosts for zone, (hosts, _) in wanted.items()})
        shown = {zone: numbers for zone, (_, numbers) in wanted.items()}
        own = {(zone, "a.b"): 9 for zone, hosts in zones.items() if "a.b" in hosts}
        fresh = {
            zone: block(zone, hosts, [pool[number] for number in shown[zone]], own={"a.b": special})
            for zone, hosts in zones.items()
        }
        now = Snapshot(
            revision=revision,
            before=before,
            dropped=blocks.values(),
            added=fresh.values(),
            default=pool[default],
        )
        came = list(dict.fromkeys(number for zone in zones for number in shown[zone]))
        order = [one for one in order if one in came] + [one for one in came if one not in order]
        for one in asked:
            number = chosen(names, zones, {**shown, "*order*": order}, own, default, one)
            assert certificate_of(now, one.encode()) == b"%d" % number
        assert certificate_of(now, None) == certificate_of(now, b"no name") == b"%d" % default
        blocks, before = fresh, now


def test_nobody_else_can_put_a_certificate_in_the_place_of_a_zones_own():
    mine = Certificate(CONTEXT, ["*.a.example"], b"mine")
    theirs = Certificate(CONTEXT, ["x.a.example", "z.b.example"], b"theirs")
    now = Snapshot(
        revision=1,
        added=[block("a", {"x.a.example": True}, [mine]), block("b", {"b.example": True}, [theirs])],
        default=mine,
    )
    assert certificate_of(now, b"x.a.example") == b"mine"
    assert certificate_of(now, b"z.b.example") == b"theirs", "nobody owns the name"
    assert certificate_of(now, b"B.example.:443") == b"theirs", "what does not cover it is still the zone's"


def test_ten_thousand_certificates_of_one_name_are_no_burden():
    same = [Certificate(CONTEXT, ["same.example"], b"%d" % number) for number in range(10_000)]
    blocks = [block(f"z{number}", {}, [one]) for number, one in enumerate(same)]
    snapshot = Snapshot(revision=1, added=blocks)
    assert certificate_of(snapshot, b"same.example") == b"9999"
    snapshot = Snapshot(revision=2, before=snapshot, dropped=blocks[9000:])
    assert certificate_of(snapshot, b"same.example") == b"8999"


# Life


def test_blocks_live_as_long_as_a_snapshot_that_holds_them():
    class Context:
        pass

    context = Context()
    kept = weakref.ref(context)
    certificate = Certificate(CONTEXT, ["a.example"], b"c", keep=context)
    one = block("a", {"a.example": True}, [certificate])
    before = Snapshot(revision=1, added=[one], default=certificate)
    now = Snapshot(revision=2, before=before, dropped=[one])
    before.release()
    del context, certificate, one
    gc.collect()
    assert kept() is not None, "the old snapshot may still be in use"
    del before
    gc.collect()
    assert kept() is None
    assert now.explain("a.example")[0] == "unknown"


def test_endpoints_that_nobody_uses_are_forgotten_and_their_numbers_used_again():
    registry = Endpoints()

    def one(identity):
        entry = OriginEntry("o", (endpoint(registry, identity),))
        zone = ZoneEntry("z", 0, grpc=True, http=False, encrypted=True)
        return ZoneBlock(zone, [], [entry], (), registry)

    first, second = one(b"1"), one(b"2")
    assert registry.sweep(0) == []
    assert len(registry) == 2
    del first
    assert registry.sweep(1) == []
    assert len(registry) == 2, "as many as that are remembered"
    assert registry.number_of(b"1", "") == 0
    registry.sweep(0)
    assert (len(registry), len(registry.stats())) == (1, 1)
    with pytest.raises(IndexError):
        registry.set_health(0, False)
    third = one(b"3")
    assert registry.number_of(b"3", "") == 0, "the number is given out again"
    assert registry.number_of(b"2", "") == 1
    for number in range(100):
        third = one(b"churn %d" % number)
        registry.sweep(10)
    assert len(registry) <= 12
    del second, third


def test_one_that_comes_back_in_time_is_remembered():
    registry = Endpoints()
    number = registry.number_of(b"1", "one")
    registry.set_health(number, False)
    zone = ZoneEntry("z", 0, grpc=True, http=False, encrypted=True)
    for _ in range(2):
        held = ZoneBlock(zone, [], [OriginEntry("o", (endpoint(registry, b"1"),))], (), registry)
        del held
        registry.sweep(1)
    assert registry.stats()[number]["healthy"] is False
