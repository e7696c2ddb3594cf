"""What holds for every command: names that were meant, variables of options, help without a gateway."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from fastgw.cli import common, group
from fastgw.config.load import load
from fastgw.store.sqlite import SqliteStore
from tests.cli.test_examples import COMMANDS


def run(*words: str, **env: str | None) -> Result:
    return CliRunner().invoke(group, words, prog_name="fastgw", env=env)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    made = SqliteStore(tmp_path / "zones.db")
    made.put({"name": "a.test", "grpc": "on"}, actor="ann")
    made.close()
    return made.path


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["zoens"], "No such command 'zoens'. Did you mean 'zones'?"),
        (["zones", "lst"], "No such command 'lst'. Did you mean 'list'?"),
        (["records", "qqq"], "No such command 'qqq'."),
        (["serve", "--lisen", "x"], "Did you mean '--listen'?"),
        (["zones", "list", "--jsno"], "Did you mean one of: '--json'"),
        (["zones", "set", "a.test"], "Say what to change"),
        (["zones", "set", "a.test", "paused"], "'paused' is not KEY=VALUE"),
        (["zones", "set", "a.test", "=1"], "'=1' is not KEY=VALUE"),
        (["zones", "add", "a.test", "--cert", "x.pem"], "--cert and --key go together"),
        (["records", "set", "a.test", "@"], "Say what to change"),
        (["completion", "tcsh"], "'tcsh' is not one of"),
        (["zones", "get"], "Missing argument 'ZONE'"),
    ],
)
def test_wrong_usage(words, sentence):
    result = run(*words)
    assert result.exit_code == 2
    assert sentence in result.stderr


# Where zones are is said once for all commands.
SHARED = ("help", "control", "store", "api", "api_token", "api_token_file")


@pytest.mark.parametrize(("words", "command"), COMMANDS, ids=[" ".join(words) for words, _ in COMMANDS])
def test_each_option_has_the_variable_that_one_would_guess(words, command):
    prefix = "_".join(("FASTGW", *words[1:])).upper()
    for option in command.params:
        if not isinstance(option, click.Option) or option.name in SHARED:
            continue
        flag = max(option.opts, key=len).lstrip("-").upper().replace("-", "_")
        assert option.name is not None
        assert (option.envvar or f"{prefix}_{option.name.upper()}") == f"{prefix}_{flag}"
        assert option.show_envvar, f"{words} {option.opts}"


def test_variables_reach_commands_below_a_group(store):
    result = run("zones", "list", FASTGW_STORE=str(store), FASTGW_ZONES_LIST_JSON="1")
    assert json.loads(result.stdout)[0]["name"] == "a.test"
    assert (
        run("zones", "list", FASTGW_ZONES_LIST_STORE=str(store)).stdout.splitlines()[1].startswith("a.test")
    )


def test_a_store_without_a_gateway(store):
    where = ("--store", str(store))
    assert run("zones", "set", "a.test", "paused=true", *where).stdout == "a.test is stored with revision 2\n"
    assert run("records", "add", "a.test", "@", "10.0.0.1", *where).exit_code == 0
    assert run("settings", "set", "a.test", "grpc", "off", *where).exit_code == 0
    found = json.loads(run("zones", "get", "a.test", *where).stdout)
    assert found == {
        "name": "a.test",
        "paused": True,
        "dns": [{"name": "@", "content": "10.0.0.1", "proxied": True}],
        "settings": {"grpc": "off"},
    }
    rows = json.loads(run("zones", "history", "--json", *where).stdout)
    assert [row["revision"] for row in rows] == [4, 3, 2, 1]
    wrong = run("zones", "set", "a.test", "paused=maybe", *where)
    assert (wrong.exit_code, wrong.stdout) == (1, "")
    assert wrong.stderr.startswith("a.test: paused: must be true or false")


def test_reading_makes_no_store(tmp_path):
    result = run("zones", "list", "--store", str(tmp_path / "gone.db"))
    assert result.exit_code == 1
    assert "does not exist" in result.stderr
    assert not (tmp_path / "gone.db").exists()


def test_what_is_exported_can_be_imported(store, tmp_path):
    text = run("zones", "export", "--store", str(store)).stdout
    assert load({**json.loads(text), "server": {"listen": ["h2c://127.0.0.1:0"]}}).zones[0].name == "a.test"
    other = tmp_path / "other.db"
    result = CliRunner().invoke(group, ["zones", "import", "-", "--store", str(other)], input=text)
    assert result.stdout == "1 zone is stored with revision 1\n"
    assert run("zones", "export", "--store", str(other)).stdout == text


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("zone = [", "is neither JSON nor TOML"),
        ("{", "is neither JSON nor TOML"),
        ("", "holds no zone"),
        ("[1, 2]", "holds no zone"),
        ('{"zone": 3}', "holds no zone"),
    ],
)
def test_files_that_hold_no_zone(tmp_path, text, sentence):
    file = tmp_path / "zones.x"
    file.write_text(text)
    result = run("zones", "import", str(file), "--store", str(tmp_path / "zones.db"))
    assert result.exit_code == 1
    assert sentence in result.stderr


def test_paths_are_those_of_the_file_that_names_them(tmp_path, ca):
    leaf = ca.leaf("a.test")
    folder = tmp_path / "zones"
    folder.mkdir()
    for name, source in (("a.pem", leaf.certificate), ("a.key", leaf.key)):
        (folder / name).write_bytes(source.read_bytes())
        (folder / name).chmod(0o600)
    file = folder / "a.toml"
    file.write_text('[[zone]]\nname = "a.test"\ngrpc = "on"\ncert = { file = "a.pem", key = "a.key" }\n')
    store = ("--store", str(tmp_path / "zones.db"))
    result = run("zones", "import", str(file), *store)
    assert result.exit_code == 0, result.stderr
    cert = json.loads(run("zones", "get", "a.test", *store).stdout)["cert"]
    assert cert == {"file": str(folder / "a.pem"), "key": str(folder / "a.key")}


def test_a_file_at_its_usual_place_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr(common, "CONFIG_FILES", (tmp_path / "a.toml", tmp_path / "b.toml"))
    assert common.config_file(None) is None
    (tmp_path / "b.toml").touch()
    assert common.config_file(None) == tmp_path / "b.toml"
    (tmp_path / "a.toml").touch()
    assert common.config_file(None) == tmp_path / "a.toml"
    assert common.config_file(Path("mine.toml")) == Path("mine.toml")


def test_columns_are_aligned_and_empty_cells_seen(capsys):
    common.print_table(("name", "n"), [("long name", None), ("x", True)])
    assert capsys.readouterr().out == "NAME       N\nlong name  -\nx          yes\n"


def test_help_does_not_load_the_core():
    code = (
        "import sys; from click.testing import CliRunner; from fastgw.cli import group\n"
        "for words in (['--help'], ['zones', '--help'], ['status', '--help'], ['version']):\n"
        "    assert CliRunner().invoke(group, words).exit_code == 0\n"
        "print([name for name in sys.modules if name.startswith('fastgw._core')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_completion_completes():
    script = run("completion", "bash").stdout
    assert "_FASTGW_COMPLETE=bash_complete" in script
    env = {"_FASTGW_COMPLETE": "bash_complete", "COMP_WORDS": "fastgw zones ro", "COMP_CWORD": "2"}
    done = subprocess.run(
        [sys.executable, "-c", "from fastgw.cli import main; main()"],
        capture_output=True,
        text=True,
        env={**os.environ, **env},
        check=False,
    )
    assert "rollback" in done.stdout
