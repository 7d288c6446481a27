"""The examples of runtimes: valid, complete, restricted, and judged by templates that are there.

No server runs here: what is tested is what Steersman makes of them (component/test_runtime_pods.py shows it to an API server).
"""

from typing import Any

import pytest
import yaml

from steersman.api.analysis import AnalysisTemplateSpec
from steersman.api.meta import API_VERSION
from steersman.api.modeldeployment import ModelDeploymentSpec
from steersman.api.runtime import ServingRuntimeSpec
from steersman.core.analysis.binding import bind
from steersman.core.pod.security import violations
from steersman_server.fetch_settings import FetchSettings
from unit.packaging.runtime_examples import DEPLOYMENTS, OBJECTS, RUNTIMES, rendered
from unit.packaging.test_example_manifests import SPECS, analysis_templates, named, unknown_fields

OURS = [document for document in OBJECTS if document["apiVersion"] == API_VERSION]
FOREIGN = {(document["kind"], document["metadata"]["name"]) for document in OBJECTS if document not in OURS}


@pytest.mark.parametrize("document", OURS, ids=lambda document: f"{document['kind']}-{document['metadata']['name']}")
def test_every_object_is_valid_and_uses_no_unknown_field(document: dict[str, Any]) -> None:
    assert document["metadata"]["namespace"] == "default"
    spec = SPECS[document["kind"]].model_validate(document["spec"])
    assert unknown_fields(document["spec"], spec.model_dump(mode="json", by_alias=True)) == []


def test_there_is_an_example_of_every_kind_of_server() -> None:
    used = {ModelDeploymentSpec.model_validate(spec).runtime.name for spec in DEPLOYMENTS.values()}
    assert used == {"mlflow", "mlserver", "tensorflow-serving", "triton", "own-server"}
    assert used <= {"mlflow", *RUNTIMES}
    assert all(spec["model"].get("registry", "mlflow") in named("ModelRegistry") for spec in DEPLOYMENTS.values())


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_the_pod_is_restricted_and_ready_only_with_its_model(name: str) -> None:
    template = rendered(name)
    assert violations(template) == []
    pod = template["spec"]
    (fetch,) = pod["initContainers"]
    (server,) = pod["containers"]
    assert "http" in {port["name"] for port in server["ports"]}
    path = server["readinessProbe"]["httpGet"]["path"]
    assert path in {"/ready", "/v2/models/model/ready", "/v1/models/model/metadata"}
    assert server["startupProbe"]["httpGet"]["path"] == path
    mounts = {mount["mountPath"]: mount for mount in server["volumeMounts"]}
    given = {variable["name"]: variable.get("value", "") for variable in fetch["env"]}
    assert mounts[given["MODEL_DIR"]]["readOnly"], "the server cannot change its model"
    settings = FetchSettings.from_environment(given)
    assert settings.target in {"model", "model/1"}
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    for container in (fetch, server):
        assert {mount["name"] for mount in container["volumeMounts"]} <= set(volumes)
    for volume in volumes.values():
        if "configMap" in volume:
            assert ("ConfigMap", volume["configMap"]["name"]) in FOREIGN
        if "persistentVolumeClaim" in volume:
            assert ("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]) in FOREIGN


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_the_model_comes_from_where_the_spec_says(name: str) -> None:
    model = DEPLOYMENTS[name]["model"]
    for container in (*rendered(name)["spec"]["initContainers"], *rendered(name)["spec"]["containers"]):
        given = {variable["name"]: variable.get("value") for variable in container["env"]}
        assert given["MODEL_URI"] == model.get("uri", f"models:/{model.get('name')}/7")
        assert ("MLFLOW_TRACKING_URI" in given) == ("uri" not in model)


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_names_and_arguments_of_the_analyses_fit(name: str) -> None:
    own = {d["metadata"]["name"]: d["spec"] for d in OBJECTS if d["kind"] == "AnalysisTemplate"}
    known = {**analysis_templates(), **own}
    analysis = ModelDeploymentSpec.model_validate(DEPLOYMENTS[name]).analysis
    templates = [(ref.name, AnalysisTemplateSpec.model_validate(known[ref.name])) for ref in analysis.templates]
    assert len(bind(templates, analysis.args, 15.0)) >= len(templates)


def test_tensorflow_serving_has_the_file_without_which_it_has_no_metrics() -> None:
    (config,) = [d for d in OBJECTS if d["kind"] == "ConfigMap"]
    (server,) = rendered("digits")["spec"]["containers"]
    (flag,) = [arg for arg in server["args"] if arg.startswith("--monitoring_config_file=")]
    directory, _, file = flag.removeprefix("--monitoring_config_file=").rpartition("/")
    assert file in config["data"]
    assert directory in {mount["mountPath"] for mount in server["volumeMounts"]}


def test_the_cache_is_the_init_containers_alone() -> None:
    pod = rendered("fraud-cached")["spec"]
    assert "/cache" in {mount["mountPath"] for mount in pod["initContainers"][0]["volumeMounts"]}
    assert "/cache" not in {mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
    assert pod["initContainers"][0]["command"] == ["python", "-m", "steersman_server.fetch"], "the overlay only adds"


def test_the_runtimes_are_pod_templates() -> None:
    for name, spec in RUNTIMES.items():
        assert yaml.safe_dump(ServingRuntimeSpec.model_validate(spec).template), name
