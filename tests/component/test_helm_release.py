"""The Helm chart on a real API server: a release's life, and whether its roles are enough for the operator."""

import http.server
import json
import shutil
import sys
import threading
import time
from pathlib import Path

import pytest
import yaml
from tests.component.adapters.processes import running

from cluster.control_plane import ControlPlane, free_ports
from cluster.errors import ClusterError
from steersman.api.crds import KINDS

REPOSITORY = Path(__file__).resolve().parents[2]
CHART = REPOSITORY / "helm" / "steersman"
IN_RELEASE = ("--namespace", "steersman-system")
IN_DEFAULT = ("--namespace", "default")


@pytest.fixture
def api():
    """An API server that has nothing of Steersman."""
    with ControlPlane.up(helm=True) as made:
        yield made


def custom_object(kind, name, spec):
    return {
        "apiVersion": "steersman.dev/v1alpha1",
        "kind": kind,
        "metadata": {"name": name, "namespace": "default"},
        "spec": spec,
    }


def test_install_upgrade_and_uninstall(api, tmp_path):
    chart = tmp_path / "steersman"
    shutil.copytree(CHART, chart)

    # The CRDs and the objects of their kinds, in one go.
    api.helm("install", "steersman", str(chart), *IN_RELEASE, "--create-namespace")
    assert api.get("clusterservingruntime", "mlflow")["spec"]["template"]
    api.apply([custom_object("ModelDeployment", "fraud", {"model": {"name": "fraud", "alias": "champion"}})])
    before = api.get("modeldeployment", "fraud", *IN_DEFAULT)

    # A new version of the chart brings new CRDs and new built-in objects.
    crd = chart / "crds" / "modelregistries.steersman.dev.yaml"
    crd.write_text(crd.read_text().replace("A model registry, and", "Changed, and"))
    template = chart / "files" / "analysis-templates" / "latency.yaml"
    template.write_text(template.read_text().replace('value: "0.5"', 'value: "0.25"'))
    api.helm("upgrade", "steersman", str(chart), *IN_RELEASE, "--set", "runtimes.mlflow.image.tag=next")
    (version,) = api.get("customresourcedefinition", "modelregistries.steersman.dev")["spec"]["versions"]
    assert version["schema"]["openAPIV3Schema"]["description"].startswith("Changed")
    assert api.get("clusteranalysistemplate", "latency")["spec"]["args"][0]["value"] == "0.25"
    assert "runtime:next" in json.dumps(api.get("clusterservingruntime", "mlflow")["spec"])

    # Going leaves the ModelDeployments and all that they name exactly as they are.
    api.helm("uninstall", "steersman", *IN_RELEASE)
    assert api.get("modeldeployment", "fraud", *IN_DEFAULT) == before
    assert api.get("clusterservingruntime", "mlflow")["spec"]["template"]
    with pytest.raises(ClusterError, match="NotFound"):
        api.get("deployment", "steersman", *IN_RELEASE)

    # And coming back takes them over again.
    api.helm("install", "steersman", str(chart), *IN_RELEASE)
    assert api.get("modeldeployment", "fraud", *IN_DEFAULT) == before


def test_the_server_applies_every_object_of_the_chart_strictly(api):
    """Helm would only warn of a field that the API server does not know."""
    api.kubectl("apply", "--server-side", "-f", str(REPOSITORY / "crds"))
    for kind in KINDS:
        api.wait("condition=Established", f"customresourcedefinition/{kind.crd_name}")
    api.kubectl("create", "namespace", "steersman-system")
    manifests = api.helm("template", "steersman", str(CHART), *IN_RELEASE)
    applied = api.kubectl("apply", "--server-side", "--validate=strict", "-f", "-", input=manifests)
    assert len(applied.splitlines()) == len([document for document in yaml.safe_load_all(manifests) if document])


# ---------------------------------------------------------------- permissions


def may(api, verb, resource, namespace, subresource=""):
    user = "system:serviceaccount:steersman-system:steersman"
    words = ("auth", "can-i", verb, resource, f"--subresource={subresource}", "--as", user, "--namespace", namespace)
    try:
        return api.kubectl(*words).strip() == "yes"
    except ClusterError:
        return False


def test_namespaced_mode_reaches_into_no_other_namespace(api):
    for namespace in ("risk", "shop", "other"):
        api.kubectl("create", "namespace", namespace)
    api.helm(
        *("install", "steersman", str(CHART), *IN_RELEASE, "--create-namespace"), "--set", "watchNamespaces={risk,shop}"
    )
    assert may(api, "update", "modeldeployments.steersman.dev", "risk", "status")
    assert may(api, "patch", "deployments.apps", "shop")
    assert may(api, "get", "secrets", "risk")
    assert may(api, "update", "leases.coordination.k8s.io/steersman", "steersman-system")
    assert not may(api, "list", "secrets", "risk")
    assert not may(api, "get", "secrets", "other")
    assert not may(api, "get", "secrets", "steersman-system")
    assert not may(api, "list", "modeldeployments.steersman.dev", "other")
    assert not may(api, "delete", "pods", "risk")
    assert not may(api, "update", "modeldeployments.steersman.dev", "risk")
    assert not may(api, "update", "leases.coordination.k8s.io/another", "steersman-system")


class Registry(http.server.BaseHTTPRequestHandler):
    """Answers every question with version 1, to those who log in."""

    def do_GET(self):
        allowed = self.headers["Authorization"] == "Basic dTpw"
        answer = {"model_version": {"name": "fraud", "version": "1", "status": "READY", "run_id": "r"}}
        self.send_response(200 if allowed else 401)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def registry_url():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def kubeconfig_of_the_operator(api, folder):
    token = api.kubectl("create", "token", "steersman", *IN_RELEASE).strip()
    path = folder / "kubeconfig"
    configuration = yaml.safe_load(api.kubeconfig.read_text())
    configuration["users"] = [{"name": user["name"], "user": {"token": token}} for user in configuration["users"]]
    path.write_text(yaml.safe_dump(configuration))
    return path


def eventually(check, within=30.0):
    """Wait until `check` neither raises ClusterError nor returns something false; its last answer."""
    end = time.monotonic() + within
    while True:
        try:
            if (found := check()) or time.monotonic() > end:
                return found
        except ClusterError:
            if time.monotonic() > end:
                raise
        time.sleep(0.3)


@pytest.mark.parametrize("namespaces", ["", "default"], ids=["cluster", "namespaced"])
def test_the_roles_are_enough_for_the_operator(api, registry_url, tmp_path, namespaces):
    api.helm(
        *("install", "steersman", str(CHART), *IN_RELEASE, "--create-namespace"),
        *("--set", f"watchNamespaces={{{namespaces}}}" if namespaces else "replicas=2"),
    )
    login = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login", "namespace": "default"}}
    api.apply(
        [
            {**login, "stringData": {"username": "u", "password": "p"}},
            custom_object(
                "ModelRegistry", "mlflow", {"mlflow": {"url": registry_url, "credentials": {"secretName": "login"}}}
            ),
            custom_object(
                "ModelDeployment", "fraud", {"model": {"registry": "mlflow", "name": "fraud", "version": "1"}}
            ),
        ]
    )
    health, metrics = free_ports(2)
    environment = {
        "KUBECONFIG": str(kubeconfig_of_the_operator(api, tmp_path)),
        "PYTHONPATH": str(REPOSITORY / "operator"),
        "STEERSMAN_NAMESPACES": namespaces,
        "STEERSMAN_POD_NAMESPACE": "steersman-system",
        "STEERSMAN_LEASE_NAME": "steersman",
        "STEERSMAN_HEALTH_PORT": str(health),
        "STEERSMAN_METRICS_PORT": str(metrics),
    }
    command = [sys.executable, "-m", "steersman.shell"]
    log = tmp_path / "operator.log"
    with running(command, f"http://127.0.0.1:{metrics}/readyz", log, env=environment):
        # Everything is made, and written down.
        (deployment,) = eventually(lambda: api.get("deployments", *IN_DEFAULT)["items"])
        revision = deployment["metadata"]["name"]
        assert eventually(lambda: api.get("service", revision, *IN_DEFAULT))
        assert eventually(lambda: api.get("controllerrevision", revision, *IN_DEFAULT))
        assert eventually(lambda: api.get("modelregistry", "mlflow", *IN_DEFAULT).get("status"))
        assert eventually(
            lambda: [e for e in api.get("events", *IN_DEFAULT)["items"] if e["reason"] == "RolloutStarted"]
        )
        assert api.get("lease", "steersman", *IN_RELEASE)["spec"]["holderIdentity"]
        # What a manual action asks for is taken off.
        api.kubectl("annotate", "modeldeployment", "fraud", *IN_DEFAULT, "steersman.dev/action=promote")
        assert eventually(
            lambda: (
                "steersman.dev/action"
                not in api.get("modeldeployment", "fraud", *IN_DEFAULT)["metadata"].get("annotations", {})
            )
        )
    assert [line for line in log.read_text().splitlines() if "forbidden" in line.lower() or " 403" in line] == []
