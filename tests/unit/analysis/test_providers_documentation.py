"""The page about metric providers: every example is accepted, every provider and every setting is there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from steersman.api.analysis import PROVIDERS, AnalysisTemplateSpec, Argument
from steersman.core.analysis import bind
from steersman.shell.metric_sources import SETTINGS

PAGE = (Path(__file__).resolve().parents[3] / "docs/reference/metric-providers.md").read_text()
EXAMPLES = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]


@pytest.mark.parametrize("manifest", EXAMPLES, ids=[each["metadata"]["name"] for each in EXAMPLES])
def test_every_example_is_accepted_and_can_be_asked(manifest: dict[str, Any]) -> None:
    spec = AnalysisTemplateSpec.model_validate(manifest["spec"])
    given = [Argument(name=arg.name, value="64ab") for arg in spec.args if arg.value is None]
    assert len(bind([(manifest["metadata"]["name"], spec)], given, 15.0)) == 1
    written = {key for metric in manifest["spec"]["metrics"] for key in metric}
    assert written <= {"name", "interval", "threshold", *PROVIDERS.values()}


@pytest.mark.parametrize("provider", PROVIDERS.values())
def test_every_provider_has_a_section_with_an_example(provider: str) -> None:
    assert f"\n## {provider}\n" in PAGE
    assert any(provider in metric for each in EXAMPLES for metric in each["spec"]["metrics"])


@pytest.mark.parametrize("provider", PROVIDERS.values())
def test_every_setting_is_mentioned(provider: str) -> None:
    for name, field in SETTINGS[provider].model_fields.items():
        assert re.search(rf"\b{field.alias or name}\b", PAGE), name
