"""The Prometheus provider against servers on loopback that behave and that do not."""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from steersman.adapters.metrics.prometheus import OwnAccess, PrometheusProvider
from steersman.adapters.transport import Transport
from steersman.core.analysis.model import MetricQuery, Over, Part, Sample, Series, Source
from steersman.ports import MetricError, Secrets

Serve = Callable[[Callable[[web.Request], Awaitable[web.StreamResponse]]], Awaitable[str]]
AT = 1_800_000_000.5


class Asking:
    """A provider, and short ways to ask it."""

    def __init__(self, provider: PrometheusProvider, timeout: str) -> None:
        self.provider, self.timeout = provider, timeout

    def source(self, address: str | None, **settings: Any) -> Source:
        known = {} if address is None else {"address": address}
        return Source("prometheus", json.dumps({**known, "timeout": self.timeout, **settings}))

    async def instant(self, address: str | None, promql: str, at: float, **settings: Any) -> tuple[Sample, ...]:
        secrets = settings.pop("secrets", Secrets())
        query = MetricQuery("t/m", Part.VALUE, self.source(address, **settings), promql, at)
        return await self.provider.query(query, secrets)

    async def range(self, promql: str, at: float, over: Over | None) -> tuple[Series, ...]:
        return await self.provider.query_range(
            MetricQuery("t/m", Part.VALUE, self.source(None), promql, at, over), Secrets()
        )


def vector(*series: tuple[dict[str, str], str]) -> dict[str, Any]:
    result = [{"metric": labels, "value": [AT, value]} for labels, value in series]
    return {"status": "success", "data": {"resultType": "vector", "result": result}}


class Answering:
    """Answers every request alike and keeps what was asked."""

    def __init__(self, body: Any, status: int = 200, delay: float = 0.0, headers: dict[str, str] | None = None) -> None:
        self.body, self.status, self.delay, self.headers = body, status, delay, headers or {}
        self.forms: list[dict[str, str]] = []
        self.requests: list[web.Request] = []
        self.running = self.most = 0

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        self.forms.append({key: str(value) for key, value in (await request.post()).items()})
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await asyncio.sleep(self.delay)
        finally:
            self.running -= 1
        if isinstance(self.body, bytes):
            return web.Response(body=self.body, status=self.status, headers=self.headers)
        return web.json_response(self.body, status=self.status, headers=self.headers)


@pytest.fixture
async def make() -> AsyncIterator[Callable[..., Asking]]:
    made: list[PrometheusProvider] = []

    def factory(address: str | None, own: OwnAccess | None = None, timeout: str = "1s", **options: Any) -> Asking:
        made.append(PrometheusProvider(address, Transport(**options), own=own or OwnAccess()))
        return Asking(made[-1], timeout)

    yield factory
    for provider in made:
        await provider.close()


Make = Callable[..., Asking]


async def test_a_vector_with_its_labels(serve: Serve, make: Make) -> None:
    server = Answering(vector(({"pod": "a"}, "1.5"), ({"pod": "b"}, "-3e2")))
    provider = make(await serve(server) + "/prefix/")
    samples = await provider.instant(None, 'up{a="ü&="}', AT)
    assert [(dict(sample.labels), sample.value) for sample in samples] == [({"pod": "a"}, 1.5), ({"pod": "b"}, -300.0)]
    (request,) = server.requests
    assert (request.method, request.path) == ("POST", "/prefix/api/v1/query")
    assert server.forms == [{"query": 'up{a="ü&="}', "time": "1800000000.500", "timeout": "1s"}]


async def test_a_scalar_has_no_labels(serve: Serve, make: Make) -> None:
    body = {"status": "success", "data": {"resultType": "scalar", "result": [AT, "42"]}}
    (sample,) = await make(await serve(Answering(body))).instant(None, "42", AT)
    assert (dict(sample.labels), sample.value) == ({}, 42.0)


async def test_no_series_is_an_empty_answer_and_no_error(serve: Serve, make: Make) -> None:
    assert await make(await serve(Answering(vector()))).instant(None, "nothing", AT) == ()


async def test_nan_and_infinities_are_kept(serve: Serve, make: Make) -> None:
    server = Answering(vector(({}, "NaN"), ({}, "+Inf"), ({}, "-Inf")))
    nan, plus, minus = [sample.value for sample in await make(await serve(server)).instant(None, "x", AT)]
    assert math.isnan(nan)
    assert (plus, minus) == (math.inf, -math.inf)


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (
            400,
            {"status": "error", "errorType": "bad_data", "error": "1:5: parse error: unexpected\n<by>"},
            r"^Prometheus rejected the query: 1:5: parse error: unexpected <by>$",
        ),
        (
            422,
            {"status": "error", "errorType": "execution", "error": "many-to-many"},
            "could not evaluate.*many-to-many",
        ),
        (503, {"status": "error", "errorType": "timeout", "error": "query timed out"}, "could not evaluate.*timed out"),
        (502, b"<html>bad gateway</html>", "answered HTTP 502, but not as Prometheus does"),
        (200, b"", "not as Prometheus does"),
        (200, b"{" * 100_000, "not as Prometheus does"),
        (200, b"[" * 100_000, "not as Prometheus does"),
        (200, {"status": "success"}, "not as Prometheus does"),
        (200, {"status": "error"}, "not as Prometheus does"),
        (200, [1], "not as Prometheus does"),
        (200, {"status": "success", "data": {"resultType": "vector", "result": [{"metric": {}}]}}, "not as Prometheus"),
        (200, {"status": "success", "data": {"resultType": "vector", "result": "x"}}, "not as Prometheus does"),
        (200, vector(({}, "many")), "not as Prometheus does"),
        (200, {"status": "success", "data": {"resultType": "scalar", "result": [1, 2.0]}}, "not as Prometheus does"),
        (200, {"status": "success", "data": {"resultType": "scalar", "result": [1]}}, "not as Prometheus does"),
        (200, {"status": "success", "data": {"resultType": "matrix", "result": []}}, "gives a matrix"),
        (200, {"status": "success", "data": {"resultType": "string", "result": [1, "x"]}}, "gives a string"),
        (
            200,
            {"status": "success", "data": {"resultType": "vector", "result": [{"metric": {}, "histogram": [1, {}]}]}},
            "native histograms",
        ),
        (401, b"who are you", r"refused access \(HTTP 401\)"),
        (403, {"status": "error", "errorType": "x", "error": "y"}, r"refused access \(HTTP 403\)"),
    ],
)
async def test_everything_else_is_an_error_with_a_short_message(
    serve: Serve, make: Make, status: int, body: Any, said: str
) -> None:
    with pytest.raises(MetricError, match=said) as caught:
        await make(await serve(Answering(body, status))).instant(None, "x", AT)
    assert len(str(caught.value)) < 400
    assert "\n" not in str(caught.value)


async def test_a_long_message_is_cut(serve: Serve, make: Make) -> None:
    body = {"status": "error", "errorType": "bad_data", "error": "x\x1b[31m\u2028" * 10_000}
    with pytest.raises(MetricError) as caught:
        await make(await serve(Answering(body, 400))).instant(None, "x", AT)
    assert len(str(caught.value)) < 400
    assert str(caught.value).isprintable()


async def test_a_slow_server_is_given_up(serve: Serve, make: Make) -> None:
    begin = time.monotonic()
    with pytest.raises(MetricError, match=r"gave no answer within 1 s"):
        await make(await serve(Answering(vector(), delay=3))).instant(None, "x", AT)
    assert time.monotonic() - begin < 2.5


async def test_a_server_that_drips_is_given_up(serve: Serve, make: Make) -> None:
    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(50):
            await response.write(b" ")
            await asyncio.sleep(0.1)
        return response

    with pytest.raises(MetricError, match="gave no answer within"):
        await make(await serve(drip)).instant(None, "x", AT)


@pytest.mark.parametrize("encoding", [{}, {"Content-Encoding": "gzip"}])
async def test_too_large_an_answer_is_not_read(serve: Serve, make: Make, encoding: dict[str, str]) -> None:
    import gzip

    plain = json.dumps(vector(*[({"n": str(number)}, "1") for number in range(5000)])).encode()
    body = gzip.compress(plain) if encoding else plain
    with pytest.raises(MetricError, match="larger than 20000 bytes; the query selects too much"):
        await make(await serve(Answering(body, headers=encoding)), max_bytes=20_000).instant(None, "x", AT)


async def test_a_redirect_is_not_followed(serve: Serve, make: Make) -> None:
    target = Answering(vector())
    elsewhere = await serve(target)
    server = Answering(b"", 307, headers={"Location": f"{elsewhere}/api/v1/query"})
    with pytest.raises(MetricError, match="redirect"):
        await make(await serve(server)).instant(None, "x", AT)
    assert target.requests == []


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("http://127.0.0.1:9", "cannot reach Prometheus at http://127.0.0.1:9: Connect call failed|refused"),
        ("http://", "cannot|unusable|address"),
        ("http://[", "cannot|unusable|address"),
        ("file:///etc/passwd", "cannot|unusable|address"),
        ("not a url", "cannot|unusable|address"),
        (None, "no Prometheus address"),
    ],
)
async def test_an_address_that_does_not_work(make: Make, address: str | None, said: str) -> None:
    with pytest.raises(MetricError, match=said):
        await make(address).instant(None, "x", AT)


async def test_user_information_in_an_address_is_neither_sent_nor_shown(serve: Serve, make: Make) -> None:
    server = Answering(b"", 500)
    address = (await serve(server)).replace("http://", "http://user:s3cret@")
    with pytest.raises(MetricError) as caught:
        await make(address).instant(None, "x", AT)
    assert "s3cret" not in str(caught.value)
    assert "Authorization" not in server.requests[0].headers


async def test_concurrency_is_bounded_per_address(serve: Serve, make: Make) -> None:
    slow, quick = Answering(vector(), delay=0.1), Answering(vector())
    provider = make(await serve(slow), concurrency=2)
    other = await serve(quick)
    waiting = [asyncio.create_task(provider.instant(None, f"q{number}", AT)) for number in range(6)]
    await asyncio.sleep(0.02)
    begin = time.monotonic()
    await provider.instant(other, "x", AT)
    assert time.monotonic() - begin < 0.1
    await asyncio.gather(*waiting)
    assert slow.most == 2


async def test_a_bearer_token_goes_to_the_default_address_only(serve: Serve, make: Make, tmp_path: Path) -> None:
    server = Answering(vector())
    address = await serve(server)
    (tmp_path / "token").write_text("first\n")
    provider = make(address, own=OwnAccess(tmp_path))
    await provider.instant(None, "x", AT)
    (tmp_path / "token").write_text("second\n")
    await provider.instant(None, "y", AT)
    await provider.instant(address, "x", AT)
    sent = [request.headers.get("Authorization") for request in server.requests]
    assert sent == ["Bearer first", "Bearer second", None]


async def test_basic_auth_goes_to_the_default_address_only(serve: Serve, make: Make, tmp_path: Path) -> None:
    server = Answering(vector())
    address = await serve(server)
    (tmp_path / "username").write_text("user")
    (tmp_path / "password").write_text("pässword")
    provider = make(address, own=OwnAccess(tmp_path, {"X-Scope-OrgID": "operations"}))
    await provider.instant(None, "x", AT)
    await provider.instant(address, "x", AT)
    assert [request.headers.get("Authorization") for request in server.requests] == ["Basic dXNlcjpww6Rzc3dvcmQ=", None]
    assert [request.headers.get("X-Scope-OrgID") for request in server.requests] == ["operations", None]


async def test_files_that_cannot_be_read_are_an_error_of_the_query(make: Make, tmp_path: Path) -> None:
    provider = make("http://127.0.0.1:9", own=OwnAccess(tmp_path / "none"))
    with pytest.raises(MetricError, match="the operator's own files"):
        await provider.instant(None, "x", AT)
    (tmp_path / "ca.crt").write_text("no certificate")
    with pytest.raises(MetricError, match="the certificates in Secret 'prometheus' cannot be used"):
        await make("https://127.0.0.1:9", own=OwnAccess(tmp_path)).instant(None, "x", AT)


async def test_values_over_time(serve: Serve, make: Make) -> None:
    result = [{"metric": {"pod": "a"}, "values": [[AT - 15, "1"], [AT, "NaN"]]}]
    server = Answering({"status": "success", "data": {"resultType": "matrix", "result": result}})
    (series,) = await make(await serve(server)).range("x", AT, Over(AT - 60, 15.0))
    assert (dict(series.labels), series.points[0]) == ({"pod": "a"}, (AT - 15, 1.0))
    assert math.isnan(series.points[1][1])
    assert server.requests[0].path == "/api/v1/query_range"
    assert server.forms == [
        {"query": "x", "start": "1799999940.500", "end": "1800000000.500", "step": "15.000", "timeout": "1s"}
    ]


@pytest.mark.parametrize("body", [vector(), {"status": "success", "data": {"resultType": "matrix", "result": [{}]}}])
async def test_an_answer_that_is_no_matrix(serve: Serve, make: Make, body: Any) -> None:
    with pytest.raises(MetricError, match=r"where values over time are needed|not as Prometheus does"):
        await make(await serve(Answering(body))).range("x", AT, Over(AT - 60, 15.0))


async def test_a_templates_own_credentials_and_tenant(serve: Serve, make: Make, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("the operator's")
    server = Answering(vector())
    address = await serve(server)
    provider = make("http://127.0.0.1:9", own=OwnAccess(tmp_path))
    headers = [{"name": "X-Scope-OrgID", "value": "team-a"}]
    for data in ({"token": b"abc\n"}, {"username": b"u", "password": b"p"}):
        secrets = Secrets("ns", {"login": data})
        credentials = {"secretName": "login"}
        await provider.instant(address, "x", AT, credentials=credentials, headers=headers, secrets=secrets)
    sent = [request.headers.get("Authorization") for request in server.requests]
    assert sent == ["Bearer abc", "Basic dTpw"]
    assert {request.headers["X-Scope-OrgID"] for request in server.requests} == {"team-a"}
    with pytest.raises(MetricError, match="Secret 'login' in namespace 'ns' needs the key token, or username"):
        await provider.instant(
            address, "x", AT, credentials={"secretName": "login"}, secrets=Secrets("ns", {"login": {}})
        )
