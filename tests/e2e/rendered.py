"""What a traffic provider renders, put before real servers and a real proxy without an operator in between."""

from __future__ import annotations

import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import requests

from e2e.workspace import LIGHT_SERVER, OPERATOR_IMAGE, Workspace
from steersman.adapters.traffic import provider_for
from steersman.api.meta import LABEL_DEPLOYMENT, LABEL_REVISION
from steersman.api.traffic import Traffic
from steersman.core.manifests import revision_service
from steersman.core.snapshot import Children
from steersman.core.traffic import Affinity, HeaderRoute, Mirror, TrafficIntent, TrafficState

DEPLOYMENT = "fraud"
V1, V2, V3 = "fraud-v1-0a1b2c3d", "fraud-v2-11111111", "fraud-v3-22222222"
VERSIONS = {V1: "1", V2: "2", V3: "3"}


class Revisions:
    """Light servers behind the Services of some revisions, and requests through the gateway."""

    def __init__(self, workspace: Workspace, *names: str) -> None:
        self.workspace = workspace
        self._sessions = threading.local()
        data = {"serve.py": LIGHT_SERVER.read_text(), "behaviour.json": "{}"}
        workspace.apply(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "light-server"}, "data": data},
            *(manifest for name in names for manifest in (revision_service(name, DEPLOYMENT), self._server(name))),
        )
        for name in names:
            workspace.kubectl("rollout", "status", f"deployment/{name}", "--timeout=120s")

    def put(
        self,
        traffic: Mapping[str, Any],
        weights: Mapping[str, int],
        header_routes: tuple[HeaderRoute, ...] = (),
        mirror: Mirror | None = None,
        affinity: Affinity | None = None,
    ) -> TrafficState:
        """Apply the split as the operator does, and wait until its provider says that it is in force or refused."""
        settings = Traffic.model_validate(traffic)
        intent = TrafficIntent(
            self.workspace.namespace, DEPLOYMENT, settings, tuple(weights.items()), header_routes, mirror, affinity
        )
        provider = provider_for(settings)
        rendered = provider.render(intent)
        for manifest in rendered:
            body = {**manifest, "metadata": {**manifest["metadata"], "namespace": self.workspace.namespace}}
            arguments = ("apply", "--server-side", "--force-conflicts", "--field-manager=steersman", "-f", "-")
            self.workspace.kubectl(*arguments, input=json.dumps(body))
        deadline = time.monotonic() + 30
        while True:
            found = [self.workspace.find(m["kind"].lower(), m["metadata"]["name"]) for m in rendered]
            state = provider.read(intent, Children([manifest for manifest in found if manifest]))
            if state.settled or state.rejected or time.monotonic() > deadline:
                return state
            time.sleep(0.1)

    def ask(self, host: str | None = None, path: str = "/invocations", **headers: str) -> requests.Response:
        """One request as a client without cookies sends it."""
        if not hasattr(self._sessions, "own"):
            self._sessions.own = requests.Session()
        session: requests.Session = self._sessions.own
        session.cookies.clear()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        url = self.workspace.cluster.gateway_url + path
        return session.post(url, json={}, headers={"Host": host or self.workspace.host, **named}, timeout=30)

    def version(self, **headers: str) -> str:
        """Version of the model that answers; empty when none does."""
        answer = self.ask(**headers)
        return answer.headers.get("x-steersman-model-version", "") if answer.status_code == 200 else ""

    def versions(self, count: int, **headers: str) -> Counter[str]:
        """How many of so many requests each version answers."""
        with ThreadPoolExecutor(min(count, 12)) as pool:
            return Counter(pool.map(lambda _: self.version(**headers), range(count)))

    def until(self, what: str, holds: Callable[[], bool]) -> None:
        """The proxy follows the route's status by some milliseconds."""
        self.workspace.until(what, holds, timeout=30)

    def served(self, revision: str) -> int:
        """Requests that a revision's server has answered, by its own count."""
        (pod,) = self.workspace.get("pods", "-l", f"{LABEL_REVISION}={revision}")["items"]
        path = f"/api/v1/namespaces/{self.workspace.namespace}/pods/{pod['metadata']['name']}:8080/proxy/metrics"
        text = self.workspace.kubectl("get", "--raw", path)
        return sum(int(float(value)) for value in re.findall(r"^steersman_requests_total{[^}]*} (\S+)", text, re.M))

    def _server(self, revision: str) -> dict[str, Any]:
        labels = {LABEL_DEPLOYMENT: DEPLOYMENT, LABEL_REVISION: revision}
        container = {
            "name": "model",
            "image": self.workspace.cluster.image(OPERATOR_IMAGE),
            "command": ["python", "/app/serve.py"],
            "env": [{"name": "MODEL_VERSION", "value": VERSIONS[revision]}],
            "ports": [{"name": "http", "containerPort": 8080}],
            "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}, "periodSeconds": 1, "timeoutSeconds": 5},
            "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}},
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
            "volumeMounts": [{"name": "app", "mountPath": "/app"}],
        }
        pod = {
            "containers": [container],
            "securityContext": {"runAsUser": 65532, "runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            "volumes": [{"name": "app", "configMap": {"name": "light-server"}}],
        }
        return {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": revision},
            "spec": {
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": pod},
            },
        }
