from __future__ import annotations

from typing import Any

import pytest

from steersman.api.meta import LABEL_DEPLOYMENT
from steersman.shell.store import Store


def service(version: int, uid: str = "u", name: str = "s", namespace: str = "ns") -> dict[str, Any]:
    metadata = {
        "name": name,
        "namespace": namespace,
        "uid": uid,
        "resourceVersion": str(version),
        "labels": {LABEL_DEPLOYMENT: "fraud"},
        "managedFields": [{"manager": "x"}],
    }
    return {"kind": "Service", "metadata": metadata, "version": version}


def test_older_sights_never_replace_newer_ones() -> None:
    store, told = Store(), []
    store.listen(told.append)
    store.put(service(5))
    store.put(service(4))
    store.put(service(5))
    assert store.get("Service", "ns", "s")["version"] == 5  # type: ignore[index]
    assert len(told) == 1
    store.put(service(6))
    assert store.get("Service", "ns", "s")["version"] == 6  # type: ignore[index]


def test_newer_versions_win_again_and_again() -> None:
    store = Store()
    for version in (1, 2, 3, 10):
        store.put(service(version))
    assert store.get("Service", "ns", "s")["version"] == 10  # type: ignore[index]


def test_object_made_anew_under_its_name_replaces_the_old_one() -> None:
    store = Store()
    store.put(service(5))
    store.put(service(9, uid="v"))
    store.remove(service(5))
    assert store.get("Service", "ns", "s")["metadata"]["uid"] == "v"  # type: ignore[index]


def test_owned_objects_are_found_by_their_deployment() -> None:
    store = Store()
    store.put(service(1))
    store.put(service(2, name="t"))
    store.put(service(3, name="u", namespace="other"))
    assert {m["metadata"]["name"] for m in store.owned_by("ns", "fraud")} == {"s", "t"}
    store.remove(service(2, name="t"))
    assert [m["metadata"]["name"] for m in store.owned_by("ns", "fraud")] == ["s"]
    assert store.owned_by("ns", "other") == []


def test_list_removes_what_is_gone_only_in_its_namespace() -> None:
    store = Store()
    for manifest in (service(1), service(2, name="t"), service(3, name="u", namespace="other")):
        store.put(manifest)
    store.replace_all("Service", "ns", [service(4)], "4")
    assert store.count("Service") == 2
    store.replace_all("Service", None, [], "4")
    assert store.count("Service") == 0


def test_what_was_written_after_a_list_is_not_gone() -> None:
    store = Store()
    store.put(service(1))
    store.put(service(6, name="t"))
    store.replace_all("Service", None, [], "5")
    assert store.get("Service", "ns", "s") is None
    assert store.get("Service", "ns", "t") is not None


def test_managed_fields_are_not_kept() -> None:
    store = Store()
    store.put(service(1))
    assert "managedFields" not in store.get("Service", "ns", "s")["metadata"]  # type: ignore[index]


@pytest.mark.parametrize("kind", ["HorizontalPodAutoscaler", "ModelRegistry"])
def test_a_status_that_nobody_plans_by_is_kept_but_not_told(kind: str) -> None:
    def scaler(version: int, **more: Any) -> dict[str, Any]:
        return {**service(version), "kind": kind, "version": 0, **more}

    store, told = Store(), []
    store.listen(told.append)
    store.put(scaler(1, spec={"minReplicas": 1}))
    for version in (2, 3):
        store.put(scaler(version, spec={"minReplicas": 1}, status={"currentReplicas": version}))
    seen = store.get(kind, "ns", "s")
    assert seen is not None and seen["status"] == {"currentReplicas": 3}
    assert len(told) == 1
    store.put(scaler(4, spec={"minReplicas": 2}))
    going = scaler(5, spec={"minReplicas": 2})
    going["metadata"]["deletionTimestamp"] = "now"
    store.put(going)
    assert len(told) == 3
    store.put({**service(1), "kind": "DaemonSet"})
    store.put({**service(2), "kind": "DaemonSet", "status": {"numberReady": 1}})
    assert len(told) == 5, "whether images are pulled is planned by"
