"""Where each key of a TOML text stands."""

from __future__ import annotations

import tomllib

from hypothesis import assume, given
from hypothesis import strategies as st

from fastgw.config.lines import key_lines, line_of

TEXT = '''\
# a comment with [brackets] and "quotes"
version = 1
[server]  # here too
listen = [
  "a:1",  # ] not the end
  "b:2",
]
"quoted key".'and.dotted' = 1979-05-27 07:32:00

[[zone]]
name = """one " "" \\"""
two"""
dns = [
  { name = 'it', content = "}", deep = { er = [1, 2] } },
  [
    { name = "x" } ],
]
[[zone]]
[zone.settings]
grpc = "on"
[[zone.dns]]
name = "late"
'''


def test_lines_of_a_text_with_everything():
    lines = key_lines(TEXT)
    assert lines["version",] == 2
    assert lines["server",] == 3
    assert lines["server", "listen"] == 4
    assert lines["server", "listen", 1] == 6
    assert lines["server", "quoted key", "and.dotted"] == 8
    assert lines["zone", 0] == 10
    assert lines["zone", 0, "dns"] == 13
    assert lines["zone", 0, "dns", 0, "deep", "er", 1] == 14
    assert lines["zone", 0, "dns", 1] == 15
    assert lines["zone", 0, "dns", 1, 0, "name"] == 16
    assert lines["zone", 1] == 18
    assert lines["zone", 1, "settings", "grpc"] == 20
    assert lines["zone", 1, "dns", 0, "name"] == 22
    tomllib.loads(TEXT)


def test_the_nearest_thing_around():
    assert line_of(key_lines(TEXT), ("zone", 0, "dns", 1, "content")) == 15
    assert line_of({}, ("zone", 0)) == 0


def paths(value, path=()):
    """The path of each key and element of a TOML value."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield (*path, key)
            yield from paths(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield (*path, index)
            yield from paths(inner, (*path, index))


QUOTED = st.text(st.characters(codec="ascii", exclude_characters="\x7f", min_codepoint=32), max_size=8).map(
    lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
)
LITERAL = st.text(st.sampled_from('ab#[]{},= "'), max_size=8).map(lambda text: f"'{text}'")
VALUES = st.recursive(
    st.one_of(
        QUOTED,
        LITERAL,
        st.sampled_from(["1", "true", "1.5e3", "0x1F", "07:32:00", '"""a\n"b"""', "'''\n'x'''"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda parts: "[\n" + ", # c ]\n".join(parts) + "\n]"),
        st.dictionaries(QUOTED, inner, max_size=3).map(
            lambda parts: "{" + ", ".join(f"{key} = {value}" for key, value in parts.items()) + "}"
        ),
    ),
    max_leaves=6,
)


@given(
    st.dictionaries(QUOTED, VALUES, max_size=4),
    st.sampled_from(["", "[t]\n", "[[t]]\n[[t]]\n", "[t.'u v']\n"]),
)
def test_every_key_the_parser_finds_has_a_line(pairs, header):
    text = header + "\n".join(f"{key} = {value}" for key, value in pairs.items())
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        assume(False)
    lines = key_lines(text)
    plain = {path for path in paths(data) if not any("\\" in part for part in path if isinstance(part, str))}
    known = {path for path in plain if not any('"' in part for part in path if isinstance(part, str))}
    assert known <= lines.keys()
    assert all(1 <= line <= text.count("\n") + 1 for line in lines.values())
