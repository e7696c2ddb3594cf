"""The control socket: who may ask, what is too much, whose place it is."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from fastgw.errors import StartupError
from fastgw.serve import control
from fastgw.serve.control import Control, ask, default_path, likely_paths


def echo(request, actor):
    return {"ok": True, "request": request, "actor": actor}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "control.sock"


@pytest.fixture
def opened(path: Path):
    one = Control(path, echo)
    one.show()
    yield one
    one.close()


def test_a_line_each_way(opened, path):
    answer = ask(path, {"do": "anything", "text": "ü\n"})
    assert answer["request"] == {"do": "anything", "text": "ü\n"}
    assert answer["actor"]


def test_several_requests_on_one_connection_and_in_one_packet(opened, path):
    with socket.socket(socket.AF_UNIX) as one:
        one.connect(str(path))
        one.sendall(b'{"do": 1}\n{"do": 2}\n{"do"')
        one.sendall(b": 3}\n")
        with one.makefile() as lines:
            assert [json.loads(lines.readline())["request"]["do"] for _ in range(3)] == [1, 2, 3]


@pytest.mark.parametrize("line", [b"hello", b"[1]", b"\xff\xfe", b"", b"{}" * 2, b"[" * 100_000])
def test_what_is_no_object_is_answered_with_a_sentence(opened, path, line):
    with socket.socket(socket.AF_UNIX) as one:
        one.connect(str(path))
        one.sendall(line + b"\n")
        with one.makefile() as lines:
            assert json.loads(lines.readline())["ok"] is False
    assert ask(path, {})["ok"]


def test_only_the_owner_can_connect(opened, path):
    found = path.stat()
    assert stat.S_IMODE(found.st_mode) == 0o600
    assert stat.S_ISSOCK(found.st_mode)
    assert list(path.parent.iterdir()) == [path], "nothing is left beside it"


def test_another_user_is_told_and_not_obeyed(opened, path, monkeypatch):
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    path.chmod(0o777)
    for folder in path.parents[:3]:
        folder.chmod(0o755)
    code = (
        "import os, sys; from pathlib import Path; from fastgw.serve.control import ask\n"
        "os.setuid(65534)\n"
        "print(ask(Path(sys.argv[1]), {'do': 'status'}))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert "nobody is neither the owner of this gateway nor root" in done.stdout


def test_a_request_that_does_not_end_is_cut(path, monkeypatch):
    monkeypatch.setattr(control, "REQUEST_MAX", 1000)
    one = Control(path, echo)
    one.show()
    with socket.socket(socket.AF_UNIX) as client, contextlib.suppress(OSError):
        client.connect(str(path))
        client.sendall(b"x" * 10_000)
        with client.makefile() as lines:
            assert "at most 1000 octets" in json.loads(lines.readline())["error"]
            assert lines.readline() == ""
    assert ask(path, {})["ok"]
    one.close()


def test_who_is_slow_is_let_go(path, monkeypatch):
    monkeypatch.setattr(control, "PATIENCE", 0.2)
    monkeypatch.setattr(control, "IDLE", 0.4)
    one = Control(path, echo)
    one.show()
    with socket.socket(socket.AF_UNIX) as half, socket.socket(socket.AF_UNIX) as idle:
        half.connect(str(path))
        idle.connect(str(path))
        half.sendall(b'{"do"')
        begun = time.monotonic()
        half.settimeout(10)
        idle.settimeout(10)
        assert (half.recv(10), idle.recv(10)) == (b"", b"")
        assert time.monotonic() - begun < 5
    one.close()


def test_too_many_at_once_are_told(opened, path, monkeypatch):
    monkeypatch.setattr(control, "CONNECTIONS_MAX", 3)
    with contextlib.ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(socket.socket(socket.AF_UNIX)).connect(str(path))
        assert "too many" in ask(path, {})["error"]


def test_a_mistake_of_ours_fails_one_request_only(path):
    def fail(request, actor):
        if request:
            raise RuntimeError("oh")
        return {"ok": True}

    one = Control(path, fail)
    one.show()
    assert "the gateway has failed at this: RuntimeError('oh')" in ask(path, {"do": 1})["error"]
    assert ask(path, {}) == {"ok": True}
    one.close()


def test_a_long_answer_and_a_long_request_arrive(opened, path):
    text = "x" * 3_000_000
    assert ask(path, {"text": text})["request"]["text"] == text


def test_it_is_gone_when_closed(path):
    one = Control(path, echo)
    one.show()
    one.close()
    one.close()
    assert not path.exists()
    with pytest.raises(FileNotFoundError):
        ask(path, {})


def test_one_that_was_never_shown_leaves_nothing(path):
    Control(path, echo).close()
    assert list(path.parent.iterdir()) == []


def test_what_a_dead_process_left_is_replaced(path):
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    one = Control(path, echo)
    one.show()
    assert ask(path, {})["ok"]
    one.close()


def test_a_living_gateway_keeps_its_place(opened, path):
    with pytest.raises(StartupError) as caught:
        Control(path, echo)
    assert str(caught.value) == (
        f"another gateway answers at {path}; --control names another place for this one, or none"
    )
    assert ask(path, {})["ok"]
    assert list(path.parent.iterdir()) == [path]


def test_a_file_is_not_replaced(path):
    path.write_text("mine")
    with pytest.raises(StartupError, match="there is something else"):
        Control(path, echo)
    assert path.read_text() == "mine"


@pytest.mark.parametrize(
    ("place", "sentence"),
    [("gone/control.sock", "cannot be made: no such file"), ("x" * 120, "too long a path")],
)
def test_places_that_cannot_be(tmp_path, place, sentence):
    with pytest.raises(StartupError, match=sentence):
        Control(tmp_path / place, echo)


def test_a_successor_takes_the_place_over_in_one_step(opened, path):
    heir = Control(path, lambda request, actor: {"ok": True, "who": "heir"}, after=os.getpid())
    assert "who" not in ask(path, {}), "it is not ready yet"
    failed: list[object] = []
    ended = threading.Event()

    def call() -> None:
        while not ended.is_set():
            try:
                assert ask(path, {})["ok"]
            except OSError as error:
                failed.append(error)

    caller = threading.Thread(target=call)
    caller.start()
    time.sleep(0.05)
    heir.show()
    time.sleep(0.05)
    ended.set()
    caller.join()
    assert failed == []
    assert ask(path, {})["who"] == "heir"
    opened.close()
    assert ask(path, {})["who"] == "heir", "who goes does not take the place of the heir away"
    heir.close()
    assert not path.exists()


def test_a_successor_that_fails_changes_nothing(opened, path):
    Control(path, echo, after=os.getpid()).close()
    assert ask(path, {})["ok"]


def test_a_successor_does_not_take_the_place_of_a_stranger(opened, path):
    with pytest.raises(StartupError, match="another gateway answers"):
        Control(path, echo, after=os.getpid() + 1)


def test_the_usual_places(tmp_path, monkeypatch):
    monkeypatch.setattr(control, "_RUN", tmp_path / "run")
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    assert default_path() == tmp_path / "run" / "control.sock"
    assert likely_paths() == [tmp_path / "run" / "control.sock"]
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert default_path() == tmp_path / "fastgw.sock"
    assert likely_paths() == [tmp_path / "fastgw.sock", tmp_path / "run" / "control.sock"]
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "gone"))
    assert default_path() == tmp_path / "run" / "control.sock"
