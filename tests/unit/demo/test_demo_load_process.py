"""The load generator as a process: it waits for its start and loses nothing at its end."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from demo.__main__ import Load, LoadError, load
from demo.records import Cause, read_records


async def test_it_waits_and_then_records_everything_it_sent(tmp_path: Path) -> None:
    output = tmp_path / "requests.jsonl"
    async with load("http://127.0.0.1:9", 40, output) as users:
        await users.begin()
        while not output.read_text():
            assert users.running
            await asyncio.sleep(0.05)
        await users.end()
    records = read_records(output)
    assert records
    assert {record.cause for record in records} == {Cause.CONNECTION}


async def test_its_own_end_is_an_error(tmp_path: Path) -> None:
    async with load("http://127.0.0.1:9", -1, tmp_path / "requests.jsonl") as users:
        with pytest.raises(LoadError, match="did not get ready"):
            await users.begin()
    assert isinstance(users, Load)
    assert not users.running
