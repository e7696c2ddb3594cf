"""`${env:X}` and its like: what they become, what is refused, and that nothing of them is ever shown."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastgw.config import load_text
from fastgw.config.interpolate import SIZE_MAX, interpolate
from fastgw.config.load import examine
from fastgw.config.report import Report
from fastgw.errors import ConfigError

SECRET = "s3cr3t-Wert mit Blank"


def fill(text: str, base: Path, **environ: str) -> tuple[object, str]:
    """What `text` becomes, and what is said."""
    report = Report("f")
    data = interpolate(report, {"key": [{"inner": text}]}, base, environ)
    return data["key"][0]["inner"], "\n".join(map(str, report.problems))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "token").write_text("abc\n")
    (tmp_path / "two").write_text("a\nb\r\n")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    (tmp_path / "large").write_bytes(b"x" * (SIZE_MAX + 1))
    return tmp_path


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("plain $HOME {x} $", "plain $HOME {x} $"),
        ("${env:X}", "value"),
        ("a-${env:X}.${env:X}", "a-value.value"),
        ("${env:EMPTY}", ""),
        ("${env:EMPTY:-default}", "default"),
        ("${env:NONE:-default: with $ signs}", "default: with $ signs"),
        ("${env:NONE:-}", ""),
        ("${env:X:-default}", "value"),
        ("${file:token}", "abc"),
        ("${file:two}", "a\nb"),
        ("${cred:token}", "abc"),
        ("$${env:X}", "${env:X}"),
        ("${env:NESTED}", "${env:X}"),  # what came is not read again
    ],
)
def test_what_it_becomes(text, wanted, place):
    environ = {"X": "value", "EMPTY": "", "NESTED": "${env:X}", "CREDENTIALS_DIRECTORY": str(place)}
    assert fill(text, place, **environ) == (wanted, "")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (
            "${env:X}",
            "key[0].inner: names the environment variable X, which is not set\n  hint: set it, or",
        ),
        ("${env:1X}", "whose name is none"),
        ("${X}", "has ${X}, which is not known"),
        ("${}", "which is not known"),
        ("${file:}", "which is not known"),
        ("${file:gone}", "names ${file:gone}, which cannot be read: no such file"),
        ("${file:bytes}", "which is not UTF-8 text"),
        ("${file:large}", "which is longer than the 65536 octets"),
        (
            "${cred:token}",
            "systemd has passed no credentials\n  hint: in the unit: LoadCredential=token:",
        ),
        ("${cred:../token}", "which is not known"),
        ("${cred:..}", "which is not known"),
    ],
)
def test_what_is_refused(text, wanted, place):
    found, said = fill(text, place)
    assert wanted in said
    assert found == text


def test_a_line_and_a_value_in_a_file(tmp_path, monkeypatch):
    monkeypatch.setenv("ORIGIN", "10.0.0.9")
    text = (
        '[server]\nlisten = ["h2c://127.0.0.1:0"]\n[[zone]]\nname = "gw.test"\ngrpc = "on"\n'
        'dns = [{ name = "@", content = "${env:ORIGIN}", proxied = true }]\n'
    )
    assert load_text(text, tmp_path / "f.toml").zones[0].records[0].content == "10.0.0.9"
    monkeypatch.delenv("ORIGIN")
    with pytest.raises(
        ConfigError, match=re.escape("f.toml:6: zone[0].dns[0].content: names the environment")
    ):
        load_text(text, tmp_path / "f.toml")


PLACES = [
    'name = "gw.test"\nplan = "${env:SECRET}"',
    'name = "${env:SECRET}"',
    'name = "gw.test"\ngrpc = "${env:SECRET}"',
    'name = "gw.test"\nsettings = { ciphers = ["${env:SECRET}"] }',
    'name = "gw.test"\nsettings = { ssl = "${env:SECRET}", proxy_read_timeout = "${env:SECRET}" }',
    'name = "gw.test"\ncert = { file = "${env:SECRET}", key = "${env:SECRET}" }',
    'name = "gw.test"\ntrust_store = "${env:SECRET}"',
    'name = "gw.test"\ndns = [{ name = "${env:SECRET}", content = "${env:SECRET}" }]',
    'name = "gw.test"\ndns = [{ name = "a", content = "::1", origin_host = "${env:SECRET}" }]',
    'name = "gw.test"\ndns = [{ name = "a", content = "::1", origin_server_name = "${env:SECRET}" }]',
]


@pytest.mark.parametrize("text", PLACES)
@pytest.mark.parametrize("secret", [SECRET, "s3cr3t..Wert", "s3cr3t_Wert\n" + "x" * 70, "S3CR3T-Wert\u00e9"])
def test_no_secret_is_ever_shown(text, secret, tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET", secret)
    problems = examine(tmp_path / "f.toml", f"[[zone]]\n{text}\n").problems
    assert problems
    said = "\n".join(map(str, problems))
    assert not re.search(r"s3cr3t", said, re.I), said


@given(st.text(alphabet=st.characters(exclude_characters="${}", exclude_categories=["Cs"])))
def test_text_without_a_place_stays(text):
    assert fill(text, Path()) == (text, "")
