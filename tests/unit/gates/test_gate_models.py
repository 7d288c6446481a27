"""Gates as they are written: what is taken, and what is refused with the field's own words."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from steersman.api.gates import GATE_KINDS, Gate
from steersman.api.modeldeployment import ModelDeploymentSpec

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({}, "a gate is exactly one of metric, notWorse, gap"),
    ({"inputExample": {}, "signature": {}}, "a gate is exactly one of"),
    ({"metric": {"name": "auc"}}, "needs min, max or both"),
    ({"metric": {"name": "auc", "min": 1, "max": 0}}, "min must not be above max"),
    ({"metric": {"name": "auc", "min": float("nan")}}, "finite number"),
    ({"metric": {"name": "", "min": 1}}, "at least 1 character"),
    ({"notWorse": {"metric": "auc"}}, "Field required"),
    ({"notWorse": {"metric": "auc", "higherIsBetter": True, "tolerance": -1}}, "greater than or equal to 0"),
    ({"gap": {"train": "a", "test": "b"}}, "Field required"),
    ({"parameter": {"name": "C"}}, "give min, max or both, or oneOf"),
    ({"parameter": {"name": "C", "min": 1, "oneOf": ["a"]}}, "give min, max or both, or oneOf"),
    ({"parameter": {"name": "C", "oneOf": []}}, "at least 1 item"),
    ({"tag": {"name": "by", "value": "a", "pattern": "*"}}, "give at most one of value and pattern"),
    ({"signature": {"compatibleWith": "Candidate"}}, "Input should be 'Stable'"),
    ({"digest": {"path": "model.pkl"}}, "give exactly one of sha256 and tag"),
    ({"digest": {"path": "../x", "tag": "sha"}}, "match pattern"),
    ({"digest": {"path": "/etc/passwd", "tag": "sha"}}, "match pattern"),
    ({"digest": {"path": "model.pkl", "sha256": "abc"}}, "match pattern"),
    ({"flavor": {"oneOf": []}}, "at least 1 item"),
    ({"python": {"versions": "newest"}}, "'newest' is not a version specifier (PEP 440)"),
    ({"python": {"versions": "3.11"}}, "is not a version specifier (PEP 440)"),
    ({"dependency": {"name": "numpy; x", "specifier": ">=1"}}, "match pattern"),
    ({"dependency": {"name": "numpy", "specifier": ">=1 @ http://x"}}, "match pattern"),
    ({"age": {"max": "30 days"}}, "is not a duration"),
]


@pytest.mark.parametrize(("written", "said"), REFUSED, ids=[str(number) for number in range(len(REFUSED))])
def test_what_makes_no_sense_is_refused(written: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Gate.model_validate({"name": "it", **written})
    assert said in str(refused.value)


def test_names_are_distinct_labels() -> None:
    with pytest.raises(ValidationError):
        Gate.model_validate({"name": "Not A Label", "inputExample": {}})
    gates = [{"name": "it", "inputExample": {}}, {"name": "it", "signature": {}}]
    with pytest.raises(ValidationError, match="there are two gates named 'it'"):
        ModelDeploymentSpec.model_validate({"model": {"name": "m", "alias": "a"}, "gates": gates})


def test_every_field_of_a_gate_is_one_of_its_kinds() -> None:
    assert {field.alias for name, field in Gate.model_fields.items() if name != "name"} == set(GATE_KINDS)
