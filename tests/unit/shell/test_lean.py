from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from steersman.shell import lean as module
from steersman.shell.lean import lean


def deployment(name: str) -> dict[str, Any]:
    manifest = {
        "kind": "Deployment",
        "metadata": {"name": name, "uid": f"{name}-uid", "managedFields": [{"manager": "x"}], "generation": 1},
        "spec": {"replicas": 2, "template": {"spec": {"containers": []}}, "paused": False, "odd": [1, None, "a b"]},
        "status": {"conditions": [{"type": "Available", "reason": "MinimumReplicasAvailable"}]},
    }
    parsed: dict[str, Any] = json.loads(json.dumps(manifest))
    return parsed


def test_all_is_kept_but_what_nobody_plans_by() -> None:
    seen = deployment("a")
    before = copy.deepcopy(seen)
    kept = lean(seen)
    assert seen == before
    del before["metadata"]["managedFields"], before["spec"]["template"]
    assert kept == before


def test_only_a_deployment_loses_its_template() -> None:
    runtime = {"kind": "ServingRuntime", "metadata": {"name": "a"}, "spec": {"template": {"spec": {}}}}
    assert lean(runtime) == runtime


def test_equal_words_of_two_objects_are_one_string_and_their_own_names_are_not_collected() -> None:
    one, other = lean(deployment("m-1")), lean(deployment("m-2"))
    assert [id(key) for key in one["metadata"]] == [id(key) for key in other["metadata"]]
    reasons = [kept["status"]["conditions"][0]["reason"] for kept in (one, other)]
    assert reasons[0] is reasons[1]
    assert not {"m-1", "m-1-uid"} & module._shared.keys()


def test_what_is_shared_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_shared", {})
    monkeypatch.setattr(module, "SHARED_STRINGS", 3)
    kept = lean({"kind": "Service", "metadata": {}, "data": {f"key{number}": "word" for number in range(9)}})
    assert len(module._shared) == 3
    assert len(kept["data"]) == 9
