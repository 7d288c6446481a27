"""Kills come about although there is no leader for a while, and nobody waits for one in the end."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from soak import kills
from soak.kills import Kills


def killing(monkeypatch: pytest.MonkeyPatch, answers: list[str | Exception], seen: threading.Event) -> Kills:
    def kill_leader(_: Any, timeout: float) -> str:
        assert timeout <= 1
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        seen.set()
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(kills, "kill_leader", kill_leader)
    cluster: Any = None
    return Kills(cluster, window=0.05, seed=1, moments=lambda: ("Stepping 20", "idle"))


def test_a_kill_is_tried_again_until_there_is_a_leader(monkeypatch: pytest.MonkeyPatch) -> None:
    with killing(monkeypatch, [AssertionError("no leader"), "steersman-1"], threading.Event()) as at_work:
        while not at_work.done:
            at_work._stop.wait(0.01)
    assert (at_work.done[0].pod, at_work.done[0].moments) == ("steersman-1", ("Stepping 20", "idle"))
    assert at_work.problems == []


def test_one_that_never_comes_about_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kills, "PATIENCE", 0.0)
    with killing(monkeypatch, [AssertionError("no living pod holds the Lease")], threading.Event()) as at_work:
        while not at_work.problems:
            at_work._stop.wait(0.01)
    assert "no living pod holds the Lease" in at_work.problems[0]
    assert at_work.done == []


def test_the_end_does_not_wait_for_a_leader(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = threading.Event()
    with killing(monkeypatch, [AssertionError("no leader")], seen) as at_work:
        seen.wait()
    assert not at_work._thread.is_alive()
    assert (at_work.done, at_work.problems) == ([], [])
