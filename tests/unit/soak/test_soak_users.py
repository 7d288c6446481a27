"""The load generator as a process, and reading a file that still grows."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from soak.outcomes import Outcome
from soak.tally import TallyFile
from soak.users import Users, UsersError
from soak.watch import documents


class Here:
    """Stands in for a cluster: its network is this one, and nobody listens."""

    def __init__(self, address: str = "127.0.0.1") -> None:
        self._address = address

    def kubectl(self, *_: str) -> str:
        return self._address

    def run_inside(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, capture_output=True, text=True, check=False)


def users(cluster: Any, rate: float = 100.0) -> Users:
    return Users(cluster, ("a.example", "b.example"), rate)


def test_it_sends_until_it_is_told_to_end() -> None:
    with users(Here()) as sending:
        sending.check()
        while not sending.read().answered:
            sending.check()
        tally = sending.end()
    assert tally.end is not None
    assert tally.end["sent"] == tally.answered == len(tally.lost)
    assert {lost.outcome for lost in tally.lost} == {Outcome.CLOSED}
    assert {lost.host for lost in tally.lost} == {"a.example", "b.example"}


def test_one_that_does_not_start_says_why() -> None:
    with pytest.raises(UsersError, match="the rate must be above 0"), users(Here(), rate=-1):
        pass


def test_its_folder_and_its_process_go_with_it() -> None:
    with pytest.raises(KeyboardInterrupt), users(Here()) as sending:
        folder, thread = Path(sending._folder.name), sending._thread
        assert folder.is_dir()
        raise KeyboardInterrupt
    assert not folder.exists()
    assert not thread.is_alive()


def test_it_ends_when_who_holds_the_pipe_is_gone() -> None:
    with users(Here()) as sending:
        assert sending._control is not None
        os.close(sending._control)
        sending._control = None
        sending._thread.join(30)
        with pytest.raises(UsersError, match="ended by itself"):
            sending.check()


def test_an_unfinished_line_waits_for_its_rest(tmp_path: Path) -> None:
    file = TallyFile(tmp_path / "seen.jsonl")
    assert file.read().answered == 0
    (tmp_path / "seen.jsonl").write_text('{"counts":[[1,"h","1","ok",5]]}\n{"counts":[[2,"h",')
    assert file.read().answered == 5
    with (tmp_path / "seen.jsonl").open("a") as more:
        more.write('"1","ok",1]]}\n')
    assert file.read().answered == 6


def test_objects_in_a_row_are_told_apart() -> None:
    printed = '{\n    "a": {\n        "b": 1\n    }\n}\n{\n    "a": {}\n}\n'
    assert list(documents(printed.splitlines(keepends=True))) == [{"a": {"b": 1}}, {"a": {}}]
