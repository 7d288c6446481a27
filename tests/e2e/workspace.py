"""A namespace of one test: what it applies there, what it waits for, and what it reads."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests

from cluster.cluster import Cluster
from cluster.errors import ClusterError

LIGHT_SERVER = Path(__file__).with_name("light_server.py")
OPERATOR_IMAGE = "steersman/operator:dev"
MLFLOW_IN_CLUSTER = "http://mlflow.mlflow.svc:5000"
GATEWAY = {"gatewayAPI": {"parentRefs": [{"name": "steersman", "namespace": "projectcontour"}]}}
SERVICE: dict[str, Any] = {"service": {}}


class NotInTimeError(AssertionError):
    """Something did not happen in time; the message says how things stood."""


class Workspace:
    """Kubernetes and MLflow as a user has them, within one namespace."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self.cluster = cluster
        self.namespace = namespace
        self.host = f"{namespace}.example.com"
        self._mlflow = requests.Session()

    # ---- MLflow
    def mlflow(self, path: str, **body: Any) -> dict[str, Any]:
        answer = self._mlflow.post(f"{self.cluster.mlflow_url}/api/2.0/mlflow/{path}", json=body, timeout=20)
        assert answer.ok, f"{path}: {answer.status_code} {answer.text[:300]}"
        return answer.json()

    def model(self, name: str = "fraud") -> str:
        """A registered model of this namespace's own; its name."""
        full = f"{self.namespace}-{name}"
        self.mlflow("registered-models/create", name=full)
        return full

    def version(self, model: str, alias: str | None = "champion") -> str:
        """A new version (of which only the registry knows: the light server needs no artifacts), and the alias on it."""
        number = str(
            self.mlflow("model-versions/create", name=model, source="s3://models/x")["model_version"]["version"]
        )
        if alias:
            self.alias(model, number, alias)
        return number

    def alias(self, model: str, version: str, alias: str = "champion") -> None:
        self.mlflow("registered-models/alias", name=model, alias=alias, version=version)

    def remove_alias(self, model: str, alias: str = "champion") -> None:
        url = f"{self.cluster.mlflow_url}/api/2.0/mlflow/registered-models/alias"
        answer = self._mlflow.delete(url, json={"name": model, "alias": alias}, timeout=20)
        assert answer.ok, answer.text

    # ---- Kubernetes
    def apply(self, *manifests: dict[str, Any]) -> None:
        for manifest in manifests:
            manifest["metadata"].setdefault("namespace", self.namespace)
            self.kubectl("apply", "-f", "-", input=json.dumps(manifest))

    def kubectl(self, *arguments: str, input: str | None = None) -> str:  # noqa: A002
        return self.cluster.kubectl("-n", self.namespace, *arguments, input=input)

    def get(self, *arguments: str) -> dict[str, Any]:
        return json.loads(self.kubectl("get", *arguments, "-o", "json"))

    def find(self, *arguments: str) -> dict[str, Any] | None:
        try:
            return self.get(*arguments)
        except ClusterError:
            return None

    def light_runtime(self, behaviour: dict[str, Any] | None = None, registry_url: str = MLFLOW_IN_CLUSTER) -> None:
        """A ServingRuntime `light` and a ModelRegistry `mlflow`."""
        data = {"serve.py": LIGHT_SERVER.read_text(), "behaviour.json": json.dumps(behaviour or {})}
        container = {
            "name": "model",
            "image": self.cluster.image(OPERATOR_IMAGE),
            "command": ["python", "/app/serve.py"],
            "ports": [{"name": "http", "containerPort": 8080}],
            "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}, "periodSeconds": 1, "timeoutSeconds": 5},
            "lifecycle": {"preStop": {"sleep": {"seconds": 3}}},
            "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}},
            "volumeMounts": [{"name": "app", "mountPath": "/app"}],
        }
        pod = {
            "containers": [container],
            "securityContext": {"runAsUser": 65532},
            "volumes": [{"name": "app", "configMap": {"name": "light-server"}}],
        }
        self.apply(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "light-server"}, "data": data},
            self.resource("ServingRuntime", "light", {"template": {"spec": pod}}),
            self.resource("ModelRegistry", "mlflow", {"mlflow": {"url": registry_url}, "pollInterval": "1s"}),
        )

    @staticmethod
    def resource(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
        return {"apiVersion": "steersman.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}

    def deployment(self, registered: str, name: str = "fraud", **changes: Any) -> dict[str, Any]:
        """A ModelDeployment with the light runtime behind the Gateway, under this namespace's host name."""
        traffic = {"gatewayAPI": {**GATEWAY["gatewayAPI"], "hostnames": [self.host]}}
        spec: dict[str, Any] = {
            "model": {"registry": "mlflow", "name": registered, "alias": "champion"},
            "runtime": {"name": "light"},
            "replicas": 2,
            "traffic": traffic,
            "strategy": canary(),
            "analysis": {"templates": [{"name": "request-errors"}], "interval": "3s"},
        }
        return self.resource("ModelDeployment", name, spec | changes)

    def status(self, name: str = "fraud") -> dict[str, Any]:
        return self.get("modeldeployment", name).get("status", {})

    def condition(self, kind: str, name: str = "fraud") -> tuple[str, str]:
        found = [c for c in self.status(name).get("conditions", []) if c["type"] == kind]
        return (found[0]["status"], found[0]["reason"]) if found else ("", "")

    def reasons(self, name: str = "fraud") -> set[str]:
        """Reasons of the ModelDeployment's events."""
        events = self.get(
            "events", "--field-selector", f"involvedObject.name={name},involvedObject.kind=ModelDeployment"
        )
        return {event["reason"] for event in events["items"]}

    def route(self, name: str = "fraud") -> dict[str, int]:
        found = self.find("httproute", name)
        if found is None:
            return {}
        return {ref["name"]: ref["weight"] for ref in found["spec"]["rules"][-1]["backendRefs"]}

    def act(self, action: str, name: str = "fraud") -> None:
        self.kubectl("annotate", "modeldeployment", name, f"steersman.dev/action={action}", "--overwrite")

    # ---- waiting
    def until(self, what: str, check: Callable[[], Any], timeout: float = 90, name: str = "fraud") -> Any:
        """Wait until the check is true; its value. Explains itself when that does not happen."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            value = check()
            if value:
                return value
            time.sleep(0.4)
        raise NotInTimeError(f"after {timeout:.0f} s still not: {what}\n{self.explain(name)}")

    def until_stable(self, version: str, name: str = "fraud", timeout: float = 120) -> dict[str, Any]:
        """Wait until a version is stable and nothing is under way; the status."""

        def check() -> dict[str, Any] | None:
            status = self.status(name)
            at = status.get("stable", {}).get("version") == version and "rollout" not in status
            return status if at and status.get("phase") == "Healthy" else None

        return self.until(f"{name} healthy at version {version}", check, timeout, name)

    def until_condition(self, kind: str, status: str, reason: str, name: str = "fraud", timeout: float = 60) -> None:
        self.until(
            f"{name}: {kind} {status} {reason}", lambda: self.condition(kind, name) == (status, reason), timeout, name
        )

    def until_event(self, reason: str, name: str = "fraud", timeout: float = 30) -> None:
        self.until(f"{name}: event {reason}", lambda: reason in self.reasons(name), timeout, name)

    def explain(self, name: str) -> str:
        status = json.dumps(self.find("modeldeployment", name), indent=1)
        pods = self.kubectl("get", "pods", "-o", "wide")
        events = self.kubectl("get", "events", "--sort-by=.lastTimestamp")
        log = self.cluster.kubectl(
            "-n", "steersman-system", "logs", "-l", "app.kubernetes.io/name=steersman", "--tail=40", "--prefix"
        )
        return f"{status}\n{pods}\n{events[-4000:]}\n{log[-6000:]}"


def canary(*weights: int, pause: str = "6s", scale_down_delay: str = "5s") -> dict[str, Any]:
    """A canary strategy with a pause after each weight."""
    steps: list[dict[str, Any]] = []
    for weight in weights or (20, 50):
        steps += [{"setWeight": weight}, {"pause": {"duration": pause}}]
    return {"canary": {"steps": steps, "scaleDownDelay": scale_down_delay}}
