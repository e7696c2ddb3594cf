"""[store]: which database, and that a file without zones is then enough."""

from __future__ import annotations

from pathlib import Path

import pytest

from fastgw.config import load, load_text
from fastgw.errors import ConfigError

SERVER = '[server]\nlisten = ["h2c://127.0.0.1:0"]\n'
ZONE = (
    '[[zone]]\nname = "a.test"\ngrpc = "on"\ndns = [{ name = "@", content = "10.0.0.1", proxied = true }]\n'
)


def file(folder: Path, text: str) -> Path:
    path = folder / "fastgw.toml"
    path.write_text(SERVER + text)
    return path


def refused(folder: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(file(folder, text))
    return str(caught.value)


def test_there_is_none_unless_the_file_says_so(tmp_path):
    assert load(file(tmp_path, ZONE)).store is None
    assert load(file(tmp_path, '[store]\nkind = "file"\n' + ZONE)).store is None


@pytest.mark.parametrize(
    ("path", "found"), [("", "fastgw.db"), ('path = "a.db"\n', "a.db"), ('path = "/tmp/b.db"\n', "/tmp/b.db")]
)
def test_its_place(tmp_path, path, found):
    config = load(file(tmp_path, '[store]\nkind = "sqlite"\n' + path))
    assert config.store == tmp_path / found
    assert config.zones == ()
    assert not (tmp_path / "fastgw.db").exists(), "who judges makes nothing"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "there is no zone, so nothing would be served"),
        ('[store]\nkind = "file"\n', "there is no zone, so nothing would be served"),
        ('[store]\nkind = "etcd"\n', 'store.kind: must be one of "file", "sqlite"'),
        ('[store]\nkind = "sqlite"\npath = ""\n', "store.path: is empty"),
        ('[store]\nkind = "sqlite"\npath = "gone/a.db"\n', "which is not a directory"),
        ('[store]\nkind = "sqlite"\npath = "/tmp"\n', "which is a directory"),
        ('[store]\npath = "a.db"\n' + ZONE, 'store.path: has no effect under kind = "file"'),
        ('[store]\nkid = "sqlite"\n' + ZONE, "did you mean 'kind'?"),
        ('store = "sqlite"\n' + ZONE, "server.store: is not a known key\n  hint: "),
    ],
)
def test_what_is_refused(tmp_path, text, sentence):
    assert sentence in refused(tmp_path, text)


def test_zones_of_a_store_come_after_those_of_the_file(tmp_path):
    stored = [{"name": "b.test", "grpc": "on"}]
    config = load_text(SERVER + ZONE, tmp_path / "fastgw.toml", stored=stored)
    assert [zone.name for zone in config.zones] == ["a.test", "b.test"]
    assert load_text(SERVER, tmp_path / "fastgw.toml", stored=[]).zones == ()


def test_zones_of_a_store_may_not_name_variables(tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET", "b.test")
    with pytest.raises(ConfigError):
        load_text(SERVER + ZONE, tmp_path / "fastgw.toml", stored=[{"name": "${env:SECRET}"}])
