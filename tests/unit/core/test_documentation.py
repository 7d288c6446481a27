"""The reference says everything that the operator can say, and what it shows is accepted."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import generate_latest

from steersman.api.conditions import ConditionType, Reason
from steersman.api.modeldeployment import Inconclusive, RollbackWindow, Watch
from steersman.api.status import Outcome, Phase, RolloutPhase
from steersman.api.steps import STEP_KINDS, Experiment, SetCanaryScale, SetHeaderRoute, SetMirrorRoute, StageAnalysis
from steersman.api.strategy import BlueGreen, Canary
from steersman.cli.choices import Action
from steersman.core import rollout
from steersman.core.snapshot import RegistryAnswer
from steersman.shell.telemetry import Telemetry
from unit.core.world import ERRORS, World, gateway_spec

DOCS = Path(__file__).resolve().parents[3] / "docs"
REFERENCE = DOCS / "reference"
ROLLOUTS = (REFERENCE / "rollouts.md").read_text()
SPECS = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", ROLLOUTS, re.DOTALL)]


@pytest.mark.parametrize("word", [*Reason, *ConditionType, *Phase])
def test_every_reason_condition_and_phase_is_documented(word: str) -> None:
    assert f"`{word}`" in (REFERENCE / "conditions.md").read_text()


def test_every_metric_of_the_operator_is_documented() -> None:
    page = (REFERENCE / "metrics.md").read_text()
    exported = {
        line.split()[2]
        for line in generate_latest(Telemetry().registry).decode().splitlines()
        if line.startswith("# TYPE steersman_") and not line.split()[2].endswith("_created")
    }
    assert len(exported) > 10
    for name in exported:
        assert f"`{name}" in page, name


@pytest.mark.parametrize("fields", SPECS, ids=[str(number) for number in range(len(SPECS))])
def test_every_manifest_of_the_page_about_rollouts_is_accepted_and_rolled_out(fields: dict[str, Any]) -> None:
    world = World(gateway_spec(**fields))
    world.templates = {"errors": ERRORS, "preview-answers": ERRORS, "request-errors": ERRORS, "latency": ERRORS}
    world.run(40)
    assert world.condition("Accepted") == ("True", "Accepted")
    world.answer = RegistryAnswer("2")
    for _ in range(30):
        world.run(30, step=15)
        if world.status.stable is not None and world.status.stable.version == "2":
            break
        world.act("promote")
    assert world.status.phase == Phase.HEALTHY
    assert world.status.stable is not None and world.status.stable.version == "2"
    assert world.promises.broken == []


def steps() -> list[dict[str, Any]]:
    """Of every manifest on the page."""
    canaries = [fields.get("strategy", {}).get("canary", {}) for fields in SPECS]
    return [step for canary in canaries for step in canary.get("steps", [])]


@pytest.mark.parametrize("kind", STEP_KINDS)
def test_every_kind_of_step_has_a_section_with_a_manifest(kind: str) -> None:
    assert f"\n### {kind}\n" in ROLLOUTS
    assert any(kind in step for step in steps())


SETTINGS = (Canary, BlueGreen, StageAnalysis, Experiment, SetHeaderRoute, SetMirrorRoute, SetCanaryScale)


@pytest.mark.parametrize("model", [*SETTINGS, RollbackWindow, Watch, Inconclusive])
def test_every_field_of_a_strategy_is_explained(model: type[Canary]) -> None:
    for name, field in model.model_fields.items():
        assert re.search(rf"\b{field.alias or name}\b", ROLLOUTS), name


def test_every_state_and_action_is_explained() -> None:
    diagrams = "".join(re.findall(r"```mermaid\n(.*?)```", ROLLOUTS, re.DOTALL))
    for state in (*RolloutPhase, *Phase):
        assert re.search(rf"\b{state}\b", diagrams), state
    for word in (*Outcome, *Action):
        assert f"`{word}`" in ROLLOUTS, word


PAGES = [
    "reference/metric-providers.md",
    "reference/rollouts.md",
    "reference/conditions.md",
    "reference/capacity.md",
    "architecture.md",
]


@pytest.mark.parametrize("page", PAGES)
def test_links_within_the_documentation_lead_somewhere(page: str) -> None:
    text = (DOCS / page).read_text()
    for target in re.findall(r"\]\((?!https?:)([^)]*)\)", text):
        path, _, anchor = target.partition("#")
        there = (DOCS / page).parent / path if path else DOCS / page
        assert there.exists(), target
        headings = re.findall(r"^#+ (.*)$", there.read_text(), re.MULTILINE)
        assert not anchor or anchor in map(_anchor, headings), target


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_every_module_of_the_rollout_is_in_the_architecture() -> None:
    page = (DOCS / "architecture.md").read_text()
    modules = {path.stem for path in Path(rollout.__file__).parent.glob("*.py")} - {"__init__"}
    assert {name for name in modules if f"| `{name}` |" not in page} == set()
