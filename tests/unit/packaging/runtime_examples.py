"""The examples of runtimes, and the pods that Steersman makes of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from steersman.api.modeldeployment import ModelDeploymentSpec
from steersman.api.runtime import ServingRuntimeSpec
from steersman.api.status import ResolvedModel
from steersman.core.pod.template import RegistryAccess, pod_template

REPOSITORY = Path(__file__).resolve().parents[3]
OBJECTS: list[dict[str, Any]] = [
    document
    for path in sorted((REPOSITORY / "examples" / "runtimes").glob("*.yaml"))
    for document in yaml.safe_load_all(path.read_text())
]


def _named(kind: str) -> dict[str, dict[str, Any]]:
    return {document["metadata"]["name"]: document["spec"] for document in OBJECTS if document["kind"] == kind}


RUNTIMES, DEPLOYMENTS = _named("ServingRuntime"), _named("ModelDeployment")


def _built_in() -> dict[str, Any]:
    """The chart's runtime, with something in the place of each of its values (component tests render it with Helm)."""
    text = (REPOSITORY / "helm/steersman/templates/_mlflow-runtime.tpl").read_text()
    text = re.sub(r"\{\{/\*.*?\*/\}\}|\{\{-? (define|end|with|\$\w+ :=).*?\}\}", "", text, flags=re.DOTALL)
    text = re.sub(r"^\s*\{\{- toYaml .*$\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"(image|imagePullPolicy): \{\{.*?\}\}", r"\1: Always", text)
    text = re.sub(r"emptyDir: \{\{.*?\}\}", "emptyDir: {}", text)
    spec: dict[str, Any] = yaml.safe_load(re.sub(r"\{\{.*?\}\}", "150", text))
    return spec


def rendered(name: str) -> dict[str, Any]:
    """The pod template of the first revision of an example."""
    spec = ModelDeploymentSpec.model_validate(DEPLOYMENTS[name])
    runtime = RUNTIMES.get(spec.runtime.name) or _built_in()
    version = spec.model.version or "7"
    model = ResolvedModel(name=spec.model.name or name, selector="x", version=version, resolved_at=0.0)
    registry = RegistryAccess("" if spec.model.uri else "http://mlflow.mlflow.svc:5000")
    return pod_template(spec, model, ServingRuntimeSpec.model_validate(runtime), registry)
