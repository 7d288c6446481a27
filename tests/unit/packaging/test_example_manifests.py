"""The examples: valid, and everything that they name is there."""

from pathlib import Path

import pytest
import yaml
from helm.generate import CHART

from steersman.adapters.traffic import provider_for
from steersman.api.analysis import AnalysisTemplateSpec
from steersman.api.crds import KINDS
from steersman.api.meta import API_VERSION
from steersman.api.modeldeployment import ModelDeploymentSpec
from steersman.api.runtime import ServingRuntimeSpec
from steersman.api.status import ResolvedModel
from steersman.core.analysis.binding import bind
from steersman.core.pod.security import violations
from steersman.core.pod.template import RegistryAccess, pod_template
from steersman.core.snapshot import Children
from steersman.core.traffic import TrafficIntent

REPOSITORY = Path(__file__).resolve().parents[3]
EXAMPLES = REPOSITORY / "examples"
FILES = [*sorted(EXAMPLES.glob("*.yaml")), EXAMPLES / "pipelines" / "model" / "model.yaml"]
SPECS = {kind.kind: kind.spec for kind in KINDS}
OBJECTS = [document for path in FILES for document in yaml.safe_load_all(path.read_text())]


def named(kind):
    return {document["metadata"]["name"]: document["spec"] for document in OBJECTS if document["kind"] == kind}


def analysis_templates():
    built_in = {
        path.stem: yaml.safe_load(path.read_text()) for path in (CHART / "files" / "analysis-templates").glob("*.yaml")
    }
    return {**built_in, **named("AnalysisTemplate")}


DEPLOYMENTS = {name: ModelDeploymentSpec.model_validate(spec) for name, spec in named("ModelDeployment").items()}


OURS = [document for document in OBJECTS if document["apiVersion"] == API_VERSION]


def test_every_file_shows_a_kind_of_ours():
    assert all(any(d in OURS for d in yaml.safe_load_all(path.read_text())) for path in FILES)


@pytest.mark.parametrize("document", OURS, ids=lambda document: f"{document['kind']}-{document['metadata']['name']}")
def test_every_object_is_valid_and_uses_no_unknown_field(document):
    assert document["metadata"]["namespace"] == "default"
    spec = SPECS[document["kind"]].model_validate(document["spec"])
    assert unknown_fields(document["spec"], spec.model_dump(mode="json", by_alias=True)) == []


def unknown_fields(written, understood, path=""):
    """Paths that the model dropped."""
    if isinstance(written, dict) and isinstance(understood, dict):
        return [
            found
            for key, value in written.items()
            for found in (
                unknown_fields(value, understood[key], f"{path}.{key}") if key in understood else [f"{path}.{key}"]
            )
        ]
    if isinstance(written, list):
        return [
            found
            for index, value in enumerate(written)
            for found in unknown_fields(value, understood[index], f"{path}[{index}]")
        ]
    return []


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_names_and_arguments_of_the_analyses_fit(name):
    spec = DEPLOYMENTS[name]
    stages = [spec.analysis]
    if spec.strategy.blue_green:
        blue_green = spec.strategy.blue_green
        stages += [
            stage
            for stage in (blue_green.pre_promotion_analysis, blue_green.post_promotion_analysis)
            if stage is not None
        ]
    known = analysis_templates()
    for stage in stages:
        templates = [(ref.name, AnalysisTemplateSpec.model_validate(known[ref.name])) for ref in stage.templates]
        assert len(bind(templates, stage.args, 15.0)) >= len(templates)


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_registries_and_runtimes_are_there(name):
    spec = DEPLOYMENTS[name]
    assert spec.model.registry in named("ModelRegistry")
    assert spec.runtime.name in {"mlflow", *named("ServingRuntime")}


def test_the_custom_runtime_makes_a_restricted_pod():
    spec = DEPLOYMENTS["fraud-stock"]
    runtime = ServingRuntimeSpec.model_validate(named("ServingRuntime")["mlflow-stock"])
    model = ResolvedModel(name="fraud", selector="alias champion", version="1", resolved_at=0.0)
    template = pod_template(spec, model, runtime, RegistryAccess("http://mlflow.mlflow.svc:5000"))
    assert violations(template) == []
    assert template["metadata"]["labels"]["team"] == "risk"


def test_there_is_an_example_of_every_strategy_and_of_every_provider_that_the_test_cluster_has():
    shown = {("canary" if spec.strategy.canary else "blueGreen", spec.traffic.name) for spec in DEPLOYMENTS.values()}
    assert shown == {
        ("canary", "gatewayAPI"),
        ("blueGreen", "gatewayAPI"),
        ("canary", "service"),
        ("blueGreen", "service"),
        ("canary", "contour"),
    }


def test_the_adopted_route_has_a_rule_for_its_model_deployment():
    ((name, spec),) = [(n, s) for n, s in DEPLOYMENTS.items() if s.traffic.gateway_api and s.traffic.gateway_api.adopt]
    route = next(d for d in OBJECTS if d["kind"] == "HTTPRoute")
    assert route["metadata"]["name"] == spec.traffic.gateway_api.adopt.name
    seen = {**route, "metadata": {**route["metadata"], "resourceVersion": "1"}}
    intent = TrafficIntent("default", name, spec.traffic, ((f"{name}-v1-0a1b2c3d", 100),), adopted=seen)
    accepted = {"conditions": [{"type": kind, "status": "True"} for kind in ("Accepted", "ResolvedRefs")]}
    beside = [{**m, "status": {"parents": [accepted]}} for m in provider_for(spec.traffic).render(intent)]
    (patch,) = provider_for(spec.traffic).patches(intent, Children(beside))
    assert [operation["path"] for operation in patch.operations] == [
        "/metadata/resourceVersion",
        "/spec/rules/0/backendRefs",
    ]


def test_there_is_an_example_of_every_judge():
    for name, spec in analysis_templates().items():
        assert bind([(name, AnalysisTemplateSpec.model_validate(spec))], [], 15.0)
    shown = {judge for spec in named("AnalysisTemplate").values() for metric in spec["metrics"] for judge in metric}
    assert {"threshold", "sequential", "comparison", "mannWhitney"} <= shown
