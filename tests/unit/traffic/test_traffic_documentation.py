"""docs/reference/traffic.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from steersman.adapters.traffic import provider_for
from steersman.api.traffic import PROVIDERS, Traffic
from steersman.api.traffic_providers import Feature
from unit.traffic.cases import CASES, DEPLOYMENT, GOLDEN

PAGE = (Path(__file__).resolve().parents[3] / "docs/reference/traffic.md").read_text()
COLUMNS = {
    "weights": Feature.WEIGHTS,
    "header routes": Feature.HEADER_ROUTES,
    "cookie routes": Feature.COOKIE_ROUTES,
    "mirroring": Feature.MIRROR,
    "of a share": Feature.MIRROR_SHARE,
    "session affinity": Feature.AFFINITY,
    "experiments": Feature.THREE_WAY,
}
BLOCKS = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]
SETTINGS: list[dict[str, Any]] = [block for block in BLOCKS if set(block) <= set(PROVIDERS)]


def table(heading: str) -> list[dict[str, str]]:
    """Rows of the first table after a heading, by column."""
    text = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]
    return [dict(zip(rows[0], row, strict=True)) for row in rows[2:]]


def settings_of(provider: str) -> Traffic:
    return next(Traffic.model_validate(block) for block in SETTINGS if provider in block)


def test_table_of_features() -> None:
    said = {
        row["`spec.traffic.`"].strip("`"): {feature for column, feature in COLUMNS.items() if row[column] == "yes"}
        for row in table("What each can do")
    }
    adopting = said.pop("gatewayAPI` with `adopt")
    assert said == {name: set(settings.features) for name, settings in PROVIDERS.items()}
    assert adopting == Traffic.model_validate({"gatewayAPI": {"adopt": {"name": "shop"}}}).features


def test_every_provider_has_a_word_on_when_a_split_is_in_force() -> None:
    named = [
        name for row in table("When a split is in force") for name in re.findall(r"`(\w+)`", row["`spec.traffic.`"])
    ]
    assert sorted(named) == sorted(PROVIDERS)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_provider_has_a_manifest_that_works(provider: str) -> None:
    traffic = settings_of(provider)
    assert traffic.name == provider
    rendered = provider_for(traffic).render(
        CASES["canary"].intent(traffic.model_dump(by_alias=True, exclude_none=True))
    )
    assert rendered[-1]["metadata"]["name"].startswith(DEPLOYMENT)


@pytest.mark.parametrize("block", SETTINGS, ids=lambda block: next(iter(block)))
def test_no_manifest_has_an_unknown_field(block: dict[str, Any]) -> None:
    """Unknown fields are dropped by the API server, so a mistake would not be seen."""
    understood = Traffic.model_validate(block).to_wire()
    (name,) = block
    written, known = block[name], understood[name]
    assert isinstance(known, dict)
    assert {key: value for key, value in known.items() if key in written} == written


def test_count_of_golden_splits() -> None:
    words = {8: "eight", 9: "nine", 10: "ten"}
    assert f"manifests for {words[len(GOLDEN)]} splits" in PAGE
