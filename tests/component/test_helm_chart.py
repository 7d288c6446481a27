"""The Helm chart as Helm renders it."""

import subprocess
from pathlib import Path

import pytest
import yaml

from cluster.binaries import HELM, ensure
from cluster.cache import Cache
from cluster.progress import Progress
from steersman.adapters.notify.schemas import DEFAULT_SCHEMAS
from steersman.api.crds import KINDS
from steersman.api.meta import LABEL_REVISION
from steersman.api.modeldeployment import ModelDeploymentSpec
from steersman.api.runtime import ServingRuntimeSpec
from steersman.api.status import ResolvedModel
from steersman.core.pod.security import violations
from steersman.core.pod.template import RegistryAccess, pod_template
from steersman.shell import kinds
from steersman.shell.config import from_environment
from steersman.shell.notification_targets import SharedTargets

CHART = Path(__file__).resolve().parents[2] / "helm" / "steersman"
RELEASE = ("steersman", str(CHART), "--namespace", "steersman-system")
NAMESPACED = {"watchNamespaces": ["risk", "shop"]}
MONITORED = {
    "metrics": {
        "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
        "prometheusRule": {"enabled": True},
        "dashboards": {"enabled": True},
    },
    "modelMetrics": {"podMonitor": {"enabled": True}},
}
WEBHOOKS = {
    "webhooks": {
        "enabled": True,
        "defaultSecretName": "hook",
        "ingress": {"enabled": True, "className": "nginx", "host": "steersman.example", "tlsSecretName": "tls"},
        "httpRoute": {"enabled": True, "parentRefs": [{"name": "gateway"}], "hostnames": ["steersman.example"]},
    },
    "clusterName": "eu-1",
}


@pytest.fixture(scope="module")
def helm():
    """Runs Helm: (arguments, values) to (exit code, output)."""
    program = ensure([HELM], Cache.default(), Progress()).helm

    def run(*arguments, values=None):
        done = subprocess.run(
            [program, *arguments, *([] if values is None else ["--values", "-"])],
            input=yaml.safe_dump(values),
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    return run


@pytest.fixture(scope="module")
def render(helm):
    """The manifests for some values."""

    def run(values=None, *arguments):
        code, output = helm("template", *RELEASE, *arguments, values=values)
        assert code == 0, output
        return [document for document in yaml.safe_load_all(output) if document]

    return run


def of_kind(manifests, kind):
    return [manifest for manifest in manifests if manifest["kind"] == kind]


def only(manifests, kind):
    (manifest,) = of_kind(manifests, kind)
    return manifest


def operator_container(manifests):
    (container,) = only(manifests, "Deployment")["spec"]["template"]["spec"]["containers"]
    return container


def plain_environment(manifests):
    return {entry["name"]: entry["value"] for entry in operator_container(manifests)["env"] if "value" in entry}


def rules(role):
    """(group, resource) to the verbs."""
    found = {}
    for rule in role["rules"]:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                found.setdefault((group, resource), set()).update(rule["verbs"])
    return found


# ---------------------------------------------------------------- what Helm makes of it


@pytest.mark.parametrize(
    "values", [{}, NAMESPACED, MONITORED, WEBHOOKS], ids=["defaults", "namespaced", "monitored", "webhooks"]
)
def test_lint_finds_nothing(helm, values):
    code, output = helm("lint", "--strict", str(CHART), values=values)
    assert code == 0, output


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"replica": 3}, "replica"),
        ({"replicas": 0}, "/replicas"),
        ({"watchNamespaces": ["Not valid"]}, "/watchNamespaces/0"),
        ({"log": {"level": "loud"}}, "/log/level"),
        ({"prometheus": {"url": "http://user:secret@prometheus"}}, "/prometheus/url"),
        ({"image": {"digest": "latest"}}, "/image/digest"),
    ],
)
def test_wrong_values_are_refused_by_name(helm, values, complaint):
    code, output = helm("template", *RELEASE, values=values)
    assert code != 0
    assert complaint in output.replace("'", "/") or complaint in output


def test_the_kinds_of_a_default_installation(render):
    assert sorted({manifest["kind"] for manifest in render()}) == [
        *("ClusterAnalysisTemplate", "ClusterRole", "ClusterRoleBinding", "ClusterServingRuntime", "Deployment"),
        *("PodDisruptionBudget", "Role", "RoleBinding", "Service", "ServiceAccount"),
    ]


def test_crds_come_with_the_chart(render):
    found = {
        manifest["metadata"]["name"] for manifest in of_kind(render({}, "--include-crds"), "CustomResourceDefinition")
    }
    assert found == {kind.crd_name for kind in KINDS}


def test_an_upgrade_updates_the_crds_before_anything_else_unless_told_not_to(render):
    crds = of_kind(render({}, "--is-upgrade"), "CustomResourceDefinition")
    assert {crd["metadata"]["name"] for crd in crds} == {kind.crd_name for kind in KINDS}
    assert {crd["metadata"]["annotations"]["helm.sh/hook"] for crd in crds} == {"pre-upgrade"}
    assert of_kind(render({"crds": {"upgrade": False}}, "--is-upgrade"), "CustomResourceDefinition") == []


# ---------------------------------------------------------------- the operator


@pytest.mark.parametrize("values", [{}, NAMESPACED], ids=["cluster", "namespaced"])
def test_the_operators_pod_meets_the_restricted_standard_without_defaults_filled_in(render, values):
    template = only(render(values), "Deployment")["spec"]["template"]
    assert violations(template) == []
    assert template["spec"]["securityContext"]["runAsNonRoot"] is True
    assert template["spec"]["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert operator_container(render(values))["securityContext"]["readOnlyRootFilesystem"] is True


def test_the_operator_understands_the_environment_that_it_is_given(render):
    values = {
        **NAMESPACED,
        "prometheus": {
            "url": "http://prometheus.monitoring.svc:9090",
            "secretName": "prometheus-access",
            "headers": {"X-Scope-OrgID": "team-a"},
        },
        "defaultRegistry": {"url": "http://mlflow.mlflow.svc:5000"},
        "log": {"format": "text", "level": "debug"},
        "workers": 7,
        "cloudWatch": {"ownIdentity": True},
        "maxRollouts": 20,
        "maxRolloutsPerNamespace": 3,
        "clusterName": "prod",
        "notifications": {
            "secretName": "chat",
            "targets": [{"name": "team", "key": "slack", "events": ["RolledBack"], "title": '{{reason}} "x"'}],
            "schemas": ["slack"],
        },
    }
    manifests = render(values)
    config = from_environment(plain_environment(manifests))
    assert config.namespaces == ("risk", "shop")
    assert config.prometheus_url == "http://prometheus.monitoring.svc:9090"
    assert config.default_registry_url == "http://mlflow.mlflow.svc:5000"
    assert (config.log_format, config.log_level, config.workers) == ("text", "DEBUG", 7)
    assert config.cloudwatch_own_identity is True
    assert config.prometheus_headers == (("X-Scope-OrgID", "team-a"),)
    assert config.prometheus_credentials is not None
    mounts = {mount["mountPath"]: mount["name"] for mount in operator_container(manifests)["volumeMounts"]}
    assert mounts[config.prometheus_credentials] == "prometheus"
    assert mounts[str(config.notifications.directory)] == "notifications"
    (target,) = config.notifications.targets
    assert (target.name, target.key, target.events, target.title) == ("team", "slack", ["RolledBack"], '{{reason}} "x"')
    assert (config.notifications.cluster, config.notification_schemas) == ("prod", ("slack",))
    assert (config.max_rollouts, config.max_rollouts_per_namespace) == (20, 3)
    ports = {port["name"]: port["containerPort"] for port in operator_container(manifests)["ports"]}
    assert ports == {"metrics": config.metrics_port, "health": config.health_port}
    from_downward_api = {
        entry["name"]: entry["valueFrom"]["fieldRef"]["fieldPath"]
        for entry in operator_container(manifests)["env"]
        if "valueFrom" in entry
    }
    assert from_downward_api == {
        "STEERSMAN_POD_NAME": "metadata.name",
        "STEERSMAN_POD_NAMESPACE": "metadata.namespace",
    }


def test_without_settings_the_operator_takes_its_own_defaults(render):
    config = from_environment(plain_environment(render()))
    assert (config.namespaces, config.prometheus_url, config.default_registry_url) == ((), None, None)
    assert config.cluster_wide
    assert config.cloudwatch_own_identity is False
    assert config.notifications == SharedTargets()
    assert config.notification_schemas == DEFAULT_SCHEMAS
    assert (config.max_rollouts, config.max_rollouts_per_namespace) == (0, 0)


def test_no_schemas_turn_notifications_off(render):
    assert from_environment(plain_environment(render({"notifications": {"schemas": []}}))).notification_schemas == ()


def test_targets_without_a_secret_are_refused(helm):
    target = {"name": "team", "key": "slack"}
    code, output = helm("template", *RELEASE, values={"notifications": {"targets": [target]}})
    assert code != 0
    assert "notifications.secretName" in output
    unknown = {"notifications": {"secretName": "x", "targets": [{**target, "events": ["NoSuchReason"]}]}}
    assert helm("template", *RELEASE, values=unknown)[0] != 0


def test_selectors_find_the_pods_of_the_release(render):
    manifests = render(MONITORED)
    deployment = only(manifests, "Deployment")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    selectors = [
        deployment["spec"]["selector"]["matchLabels"],
        only(manifests, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        only(manifests, "Service")["spec"]["selector"],
    ]
    for selector in selectors:
        assert selector.items() <= labels.items()
    monitor = only(manifests, "ServiceMonitor")
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    assert (
        monitor["spec"]["selector"]["matchLabels"].items() <= only(manifests, "Service")["metadata"]["labels"].items()
    )


def test_webhooks_are_off_unless_asked_for(render):
    manifests = render()
    assert from_environment(plain_environment(manifests)).webhook_port == 0
    assert [service["metadata"]["name"] for service in of_kind(manifests, "Service")] == ["steersman-metrics"]


def test_webhooks_reach_every_replica_and_replicas_each_other(render):
    manifests = render(WEBHOOKS)
    config, container = from_environment(plain_environment(manifests)), operator_container(manifests)
    assert {"name": "webhooks", "containerPort": config.webhook_port} in container["ports"]
    metrics, service = sorted(of_kind(manifests, "Service"), key=lambda each: each["metadata"]["name"])
    assert service["spec"]["ports"] == [{"name": "http", "port": 80, "targetPort": "webhooks"}]
    labels = only(manifests, "Deployment")["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= labels.items()
    # Of a headless Service every pod's address is told, at whichever port.
    assert metrics["spec"]["clusterIP"] == "None"
    peer = f"{metrics['metadata']['name']}.steersman-system.svc:{config.webhook_port}"
    assert config.webhook_peers == (peer,) and config.cluster_name == "eu-1"
    mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    assert config.webhook_secret_file == "/etc/steersman/webhook/secret" and mounts["/etc/steersman/webhook"]
    (rule,) = only(manifests, "Ingress")["spec"]["rules"]
    assert rule["host"] == "steersman.example" and [path["path"] for path in rule["http"]["paths"]] == ["/webhooks"]
    assert rule["http"]["paths"][0]["backend"]["service"]["name"] == service["metadata"]["name"]
    route = only(manifests, "HTTPRoute")["spec"]
    assert route["rules"][0]["backendRefs"] == [{"name": service["metadata"]["name"], "port": 80}]
    alone = from_environment(plain_environment(render({**WEBHOOKS, "replicas": 1})))
    assert alone.webhook_peers == ()


def test_one_replica_needs_no_disruption_budget(render):
    assert of_kind(render({"replicas": 1}), "PodDisruptionBudget") == []


def test_a_digest_pins_the_image(render):
    digest = "sha256:" + "a" * 64
    image = {"repository": "registry.example/steersman", "tag": "ignored", "digest": digest}
    assert operator_container(render({"image": image}))["image"] == f"registry.example/steersman@{digest}"


def test_model_pods_are_scraped_with_the_labels_that_the_analysis_goes_by(render):
    monitor = only(render(MONITORED), "PodMonitor")["spec"]
    assert monitor["podTargetLabels"] == ["steersman.dev/deployment", "steersman.dev/revision"]
    assert monitor["namespaceSelector"] == {"any": True}
    assert only(render({**MONITORED, **NAMESPACED}), "PodMonitor")["spec"]["namespaceSelector"] == {
        "matchNames": ["risk", "shop"]
    }


# ---------------------------------------------------------------- permissions

READ = {"get", "list", "watch"}
OWNED = READ | {"create", "patch", "delete"}
IN_NAMESPACES = {
    ("steersman.dev", "modeldeployments"): READ | {"patch"},
    ("steersman.dev", "modelregistries"): READ,
    ("steersman.dev", "servingruntimes"): READ,
    ("steersman.dev", "analysistemplates"): READ,
    ("steersman.dev", "modeldeployments/status"): {"update"},
    ("steersman.dev", "modelregistries/status"): {"update"},
    ("steersman.dev", "modeldeployments/finalizers"): {"update"},
    **{(kind.group, kind.plural): OWNED for kind in kinds.OWNED},
    ("", "pods"): {"list"},
    ("", "events"): {"create", "patch"},
    ("", "secrets"): {"get"},
}
IN_THE_CLUSTER = {
    **IN_NAMESPACES,
    ("steersman.dev", "clusterservingruntimes"): READ,
    ("steersman.dev", "clusteranalysistemplates"): READ,
    ("apiextensions.k8s.io", "customresourcedefinitions"): READ,
    ("", "namespaces"): READ,
}


def test_the_operator_may_do_what_it_does_and_nothing_else(render):
    manifests = render()
    binding = only(manifests, "ClusterRoleBinding")
    (role,) = [r for r in of_kind(manifests, "ClusterRole") if r["metadata"]["name"] == binding["roleRef"]["name"]]
    assert rules(role) == IN_THE_CLUSTER
    leader = only(manifests, "Role")
    assert rules(leader) == {("coordination.k8s.io", "leases"): {"create", "get", "update", "watch"}}
    lease = plain_environment(manifests)["STEERSMAN_LEASE_NAME"]
    assert [rule.get("resourceNames") for rule in leader["rules"]] == [None, [lease]]


def test_workflows_are_granted_only_where_they_are_asked_for(render):
    manifests = render({"retraining": {"argoWorkflows": True}})
    binding = only(manifests, "ClusterRoleBinding")
    (role,) = [r for r in of_kind(manifests, "ClusterRole") if r["metadata"]["name"] == binding["roleRef"]["name"]]
    assert rules(role) == {**IN_THE_CLUSTER, ("argoproj.io", "workflows"): OWNED}
    assert plain_environment(manifests)["STEERSMAN_ARGO_WORKFLOWS"] == "true"


def test_namespaced_mode_has_a_role_in_each_namespace_and_nothing_of_the_cluster(render):
    manifests = render(NAMESPACED)
    assert [manifest["kind"] for manifest in manifests if manifest["kind"].startswith("Cluster")] == []
    assert {manifest["metadata"].get("namespace") for manifest in manifests} == {"steersman-system", "risk", "shop"}
    for namespace in NAMESPACED["watchNamespaces"]:
        here = [manifest for manifest in manifests if manifest["metadata"]["namespace"] == namespace]
        assert rules(only(here, "Role")) == IN_NAMESPACES
        (subject,) = only(here, "RoleBinding")["subjects"]
        assert subject == {"kind": "ServiceAccount", "name": "steersman", "namespace": "steersman-system"}
        assert only(here, "ServingRuntime")["metadata"]["name"] == "mlflow"
        names = {template["metadata"]["name"] for template in of_kind(here, "AnalysisTemplate")}
        assert names == {path.stem for path in (CHART / "files" / "analysis-templates").glob("*.yaml")}


def test_aggregated_roles_let_viewers_read_and_editors_write(render):
    by_target = {}
    for role in of_kind(render(), "ClusterRole"):
        for label in role["metadata"]["labels"]:
            if label.startswith("rbac.authorization.k8s.io/aggregate-to-"):
                by_target[label.removeprefix("rbac.authorization.k8s.io/aggregate-to-")] = rules(role)
    assert set(by_target) == {"view", "edit", "admin"}
    assert all(verbs == READ for verbs in by_target["view"].values())
    assert by_target["edit"]["steersman.dev", "modeldeployments"] == READ | {
        *("create", "update", "patch", "delete", "deletecollection")
    }
    assert by_target["edit"]["steersman.dev", "clusterservingruntimes"] == READ
    assert not [resource for _, resource in by_target["admin"] if "/" in resource]


def test_permissions_can_be_left_to_somebody_else(render):
    manifests = render({"rbac": {"create": False, "aggregate": False}})
    assert [manifest["kind"] for manifest in manifests if "Role" in manifest["kind"]] == []


# ---------------------------------------------------------------- the built-in runtime


def test_the_mlflow_runtime_makes_a_restricted_pod_that_drains_in_time(render):
    image = {"repository": "registry.example/runtime", "tag": "7", "pullPolicy": "Never"}
    values = {"runtimes": {"mlflow": {"image": image, "modelSizeLimit": "5Gi"}}}
    runtime = ServingRuntimeSpec.model_validate(only(render(values), "ClusterServingRuntime")["spec"])
    assert violations(runtime.template) == []
    spec = ModelDeploymentSpec.model_validate({"model": {"name": "fraud", "version": "1"}})
    model = ResolvedModel(name="fraud", selector="version 1", version="1", resolved_at=0.0)
    pod = pod_template(spec, model, runtime, RegistryAccess("http://mlflow:5000", "login"))["spec"]
    (fetch,), (serve,) = pod["initContainers"], pod["containers"]
    assert {container["image"] for container in (fetch, serve)} == {"registry.example/runtime:7"}
    assert {container["imagePullPolicy"] for container in (fetch, serve)} == {"Never"}
    assert serve["readinessProbe"]["httpGet"] == {"path": "/ready", "port": "http"}
    assert serve["lifecycle"]["preStop"]["sleep"]["seconds"] + 25 < pod["terminationGracePeriodSeconds"]
    assert {"name": "model", "emptyDir": {"sizeLimit": "5Gi"}} in pod["volumes"]
    # The server learns its revision by the downward API; the label is on every pod.
    (revision,) = (variable for variable in serve["env"] if variable["name"] == "STEERSMAN_REVISION")
    assert revision["valueFrom"] == {"fieldRef": {"fieldPath": f"metadata.labels['{LABEL_REVISION}']"}}


def test_the_fetch_can_be_given_settings_for_all(render):
    values = {"runtimes": {"mlflow": {"fetchEnv": [{"name": "PICKLE", "value": "refuse"}]}}}
    template = only(render(values), "ClusterServingRuntime")["spec"]["template"]
    (fetch,) = template["spec"]["initContainers"]
    assert fetch["env"] == [{"name": "MODEL_DIR", "value": "/model"}, {"name": "PICKLE", "value": "refuse"}]
    assert "resources" in fetch
