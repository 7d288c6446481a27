"""The page about drift: what it shows is accepted, every setting is there, and its example can be redone."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from steersman.api.drift import Drift
from steersman.api.drift_status import ColumnKind, ColumnRole
from steersman.api.meta import ApiModel
from steersman.core.drift.columns import Column
from steersman.core.drift.distances import psi, psi_noise, smoothed
from steersman.core.drift.judge import judge
from steersman.core.drift.significance import kolmogorov_smirnov

PAGE = (Path(__file__).resolve().parents[3] / "docs/reference/drift.md").read_text()
EXAMPLES = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]


def written(found: dict[str, Any], model: type[ApiModel]) -> None:
    """Nothing is written that the model does not know."""
    fields = {field.alias or name: field.annotation for name, field in model.model_fields.items()}
    assert set(found) <= set(fields)
    for name, value in found.items():
        inner = fields[name]
        if isinstance(value, dict) and isinstance(inner, type) and issubclass(inner, ApiModel):
            written(value, inner)


@pytest.mark.parametrize("example", EXAMPLES, ids=["defaults", "everything"])
def test_every_example_is_accepted(example: dict[str, Any]) -> None:
    written(example["drift"], Drift)
    made = Drift.model_validate(example["drift"])
    assert Drift.model_validate(made.to_wire()) == made


def test_every_setting_is_in_the_last_example() -> None:
    example = EXAMPLES[-1]["drift"]
    assert set(example) == {field.alias or name for name, field in Drift.model_fields.items()}
    for part in ("columns", "methods", "thresholds", "concept"):
        model = type(getattr(Drift(), part))
        assert set(example[part]) == {field.alias or name for name, field in model.model_fields.items()}


def test_the_example_can_be_redone() -> None:
    def column(*observed: float) -> Column:
        bins, reference = ("1", "2", "3", "+Inf"), (1250.0,) * 4
        return Column("amount", ColumnRole.FEATURE, ColumnKind.NUMERIC, bins, reference, observed)

    many = column(230, 410, 560, 800)
    assert f"{psi(smoothed(many.reference), smoothed(many.observed)):.3f}" == "0.187"
    assert f"{psi_noise(4, 5000, 2000):.4f}" == "0.0021"
    (judged,) = judge([many], Drift()).columns
    assert (f"{judged.distance:.3f}", f"{judged.p_value:.1e}", judged.drifted) == ("0.185", "6.3e-54", False)
    (stricter,) = judge([many], Drift.model_validate({"methods": {"numeric": "JensenShannon"}})).columns
    assert (f"{stricter.distance:.3f}", stricter.drifted) == ("0.181", True)
    few = column(38, 72, 82, 108)
    assert f"{kolmogorov_smirnov(few.reference, few.observed):.3f}" == "0.133"
    (tested,) = judge([few], Drift()).columns
    assert (f"{tested.p_value:.1e}", tested.drifted) == ("7.3e-05", True)
    calm = column(75, 75, 75, 75)
    crowd = judge([few, *[calm] * 19], Drift())
    assert f"{crowd.columns[0].p_value:.4f}" == "0.0015" and not crowd.is_drift
    for text in ("0.187", "0.0021", "0.185", "6.3e-54", "0.181", "0.133", "7.3e-05", "0.0015"):
        assert text in PAGE
