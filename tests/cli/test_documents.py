"""Documents of zones that commands take: every path in them is whole, wherever the command was called."""

from __future__ import annotations

import copy
import types
import typing
from pathlib import Path

import pytest

from fastgw.cli.documents import read_documents, whole_paths
from fastgw.config.model import ZoneTable
from fastgw.config.tls import CertTable, ClientCertsTable, PullTable

PAIR = {"file": "a.pem", "key": "a.key"}
ZONE = {
    "name": "a.test",
    "cert": {**PAIR, "ocsp": "a.der"},
    "certs": [{**PAIR, "ocsp": "b.der"}, PAIR],
    "client_certs": [{"ca": "clients.pem", "crl": "clients.crl", "demand": "require"}, {"ca": "more.pem"}],
    "origin_pull": [{**PAIR, "hostnames": ["api"]}],
    "trust_store": "roots.pem",
    "crl": "origins.crl",
}
# All texts of these tables that are no paths.
OTHERS = {"name", "demand", "hostnames"}


def texts(value, key=""):
    """Every text in a document and the key it stands under."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, list):
        for one in value:
            yield from texts(one, key)
    else:
        for inner, one in value.items():
            yield from texts(one, inner)


def test_all_paths_of_a_zone_become_whole():
    document = copy.deepcopy(ZONE)
    whole_paths(document, Path("/etc/keys"))
    for (key, before), (_, after) in zip(texts(ZONE), texts(document), strict=True):
        assert after == (before if key in OTHERS else f"/etc/keys/{before}"), key


def test_whole_paths_stay_and_home_is_known(monkeypatch):
    monkeypatch.setenv("HOME", "/me")
    document = {
        "cert": {"file": "/a.pem", "key": "~/a.key"},
        "crl": "",
        "certs": "nonsense",
        "origin_pull": [7],
    }
    whole_paths(document, Path("/etc"))
    assert document == {
        "cert": {"file": "/a.pem", "key": "/me/a.key"},
        "crl": "",
        "certs": "nonsense",
        "origin_pull": [7],
    }


@pytest.mark.parametrize("table", [CertTable, ClientCertsTable, PullTable])
def test_the_zone_above_has_every_key_of_these_tables(table):
    """A key that is new in one of them is a path that somebody must make whole, or it belongs to OTHERS."""
    known = {key for key, _ in texts(ZONE)}
    assert set(table.model_fields) <= known | OTHERS
    holding = [name for name, field in ZoneTable.model_fields.items() if table in _parts(field.annotation)]
    assert holding
    assert set(holding) <= ZONE.keys()


def _parts(annotation):
    yield annotation
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation):
        for part in typing.get_args(annotation):
            yield from _parts(part)


def test_paths_of_a_file_are_relative_to_it(tmp_path, monkeypatch):
    folder = tmp_path / "keys"
    folder.mkdir()
    (folder / "a.toml").write_text(
        '[[zone]]\nname = "a.test"\ncrl = "a.crl"\nclient_certs = [{ ca = "b.pem" }]\n'
    )
    monkeypatch.chdir(tmp_path)
    zone = read_documents("keys/a.toml")[0]
    assert zone["crl"] == str(folder / "a.crl")
    assert zone["client_certs"][0]["ca"] == str(folder / "b.pem")
