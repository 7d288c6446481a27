"""Reading what the cluster shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from demo.observe import (
    DeploymentObservation,
    EventObservation,
    Observations,
    RouteObservation,
    distinct_weights,
    read_route,
    split_documents,
    version_of,
)


def route(generation: int, observed: int, *backends: tuple[str, int]) -> dict[str, Any]:
    condition = {"type": "Accepted", "status": "True", "observedGeneration": observed}
    return {
        "metadata": {"generation": generation},
        "spec": {"rules": [{"backendRefs": [{"name": name, "weight": weight} for name, weight in backends]}]},
        "status": {"parents": [{"conditions": [condition]}]},
    }


def test_a_route_is_accepted_only_at_its_own_generation() -> None:
    backends = (("digits-v2-00aa11bb", 90), ("digits-v3-22cc33dd", 10))
    assert read_route(route(4, 4, *backends), 7.0) == RouteObservation(7.0, 4, {"2": 90, "3": 10}, True)
    assert not read_route(route(5, 4, *backends), 7.0).accepted


def test_backends_without_traffic_are_left_out() -> None:
    assert read_route(route(1, 1, ("digits-v2-00aa11bb", 100), ("digits-v3-22cc33dd", 0)), 0).weights == {"2": 100}


def test_a_route_without_status_is_not_accepted() -> None:
    bare = {"metadata": {"generation": 1}, "spec": {"rules": [{"backendRefs": [{"name": "digits-v1-0a"}]}]}}
    assert read_route(bare, 0) == RouteObservation(0, 1, {"1": 1}, False)


def test_the_version_is_in_a_revisions_name() -> None:
    assert version_of("my-v1-model-v12-0a1b2c3d") == "12"
    with pytest.raises(ValueError, match="not the name of a revision"):
        version_of("digits")


def test_documents_are_split_wherever_the_stream_is_cut() -> None:
    assert split_documents('{"a": 1}\n{"b": {"c": 2}}\n{"d"') == ([{"a": 1}, {"b": {"c": 2}}], '{"d"')
    assert split_documents("  \n") == ([], "")


def test_observations_come_back_from_a_file(tmp_path: Path) -> None:
    seen = Observations(
        [RouteObservation(1.0, 1, {"1": 100}, True)],
        [DeploymentObservation(2.0, 3, {"phase": "Healthy", "observedGeneration": 3})],
        [EventObservation(3.0, "Normal", "Promoted", "v1")],
        {"kind": "ModelDeployment"},
    )
    seen.save(tmp_path / "observations.json")
    assert Observations.load(tmp_path / "observations.json") == seen


def test_an_empty_status_is_pending_and_not_current() -> None:
    new = DeploymentObservation(0.0, 1, {})
    assert (new.phase, new.current, new.version("stable"), new.quarantined) == ("Pending", False, "", "")


def test_only_changes_of_the_weights_are_distinct() -> None:
    routes = [
        RouteObservation(float(at), at, weights, True)
        for at, weights in enumerate(({"1": 100}, {"1": 100}, {"2": 100}))
    ]
    assert [found.at for found in distinct_weights(routes)] == [0.0, 2.0]
