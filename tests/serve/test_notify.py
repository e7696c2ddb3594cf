"""What systemd hears: signs of life, and nothing meant for another process."""

from __future__ import annotations

import os
import socket

import pytest

from fastgw.serve import notify
from fastgw.serve.notify import Notifier


@pytest.fixture
def heard(tmp_path, monkeypatch):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
        one.bind(str(tmp_path / "notify"))
        one.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.delenv("WATCHDOG_PID", raising=False)
        yield one


def said(heard: socket.socket) -> list[bytes]:
    found = []
    while True:
        try:
            found.append(heard.recv(1000))
        except BlockingIOError:
            return found


def test_signs_of_life_come_twice_per_period(heard, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(notify.time, "monotonic", lambda: now[0])
    monkeypatch.setenv("WATCHDOG_USEC", "10000000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    notifier = Notifier()
    for _ in range(100):
        notifier.alive()
        now[0] += 0.25
    assert said(heard) == [b"WATCHDOG=1"] * 5


@pytest.mark.parametrize(("limit", "process"), [("", ""), ("10000000", "1"), ("soon", ""), ("0", "")])
def test_who_is_not_asked_is_silent(heard, monkeypatch, limit, process):
    monkeypatch.setenv("WATCHDOG_USEC", limit)
    monkeypatch.setenv("WATCHDOG_PID", process)
    notifier = Notifier()
    notifier.alive()
    assert said(heard) == []


def test_who_has_handed_over_is_silent(heard, monkeypatch):
    monkeypatch.setenv("WATCHDOG_USEC", "10000000")
    notifier = Notifier()
    notifier.hand_over(7)
    notifier.alive()
    assert said(heard) == [b"MAINPID=7\nREADY=1"]
