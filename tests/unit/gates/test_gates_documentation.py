"""The page about gates: every example is accepted, every kind and every setting is there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from steersman.api.gates import GATE_KINDS, Gate
from steersman.api.modeldeployment import ModelDeploymentSpec

PAGE = (Path(__file__).resolve().parents[3] / "docs/reference/gates.md").read_text()
SECTIONS = dict(re.findall(r"\n## (\w+)\n(.*?)(?=\n## |\Z)", PAGE, re.DOTALL))
KINDS = {field.alias or name: field for name, field in Gate.model_fields.items() if name != "name"}


def examples(section: str) -> list[dict[str, Any]]:
    return [gate for block in re.findall(r"```yaml\n(.*?)```", section, re.DOTALL) for gate in yaml.safe_load(block)]


def strict(written: dict[str, Any], model: type[Any]) -> None:
    assert set(written) <= {field.alias or name for name, field in model.model_fields.items()}


def test_all_examples_together_are_a_spec() -> None:
    gates = examples(PAGE)
    assert len(gates) > len(GATE_KINDS)
    spec = ModelDeploymentSpec.model_validate({"model": {"name": "fraud", "alias": "champion"}, "gates": gates})
    assert ModelDeploymentSpec.model_validate(spec.to_wire()) == spec


@pytest.mark.parametrize("kind", GATE_KINDS)
def test_every_kind_has_a_section_with_examples_and_all_its_settings(kind: str) -> None:
    written = examples(SECTIONS[kind])
    assert written and all(set(gate) == {"name", kind} for gate in written)
    model = type(getattr(Gate.model_validate(written[0]), re.sub(r"([A-Z])", r"_\1", kind).lower()))
    for gate in written:
        strict(gate[kind], model)
    for name, field in model.model_fields.items():
        assert re.search(rf"\b{field.alias or name}\b", SECTIONS[kind]), name
