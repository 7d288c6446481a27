from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from steersman.api.modeldeployment import ModelDeploymentSpec
from steersman.shell.parsed import KEPT, ParsedSpecs
from unit.core.world import gateway_spec


def deployment(uid: str, generation: int = 1, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"uid": uid, "generation": generation}, "spec": gateway_spec(**spec)}


def test_a_generation_is_parsed_once() -> None:
    specs = ParsedSpecs()
    first = specs.of(ModelDeploymentSpec, deployment("a"))
    assert isinstance(first, ModelDeploymentSpec) and specs.of(ModelDeploymentSpec, deployment("a")) is first
    changed = specs.of(ModelDeploymentSpec, deployment("a", 2, replicas=9))
    assert isinstance(changed, ModelDeploymentSpec) and changed.replicas == 9


def test_what_is_not_valid_is_said_each_time() -> None:
    specs = ParsedSpecs()
    for _ in range(2):
        assert isinstance(specs.of(ModelDeploymentSpec, deployment("a", replicas=-1)), ValidationError)


def test_an_object_without_uid_or_generation_is_not_taken_for_another() -> None:
    specs = ParsedSpecs()
    for manifest in (deployment(""), deployment("a", 0)):
        first = specs.of(ModelDeploymentSpec, manifest)
        assert specs.of(ModelDeploymentSpec, manifest) is not first


def test_only_so_many_are_kept() -> None:
    specs = ParsedSpecs()
    first = specs.of(ModelDeploymentSpec, deployment("0"))
    for number in range(1, KEPT):
        specs.of(ModelDeploymentSpec, deployment(str(number)))
    assert specs.of(ModelDeploymentSpec, deployment("0")) is first
    specs.of(ModelDeploymentSpec, deployment("another"))
    assert specs.of(ModelDeploymentSpec, deployment("0")) is first, "it was used last but one"
    for number in range(1, KEPT + 1):
        specs.of(ModelDeploymentSpec, deployment(str(number)))
    assert specs.of(ModelDeploymentSpec, deployment("0")) is not first
