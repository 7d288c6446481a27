"""Where queries are sent: settings filled, Secrets of one namespace, and everything wrong said before a rollout begins."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError
from tests.unit.analysis.builders import CANDIDATE, START, context

from steersman.api.analysis import AnalysisTemplateSpec, Argument, Metric
from steersman.api.status import AnalysisStage, AnalysisStatus
from steersman.core.analysis import BindingError, bind, due
from steersman.core.analysis.model import MetricQuery
from steersman.core.analysis.schedule import fresh

POD: dict[str, Any] = {"containers": [{"name": "check", "image": "check:1", "args": ["--of", "{{candidate}}"]}]}


def metric(**fields: Any) -> Metric:
    return Metric.model_validate({"name": "m", "threshold": {"max": 1}, **fields})


def asked(fields: dict[str, Any], args: dict[str, str] | None = None, **known: Any) -> MetricQuery:
    given = args or {}
    spec = AnalysisTemplateSpec.model_validate(
        {"args": [{"name": name} for name in given], "metrics": [metric(**fields).to_wire()]}
    )
    bound = bind([("t", spec)], [Argument(name=name, value=value) for name, value in given.items()], 15.0)
    status = AnalysisStatus(stage=AnalysisStage.BACKGROUND, started_at=START, metrics=[fresh(bound[0], START)])
    queries, _ = due(bound, status, replace(context(), **known), START + 62)
    (query,) = queries
    return query


def settings(query: MetricQuery) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(query.source.settings)
    return found


DATADOG = {"datadog": {"credentials": {"secretName": "dd"}}}


def test_a_namespace_is_named_only_where_secrets_are() -> None:
    query = {"threshold": {"query": "up", "max": 1}}
    assert asked(query).source.namespace is None
    assert asked({**query, "prometheus": {"address": "http://p:9090"}}).source.namespace is None
    assert asked({**query, **DATADOG}).source.namespace == "risk"


def test_texts_and_settings_are_filled() -> None:
    web = {
        "url": "http://api/{{candidate}}?n={{args.n}}",
        "method": "POST",
        "body": '{"w": "{{window}}"}',
        "headers": [{"name": "X-Tenant", "value": "{{namespace}}"}],
        "jmesPath": "value",
    }
    query = asked({"web": web}, {"n": "a&b"})
    assert query.text == ""
    assert settings(query) == {
        **web,
        "url": f"http://api/{CANDIDATE}?n=a%26b",
        "body": '{"w":"60s"}',
        "headers": [{"name": "X-Tenant", "value": "risk"}],
    }
    datadog = asked({"threshold": {"query": "avg:x{r:{{candidate}}}", "max": 1}, **DATADOG})
    assert datadog.text == f"avg:x{{r:{CANDIDATE}}}"


def test_new_relic_looks_back_as_far_as_the_window() -> None:
    relic = {"newRelic": {"accountId": 1, "credentials": {"secretName": "nr"}}}
    query = asked({"threshold": {"query": "SELECT count(*) FROM T", "max": 1}, **relic})
    assert settings(query)["lookback"] == "1m"


def test_mlflow_goes_to_the_deployments_registry_with_its_credentials() -> None:
    known = {"run_id": "abc", "registry_url": "http://mlflow", "registry_secret": "login"}
    query = asked({"mlflow": {"metric": "auc"}}, **known)
    assert settings(query) == {
        "metric": "auc",
        "runId": "abc",
        "url": "http://mlflow",
        "credentials": {"secretName": "login"},
    }
    assert query.source.namespace == "risk"
    other = asked({"mlflow": {"metric": "auc", "url": "http://other"}}, **known)
    assert "credentials" not in settings(other) and other.source.namespace is None


def test_a_job_is_secured_and_belongs_to_a_deployment() -> None:
    query = asked({"job": {"spec": {"template": {"spec": POD}}}, "threshold": {}})
    assert (query.source.namespace, query.text) == ("risk", "fraud")
    spec = settings(query)["spec"]["template"]["spec"]
    assert spec["containers"][0]["args"] == ["--of", CANDIDATE]
    assert spec["automountServiceAccountToken"] is False and spec["restartPolicy"] == "Never"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"web": {"url": "http://{{args.x}}", "jmesPath": "a"}}, "no placeholder may stand"),
        ({"web": {"url": "http://a/{{args.y}}", "jmesPath": "a"}}, "unknown placeholder"),
        ({"web": {"url": "http://a", "jmesPath": "$.a"}}, "jmesPath cannot be read.*no \\$ stands"),
        ({"threshold": {"query": "avg:x{{{args.x}}}", "max": 1}, **DATADOG}, "may have only letters"),
        ({"threshold": {"query": "{{revisions}}", "max": 1}, **DATADOG}, "unknown placeholder"),
        ({"job": {"spec": {}}}, "needs a template"),
        ({"job": {"spec": {"template": {"spec": {**POD, "hostNetwork": True}}}}}, "hostNetwork must not be true"),
        (
            {"job": {"spec": {"template": {"spec": {**POD, "serviceAccountName": "{{args.x}}"}}}}},
            "only in command, args and values of env",
        ),
        (
            {"job": {"spec": {"template": {"metadata": {"labels": {"steersman.dev/revision": "a"}}, "spec": POD}}}},
            "labels of steersman.dev",
        ),
    ],
)
def test_what_cannot_be_asked_is_said_when_it_is_bound(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(BindingError, match=f"t/m: .*{said}"):
        asked(fields, {"x": "a b"})


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({**DATADOG, "web": {"url": "http://a", "jmesPath": "a"}}, "at most one provider"),
        (DATADOG, "threshold needs a query"),
        ({"threshold": {"query": "x", "max": 1}, "mlflow": {"metric": "auc"}}, "leave the threshold's query out"),
        ({"threshold": {}, "mlflow": {"metric": "auc"}}, "needs min, max or both"),
        ({"threshold": None, "sequential": {"requests": "a", "failures": "b"}, **DATADOG}, "counts requests in Prom"),
        (
            {"prometheus": {"credentials": {"secretName": "a"}}, "threshold": {"query": "x", "max": 1}},
            "need an address",
        ),
        ({"web": {"url": "http://u:p@a", "jmesPath": "a"}}, "url"),
        ({"web": {"url": "http://a", "jmesPath": "a", "body": "{}"}}, "a body needs the method POST"),
        (
            {"web": {"url": "http://a", "jmesPath": "a", "headers": [{"name": "Authorization", "value": "x"}]}},
            "from a Secret",
        ),
        (
            {"threshold": {"query": "x", "max": 1}, "prometheus": {"headers": [{"name": "host", "value": "x"}]}},
            "it cannot be given here",
        ),
        ({"web": {"url": "http://a", "jmesPath": "a", "timeout": "61s"}}, "less than or equal to 60"),
    ],
)
def test_what_the_schema_refuses(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        metric(**fields)
