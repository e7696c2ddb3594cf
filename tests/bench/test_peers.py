"""Configurations of the benchmark's gateways are filled to the last brace, and ours is good."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bench.load import peers
from bench.load.peers import PEERS, Peer, fill
from bench.load.run import calibrate, parse
from bench.load.workloads import WORKLOADS
from bench.load.workshop import RIVALS, MissingError
from fastgw.config import load
from tests.support.certs import Authority

ALL = sorted(PEERS.values(), key=lambda peer: peer.name)
PLACE = re.compile(r"\{[a-z0-9_]+\}")


@pytest.fixture
def workshop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ca: Authority) -> Path:
    leaf = ca.leaf("localhost")
    place = {
        "cert": str(leaf.certificate),
        "key": str(leaf.key),
        "both": str(tmp_path / "both.pem"),
        "run": str(tmp_path),
    }
    monkeypatch.setattr(peers, "RUN", tmp_path)
    monkeypatch.setattr(peers, "files", lambda: place)
    return tmp_path


def test_fill_puts_words_in_place_and_leaves_other_braces() -> None:
    assert fill("{port}: { a {other} } {port}", {"port": 1, "unused": 2}) == "1: { a {other} } 1"


def test_what_is_filled_in_is_not_filled_again() -> None:
    assert fill("{a}", {"a": "{b}", "b": "no"}) == "{b}"


@pytest.mark.parametrize("peer", ALL, ids=lambda peer: peer.name)
def test_nothing_is_left_open(peer: Peer, workshop: Path) -> None:
    words = peers.start_words(peer, 21001, 21002)
    texts = [fill(word, words) for word in (*peer.command, *peer.environment.values())]
    if peer.conf:
        texts.append(Path(str(words["conf"])).read_text())
    assert [found for text in texts for found in PLACE.findall(text)] == []
    told = " ".join(texts)
    assert str(peer.front) in told
    assert ("21001" if peer.tls else "21002") in told


@pytest.mark.parametrize("name", ["fastgw", "fastgw-h2c"])
def test_our_own_configuration_is_good(name: str, workshop: Path) -> None:
    words = peers.start_words(PEERS[name], 21001, 21002)
    config = load(Path(str(words["conf"])))
    assert [str(warning) for warning in config.warnings] == []
    assert PEERS[name].front in [place.port for place in config.listen]


def test_no_two_peers_share_a_port() -> None:
    ports = [port for peer in ALL for port in (peer.port, peer.h2c_port)]
    assert len(set(ports)) == len(ports)


def test_each_rival_has_a_folder_that_is_used() -> None:
    used = {Path(peer.conf).parts[0] for peer in ALL if peer.conf} | {"nghttpx"}
    assert {folder.name for folder in RIVALS.iterdir()} == used


def test_each_cleartext_workload_has_gateways() -> None:
    assert {peer.name for peer in ALL if peer.runs(WORKLOADS["W1c"].cleartext)} >= {
        "fastgw-h2c",
        "nghttpx-h2c",
    }


def test_options_lose_their_reasons() -> None:
    options = peers.options("nghttpx/options")
    assert "--workers=1" in options
    assert options[-2:] == ("{key}", "{cert}")
    assert not [option for option in options if "#" in option or not option.startswith(("-", "{"))]


def test_an_unknown_peer_is_named() -> None:
    with pytest.raises(MissingError, match="no peer 'nosuch'; there are fastgw"):
        peers.choose("fastgw,nosuch")


def test_what_is_missing_is_said_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers.shutil, "which", lambda name: None)
    with pytest.raises(MissingError, match="haproxy is not installed: apt install haproxy"):
        peers.choose("haproxy")
    assert "haproxy" not in [peer.name for peer in peers.choose("")]


def test_the_number_of_calls_fills_the_time() -> None:
    assert calibrate({"rps": 50000.0}, WORKLOADS["W1"], 1.0) == 50100
    assert calibrate({"error": "no call"}, WORKLOADS["W1"], 1.0) == WORKLOADS["W1"].first
    assert calibrate({"rps": 50000.0}, WORKLOADS["W6f"], 1.0) == WORKLOADS["W6f"].most


def test_an_unknown_workload_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--workloads", "W1,W99"])
    assert "no workload 'W99'" in capsys.readouterr().err
