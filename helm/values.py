"""The values of the Helm chart: values.yaml and values.schema.json are generated from these models by helm/generate.py."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from steersman.adapters.notify.schemas import DEFAULT_SCHEMAS
from steersman.api.meta import DNS_LABEL, DNS_SUBDOMAIN
from steersman.api.notifications import SharedNotification

KubernetesObject = dict[str, Any]
HTTP_URL_OR_EMPTY = r"^(https?://[^\s@]+)?$"


class ValuesModel(BaseModel):
    """Base of every part: camelCase in YAML, and a mistyped key is refused."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="forbid")


class PullPolicy(StrEnum):
    """When the kubelet pulls the image."""

    ALWAYS = "Always"
    IF_NOT_PRESENT = "IfNotPresent"
    NEVER = "Never"


class LogFormat(StrEnum):
    """How log lines are written."""

    JSON = "json"
    TEXT = "text"


class LogLevel(StrEnum):
    """The least severe message that is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Image(ValuesModel):
    """A container image."""

    repository: Annotated[str, Field(min_length=1)]
    tag: str = ""
    """Default: the chart's appVersion."""
    digest: Annotated[str, Field(pattern=r"^(sha256:[0-9a-f]{64})?$")] = ""
    """Pins the image; the tag is then ignored."""
    pull_policy: PullPolicy = PullPolicy.IF_NOT_PRESENT


class Endpoint(ValuesModel):
    """A server that the operator queries."""

    url: Annotated[str, Field(pattern=HTTP_URL_OR_EMPTY)] = ""
    """Base URL, without user information."""


class Prometheus(Endpoint):
    """A server that the operator queries."""

    secret_name: Annotated[str, Field(pattern=rf"{DNS_SUBDOMAIN}|^$", max_length=253)] = ""
    """A Secret of the release's namespace with `token`, or `username` and `password`; `ca.crt`; `tls.crt` and `tls.key`. Any may be missing."""
    headers: dict[str, str] = {}
    """Sent with every query, such as a tenant's: {X-Scope-OrgID: operations}. No commas."""


class CloudWatch(ValuesModel):
    """Metrics from Amazon CloudWatch."""

    own_identity: bool = False
    """Ask with the operator's own AWS identity where a metric names no credentials: everybody who may write an AnalysisTemplate then
    reads every metric that this identity may."""


class NotificationTarget(SharedNotification):
    """Somebody who is told of every ModelDeployment; docs/reference/notifications.md."""

    model_config = ConfigDict(extra="forbid")


class Notifications(ValuesModel):
    """Who is told of what happens, and what ModelDeployments may name (docs/reference/notifications.md)."""

    secret_name: Annotated[str, Field(pattern=rf"{DNS_SUBDOMAIN}|^$", max_length=253)] = ""
    """A Secret of the release's namespace with an apprise URL for each target's `key`."""
    targets: Annotated[list[NotificationTarget], Field(max_length=50)] = []
    """Whom the operator tells of every ModelDeployment, such as [{name: operations, key: slack, events: [RolledBack]}]."""
    schemas: list[Annotated[str, Field(pattern=r"^[a-z0-9]{1,32}$")]] = list(DEFAULT_SCHEMAS)
    """The only services that notifications may go to, those of ModelDeployments too; empty turns notifications off. json, form, xml and others
    whose URL names a host reach whatever the operator can reach."""


class Retraining(ValuesModel):
    """Retraining of models."""

    argo_workflows: bool = False
    """Let retrainings be Argo Workflows. Everybody who may write a ModelDeployment then runs Workflows in its namespace, with any
    service account of it."""


class Log(ValuesModel):
    """The operator's log."""

    format: LogFormat = LogFormat.JSON
    level: LogLevel = LogLevel.INFO


class ServiceAccount(ValuesModel):
    """The operator's identity."""

    create: bool = True
    name: Annotated[str, Field(pattern=rf"{DNS_SUBDOMAIN}|^$", max_length=253)] = ""
    """Default: the release's full name."""
    annotations: dict[str, str] = {}


class Rbac(ValuesModel):
    """Permissions."""

    create: bool = True
    """Roles and bindings of the operator. Without them somebody else must grant what docs/reference/security.md lists."""
    aggregate: bool = True
    """ClusterRoles that extend the cluster's own view, edit and admin; never made in namespaced mode."""


class Crds(ValuesModel):
    """The CustomResourceDefinitions. Helm installs them first and never deletes them; `--skip-crds` leaves them out."""

    upgrade: bool = True
    """Bring them up to date before an upgrade. It takes Helm 4; with Helm 3 see docs/install.md."""


class WebhookIngress(ValuesModel):
    """An Ingress for the path /webhooks."""

    enabled: bool = False
    class_name: str = ""
    host: str = ""
    tls_secret_name: str = ""
    """MLflow sends to https only, unless it is told otherwise."""
    annotations: dict[str, str] = {}


class WebhookRoute(ValuesModel):
    """An HTTPRoute (Gateway API) for the path /webhooks."""

    enabled: bool = False
    parent_refs: list[KubernetesObject] = []
    """The Gateways, as [{name: ..., namespace: ...}]."""
    hostnames: list[str] = []


class Webhooks(ValuesModel):
    """MLflow's webhooks as a reason to look at once: docs/reference/registry.md."""

    enabled: bool = False
    """Take deliveries, on the Service `<release>-webhooks`, port 80."""
    default_secret_name: Annotated[str, Field(pattern=rf"{DNS_SUBDOMAIN}|^$", max_length=253)] = ""
    """A Secret of the release's namespace whose key `secret` is what the default registry signs with."""
    ingress: WebhookIngress = WebhookIngress()
    http_route: WebhookRoute = WebhookRoute()


class PodDisruptionBudget(ValuesModel):
    """Keeps one replica running while nodes are drained."""

    enabled: bool = True


class ServiceMonitor(ValuesModel):
    """A Prometheus Operator ServiceMonitor for the operator's own metrics."""

    enabled: bool = False
    interval: str = "30s"
    labels: dict[str, str] = {}
    """What your Prometheus selects monitors by."""


class PrometheusRule(ValuesModel):
    """Alerts, as a PrometheusRule of the Prometheus Operator (docs/reference/alerts.md). Without it load files/alerts/steersman.yaml yourself."""

    enabled: bool = False
    labels: dict[str, str] = {}
    """What your Prometheus selects rules by."""
    runbook_url: Annotated[str, Field(pattern=r"^(https?://\S+)?$")] = ""
    """Where your people find docs/reference/alerts.md; each alert's link is this with #<alert> behind it."""


class Dashboards(ValuesModel):
    """Grafana dashboards, as ConfigMaps that Grafana's sidecar picks up (docs/reference/dashboards.md)."""

    enabled: bool = False
    label: Annotated[str, Field(min_length=1)] = "grafana_dashboard"
    """The label that the sidecar looks for; its value is `1`."""
    folder: str = ""
    """The folder in Grafana, for a sidecar with folderAnnotation grafana_folder."""


class Metrics(ValuesModel):
    """The operator's own metrics, on the Service `<release>-metrics`."""

    service_monitor: ServiceMonitor = ServiceMonitor()
    prometheus_rule: PrometheusRule = PrometheusRule()
    dashboards: Dashboards = Dashboards()


class PodMonitor(ValuesModel):
    """A Prometheus Operator PodMonitor that scrapes every model pod and adds the labels that the analysis goes by."""

    enabled: bool = False
    interval: str = "5s"
    """Shorter than the shortest analysis interval, or a measurement finds nothing new."""
    labels: dict[str, str] = {}
    """What your Prometheus selects monitors by."""


class ModelMetrics(ValuesModel):
    """The metrics of the model pods."""

    pod_monitor: PodMonitor = PodMonitor()


class MlflowRuntime(ValuesModel):
    """The built-in serving runtime `mlflow`."""

    enabled: bool = True
    image: Image = Image(repository="steersman/mlflow-runtime")
    resources: KubernetesObject = {
        "requests": {"cpu": "100m", "memory": "384Mi"},
        "limits": {"memory": "2Gi"},
    }
    """Of the model container; a ModelDeployment may set its own."""
    fetch_resources: KubernetesObject = {
        "requests": {"cpu": "50m", "memory": "256Mi"},
        "limits": {"memory": "1Gi"},
    }
    """Of the init container that fetches the model."""
    fetch_env: list[KubernetesObject] = []
    """Environment variables of the init container, e.g. {name: PICKLE, value: refuse}."""
    startup_seconds: Annotated[int, Field(ge=10, le=86400)] = 600
    """How long a model may take to load before its container is restarted."""
    model_size_limit: str = ""
    """Limit of the volume that holds the model, e.g. 10Gi; default none."""


class Runtimes(ValuesModel):
    """Built-in serving runtimes."""

    mlflow: MlflowRuntime = MlflowRuntime()


class AnalysisTemplates(ValuesModel):
    """The built-in analysis templates request-errors, latency and error-ratio."""

    enabled: bool = True


class Values(ValuesModel):
    """Values of the chart."""

    image: Image = Image(repository="steersman/operator")
    image_pull_secrets: list[KubernetesObject] = []
    """Secrets with registry credentials for the operator's image, as [{name: ...}]."""
    name_override: Annotated[str, Field(max_length=40)] = ""
    """Instead of the chart's name in the names of objects."""
    fullname_override: Annotated[str, Field(max_length=40)] = ""
    """Instead of the release's and the chart's name in the names of objects."""
    replicas: Annotated[int, Field(ge=1, le=9)] = 2
    """All of them watch, one of them acts."""
    watch_namespaces: list[Annotated[str, Field(pattern=DNS_LABEL, max_length=63)]] = []
    """Namespaced mode: only these namespaces are watched, with Roles instead of ClusterRoles. Empty: the whole cluster."""
    default_registry: Endpoint = Endpoint()
    """The MLflow server of ModelDeployments that name no ModelRegistry."""
    webhooks: Webhooks = Webhooks()
    cluster_name: Annotated[str, Field(pattern=rf"{DNS_LABEL}|^$", max_length=63)] = ""
    """What tells this cluster from others whose ModelDeployments write back to the same registry, and what stands for {{cluster}} in notifications."""
    prometheus: Prometheus = Prometheus()
    """The Prometheus of metrics that name no address."""
    cloud_watch: CloudWatch = CloudWatch()
    notifications: Notifications = Notifications()
    retraining: Retraining = Retraining()
    log: Log = Log()
    workers: Annotated[int, Field(ge=1, le=256)] = 16
    """ModelDeployments that are reconciled at the same time."""
    max_rollouts: Annotated[int, Field(ge=0, le=100_000)] = 0
    """Rollouts that may be under way at the same time in all; 0 is no limit. First revisions do not count."""
    max_rollouts_per_namespace: Annotated[int, Field(ge=0, le=100_000)] = 0
    """Rollouts that may be under way at the same time in one namespace; 0 is no limit."""
    resources: KubernetesObject = {
        "requests": {"cpu": "100m", "memory": "128Mi"},
        "limits": {"memory": "512Mi"},
    }
    pod_annotations: dict[str, str] = {}
    pod_labels: dict[str, str] = {}
    node_selector: dict[str, str] = {}
    tolerations: list[KubernetesObject] = []
    affinity: KubernetesObject = {}
    """Default: the replicas prefer different nodes."""
    priority_class_name: str = ""
    service_account: ServiceAccount = ServiceAccount()
    rbac: Rbac = Rbac()
    crds: Crds = Crds()
    pod_disruption_budget: PodDisruptionBudget = PodDisruptionBudget()
    metrics: Metrics = Metrics()
    model_metrics: ModelMetrics = ModelMetrics()
    runtimes: Runtimes = Runtimes()
    analysis_templates: AnalysisTemplates = AnalysisTemplates()
