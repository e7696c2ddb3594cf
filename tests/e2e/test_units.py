"""The unit files in deploy/: systemd takes them, and what they call exists."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from fastgw.cli import group
from tests.guards.tree import ROOT
from tests.support.needs import program

DEPLOY = ROOT / "deploy"
SERVICE = (DEPLOY / "fastgw.service").read_text()
DROP_IN = (DEPLOY / "fastgw.service.d/notify-reload.conf").read_text()


def verified(folder: Path, unit: str) -> str:
    """What systemd has to say against it."""
    tool = program("systemd-analyze")
    done = subprocess.run(
        [tool, "verify", "--man=no", str(folder / unit)], capture_output=True, text=True, check=False
    )
    return done.stderr if done.returncode else ""


def units(folder: Path, service: str = SERVICE) -> Path:
    """The unit files in a folder, with a program that exists wherever ours is not installed."""
    (folder / "fastgw.service").write_text(service.replace("/usr/bin/fastgw", "/bin/true"))
    shutil.copy(DEPLOY / "fastgw.socket", folder)
    return folder


@pytest.mark.parametrize("unit", ["fastgw.service", "fastgw.socket"])
def test_systemd_takes_the_units(tmp_path, unit):
    assert verified(units(tmp_path), unit) == ""


def test_it_would_say_so_if_it_did_not(tmp_path):
    folder = units(tmp_path, SERVICE.replace("ExecStart=", "ExecStart=no/such/"))
    assert verified(folder, "fastgw.service") != ""


def test_the_drop_in_is_taken_where_systemd_knows_it(tmp_path):
    tool = program("systemd-analyze")
    said = subprocess.run([tool, "--version"], capture_output=True, text=True, check=True).stdout
    folder = units(tmp_path)
    (folder / "fastgw.service.d").mkdir()
    (folder / "fastgw.service.d/notify-reload.conf").write_text(DROP_IN)
    complaint = verified(folder, "fastgw.service")
    if int(said.split()[1]) >= 253:
        assert complaint == ""
    else:
        assert "notify-reload" in complaint or complaint == "", "only the type is new"


def test_what_they_call_exists():
    calls = re.findall(r"^Exec\w+=/usr/bin/fastgw (\w+)(.*)$", SERVICE, re.M)
    assert [name for name, _ in calls] == ["serve", "reload"]
    for name, words in calls:
        command = group.get_command(None, name)  # type: ignore[arg-type]
        known = {flag for option in command.params for flag in option.opts}
        assert set(re.findall(r"(?:^| )(--?[a-z-]+)", words)) <= known


def test_start_and_reload_mean_the_same_socket():
    assert len(set(re.findall(r"--control (\S+)", SERVICE))) == 1
    assert "--control /run/fastgw/" in SERVICE
    assert "RuntimeDirectory=fastgw\n" in SERVICE


def test_the_drop_in_lets_systemd_send_the_signal():
    assert "Type=notify-reload\nExecReload=\n" in DROP_IN
