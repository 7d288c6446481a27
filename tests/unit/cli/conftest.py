from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from steersman.cli import connection
from steersman.cli.main import main
from unit.cli.in_memory import InMemoryClient
from unit.cli.samples import NOW


@dataclass(frozen=True)
class Outcome:
    """What a command line left behind."""

    code: int
    out: str
    err: str


Run = Callable[..., Outcome]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command line on a cluster in memory, as in `run(client, "status", "fraud")`."""

    def call(client: InMemoryClient | Exception, *words: str) -> Outcome:
        async def connect(context: str | None, namespace: str | None) -> InMemoryClient:
            if isinstance(client, Exception):
                raise client
            client.context = context
            client.namespace = namespace or client.namespace
            return client

        monkeypatch.setattr(connection, "connect", connect)
        monkeypatch.setattr("time.time", lambda: NOW)
        monkeypatch.setattr("sys.argv", ["steersman"])
        code = main(list(words))
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return call
