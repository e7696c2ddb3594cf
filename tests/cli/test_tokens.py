"""fastgw tokens: a secret is shown once, and its digest is all that is stored."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from fastgw.access import tokens
from fastgw.cli import group

ZONE = {"name": "example.com", "grpc": "on"}


@pytest.fixture
def run(tmp_path: Path) -> Any:
    store = tmp_path / "zones.db"

    def begin(*words: str, code: int = 0) -> str:
        result = CliRunner().invoke(group, [*words, "--store", str(store)], prog_name="fastgw")
        assert result.exit_code == code, result.output
        return result.output

    document = tmp_path / "zone.json"
    document.write_text(json.dumps(ZONE))
    begin("zones", "import", str(document))
    yield begin
    for file in tmp_path.iterdir():
        assert tokens.PREFIX.encode() not in file.read_bytes(), "a secret was stored"


def made(run: Any, *words: str) -> tuple[str, str]:
    text = run("tokens", *words, "--json")
    found = json.loads(text[text.index("{") :])
    assert found["table"]["secret_sha256"] == hashlib.sha256(found["client_secret"].encode()).hexdigest()
    assert tokens.is_secret(found["client_secret"])
    return found["client_id"], found["client_secret"]


def rows(run: Any) -> list[dict[str, Any]]:
    text = run("tokens", "list", "example.com", "--json")
    found: list[dict[str, Any]] = json.loads(text[text.index("[") :])
    return found


def test_the_life_of_a_token(run: Any) -> None:
    client, secret = made(run, "create", "example.com", "billing", "--hours", "1")
    assert [(row["id"], row["state"]) for row in rows(run)] == [(client, "good")]
    assert "billing" in run("tokens", "create", "example.com", "billing", code=1)
    same, other = made(run, "rotate", "example.com", "billing", "--keep-hours", "2")
    assert same == client
    assert other != secret
    assert rows(run)[0]["previous_until"]
    run("tokens", "revoke", "example.com", client)
    assert rows(run)[0]["state"] == "revoked"
    assert rows(run)[0]["previous_until"] == ""
    assert "no service token nobody" in run("tokens", "rotate", "example.com", "nobody", code=1)


def test_for_a_file(run: Any) -> None:
    text = run("tokens", "create", "example.com", "billing", "--print", "--forever")
    assert "[[zone.access.service_tokens]]" in text
    assert "expires_at" not in text
    assert rows(run) == []
