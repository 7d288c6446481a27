"""The generated parts of the Helm chart and the data that it ships."""

import json
import re
from pathlib import Path

import pytest
import yaml
from helm.generate import CHART, chart_files, main, values_schema, values_yaml
from helm.values import Values
from pydantic import ValidationError

import steersman
from steersman.api.analysis import AnalysisTemplateSpec
from steersman.core.analysis.binding import bind

BUILT_IN_TEMPLATES = sorted((CHART / "files" / "analysis-templates").glob("*.yaml"))


def test_the_chart_in_the_repository_is_what_its_generator_makes():
    assert main(["--check"]) == 0
    assert {path.name for path in (CHART / "crds").iterdir()} == {
        path.name for path in chart_files() if path.parent.name == "crds"
    }


def test_values_yaml_holds_exactly_the_defaults():
    assert yaml.safe_load(values_yaml()) == Values().model_dump(mode="json", by_alias=True)


def test_chart_and_operator_have_one_version():
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["version"] == chart["appVersion"] == steersman.__version__


def test_the_schema_refuses_unknown_keys_at_every_level():
    def objects(node):
        if "properties" in node:
            yield node
            for child in node["properties"].values():
                yield from objects(child)

    schema = json.loads(values_schema())
    closed = [node for node in objects(schema) if node.get("additionalProperties") is False]
    assert len(closed) == len(list(objects(schema))) > 10
    assert schema["properties"]["global"] == {"type": "object"}


def test_mistyped_and_impossible_values_are_refused():
    for values in (
        {"replica": 3},
        {"replicas": 0},
        {"watchNamespaces": ["Not_A_Namespace"]},
        {"log": {"level": "loud"}},
    ):
        with pytest.raises(ValidationError):
            Values.model_validate(values)


@pytest.mark.parametrize("path", BUILT_IN_TEMPLATES, ids=lambda path: path.stem)
def test_built_in_analysis_templates_bind_with_their_own_defaults(path: Path):
    template = AnalysisTemplateSpec.model_validate(yaml.safe_load(path.read_text()))
    metrics = bind([(path.stem, template)], [], 15.0)
    assert [metric.name for metric in metrics] == [f"{path.stem}/{template.metrics[0].name}"]


def test_the_latency_objective_is_a_bound_of_the_runtimes_histogram():
    from steersman_server.metrics import DURATION_BUCKETS

    spec = yaml.safe_load((CHART / "files" / "analysis-templates" / "latency.yaml").read_text())
    assert spec["args"][0]["value"] in {str(bound) for bound in DURATION_BUCKETS}


def test_the_tolerance_is_a_bound_of_the_runtimes_errors():
    from steersman_server.settings import ERROR_BUCKETS

    spec = yaml.safe_load((CHART / "files" / "analysis-templates" / "mlflow-large-errors.yaml").read_text())
    assert spec["args"][0]["value"] in {str(bound) for bound in ERROR_BUCKETS}


def test_every_built_in_template_names_its_source_or_is_of_our_own_runtime():
    for path in BUILT_IN_TEMPLATES:
        comment = "".join(line for line in path.read_text().splitlines() if line.startswith("#"))
        assert "https://" in comment or "see " in comment or "steersman_" in path.read_text(), path.stem


def test_built_in_templates_are_in_the_reference():
    page = (CHART.parents[1] / "docs" / "reference" / "templates.md").read_text()
    assert [path.stem for path in BUILT_IN_TEMPLATES] == re.findall(r"^\| `([a-z-]+)` \|", page, re.MULTILINE)
