"""Secrets come from the ModelDeployment's namespace only, are read again after a refusal, and are never shown."""

from __future__ import annotations

import base64
import json

import pytest
from tests.unit.shell.memory_cluster import MemoryCluster

from steersman.core.analysis.model import MetricQuery, Over, Part, Sample, Series, Source
from steersman.ports import AccessRefused, ApiError, MetricError, Secrets
from steersman.shell.metric_sources import SETTINGS, MetricSources

LOGIN = {"address": "http://p", "credentials": {"secretName": "login"}}


class Server:
    def __init__(self) -> None:
        self.got: list[Secrets] = []
        self.error: MetricError | None = None

    async def query(self, query: MetricQuery, secrets: Secrets) -> tuple[Sample, ...]:
        self.got.append(secrets)
        if self.error is not None:
            raise self.error
        return ()

    async def query_range(self, query: MetricQuery, secrets: Secrets) -> tuple[Series, ...]:
        self.got.append(secrets)
        return ()

    async def close(self) -> None:
        pass


class Cluster(MemoryCluster):
    def __init__(self) -> None:
        super().__init__()
        self.read: list[tuple[str | None, str]] = []
        self.error: Exception | None = None

    async def get(self, api_version: str, kind: str, namespace: str | None, name: str) -> dict[str, object]:
        self.read.append((namespace, name))
        if self.error is not None:
            raise self.error
        return await super().get(api_version, kind, namespace, name)

    def secret(self, namespace: str, token: str) -> None:
        data = {"token": base64.b64encode(token.encode()).decode()}
        self.put({"kind": "Secret", "metadata": {"name": "login", "namespace": namespace}, "data": data})


def query(provider: str = "prometheus", settings: object = LOGIN, namespace: str | None = "a") -> MetricQuery:
    return MetricQuery("t/m", Part.VALUE, Source(provider, json.dumps(settings), namespace), "x", 15.0)


def make() -> tuple[MetricSources, Cluster, Server]:
    cluster, server = Cluster(), Server()
    return MetricSources({"prometheus": server, "web": server}, cluster), cluster, server


async def test_each_namespace_gets_its_own_secret() -> None:
    sources, cluster, server = make()
    cluster.secret("a", "of-a")
    cluster.secret("b", "of-b")
    for namespace in ("a", "b", "a"):
        await sources.query(query(namespace=namespace))
    assert [secrets.text("login", "token") for secrets in server.got] == ["of-a", "of-b", "of-a"]
    assert cluster.read == [("a", "login"), ("b", "login")]
    assert "of-a" not in repr(server.got)


async def test_without_a_secret_nothing_is_read() -> None:
    sources, cluster, server = make()
    await sources.query(query(settings={}, namespace=None))
    assert cluster.read == [] and server.got[0].values == {}


async def test_a_refusal_reads_it_again() -> None:
    sources, cluster, server = make()
    cluster.secret("a", "old")
    server.error = AccessRefused("refused access (HTTP 401)")
    with pytest.raises(MetricError):
        await sources.query(query())
    cluster.secret("a", "new")
    server.error = None
    await sources.query(query())
    assert server.got[-1].text("login", "token") == "new"


async def test_a_message_that_repeats_a_secret_is_censored() -> None:
    sources, cluster, server = make()
    cluster.secret("a", "s3cret")
    server.error = MetricError("invalid token 's3cret'")
    with pytest.raises(MetricError, match=r"invalid token '\*\*\*'") as caught:
        await sources.query(query())
    assert caught.value.__cause__ is None


async def test_what_cannot_be_read() -> None:
    sources, cluster, _ = make()
    with pytest.raises(MetricError, match="there is no Secret 'login' in namespace 'a'"):
        await sources.query(query())
    with pytest.raises(MetricError, match="no namespace is known"):
        await sources.query(query(namespace=None))
    cluster.error = ApiError(403, "forbidden")
    with pytest.raises(MetricError, match=r"Secret 'login' could not be read \(HTTP 403\)"):
        await sources.query(query())
    with pytest.raises(MetricError, match="the settings of prometheus cannot be used: address"):
        await sources.query(query(settings={"address": "ftp://x"}))
    with pytest.raises(MetricError, match="no metric provider datadog"):
        await sources.query(query("datadog", {}))


async def test_values_over_time_where_there_are_none() -> None:
    sources, _, _ = make()
    asked = MetricQuery("t/m", Part.VALUE, Source("web", "{}"), "", 15.0, Over(0.0, 1.0))
    with pytest.raises(MetricError, match="web has one value at a time"):
        await sources.query_range(asked)


def test_every_provider_has_settings() -> None:
    assert len(SETTINGS) == 10
