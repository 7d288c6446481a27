"""The CRDs on a real API server: their rules compile within its cost budget, and refuse what they should, in words."""

from pathlib import Path

import pytest
import yaml

from cluster.errors import ClusterError
from steersman.api.crds import KINDS

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def api(control_plane):
    """An API server with the CRDs."""
    control_plane.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(REPOSITORY / "crds"))
    for kind in KINDS:
        control_plane.wait("condition=Established", f"customresourcedefinition/{kind.crd_name}")
    return control_plane


def try_to_create(api, kind, spec, name="fraud"):
    """What the API server would store; ClusterError with its complaint otherwise."""
    manifest = {"apiVersion": "steersman.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}
    cluster_scoped = kind.startswith("Cluster")
    if not cluster_scoped:
        manifest["metadata"]["namespace"] = "default"
    words = ("create", "--dry-run=server", "--validate=strict", "-o", "yaml", "-f", "-")
    return yaml.safe_load(api.kubectl(*words, input=yaml.safe_dump(manifest)))


MODEL = {"name": "fraud", "alias": "champion"}


def deployment(**spec):
    return {"model": MODEL, **spec}


def canary(*steps, **more):
    return deployment(strategy={"canary": {"steps": list(steps), **more}})


def written_back(what, **model):
    """A ModelDeployment that follows champion and writes back."""
    source = {"name": "fraud", "alias": "champion", "writeBack": what} | model
    return {"model": {key: value for key, value in source.items() if value is not None}}


def template(**metric):
    return {"metrics": [{"name": "errors", **metric}]}


SEQUENTIAL = {"requests": "requests_total", "failures": "failures_total"}
MANN_WHITNEY = {
    "query": "x",
    "step": "15s",
    "lookback": "1h",
    "minPoints": 20,
    "direction": "increase",
    "nanStrategy": "replace",
    "outliers": {"strategy": "remove", "factor": 1.5},
    "effectSize": {"measure": "cles", "allowedIncrease": 0.6, "criticalIncrease": 0.9},
    "critical": True,
    "mustHaveData": True,
    "group": "latency",
}
SCORING = {"pass": 90, "marginal": 60, "groups": [{"name": "latency", "weight": 100}]}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_the_api_server_finds_nothing_wrong_with_the_schema(api, kind):
    conditions = {
        condition["type"]: condition
        for condition in api.get("customresourcedefinition", kind.crd_name)["status"]["conditions"]
    }
    assert conditions["NamesAccepted"]["status"] == "True"
    assert "NonStructuralSchema" not in conditions


CHAT = {"name": "chat", "url": {"secretName": "notifications", "key": "slack"}}


def told(**fields):
    return ("ModelDeployment", deployment(notifications=[{**CHAT, **fields}]))


TESTS_GATE = {"name": "tests", "job": {"spec": {"template": {"spec": {"containers": [{"name": "a", "image": "b"}]}}}}}

GOOD = [
    (
        "ModelDeployment",
        deployment(
            retraining={
                "triggers": [
                    {"name": "nightly", "schedule": {"cron": "0 3 * * MON#1", "timeZone": "America/Port-au-Prince"}},
                    {"name": "tag", "data": {"gitTag": {"url": "https://git.example.com/a.git", "pattern": "v*"}}},
                    {"name": "rows", "data": {"growth": {"template": "t", "metric": "m", "percent": 5.5}}},
                    {"name": "worse", "metric": {"template": "t", "metric": "m", "looks": 5, "repeatAfter": "24h"}},
                    {"name": "drift", "drift": {"conditions": ["DataDrift"], "for": "1h"}},
                ],
                "action": {
                    "github": {
                        "owner": "o",
                        "repository": "r",
                        "workflow": "train.yaml",
                        "credentials": {"secretName": "s"},
                    }
                },
                "parameters": {"base_version": "{{stableVersion}}"},
                "duringRollout": "Start",
            }
        ),
    ),
    ("ModelDeployment", deployment()),
    told(events=["RolledBack", "AwaitingPromotion"], rate={"burst": 3, "interval": "5m"}),
    told(title="{{deployment}}: {{ reason }} {x}", body="{{cluster}} } {{message}}"),
    ("ModelDeployment", {"model": {"name": "fraud detection v2", "version": "12"}}),
    ("ModelDeployment", {"model": {"name": "fraud", "tags": {"stage": "ready"}}}),
    *(
        ("ModelDeployment", {"model": {"uri": uri, "version": "3", "sha256": "a" * 64}})
        for uri in (
            "s3://models/fraud/3",
            "gs://models",
            "https://models.example:8443/fraud.tar.gz",
            "pvc://models/fraud/3",
            f"oci://registry:5000/team/fraud:v3@sha256:{'0' * 64}",
        )
    ),
    ("ModelDeployment", {"model": {"uri": "s3://m/f", "version": "3"}, "gates": [TESTS_GATE]}),
    ("ModelDeployment", canary({"setWeight": 1}, {"pause": {}}, {"setWeight": 99}, {"pause": {"duration": "1h30m"}})),
    ("ModelDeployment", canary(*({"setWeight": weight} for weight in range(2, 101, 2)))),
    ("ModelDeployment", deployment(strategy={"blueGreen": {}}, traffic={"service": {}})),
    (
        "ModelDeployment",
        deployment(traffic={"gatewayAPI": {"parentRefs": [{"name": "gw"}], "hostnames": ["*.a.example", "b.example"]}}),
    ),
    ("ModelDeployment", deployment(drift={})),
    (
        "ModelDeployment",
        deployment(
            drift={
                "window": "24h",
                "interval": "1m",
                "columns": {"include": ["a*"], "exclude": ["id"]},
                "methods": {"numeric": "JensenShannon"},
                "thresholds": {"psi": 0.25, "share": 0.5},
                "prometheus": {"address": "http://thanos:9090"},
            }
        ),
    ),
    ("ModelRegistry", {"mlflow": {"url": "http://mlflow:5000", "credentials": {"secretName": "login"}}}),
    (
        "ModelRegistry",
        {"mlflow": {"url": "https://mlflow"}, "webhook": {"secretRef": {"name": "hook", "key": "its.key"}}},
    ),
    ("ModelDeployment", written_back({"tags": True, "promotedAlias": "v7-live"}, approvalTags=["ticket"])),
    ("ModelDeployment", written_back({"promotedAlias": "production"}, alias=None, version="7")),
    ("ServingRuntime", {"template": {"spec": {"containers": [{"name": "model", "anything": ["goes"]}]}}}),
    ("ClusterServingRuntime", {"template": {"spec": {}}}),
    ("AnalysisTemplate", template(sequential=SEQUENTIAL)),
    ("AnalysisTemplate", template(sequential={"requests": "r", "buckets": "b", "highest": 2})),
    ("ClusterAnalysisTemplate", template(threshold={"query": "up", "min": 1, "max": 1.5})),
    ("AnalysisTemplate", template(comparison={"query": "x", "maxRatio": 1.5, "maxIncrease": 0})),
    (
        "AnalysisTemplate",
        {**template(mannWhitney={"query": "x"}), "scoring": {"groups": [{"name": "ungrouped", "weight": 60}]}},
    ),
    ("AnalysisTemplate", {**template(mannWhitney=MANN_WHITNEY), "scoring": SCORING}),
    ("AnalysisTemplate", template(threshold={}, job={"spec": {"template": {"spec": {"any": ["thing"]}}}})),
    ("AnalysisTemplate", template(threshold={"min": 1}, web={"url": "http://a/{{candidate}}", "jmesPath": "a.b"})),
    ("AnalysisTemplate", template(threshold={"min": 1}, plugin={"name": "weather", "config": {"a": {"b": [1]}}})),
]


def missing(written, stored, path="spec"):
    """Paths of what was written and is not stored."""
    if isinstance(written, dict) and isinstance(stored, dict):
        return [found for key, value in written.items() for found in missing(value, stored.get(key), f"{path}.{key}")]
    if isinstance(written, list) and isinstance(stored, list) and len(written) == len(stored):
        pairs = enumerate(zip(written, stored, strict=True))
        return [found for index, (value, kept) in pairs for found in missing(value, kept, f"{path}[{index}]")]
    return [] if written == stored else [path]


@pytest.mark.parametrize(("kind", "spec"), GOOD)
def test_good_objects_are_stored_with_everything_that_was_written(api, kind, spec):
    assert missing(spec, try_to_create(api, kind, spec)["spec"]) == []


def test_defaults_of_scalars_are_filled_in_and_structures_are_not(api):
    assert try_to_create(api, "ModelDeployment", deployment(runtime={}, strategy={"canary": {}}, analysis={}))[
        "spec"
    ] == {
        "model": MODEL,
        "replicas": 1,
        "paused": False,
        "progressDeadline": "10m",
        "runtime": {"name": "mlflow"},
        "strategy": {"canary": {"dynamicStableScale": False, "minPodsPerRevision": 1, "scaleDownDelay": "30s"}},
        "analysis": {"alpha": 0.01, "interval": "15s"},
    }


def test_free_form_parts_keep_what_the_schema_does_not_know(api):
    pod_template = {"spec": {"containers": [{"name": "model", "resources": {"limits": {"memory": "1Gi"}}}]}}
    stored = try_to_create(api, "ModelDeployment", deployment(podTemplate=pod_template))
    assert stored["spec"]["podTemplate"] == pod_template


HOOK = {"webhook": {"url": "https://x.example.com/h?a=b", "secret": {"secretName": "s", "key": "k"}}}


def retrained(*triggers, **changes):
    return deployment(retraining={"triggers": list(triggers), "action": HOOK, **changes})


BAD = {
    "an event that is never told": (*told(events=["AwaitingAnalysis"]), "Unsupported value"),
    "a placeholder that is not known": (*told(body="{{secret}}"), "spec.notifications[0].body"),
    "a placeholder that is not closed": (*told(title="{{reason"), "spec.notifications[0].title"),
    "two targets of a name": ("ModelDeployment", deployment(notifications=[CHAT, CHAT]), "Duplicate value"),
    "a rate that is too high": (*told(rate={"interval": "100ms"}), "must be at least 1s"),
    "a retraining without a target": (
        "ModelDeployment",
        retrained(action={}),
        "give exactly one of job, argoWorkflow, airflow",
    ),
    "a retraining with two targets": (
        "ModelDeployment",
        retrained(action={**HOOK, "job": {"template": {}}}),
        "give exactly one of job, argoWorkflow, airflow",
    ),
    "a workflow of nothing": (
        "ModelDeployment",
        retrained(action={"argoWorkflow": {}}),
        "give exactly one of workflowTemplateRef and spec",
    ),
    "a trigger of nothing": (
        "ModelDeployment",
        retrained({"name": "x"}),
        "give exactly one of schedule, data, metric and drift",
    ),
    "data of two kinds": (
        "ModelDeployment",
        retrained({"name": "x", "data": {"modelTag": {"key": "a"}, "http": {"url": "https://x.example.com"}}}),
        "give exactly one of gitTag, http, modelTag and growth",
    ),
    "growth of nothing": (
        "ModelDeployment",
        retrained({"name": "x", "data": {"growth": {"template": "t", "metric": "m"}}}),
        "give exactly one of by and percent",
    ),
    "a trigger twice": (
        "ModelDeployment",
        retrained(*[{"name": "x", "schedule": {"cron": "0 3 * * *"}}] * 2),
        "Duplicate value",
    ),
    "drift of another kind": (
        "ModelDeployment",
        retrained({"name": "x", "drift": {"conditions": ["Ready"]}}),
        "conditions",
    ),
    "a URL with a password": (
        "ModelDeployment",
        retrained({"name": "x", "data": {"http": {"url": "https://me:secret@x.example.com"}}}),
        "url",
    ),
    "a parameter with a dash": ("ModelDeployment", retrained(parameters={"a-b": "c"}), "names of parameters"),
    "a timeout of a year": ("ModelDeployment", retrained(timeout="8760h"), "must be 10s to 720h"),
    "no selector": ("ModelDeployment", {"model": {"name": "m"}}, "give exactly one of version, alias and tags"),
    "two selectors": (
        "ModelDeployment",
        {"model": {**MODEL, "version": "1"}},
        "give exactly one of version, alias and tags",
    ),
    "name and uri": (
        "ModelDeployment",
        {"model": {"name": "m", "uri": "s3://m/f", "version": "1"}},
        "give either name, of a registered model, or uri",
    ),
    "neither name nor uri": (
        "ModelDeployment",
        {"model": {"version": "1"}},
        "give either name, of a registered model, or uri",
    ),
    "uri with an alias": (
        "ModelDeployment",
        {"model": {"uri": "s3://m/f", "alias": "champion"}},
        "a uri goes with a version",
    ),
    "uri with a registry": (
        "ModelDeployment",
        {"model": {"uri": "s3://m/f", "version": "1", "registry": "mlflow"}},
        "a uri goes with a version, which names its revisions, and without a registry",
    ),
    "digest of a registered model": (
        "ModelDeployment",
        {"model": {**MODEL, "sha256": "a" * 64}},
        "sha256 goes with uri",
    ),
    "uri with a login": (
        "ModelDeployment",
        {"model": {"uri": "https://ada:secret@host/m.zip", "version": "1"}},
        "spec.model.uri",
    ),
    "signed uri": (
        "ModelDeployment",
        {"model": {"uri": "https://host/m.zip?X-Amz-Signature=1", "version": "1"}},
        "spec.model.uri",
    ),
    "uri without encryption or digest": (
        "ModelDeployment",
        {"model": {"uri": "http://host/m.zip", "version": "1"}},
        "http:// is not encrypted",
    ),
    "uri of an unknown store": (
        "ModelDeployment",
        {"model": {"uri": "ftp://host/m.zip", "version": "1"}},
        "spec.model.uri",
    ),
    "gate on a registry that there is not": (
        "ModelDeployment",
        {"model": {"uri": "s3://m/f", "version": "1"}, "gates": [TESTS_GATE, {"name": "old", "age": {"max": "1h"}}]},
        "its gates can only be jobs",
    ),
    "no tags": ("ModelDeployment", {"model": {"name": "m", "tags": {}}}, "should have at least 1 properties"),
    "model name with a slash": ("ModelDeployment", {"model": {"name": "../x", "alias": "a"}}, "spec.model.name"),
    "model name with a line break": ("ModelDeployment", {"model": {"name": "m\nx", "alias": "a"}}, "spec.model.name"),
    "alias with a query": ("ModelDeployment", {"model": {"name": "m", "alias": "a&b=c"}}, "spec.model.alias"),
    "version zero": ("ModelDeployment", {"model": {"name": "m", "version": "0"}}, "spec.model.version"),
    "version latest": ("ModelDeployment", {"model": {"name": "m", "version": "latest"}}, "spec.model.version"),
    "weight above 100": ("ModelDeployment", canary({"setWeight": 101}), "less than or equal to 100"),
    "weight zero": ("ModelDeployment", canary({"setWeight": 0}), "greater than or equal to 1"),
    "weight as text": ("ModelDeployment", canary({"setWeight": "10"}), "must be of type integer"),
    "weights that fall": ("ModelDeployment", canary({"setWeight": 50}, {"setWeight": 10}), "weights must rise"),
    "weights that stay": (
        "ModelDeployment",
        canary({"setWeight": 50}, {"pause": {}}, {"setWeight": 50}),
        "weights must rise",
    ),
    "a drift window below the interval": (
        "ModelDeployment",
        deployment(drift={"window": "1m"}),
        "window must not be shorter than interval",
    ),
    "a drift window of a month": ("ModelDeployment", deployment(drift={"window": "720h"}), "must be 1m to 168h"),
    "a drift threshold of zero": (
        "ModelDeployment",
        deployment(drift={"thresholds": {"psi": 0}}),
        "should be greater than 0",
    ),
    "no detectors": ("ModelDeployment", deployment(drift={"concept": {"detectors": []}}), "at least 1 items"),
    "credentials for drift without an address": (
        "ModelDeployment",
        deployment(drift={"prometheus": {"credentials": {"secretName": "s"}}}),
        "credentials and tls need an address",
    ),
    "no steps": ("ModelDeployment", canary(), "at least 1 items"),
    "too many steps": ("ModelDeployment", canary(*({"setWeight": n} for n in range(1, 52))), "at most 50 items"),
    "a step with both": (
        "ModelDeployment",
        canary({"setWeight": 5, "pause": {}}),
        "a step is exactly one of setWeight, pause, analysis",
    ),
    "a step with neither": ("ModelDeployment", canary({}), "a step is exactly one of setWeight, pause, analysis"),
    "both forms of steps": (
        "ModelDeployment",
        deployment(strategy={"canary": {"steps": [{"setWeight": 5}], "stepWeight": 5, "interval": "1m"}}),
        "give steps or stepWeight, not both",
    ),
    "half of the short form": (
        "ModelDeployment",
        deployment(strategy={"canary": {"stepWeight": 5}}),
        "the short form needs stepWeight and interval",
    ),
    "a header matched in two ways": (
        "ModelDeployment",
        canary({"setHeaderRoute": {"match": [{"headers": [{"name": "a", "exact": "x", "regex": "z"}]}]}}),
        "give exactly one of exact, prefix and regex",
    ),
    "a match of nothing": (
        "ModelDeployment",
        canary({"setHeaderRoute": {"match": [{}]}}),
        "give headers, cookies or both",
    ),
    "a cookie that breaks out": (
        "ModelDeployment",
        canary({"setHeaderRoute": {"match": [{"cookies": [{"name": "a", "value": "x.*|`;"}]}]}}),
        "should match",
    ),
    "two scales": (
        "ModelDeployment",
        canary({"setCanaryScale": {"replicas": 1, "weight": 5}}),
        "give exactly one of replicas, weight and matchTrafficWeight",
    ),
    "an experiment without an end": (
        "ModelDeployment",
        canary({"experiment": {"weight": 5}}),
        "give duration, analysis or both",
    ),
    "mirroring by a plain Service": (
        "ModelDeployment",
        deployment(strategy={"canary": {"steps": [{"setMirrorRoute": {}}]}}, traffic={"service": {}}),
        "need one of the traffic providers",
    ),
    "a surge that is no number": (
        "ModelDeployment",
        deployment(strategy={"canary": {"maxSurge": "many"}}),
        "spec.strategy.canary.maxSurge",
    ),
    "autoscaling upside down": (
        "ModelDeployment",
        deployment(autoscaling={"minReplicas": 3, "maxReplicas": 2}, strategy={"blueGreen": {}}),
        "minReplicas must not be above maxReplicas",
    ),
    "a surge beside an autoscaler": (
        "ModelDeployment",
        deployment(autoscaling={"maxReplicas": 2}, strategy={"canary": {"maxSurge": 1}}),
        "need a fixed number of replicas",
    ),
    "two budgets": (
        "ModelDeployment",
        deployment(podDisruptionBudget={"minAvailable": 1, "maxUnavailable": 1}),
        "give exactly one of minAvailable and maxUnavailable",
    ),
    "two gateways' settings": (
        "ModelDeployment",
        deployment(traffic={"gatewayAPI": {"parentRefs": [{"name": "g"}], "adopt": {"name": "route"}}}),
        "give exactly one of parentRefs and adopt",
    ),
    "an alias that would follow itself": (
        "ModelDeployment",
        written_back({"promotedAlias": "champion"}),
        "another alias than the one that is followed",
    ),
    "a reserved alias": ("ModelDeployment", written_back({"promotedAlias": "Latest"}), "MLflow reserves"),
    "an alias that reads as a version": ("ModelDeployment", written_back({"promotedAlias": "v7"}), "MLflow reserves"),
    "nothing to write back": ("ModelDeployment", written_back({"tags": False}), "writeBack needs tags"),
    "a choice by tags that Steersman writes": (
        "ModelDeployment",
        written_back({"tags": True}, alias=None, tags={"steersman.dev/risk/fraud/outcome": "Promoted"}),
        "Steersman writes them",
    ),
    "a gate of two kinds": (
        "ModelDeployment",
        deployment(gates=[{"name": "a", "inputExample": {}, "signature": {}}]),
        "a gate is exactly one of metric, notWorse",
    ),
    "two gates of one name": (
        "ModelDeployment",
        deployment(gates=[{"name": "a", "inputExample": {}}, {"name": "a", "signature": {}}]),
        "Duplicate value",
    ),
    "a metric without bounds": (
        "ModelDeployment",
        deployment(gates=[{"name": "a", "metric": {"name": "auc"}}]),
        "needs min, max or both",
    ),
    "a parameter with bounds and choices": (
        "ModelDeployment",
        deployment(gates=[{"name": "a", "parameter": {"name": "C", "min": 1, "oneOf": ["2"]}}]),
        "give min, max or both, or oneOf",
    ),
    "a digest of a file elsewhere": (
        "ModelDeployment",
        deployment(gates=[{"name": "a", "digest": {"path": "../x", "tag": "sha"}}]),
        "spec.gates[0].digest.path",
    ),
    "a digest of nothing": (
        "ModelDeployment",
        deployment(gates=[{"name": "a", "digest": {"path": "model.pkl"}}]),
        "give exactly one of sha256 and tag",
    ),
    "a tag with two conditions": (
        "ModelDeployment",
        deployment(gates=[{"name": "a", "tag": {"name": "by", "value": "x", "pattern": "*"}}]),
        "give at most one of value and pattern",
    ),
    "a pause at 100": ("ModelDeployment", canary({"setWeight": 100}, {"pause": {}}), "can only be the last step"),
    "two strategies": (
        "ModelDeployment",
        deployment(strategy={"canary": {}, "blueGreen": {}}),
        "give exactly one strategy",
    ),
    "no strategy": ("ModelDeployment", deployment(strategy={}), "give exactly one strategy"),
    "no provider": ("ModelDeployment", deployment(traffic={}), "give exactly one traffic provider"),
    "no gateway": (
        "ModelDeployment",
        deployment(traffic={"gatewayAPI": {"parentRefs": []}}),
        "give exactly one of parentRefs",
    ),
    "hostname with a path": (
        "ModelDeployment",
        deployment(traffic={"gatewayAPI": {"parentRefs": [{"name": "g"}], "hostnames": ["a.example/x"]}}),
        "hostnames",
    ),
    "no replicas": ("ModelDeployment", deployment(replicas=0), "greater than or equal to 1"),
    "duration without a unit": ("ModelDeployment", deployment(progressDeadline="600"), "progressDeadline"),
    "negative duration": ("ModelDeployment", deployment(progressDeadline="-5m"), "progressDeadline"),
    "endless duration": ("ModelDeployment", deployment(progressDeadline="99999999h"), "progressDeadline"),
    "interval too short": ("ModelDeployment", deployment(analysis={"interval": "900ms"}), "must be at least 1s"),
    "a template twice": (
        "ModelDeployment",
        deployment(analysis={"templates": [{"name": "a"}, {"name": "a"}]}),
        "Duplicate value",
    ),
    "runtime name that is none": ("ModelDeployment", deployment(runtime={"name": "A B"}), "spec.runtime.name"),
    "unknown field": ("ModelDeployment", deployment(replica=3), 'unknown field "spec.replica"'),
    "registry with a password in its URL": (
        "ModelRegistry",
        {"mlflow": {"url": "http://user:secret@mlflow:5000"}},
        "spec.mlflow.url",
    ),
    "registry that is a file": ("ModelRegistry", {"mlflow": {"url": "file:///etc"}}, "spec.mlflow.url"),
    "registry polled too often": (
        "ModelRegistry",
        {"mlflow": {"url": "http://m"}, "pollInterval": "10ms"},
        "must be at least 1s",
    ),
    "two providers": (
        "AnalysisTemplate",
        template(threshold={"query": "up", "min": 1}, prometheus={}, job={"spec": {}}),
        "give at most one provider",
    ),
    "no query": ("AnalysisTemplate", template(threshold={"min": 1}), "threshold needs a query"),
    "a query that is not taken": (
        "AnalysisTemplate",
        template(threshold={"query": "up", "min": 1}, mlflow={"metric": "auc"}),
        "leave the threshold's query out",
    ),
    "counters elsewhere": (
        "AnalysisTemplate",
        template(sequential=SEQUENTIAL, datadog={"credentials": {"secretName": "a"}}),
        "with another provider use threshold",
    ),
    "a plain Authorization header": (
        "AnalysisTemplate",
        template(
            threshold={"min": 1},
            web={"url": "http://a", "jmesPath": "a", "headers": [{"name": "authorization", "value": "x"}]},
        ),
        "this header is set by the operator, or from a Secret",
    ),
    "credentials for the operator's own server": (
        "AnalysisTemplate",
        template(threshold={"query": "up", "min": 1}, prometheus={"credentials": {"secretName": "a"}}),
        "credentials and tls need an address",
    ),
    "a timeout of an hour": (
        "AnalysisTemplate",
        template(threshold={"query": "up", "min": 1}, prometheus={"timeout": "1h"}),
        "must be 1s to 1m",
    ),
    "no judge": ("AnalysisTemplate", template(), "give exactly one judge"),
    "two judges": (
        "AnalysisTemplate",
        template(sequential=SEQUENTIAL, threshold={"query": "up", "min": 1}),
        "give exactly one judge",
    ),
    "threshold without bounds": ("AnalysisTemplate", template(threshold={"query": "up"}), "needs min, max or both"),
    "bounds that cross": (
        "AnalysisTemplate",
        template(threshold={"query": "up", "min": 2, "max": 1}),
        "min must not be above max",
    ),
    "no outcome": (
        "ClusterAnalysisTemplate",
        template(sequential={"requests": "r"}),
        "give exactly one of failures, successes and buckets",
    ),
    "means without a highest value": (
        "AnalysisTemplate",
        template(sequential={"requests": "r", "buckets": "b"}),
        "give highest together with buckets",
    ),
    "a highest value of failures": (
        "AnalysisTemplate",
        template(sequential={**SEQUENTIAL, "highest": 1}),
        "give highest together with buckets",
    ),
    "two outcomes": (
        "AnalysisTemplate",
        template(sequential={**SEQUENTIAL, "buckets": "b", "highest": 1}),
        "give exactly one of failures, successes and buckets",
    ),
    "no alpha for a rollout": ("ModelDeployment", deployment(analysis={"alpha": 0}), "greater than 0"),
    "bursts of nothing": (
        "AnalysisTemplate",
        template(sequential={**SEQUENTIAL, "burst": 0}),
        "greater than or equal to 1",
    ),
    "two new judges": (
        "AnalysisTemplate",
        template(comparison={"query": "x", "maxRatio": 2}, mannWhitney={"query": "x"}),
        "give exactly one judge",
    ),
    "comparison without bounds": ("AnalysisTemplate", template(comparison={"query": "x"}), "a comparison needs"),
    "comparison upside down": (
        "AnalysisTemplate",
        template(comparison={"query": "x", "minRatio": 2, "maxRatio": 1}),
        "minRatio must not be above maxRatio",
    ),
    "unknown direction": (
        "AnalysisTemplate",
        template(mannWhitney={"query": "x", "direction": "up"}),
        "Unsupported value",
    ),
    "lookback that is too short": (
        "AnalysisTemplate",
        template(mannWhitney={"query": "x", "lookback": "4m"}),
        "the lookback must hold minPoints steps",
    ),
    "confidence of all": ("AnalysisTemplate", template(mannWhitney={"query": "x", "confidence": 1}), "less than 1"),
    "scoring of nothing": (
        "AnalysisTemplate",
        {**template(threshold={"query": "up", "min": 1}), "scoring": {"pass": 90}},
        "a scoring needs a mannWhitney metric",
    ),
    "scoring of a group that is not there": (
        "AnalysisTemplate",
        {**template(mannWhitney={"query": "x"}), "scoring": SCORING},
        "is not the group of any mannWhitney metric",
    ),
    "weights above 100": (
        "AnalysisTemplate",
        {
            **template(mannWhitney=MANN_WHITNEY),
            "scoring": {"groups": [{"name": "latency", "weight": 60}, {"name": "x", "weight": 60}]},
        },
        "the groups' weights must not exceed 100",
    ),
    "marginal above pass": (
        "AnalysisTemplate",
        {**template(mannWhitney={"query": "x"}), "scoring": {"pass": 60}},
        "marginal must not be above pass",
    ),
    "alpha zero": ("AnalysisTemplate", template(sequential={**SEQUENTIAL, "alpha": 0}), "greater than 0"),
    "no metrics": ("AnalysisTemplate", {"metrics": []}, "at least 1 items"),
    "no template": ("ServingRuntime", {}, "spec.template: Required value"),
}


@pytest.mark.parametrize(("kind", "spec", "complaint"), BAD.values(), ids=BAD)
def test_bad_objects_are_refused_with_a_message(api, kind, spec, complaint):
    with pytest.raises(ClusterError) as refused:
        try_to_create(api, kind, spec)
    assert complaint in str(refused.value)


@pytest.mark.parametrize("name", ["2fraud", "fraud.v1", "f" * 41, "fraud-"])
def test_names_that_make_no_service_name_are_refused(api, name):
    with pytest.raises(ClusterError, match=r"lower-case letters, digits and dashes|RFC 1123"):
        try_to_create(api, "ModelDeployment", deployment(), name)


def test_the_longest_name_is_taken(api):
    assert try_to_create(api, "ModelDeployment", deployment(), "f" * 40)["metadata"]["name"] == "f" * 40


def test_status_is_written_apart_from_the_spec_and_shown_in_columns(api):
    manifest = {
        "apiVersion": "steersman.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": "columns", "namespace": "default"},
        "spec": deployment(),
        "status": {"phase": "Healthy"},
    }
    api.kubectl("apply", "-f", "-", input=yaml.safe_dump(manifest))
    try:
        # What a client writes there is dropped.
        assert api.get("modeldeployment", "columns", "--namespace", "default")["status"] == {"observedGeneration": -1}
        status = {
            "phase": "Progressing",
            "stable": {"name": "columns-v1-00000000", "version": "1"},
            "candidate": {"name": "columns-v2-00000000", "version": "2"},
            "candidateWeight": 25,
            "step": "2/4",
            "ready": "3/3",
        }
        patch = yaml.safe_dump({"status": status})
        api.kubectl(
            *("patch", "md", "columns", "--namespace", "default"), "--subresource=status", "--type=merge", "-p", patch
        )
        row = api.kubectl("get", "md", "columns", "--namespace", "default", "--no-headers").split()
        assert row[:-1] == ["columns", "1", "2", "Progressing", "25", "2/4", "3/3"]
        assert "columns" in api.kubectl("get", "steersman", "--namespace", "default")
    finally:
        api.kubectl("delete", "md", "columns", "--namespace", "default")


def test_a_status_with_a_reason_of_a_newer_operator_is_taken(api):
    api.kubectl("apply", "-f", str(REPOSITORY / "examples" / "00-registry.yaml"))
    try:
        condition = {
            "type": "NewType",
            "status": "True",
            "reason": "NewReason",
            "lastTransitionTime": "2026-01-02T03:04:05.678Z",
        }
        patch = yaml.safe_dump({"status": {"conditions": [condition]}})
        words = ("mreg", "mlflow", "--namespace", "default")
        api.kubectl("patch", *words, "--subresource=status", "--type=merge", "-p", patch)
        assert api.get(*words)["status"]["conditions"] == [condition]
    finally:
        api.kubectl("delete", "-f", str(REPOSITORY / "examples" / "00-registry.yaml"))


def test_the_examples_are_accepted_as_they_are(api):
    files = sorted((REPOSITORY / "examples").glob("*.yaml"))
    manifests = [manifest for file in files for manifest in yaml.safe_load_all(file.read_text())]
    # Routes of their owners are another API's: tests/component/test_traffic_schemas.py has it.
    ours = [manifest for manifest in manifests if manifest["apiVersion"].startswith("steersman.dev/")]
    created = api.kubectl("create", "--dry-run=server", "-o", "name", "-f", "-", input=yaml.safe_dump_all(ours)).split()
    assert "modelregistry.steersman.dev/mlflow" in created
    assert len([name for name in created if name.startswith("modeldeployment.")]) == len(files) - 2
