"""The page about retraining: every manifest on it is accepted, every field and target has a word, and its example is of one piece."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from steersman.api.retraining import (
    DataTrigger,
    DriftTrigger,
    MetricTrigger,
    Retraining,
    ScheduleTrigger,
    Trigger,
)
from steersman.api.retraining_actions import RetrainingAction, Target
from steersman.core.retraining.parameters import STANDARD
from steersman.core.retraining.triggers import prepare
from steersman.core.retraining.work import Work
from unit.retraining.laboratory import GITHUB, Laboratory

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "reference" / "retraining.md").read_text()
BLOCKS = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]
MANIFESTS = [block for block in BLOCKS if "run-name" not in block]


@pytest.mark.parametrize("written", MANIFESTS, ids=[str(number) for number in range(len(MANIFESTS))])
def test_every_manifest_is_accepted_and_uses_no_unknown_field(written: dict[str, Any]) -> None:
    given = written.get("retraining", {"action": GITHUB} | written)
    spec = Retraining.model_validate(given)
    assert not unknown(given, spec.model_dump(mode="json", by_alias=True))
    lab = Laboratory(spec)
    prepare(Work(lab.view(), lab.status))
    lab.go(120)
    assert lab.status.problem == ""


def unknown(written: Any, understood: Any) -> list[str]:
    """Fields that the model dropped."""
    if isinstance(written, dict) and isinstance(understood, dict):
        return [key for key in written if key not in understood] + [
            found for key in written if key in understood for found in unknown(written[key], understood[key])
        ]
    if isinstance(written, list):
        return [found for one, other in zip(written, understood, strict=True) for found in unknown(one, other)]
    return []


def test_every_target_has_a_section_a_row_and_a_manifest() -> None:
    shown = {target for block in MANIFESTS for target in (block.get("retraining") or block).get("action", {})}
    for target in Target:
        assert f"\n### {target}\n" in PAGE
        assert f"\n| `{target}` |" in PAGE
    assert shown == set(Target)


@pytest.mark.parametrize("model", [Retraining, Trigger, ScheduleTrigger, DataTrigger, MetricTrigger, DriftTrigger])
def test_every_field_has_a_word(model: type[Retraining]) -> None:
    for name, field in model.model_fields.items():
        word = field.alias or name
        assert re.search(rf"\b{word}\b", PAGE), word


def test_every_standard_parameter_and_placeholder_has_a_word() -> None:
    for name, placeholder in STANDARD.items():
        assert f"`{name}`" in PAGE and f"{{{{{placeholder}}}}}" in PAGE


def test_the_example_trains_by_a_job() -> None:
    (manifest,) = yaml.safe_load_all((ROOT / "examples" / "retraining.yaml").read_text())
    spec = Retraining.model_validate(manifest["spec"]["retraining"])
    assert spec.action.target == Target.JOB
    lab = Laboratory(spec)
    lab.go(60)
    assert lab.status.problem == ""
    assert set(RetrainingAction.model_fields) >= {"job"}
