"""Changes of a field section against a list of pairs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastgw._core.inspect.rewrite import Rewriting, rewritten

SET, ADD, REMOVE = Rewriting.REWRITE_SET, Rewriting.REWRITE_ADD, Rewriting.REWRITE_REMOVE
NAMES = st.sampled_from([b"a", b"b", b"x-long-name", b"cookie"])
VALUES = st.sampled_from([b"", b"1", b"two", b"3" * 40])
Pairs = list[tuple[bytes, bytes]]
FIELDS = st.lists(st.tuples(NAMES, VALUES), max_size=8)


def modelled(fields: Pairs, operation: int, name: bytes, value: bytes) -> Pairs:
    if operation == ADD:
        return [*fields, (name, value)]
    if operation == REMOVE:
        return [field for field in fields if field[0] != name]
    found = [at for at, field in enumerate(fields) if field[0] == name]
    if not found:
        return [*fields, (name, value)]
    return [
        (name, value) if at == found[0] else field for at, field in enumerate(fields) if at not in found[1:]
    ]


@given(FIELDS, st.lists(st.tuples(st.sampled_from([SET, ADD, REMOVE]), NAMES, VALUES), max_size=6))
def test_as_in_a_list(fields, changes):
    wanted = fields
    for change in changes:
        wanted = modelled(wanted, *change)
    left, done, size = rewritten(fields, changes)
    assert left == wanted
    assert all(done)
    assert size == sum(len(name) + len(value) + 32 for name, value in wanted)


@pytest.mark.parametrize(
    "name",
    [b":path", b":authority", b"grpc-timeout", b"grpc-status", b"grpc-anything", b"te", b"content-type",
     b"content-length", b"host", b"connection", b"transfer-encoding", b"fastgw-error", b"fastgw-ray", b""],
)  # fmt: skip
@pytest.mark.parametrize("operation", [SET, ADD, REMOVE])
def test_what_says_how_a_call_is_read_stays(name, operation):
    left, done, _ = rewritten([(b"a", b"1")], [(operation, name, b"x")])
    assert (left, done) == ([(b"a", b"1")], [False])


@pytest.mark.parametrize("value", [b"a\r\nb", b"\0", b" a", b"a ", b"\n"])
@pytest.mark.parametrize("operation", [SET, ADD])
def test_a_value_that_no_field_may_have(value, operation):
    left, done, _ = rewritten([(b"a", b"1")], [(operation, b"a", value)])
    assert (left, done) == ([(b"a", b"1")], [False])


@pytest.mark.parametrize("name", [b"x y", b"X", b"x\n", b"\xff"])
def test_a_name_that_no_field_may_have(name):
    assert rewritten([], [(ADD, name, b"x")]) == ([], [False], 0)


def test_a_full_section_takes_no_more_but_changes():
    full = [(b"f%d" % number, b"") for number in range(256)]
    changes = [(ADD, b"a", b""), (SET, b"f0", b"new"), (REMOVE, b"f1", b""), (ADD, b"a", b"1")]
    left, done, _ = rewritten(full, changes)
    assert done == [False, True, True, True]
    assert len(left) == 256
    assert (left[0], left[-1]) == ((b"f0", b"new"), (b"a", b"1"))
