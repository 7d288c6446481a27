"""Alerts and dashboards as promtool sees them, and as the chart ships them. What they name is checked in test_live.py."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.models.dashboard import Dashboard
from tests.component.observability.expressions import ALERTS, DASHBOARDS, alerts, expressions, panels

from cluster.binaries import HELM, Binaries, ensure
from cluster.cache import Cache
from cluster.progress import Progress
from steersman.api.conditions import ConditionType, Reason

REFERENCE = ALERTS.parents[4] / "docs" / "reference"


def promtool(binaries: Binaries, *arguments: str, cwd: Path | None = None) -> str:
    done = subprocess.run([binaries["promtool"], *arguments], capture_output=True, text=True, check=False, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_promtool_finds_nothing_wrong_with_the_rules(prometheus_binaries: Binaries) -> None:
    said = promtool(prometheus_binaries, "check", "rules", "--lint=all", "--lint-fatal", str(ALERTS))
    assert f"SUCCESS: {len(alerts())} rules found" in said


def test_every_alert_fires_when_it_should_and_only_then(prometheus_binaries: Binaries, tmp_path: Path) -> None:
    played = Path(__file__).with_name("rules.yaml")
    for path in (ALERTS, played):
        shutil.copy(path, tmp_path)
    promtool(prometheus_binaries, "test", "rules", "rules.yaml", cwd=tmp_path)
    text = played.read_text()
    fired = set(re.findall(r"alertname(?:: |=\")(Steersman\w+)", text))
    matched = {rule["alert"] for rule in alerts() if re.fullmatch("SteersmanModel(Load|Not).*", rule["alert"])}
    assert {rule["alert"] for rule in alerts()} == fired | matched


def test_every_expression_of_the_dashboards_parses(prometheus_binaries: Binaries, tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:{number}", "expr": each.promql, "labels": {"panel": each.where}}
        for number, each in enumerate(expressions())
    ]
    assert len(rules) > 50
    (tmp_path / "panels.yaml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    promtool(prometheus_binaries, "check", "rules", "--lint=all", "--lint-fatal", str(tmp_path / "panels.yaml"))


def test_every_alert_says_what_it_means_and_has_a_page() -> None:
    page = (REFERENCE / "alerts.md").read_text()
    for rule in alerts():
        name, notes = rule["alert"], rule["annotations"]
        assert notes["runbook_url"] == f"docs/reference/alerts.md#{name.lower()}"
        assert f"\n## {name}\n" in page, name
        assert notes["summary"] and notes["description"].endswith(".")
        assert rule["labels"]["severity"] in ("critical", "warning", "info")
    assert len(re.findall(r"^## Steersman", page, re.MULTILINE)) == len(alerts())


def test_rules_name_conditions_and_reasons_that_there_are() -> None:
    for rule in alerts():
        for selector in re.findall(r"steersman_deployment_condition\{(.*?)\}", rule["expr"]):
            for label, operator, value in re.findall(r'(\w+)(=~|!~|=|!=)"([^"]*)"', selector):
                if label == "type":
                    assert value in set(ConditionType)
                elif label == "reason":
                    for part in value.split("|"):
                        pattern = part if operator in ("=~", "!~") else re.escape(part)
                        assert any(re.fullmatch(pattern, reason) for reason in Reason), part


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboard_is_one_of_grafanas_model_and_explains_itself(path: Path) -> None:
    made = json.loads(path.read_text())
    read = Dashboard.from_json(made)
    assert read.uid == f"steersman-{path.stem}"
    assert [variable.name for variable in read.templating.list_val or []][:3] == [
        "datasource",
        "namespace",
        "deployment",
    ]
    assert len({panel["id"] for panel in made["panels"]}) == len(made["panels"])
    for panel in panels(path):
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"].get("unit") or panel["type"] == "state-timeline", panel["title"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert all(target["legendFormat"] for target in panel["targets"])
    page = (REFERENCE / "dashboards.md").read_text()
    for panel in panels(path):
        assert f"| **{panel['title']}** | {panel['description']} |" in page, panel["title"]


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_panels_lie_beside_each_other(path: Path) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(path.read_text())["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not taken & cells, panel["title"]
        taken |= cells


# ---------------------------------------------------------------- the chart


def render(**metrics: Any) -> list[dict[str, Any]]:
    helm = ensure([HELM], Cache.default(), Progress()).helm
    chart = str(ALERTS.parents[2])
    done = subprocess.run(
        [helm, "template", "steersman", chart, "--namespace", "steersman-system", "--values", "-"],
        input=yaml.safe_dump({"metrics": metrics}),
        capture_output=True,
        text=True,
        check=True,
    )
    return [each for each in yaml.safe_load_all(done.stdout) if each]


def test_the_chart_ships_the_rules_and_dashboards_as_they_are_in_the_files() -> None:
    wanted = {
        "prometheusRule": {"enabled": True, "labels": {"release": "prometheus"}, "runbookUrl": "https://wiki/alerts"},
        "dashboards": {"enabled": True, "label": "board", "folder": "Models"},
    }
    manifests = render(**wanted)
    (rules,) = [each for each in manifests if each["kind"] == "PrometheusRule"]
    text = ALERTS.read_text().replace("docs/reference/alerts.md#", "https://wiki/alerts#")
    assert rules["spec"] == yaml.safe_load(text)
    assert rules["metadata"]["labels"]["release"] == "prometheus"
    maps = {each["metadata"]["name"]: each for each in manifests if each["kind"] == "ConfigMap"}
    assert len(maps) == len(DASHBOARDS) == 2
    for path in DASHBOARDS:
        made = maps[f"steersman-dashboard-{path.stem}"]
        assert json.loads(made["data"][path.name]) == json.loads(path.read_text())
        assert made["metadata"]["labels"]["board"] == "1"
        assert made["metadata"]["annotations"] == {"grafana_folder": "Models"}
        assert len(json.dumps(made)) < 500_000


def test_without_being_asked_for_the_chart_ships_neither() -> None:
    assert {each["kind"] for each in render()} & {"PrometheusRule", "ConfigMap"} == set()
