from __future__ import annotations

from typing import Any

import pytest

from steersman.ports import ApiError
from steersman.shell import sync
from steersman.shell.kinds import OWNED
from steersman.shell.store import Store


class Unsteady:
    """Answers each kind only after some failures."""

    def __init__(self, failures: dict[str, int]) -> None:
        self.failures = failures
        self.asked: list[str] = []

    async def list_at(
        self, api_version: str, kind: str, namespace: str | None, labels: object
    ) -> tuple[list[dict[str, Any]], str]:
        self.asked.append(kind)
        if self.failures.get(kind, 0) > 0:
            self.failures[kind] -= 1
            raise ApiError(500, "etcdserver: request timed out")
        metadata = {"name": "x", "namespace": "risk", "uid": kind, "resourceVersion": "7"}
        return [{"metadata": metadata}], "7"


async def test_a_kind_that_fails_is_asked_for_again_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync, "RETRY_SECONDS", 0.001)
    client, store = Unsteady({"Service": 3, "HTTPRoute": 1}), Store()
    assert await sync.synchronize(client, store, OWNED, ()) == []  # type: ignore[arg-type]
    expected = {kind.kind: 1 for kind in OWNED} | {"Service": 4, "HTTPRoute": 2}
    assert {kind: client.asked.count(kind) for kind in client.asked} == expected
    assert all(store.count(kind.kind) == 1 for kind in OWNED)
