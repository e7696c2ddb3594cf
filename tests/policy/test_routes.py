"""Routes in the order of GRPCRoute's precedence, against the plain reading of it."""

from __future__ import annotations

import dataclasses

from hypothesis import given, settings
from hypothesis import strategies as st

from fastgw.policy.routes import STATUSES, Match, Retry, Route, RouteRow, compile_routes

DEFAULT = Retry((14,), 4, 5)


def compiled(*routes: Route) -> tuple[RouteRow, ...]:
    return compile_routes(routes, 7000, DEFAULT)


def test_the_last_row_takes_every_call_and_has_what_the_zone_says():
    assert compiled() == (RouteRow((), 0, 7000, 0, DEFAULT),)


def test_a_route_has_what_it_says_and_else_what_the_zone_says():
    match = (Match(service="a.B"),)
    own = Retry((), 1, 0)
    rows = compiled(Route(match, 1, 2, 3, own), Route((Match("a.test"),)), Route((Match(service="c"),), 0, 0))
    assert rows[0] == RouteRow((Match("a.test"),), 0, 7000, 0, DEFAULT)
    assert rows[1] == RouteRow(match, 1, 2, 3, own)
    assert rows[2].idle_ms == 0


def test_a_path_is_what_stands_on_the_wire():
    assert Match(service="a.B", method="C").path == "/a.B/C"
    assert Match(service="a.B").path == "/a.B/"
    assert Match("a.test", headers=(("a", "b"),)).path == ""


ORDER = [
    Match("a.long.name.test"),
    Match("b.test", "a.Long", "M"),
    Match("b.test", "a.Long", headers=(("a", "1"),)),
    Match("b.test"),
    Match("*.a.very.long.name.test", "a.Long", "M"),
    Match("*.test"),
    Match("", "a.Long", "Method"),
    Match("", "a.Long", "M", (("a", "1"), ("b", "1"))),
    Match("", "a.Long", "M", (("a", "1"),)),
    Match("", "a.Long", "M"),
    Match("", "a.Long"),
    Match("", "a.S", "Method"),
    Match(headers=(("a", "1"), ("b", "1"))),
    Match(headers=(("a", "1"),)),
]


def test_the_more_special_match_goes_first():
    routes = [Route((match,), number + 1) for number, match in enumerate(ORDER)]
    assert [row.matches[0] for row in compiled(*reversed(routes))[:-1]] == ORDER


def test_of_equal_ones_the_one_written_first_goes_first():
    one, other = Match(headers=(("b", "1"),)), Match(headers=(("a", "1"),))
    assert [row.matches for row in compiled(Route((one,), 1), Route((other,), 2))[:-1]] == [(one,), (other,)]
    assert [row.matches for row in compiled(Route((other,), 1), Route((one,), 2))[:-1]] == [(other,), (one,)]


def test_a_route_is_cut_where_a_match_of_another_comes_between():
    wide = Route((Match(service="a.B"), Match("x.test"), Match("y.test")), 1)
    narrow = Route((Match(service="a.B", method="C"),), 2)
    rows = compiled(wide, narrow)
    assert [(row.deadline_ms, row.matches) for row in rows] == [
        (1, (Match("x.test"), Match("y.test"))),
        (2, (Match(service="a.B", method="C"),)),
        (1, (Match(service="a.B"),)),
        (0, ()),
    ]


HOSTS = ["", "a.test", "b.a.test", "*.test", "*.a.test"]
NAMES = ["", "p.S", "p.Long"]
METHODS = ["", "M", "Method"]
FIELDS = [("x", "1"), ("y", "1"), ("x", "2")]

matches = st.builds(
    Match,
    st.sampled_from(HOSTS),
    st.sampled_from(NAMES),
    st.sampled_from(METHODS),
    st.lists(st.sampled_from(FIELDS), unique_by=lambda field: field[0]).map(
        lambda found: tuple(sorted(found))
    ),
).map(lambda match: match if match.service else dataclasses.replace(match, method=""))
routes = st.lists(st.lists(matches, min_size=1, max_size=3), max_size=5).map(
    lambda found: [Route(tuple(some), number + 1) for number, some in enumerate(found)]
)
calls = st.tuples(
    st.sampled_from(["a.test", "b.a.test", "c.test"]),
    st.sampled_from(NAMES[1:]),
    st.sampled_from(METHODS[1:]),
    st.sets(st.sampled_from(FIELDS)),
)


def fits(match: Match, call: tuple[str, str, str, set[tuple[str, str]]]) -> bool:
    host, service, method, fields = call
    named = host.endswith(match.host[1:]) if match.host.startswith("*.") else match.host in ("", host)
    return (
        named
        and match.service in ("", service)
        and match.method in ("", method)
        and set(match.headers) <= fields
    )


def wanted(some: list[Route], call: tuple[str, str, str, set[tuple[str, str]]]) -> int:
    """The deadline of the route that GRPCRoute's rules choose, criterion by criterion."""
    left = [(match, route) for route in some for match in route.matches if fits(match, call)]
    for measure in (
        lambda match: 0 if match.host.startswith("*.") else len(match.host),
        lambda match: len(match.host),
        lambda match: len(match.service),
        lambda match: len(match.method),
        lambda match: len(match.headers),
    ):
        most = max((measure(match) for match, _ in left), default=0)
        left = [pair for pair in left if measure(pair[0]) == most]
    return left[0][1].timeout_ms if left else 0


@settings(max_examples=300, deadline=None)
@given(routes, calls)
def test_the_first_row_that_fits_is_the_one_the_rules_choose(some, call):
    rows = compile_routes(some, 7000, DEFAULT)
    first = next(row for row in rows if not row.matches or any(fits(match, call) for match in row.matches))
    assert first.deadline_ms == wanted(some, call)


def test_statuses_have_their_numbers():
    import grpc

    assert {code.name.lower(): code.value[0] for code in grpc.StatusCode} == STATUSES
