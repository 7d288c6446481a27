"""A model that the spec gives by uri: rolled out like another, and no registry matters."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from steersman.api.conditions import Reason
from steersman.api.modeldeployment import ModelDeploymentSpec
from steersman.core.snapshot import Problem
from unit.core.test_rules import JOB_GATE
from unit.core.world import World, gateway_spec


def by_uri(uri: str, version: str, **changes: Any) -> dict[str, Any]:
    sha256 = changes.pop("sha256", None)
    return gateway_spec(model={"uri": uri, "version": version} | ({"sha256": sha256} if sha256 else {}), **changes)


def environment(world: World, revision: str, field: str = "containers") -> dict[str, str]:
    pod = world.children["Deployment", revision]["spec"]["template"]["spec"]
    return {variable["name"]: variable.get("value", "") for variable in pod[field][0]["env"]}


def world_with(spec: dict[str, Any]) -> World:
    world = World(spec)
    world.registry = world.answer = Problem(Reason.REGISTRY_NOT_FOUND, "there is none")  # type: ignore[assignment]
    world.run(60)
    return world


def test_it_is_rolled_out_without_a_registry() -> None:
    world = world_with(by_uri("s3://models/fraud/1", "1", sha256="a" * 64))
    assert world.stable.startswith("fraud-v1-")
    assert environment(world, world.stable) == {
        "MODEL_NAME": "fraud",
        "MODEL_VERSION": "1",
        "MODEL_URI": "s3://models/fraud/1",
    }
    assert environment(world, world.stable, "initContainers")["MODEL_SHA256"] == "a" * 64
    assert world.status.model is not None
    assert (world.status.model.name, world.status.model.selector) == ("fraud", "s3://models/fraud/1")


def test_another_version_goes_through_the_steps() -> None:
    world = world_with(by_uri("s3://models/fraud/1", "1"))
    world.change_spec(by_uri("s3://models/fraud/2", "2", gates=[JOB_GATE]))
    world.jobs["tests"] = 1.0
    world.run(300)
    assert world.stable.startswith("fraud-v2-")
    assert {10, 50} <= {weight for weights in world.weights_seen for weight in weights}
    (job,) = {query.source.settings for query in world.asked}
    assert '"value":"s3://models/fraud/2"' in job


def test_the_same_version_from_elsewhere_is_another_revision() -> None:
    world = world_with(by_uri("s3://models/fraud/1", "1"))
    before = world.stable
    world.change_spec(by_uri("gs://models/fraud/1", "1"))
    world.run(300)
    assert world.stable != before
    assert world.stable.startswith("fraud-v1-")


def test_from_a_registry_to_a_uri_and_back() -> None:
    world = World()
    world.run(60)
    first = world.stable
    world.change_spec(by_uri("s3://models/fraud/9", "9"))
    world.run(300)
    assert world.stable.startswith("fraud-v9-")
    world.change_spec(gateway_spec())
    world.run(300)
    assert world.stable == first


def test_a_claim_is_mounted_read_only_in_every_container() -> None:
    world = world_with(by_uri("pvc://models/fraud/1", "1"))
    pod = world.children["Deployment", world.stable]["spec"]["template"]["spec"]
    claim = {"claimName": "models", "readOnly": True}
    assert pod["volumes"] == [{"name": "model-claim", "persistentVolumeClaim": claim}]
    for container in pod["containers"] + pod["initContainers"]:
        assert container["volumeMounts"] == [{"name": "model-claim", "mountPath": "/pvc/models", "readOnly": True}]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model": {"uri": "s3://m/f", "name": "m", "version": "1"}}, "either name"),
        ({"model": {"version": "1"}}, "either name"),
        ({"model": {"uri": "s3://m/f", "tags": {"a": "b"}}}, "goes with a version"),
        ({"model": {"uri": "s3://m/f", "version": "1", "registry": "r"}}, "without a registry"),
        ({"model": {"name": "m", "alias": "a", "sha256": "a" * 64}}, "sha256 goes with uri"),
        ({"model": {"uri": "http://h/f", "version": "1"}}, "not encrypted"),
        ({"model": {"uri": "https://a:b@h/f", "version": "1"}}, "should match pattern"),
        (
            {"model": {"uri": "s3://m/f", "version": "1"}, "gates": [{"name": "x", "age": {"max": "1h"}}]},
            "only be jobs",
        ),
    ],
)
def test_what_does_not_go_together(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        ModelDeploymentSpec.model_validate(gateway_spec(**changes))
