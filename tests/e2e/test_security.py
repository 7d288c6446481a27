"""Safe by default: what model pods are, and where secrets do not appear."""

from __future__ import annotations

import json

from e2e.workspace import Workspace

SECRET = "correct-horse-battery-staple"


def test_model_pods_are_restricted_and_secrets_stay_secret(workspace: Workspace) -> None:
    """The namespace enforces the restricted standard; credentials are references in init containers and nowhere else."""
    workspace.light_runtime()
    workspace.kubectl(
        "create", "secret", "generic", "registry", f"--from-literal=password={SECRET}", "--from-literal=username=u"
    )
    registry = {"mlflow": {"url": "http://mlflow.mlflow.svc:5000", "credentials": {"secretName": "registry"}}}
    workspace.apply(workspace.resource("ModelRegistry", "mlflow", registry))
    runtime = workspace.get("servingruntime", "light")["spec"]
    container = runtime["template"]["spec"]["containers"][0]
    runtime["template"]["spec"]["initContainers"] = [
        {
            "name": "fetch",
            "image": container["image"],
            "command": ["python", "-c", "import os; os.environ['MODEL_URI']"],
        }
    ]
    workspace.apply(workspace.resource("ServingRuntime", "light", runtime))
    model = workspace.model()
    workspace.version(model)
    workspace.apply(workspace.deployment(model, replicas=1))
    workspace.until_stable("1")
    pod = workspace.get("pods", "-l", "steersman.dev/deployment=fraud")["items"][0]
    assert pod["spec"]["automountServiceAccountToken"] is False
    assert not any("serviceAccountToken" in json.dumps(volume) for volume in pod["spec"]["volumes"])
    assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
    security = pod["spec"]["containers"][0]["securityContext"]
    assert security["allowPrivilegeEscalation"] is False and security["capabilities"]["drop"] == ["ALL"]
    init = {v["name"]: v for v in pod["spec"]["initContainers"][0]["env"]}
    assert init["MLFLOW_TRACKING_PASSWORD"]["valueFrom"]["secretKeyRef"]["name"] == "registry"
    assert "MLFLOW_TRACKING_PASSWORD" not in {v["name"] for v in pod["spec"]["containers"][0]["env"]}
    log = workspace.cluster.kubectl(
        "-n", "steersman-system", "logs", "-l", "app.kubernetes.io/name=steersman", "--tail=-1"
    )
    everything = [workspace.kubectl("get", kind, "-o", "yaml") for kind in ("md", "mreg", "events", "pods", "deploy")]
    for text in (log, *everything):
        assert SECRET not in text


def test_everything_is_owned_and_goes_with_its_modeldeployment(workspace: Workspace) -> None:
    workspace.light_runtime()
    model = workspace.model()
    workspace.version(model)
    workspace.apply(workspace.deployment(model, replicas=1, analysis={}))
    workspace.until_stable("1")
    kinds = "deployments,services,controllerrevisions,httproutes"
    made = workspace.get(kinds, "-l", "steersman.dev/deployment=fraud")["items"]
    assert {item["kind"] for item in made} == {"Deployment", "Service", "ControllerRevision", "HTTPRoute"}
    uid = workspace.get("modeldeployment", "fraud")["metadata"]["uid"]
    for item in made:
        assert [owner["uid"] for owner in item["metadata"]["ownerReferences"]] == [uid]
        managers = {
            field["manager"] for field in item["metadata"].get("managedFields", []) if not field.get("subresource")
        }
        assert managers <= {"steersman"}
    workspace.kubectl("delete", "modeldeployment", "fraud")
    workspace.until(
        "everything gone", lambda: not workspace.get(kinds, "-l", "steersman.dev/deployment=fraud")["items"], timeout=60
    )
