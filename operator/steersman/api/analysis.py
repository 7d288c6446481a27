"""AnalysisTemplate and ClusterAnalysisTemplate: what is measured during a rollout and how it is judged."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import ConfigDict, Field, JsonValue, model_validator

from steersman.api.comparison_judges import UNGROUPED, ComparisonJudge, MannWhitneyJudge, Scoring
from steersman.api.duration import Duration, Interval
from steersman.api.meta import DNS_LABEL, DNS_SUBDOMAIN, KEYED_BY_NAME, ApiModel
from steersman.api.metric_access import ProviderSettings
from steersman.api.metric_providers import (
    CloudWatchProvider,
    DatadogProvider,
    GraphiteProvider,
    InfluxDBProvider,
    JobProvider,
    MLflowProvider,
    NewRelicProvider,
    PluginProvider,
    PrometheusProvider,
    WebProvider,
)

ARG_NAME = r"^[A-Za-z_][A-Za-z0-9_]{0,62}$"
LABEL_NAME = r"^[A-Za-z_][A-Za-z0-9_]{0,127}$"


class Argument(ApiModel):
    """A value for `{{args.<name>}}` in a template's queries and provider settings; it is made safe for the language that it stands in."""

    name: Annotated[str, Field(pattern=ARG_NAME)]
    value: Annotated[str | None, Field(max_length=1024)] = None
    """The value; in a template it is the default, and an argument without one must be given by the ModelDeployment."""


class ThresholdJudge(ApiModel):
    """Passes while one query's value lies in [min, max]; bounds are inclusive, either may be left open.

    The range form follows Flagger's thresholdRange.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "!has(self.min) || !has(self.max) || double(self.min) <= double(self.max)",
                    "message": "min must not be above max",
                },
            ]
        }
    )

    query: Annotated[str | None, Field(min_length=1, max_length=8192)] = None
    """In the language of the metric's provider, giving one value: PromQL (a scalar or one series), a Datadog query, NRQL, Flux, a Graphite
    target. The other providers' own settings say what is measured. Placeholders: {{namespace}}, {{deployment}}, {{candidate}}, {{stable}}
    (revision names), {{args.x}}, in PromQL inside double-quoted strings; {{window}} (time since the rollout's first look, at least the
    interval) as a duration."""
    min: float | None = None
    max: float | None = None
    """Without either bound, which a job may leave out, min is 1."""

    @model_validator(mode="after")
    def _bounds(self) -> ThresholdJudge:
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("min must not be above max")
        return self


_ONE_OUTCOME = "give exactly one of failures, successes and buckets"
_HIGHEST = "give highest together with buckets, and with nothing else"


class SequentialJudge(ApiModel):
    """An anytime-valid test that the candidate fails no more often than stable does at the same time, or that its mean is no greater.

    Needs no threshold. The chance of a false alarm over a whole rollout is bounded, however often it looks.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "[has(self.failures), has(self.successes), has(self.buckets)].exists_one(given, given)",
                    "message": _ONE_OUTCOME,
                },
                {
                    "rule": "has(self.buckets) == has(self.highest)",
                    "message": _HIGHEST,
                },
                {
                    "rule": f"!has(self.by) || self.by.all(label, label.matches('{LABEL_NAME}'))",
                    "message": "by has a key that is no label's name",
                },
            ]
        }
    )

    requests: Annotated[str, Field(min_length=1, max_length=2048)]
    """Selector of a counter of all requests, e.g. steersman_requests_total. Its series must carry the labels of `by`."""
    failures: Annotated[str | None, Field(min_length=1, max_length=2048)] = None
    """Selector of the counter of failed requests, e.g. steersman_requests_total{code=~"5.."}."""
    successes: Annotated[str | None, Field(min_length=1, max_length=2048)] = None
    """Instead of failures: selector of the good ones, e.g. a histogram's bucket at the latency objective."""
    buckets: Annotated[str | None, Field(min_length=1, max_length=2048)] = None
    """Instead of failures: selector of a histogram's buckets, e.g. steersman_request_duration_seconds_bucket, whose mean is compared: each
    observation counts as the upper bound (label le) of its bucket. `requests` is then the histogram's _count."""
    highest: Annotated[float | None, Field(gt=0, allow_inf_nan=False)] = None
    """With buckets: what greater observations count as, in the histogram's unit. Take a few times what is usual: the greater it is, the
    later a regression is found."""
    by: Annotated[
        dict[str, Annotated[str, Field(max_length=1024)]],
        Field(min_length=1, max_length=8),
    ] = {"namespace": "{{namespace}}", "steersman_dev_revision": "{{revision}}"}
    """Labels by which the counters are summed, and the values that a revision's series have. Placeholders: {{namespace}}, {{deployment}},
    {{revision}} (which is also the name of the revision's Service) and {{args.x}}. For a gateway's metrics, e.g.
    {envoy_cluster_name: "{{namespace}}_{{revision}}_8080"}."""
    alpha: Annotated[float, Field(gt=0, le=0.5)] = 0.01
    """The most that this metric may take of the rollout's bound of false alarms (spec.analysis.alpha of the ModelDeployment), which
    is divided equally among the rollout's sequential metrics."""
    min_requests: Annotated[int, Field(ge=0, le=1_000_000)] = 20
    """Requests that the candidate must have answered since the last weight change before a look counts as a pass."""
    burst: Annotated[int | None, Field(ge=1, le=10_000)] = None
    """The most failures (with buckets: observations) that one cause may bring in a look, such as a client's retries, a batch, or a pause of
    a process: so many count as one. Default: estimated from stable's failures (means) of the hour before the rollout and since. With a greater
    number than needed, regressions are found later."""
    outliers: Annotated[int, Field(ge=0, le=10)] = 2
    """How many looks may speak against the candidate for a reason of their own: what they say is lowered to what the next worst look
    says. So a candidate is aborted at the third look at the earliest; with 0 at the second, and a burst may abort a good one."""
    warm_up: Duration | None = None
    """Failures in looks that begin within this time after a new weight do not abort by themselves, for processes may start slowly. Default: two
    intervals, at most 30s."""

    @model_validator(mode="after")
    def _one_outcome(self) -> SequentialJudge:
        if sum(outcome is not None for outcome in (self.failures, self.successes, self.buckets)) != 1:
            raise ValueError(_ONE_OUTCOME)
        if (self.buckets is None) != (self.highest is None):
            raise ValueError(_HIGHEST)
        if not all(re.fullmatch(LABEL_NAME, label) for label in self.by):
            raise ValueError("by has a key that is no label's name")
        return self


PROVIDERS = {
    "prometheus": "prometheus",
    "web": "web",
    "datadog": "datadog",
    "cloud_watch": "cloudWatch",
    "new_relic": "newRelic",
    "influxdb": "influxdb",
    "graphite": "graphite",
    "mlflow": "mlflow",
    "job": "job",
    "plugin": "plugin",
}
"""Fields of a metric that name its provider, and how they are written."""

_ONE_PROVIDER = f"give at most one provider: {', '.join(PROVIDERS.values())}"
_QUERY_NEEDED = "this provider's threshold needs a query"
_QUERY_NOT_TAKEN = (
    "leave the threshold's query out: the settings of web, cloudWatch, mlflow and job say what is measured"
)
_COUNTERS = "the sequential judge counts requests in Prometheus: with another provider use threshold"
_OF_EACH = "comparison and mannWhitney need a provider with queries: web, cloudWatch, mlflow and job have none"
_BOUNDS = "a threshold needs min, max or both"
_WITHOUT_QUERY = "has(self.web) || has(self.cloudWatch) || has(self.mlflow) || has(self.job)"

PROVIDER_RULES: list[JsonValue] = [
    {
        "rule": f"[{', '.join(f'has(self.{word})' for word in PROVIDERS.values())}].filter(given, given).size() <= 1",
        "message": _ONE_PROVIDER,
    },
    {
        "rule": f"!has(self.threshold) || has(self.threshold.query) || has(self.plugin) || {_WITHOUT_QUERY}",
        "message": _QUERY_NEEDED,
    },
    {
        "rule": f"!has(self.threshold) || !has(self.threshold.query) || !({_WITHOUT_QUERY})",
        "message": _QUERY_NOT_TAKEN,
    },
    {
        "rule": "!has(self.threshold) || has(self.threshold.min) || has(self.threshold.max) || has(self.job)",
        "message": _BOUNDS,
    },
    {
        "rule": "!has(self.sequential) || !("
        + " || ".join(f"has(self.{word})" for word in PROVIDERS.values() if word != "prometheus")
        + ")",
        "message": _COUNTERS,
    },
    {
        "rule": f"!has(self.comparison) && !has(self.mannWhitney) || !({_WITHOUT_QUERY})",
        "message": _OF_EACH,
    },
]


class Metric(ApiModel):
    """One measured quantity and its judge."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "[has(self.threshold), has(self.sequential), has(self.comparison), has(self.mannWhitney)]"
                    ".exists_one(given, given)",
                    "message": "give exactly one judge: threshold, sequential, comparison or mannWhitney",
                },
                *PROVIDER_RULES,
            ]
        }
    )

    name: Annotated[str, Field(pattern=DNS_LABEL, max_length=63)]
    prometheus: PrometheusProvider | None = None
    """The default, at the operator's own server."""
    web: WebProvider | None = None
    datadog: DatadogProvider | None = None
    cloud_watch: CloudWatchProvider | None = None
    new_relic: NewRelicProvider | None = None
    influxdb: InfluxDBProvider | None = None
    graphite: GraphiteProvider | None = None
    mlflow: MLflowProvider | None = None
    job: JobProvider | None = None
    plugin: PluginProvider | None = None
    threshold: ThresholdJudge | None = None
    sequential: SequentialJudge | None = None
    comparison: ComparisonJudge | None = None
    mann_whitney: MannWhitneyJudge | None = None
    interval: Interval | None = None
    """Time between measurements; default: the analysis' interval."""
    initial_delay: Duration | None = None
    """Time from the first weight above zero to the first measurement; default none."""
    failure_limit: Annotated[int, Field(ge=0, le=1000)] = 0
    """Failed measurements that are tolerated before the analysis fails; of the sequential judge and of critical failures none are."""
    count: Annotated[int, Field(ge=1, le=10_000)] = 1
    """Passing measurements that a pre- or post-promotion analysis needs; background analysis ignores it."""
    dry_run: bool = False
    """Measure and report, but never hold or abort."""

    @model_validator(mode="after")
    def _one_judge(self) -> Metric:
        judges = (self.threshold, self.sequential, self.comparison, self.mann_whitney)
        if sum(judge is not None for judge in judges) != 1:
            raise ValueError("give exactly one judge: threshold, sequential, comparison or mannWhitney")
        return self

    @model_validator(mode="after")
    def _provider_fits(self) -> Metric:
        if sum(getattr(self, field) is not None for field in PROVIDERS) > 1:
            raise ValueError(_ONE_PROVIDER)
        name, provider = self.provider
        if self.sequential is not None and name != "prometheus":
            raise ValueError(_COUNTERS)
        if (self.comparison is not None or self.mann_whitney is not None) and provider.language is None:
            raise ValueError(_OF_EACH)
        if self.threshold is not None:
            if provider.language is not None and name != "plugin" and self.threshold.query is None:
                raise ValueError(_QUERY_NEEDED)
            if provider.language is None and self.threshold.query is not None:
                raise ValueError(_QUERY_NOT_TAKEN)
            if name != "job" and self.threshold.min is None and self.threshold.max is None:
                raise ValueError(_BOUNDS)
        return self

    @property
    def provider(self) -> tuple[str, ProviderSettings]:
        """The provider's name on the wire, and its settings."""
        for field, word in PROVIDERS.items():
            settings = getattr(self, field)
            if settings is not None:
                return word, settings
        return "prometheus", PrometheusProvider()


class AnalysisTemplateSpec(ApiModel):
    """Metrics that a ModelDeployment can refer to by the template's name."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "!has(self.scoring) || self.metrics.exists(m, has(m.mannWhitney))",
                    "message": "a scoring needs a mannWhitney metric",
                },
                {
                    "rule": "!has(self.scoring) || !has(self.scoring.groups) || self.scoring.groups.all(g, self.metrics.exists(m, "
                    f"has(m.mannWhitney) && (has(m.mannWhitney.group) ? m.mannWhitney.group : '{UNGROUPED}') == g.name))",
                    "message": "a group of the scoring is not the group of any mannWhitney metric",
                },
            ]
        }
    )

    args: Annotated[list[Argument], Field(max_length=32, json_schema_extra=KEYED_BY_NAME)] = []
    metrics: Annotated[list[Metric], Field(min_length=1, max_length=20, json_schema_extra=KEYED_BY_NAME)]
    scoring: Scoring | None = None
    """Judge the mannWhitney metrics by one score, as Kayenta does; without it each is judged by itself."""

    @model_validator(mode="after")
    def _scored(self) -> AnalysisTemplateSpec:
        if self.scoring is None:
            return self
        groups = {metric.mann_whitney.group for metric in self.metrics if metric.mann_whitney is not None}
        if not groups:
            raise ValueError("a scoring needs a mannWhitney metric")
        if any(group.name not in groups for group in self.scoring.groups):
            raise ValueError("a group of the scoring is not the group of any mannWhitney metric")
        return self


class AnalysisTemplate(ApiModel):
    """A template in a namespace or, as ClusterAnalysisTemplate, for every namespace."""

    metadata: dict[str, Any]
    spec: AnalysisTemplateSpec


class TemplateRef(ApiModel):
    """Reference to an AnalysisTemplate of the same namespace or, when there is none, a ClusterAnalysisTemplate."""

    name: Annotated[str, Field(pattern=DNS_SUBDOMAIN, max_length=253)]
