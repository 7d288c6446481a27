"""Settings of each metric provider: where a metric's number comes from, and with whose credentials."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field, model_validator

from steersman.api.meta import DNS_LABEL, KEYED_BY_NAME, ApiModel
from steersman.api.metric_access import (
    Address,
    Deadline,
    Header,
    Language,
    Lookback,
    ProviderSettings,
    SecretRef,
    Timeout,
    Tls,
    WebHeader,
)
from steersman.api.runtime import FreeForm


class PrometheusProvider(ProviderSettings):
    """Prometheus, or a server that speaks its HTTP API (Thanos, Mimir, VictoriaMetrics): where a metric's queries are sent."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "has(self.address) || !(has(self.credentials) || has(self.tls))",
                    "message": "credentials and tls need an address: the operator's own server has the operator's own",
                }
            ]
        }
    )
    language: ClassVar = Language.PROMQL
    series: ClassVar = True

    address: Address | None = None
    """Base URL of a Prometheus-compatible HTTP API; default: the operator's own setting. No user information in it."""
    credentials: SecretRef | None = None
    """A Secret with the key `token` (sent as a bearer token), or `username` and `password`."""
    tls: Tls | None = None
    headers: Annotated[list[Header], Field(max_length=8, json_schema_extra=KEYED_BY_NAME)] = []
    """Tenants, e.g. X-Scope-OrgID (Mimir) or THANOS-TENANT."""
    timeout: Timeout = 5.0
    """How long an answer may take, the wait for a turn included."""

    @model_validator(mode="after")
    def _own_server(self) -> PrometheusProvider:
        if self.address is None and (self.credentials is not None or self.tls is not None):
            raise ValueError("credentials and tls need an address: the operator's own server has the operator's own")
        return self


class Method(StrEnum):
    """How the web provider asks."""

    GET = "GET"
    POST = "POST"


class WebProvider(ProviderSettings):
    """Any HTTP API that answers with JSON: one request, and an expression that picks the number."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {"rule": "!has(self.body) || self.method == 'POST'", "message": "a body needs the method POST"}
            ]
        }
    )

    url: Annotated[str, Field(pattern=r"^https?://[^\s@]+$", max_length=2048), Language.URL]
    """Placeholders may stand in the path and the query, where their values are percent-encoded, and nowhere else."""
    method: Method = Method.GET
    headers: Annotated[list[WebHeader], Field(max_length=16, json_schema_extra=KEYED_BY_NAME)] = []
    body: Annotated[str | None, Field(max_length=8192), Language.JSON] = None
    """JSON. Placeholders may stand inside its strings."""
    jmes_path: Annotated[str, Field(min_length=1, max_length=1024)]
    """JMESPath expression (jmespath.org) that picks one number, a string that reads as one, or a boolean (1 or 0), e.g. `data.accuracy`."""
    tls: Tls | None = None
    timeout: Timeout = 5.0
    """How long an answer may take, the wait for a turn included."""

    @model_validator(mode="after")
    def _body_is_posted(self) -> WebProvider:
        if self.body is not None and self.method != Method.POST:
            raise ValueError("a body needs the method POST")
        return self


class DatadogProvider(ProviderSettings):
    """Datadog's metrics (GET /api/v1/query). The value is the last point of the time looked back at that is no null."""

    language: ClassVar = Language.DATADOG
    series: ClassVar = True

    site: Annotated[str, Field(pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)+$", max_length=253)] = "datadoghq.com"
    """Your Datadog site, e.g. datadoghq.eu or us5.datadoghq.com; queries go to https://api.<site>."""
    address: Address | None = None
    """Instead of the site: base URL, e.g. of a proxy."""
    credentials: SecretRef
    """A Secret with the keys `api-key` and `app-key`."""
    lookback: Lookback = 300.0
    """How old the value may be."""
    timeout: Timeout = 5.0
    """How long an answer may take, the wait for a turn included."""


class Region(StrEnum):
    """Of a New Relic account."""

    US = "us"
    EU = "eu"


class NewRelicProvider(ProviderSettings):
    """New Relic, asked in NRQL through NerdGraph. Leave SINCE, UNTIL and TIMESERIES out: the look sets them."""

    language: ClassVar = Language.NRQL
    series: ClassVar = True

    account_id: Annotated[int, Field(ge=1, le=2_147_483_647)]
    region: Region = Region.US
    address: Annotated[str | None, Field(pattern=r"^https?://[^\s@{}?#]+$", max_length=2048)] = None
    """Instead of the region: URL of a NerdGraph endpoint, e.g. of a proxy."""
    credentials: SecretRef
    """A Secret with the key `api-key`: a user key."""
    lookback: Lookback | None = None
    """The time that a value is computed over, up to the look; default: the time since the rollout's first look, at least the interval."""
    timeout: Timeout = 10.0
    """How long an answer may take, the wait for a turn included."""


class InfluxDBProvider(ProviderSettings):
    """InfluxDB 2 (or 1.8 and later with Flux switched on), asked in Flux. `now()` is the moment of the look."""

    language: ClassVar = Language.FLUX
    series: ClassVar = True

    address: Address
    org: Annotated[str, Field(min_length=1, max_length=253)]
    credentials: SecretRef | None = None
    """A Secret with the key `token`."""
    tls: Tls | None = None
    timeout: Timeout = 5.0
    """How long an answer may take, the wait for a turn included."""


class GraphiteProvider(ProviderSettings):
    """Graphite's render API. The value is the last point of the time looked back at that is no null."""

    language: ClassVar = Language.GRAPHITE
    series: ClassVar = True

    address: Address
    credentials: SecretRef | None = None
    """A Secret with the keys `username` and `password`, or `token`."""
    tls: Tls | None = None
    headers: Annotated[list[Header], Field(max_length=8, json_schema_extra=KEYED_BY_NAME)] = []
    lookback: Lookback = 300.0
    """How old the value may be."""
    timeout: Timeout = 5.0
    """How long an answer may take, the wait for a turn included."""


class Dimension(ApiModel):
    """A CloudWatch dimension."""

    name: Annotated[str, Field(min_length=1, max_length=255)]
    value: Annotated[str, Field(min_length=1, max_length=1024), Language.TEXT]


class CloudWatchMetric(ApiModel):
    """Which metric, and how its data points are summed up."""

    namespace: Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^:].*$")]
    metric_name: Annotated[str, Field(min_length=1, max_length=255)]
    dimensions: Annotated[list[Dimension], Field(max_length=30, json_schema_extra=KEYED_BY_NAME)] = []
    period: Annotated[int, Field(ge=1, le=86_400)] = 60
    """Seconds of a data point: 1, 5, 10, 30 or a multiple of 60."""
    stat: Annotated[str, Field(min_length=1, max_length=64)]
    """Average, Sum, Minimum, Maximum, SampleCount, p99 and so on."""


class MetricDataQuery(ApiModel):
    """One query of GetMetricData: a metric, or an expression over the others."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "has(self.metricStat) != has(self.expression)",
                    "message": "give exactly one of metricStat and expression",
                }
            ]
        }
    )

    id: Annotated[str, Field(pattern=r"^[a-z][A-Za-z0-9_]*$", max_length=255)]
    metric_stat: CloudWatchMetric | None = None
    expression: Annotated[str | None, Field(min_length=1, max_length=2048), Language.METRIC_MATH] = None
    period: Annotated[int | None, Field(ge=1, le=86_400)] = None
    """Of an expression that is a search or a query, in seconds."""
    return_data: bool = False
    """Set for the one query whose value is judged; not needed when there is one only."""

    @model_validator(mode="after")
    def _one_kind(self) -> MetricDataQuery:
        if (self.metric_stat is None) == (self.expression is None):
            raise ValueError("give exactly one of metricStat and expression")
        return self


_ONE_RESULT = "exactly one of the queries must have returnData"


class CloudWatchProvider(ProviderSettings):
    """Amazon CloudWatch (GetMetricData). The value is the newest data point of the time looked back at."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "size(self.metricDataQueries) == 1 || "
                    "self.metricDataQueries.filter(q, has(q.returnData) && q.returnData).size() == 1",
                    "message": _ONE_RESULT,
                }
            ]
        }
    )
    series: ClassVar = True

    region: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)+$", max_length=64)]
    endpoint_url: Address | None = None
    """Instead of the region's own endpoint, e.g. of an interface in your network. It needs credentials."""
    credentials: SecretRef | None = None
    """A Secret with the keys `access-key-id`, `secret-access-key` and, if need be, `session-token`. Without it the operator's own identity
    is used, if the operator's configuration allows it."""
    metric_data_queries: Annotated[
        list[MetricDataQuery],
        Field(
            min_length=1,
            max_length=16,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["id"]},
        ),
    ]
    lookback: Lookback = 600.0
    """How old the value may be."""
    timeout: Timeout = 10.0
    """How long an answer may take, the wait for a turn included."""

    @model_validator(mode="after")
    def _one_result(self) -> CloudWatchProvider:
        if len(self.metric_data_queries) > 1 and sum(q.return_data for q in self.metric_data_queries) != 1:
            raise ValueError(_ONE_RESULT)
        return self


class MLflowProvider(ProviderSettings):
    """A metric that was logged to the run of the candidate's model version, as its training or evaluation did."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "has(self.url) || !(has(self.credentials) || has(self.tls))",
                    "message": "credentials and tls need a url: the ModelDeployment's registry has its own",
                }
            ]
        }
    )

    metric: Annotated[str, Field(min_length=1, max_length=250), Language.NAME]
    """The metric's key, e.g. `val_auc`; its latest value is taken."""
    run_id: Annotated[str, Field(max_length=128), Language.NAME] = "{{runId}}"
    """Default: the run of the candidate's version, as the registry names it."""
    url: Address | None = None
    """Base URL of another MLflow server than the ModelDeployment's registry, whose URL and credentials are used otherwise."""
    credentials: SecretRef | None = None
    """A Secret with the keys `username` and `password`, or `token`."""
    tls: Tls | None = None
    timeout: Timeout = 5.0
    """How long an answer may take, the wait for a turn included."""

    @model_validator(mode="after")
    def _own_registry(self) -> MLflowProvider:
        if self.url is None and (self.credentials is not None or self.tls is not None):
            raise ValueError("credentials and tls need a url: the ModelDeployment's registry has its own")
        return self


class JobProvider(ProviderSettings):
    """A Kubernetes Job in the ModelDeployment's namespace: 1 when it succeeds, 0 when it fails."""

    spec: FreeForm
    """A JobSpec (batch/v1). Placeholders may stand in command, args and values of env of its containers, as plain text. The pod must meet the
    restricted Pod Security Standard, which is filled in where it is silent, and gets no service-account token. parallelism, completions
    and backoffLimit are as in any Job (backoffLimit 0 by default)."""
    deadline: Deadline = 300.0
    """A Job that has neither succeeded nor failed by then is stopped: an error, not a measurement."""


class PluginProvider(ProviderSettings):
    """A provider of another Python distribution, found by its entry point in the group `steersman.metrics`."""

    language: ClassVar = Language.NAME

    name: Annotated[str, Field(pattern=DNS_LABEL, max_length=63)]
    """The entry point's name."""
    config: FreeForm = {}
    """What the plugin takes; placeholders in its strings stand for their values."""
    credentials: SecretRef | None = None
    """A Secret whose keys the plugin gets."""
    timeout: Timeout = 5.0
    """How long an answer may take, the wait for a turn included."""
