"""What every metric provider that speaks HTTP promises, and what each reads from its server's answers."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import web

from steersman.adapters import http
from steersman.adapters.metrics.cloudwatch import CloudWatchProvider
from steersman.adapters.metrics.datadog import DatadogProvider
from steersman.adapters.metrics.graphite import GraphiteProvider
from steersman.adapters.metrics.influxdb import InfluxDBProvider
from steersman.adapters.metrics.mlflow import MLflowProvider
from steersman.adapters.metrics.newrelic import NewRelicProvider
from steersman.adapters.metrics.prometheus import PrometheusProvider
from steersman.adapters.metrics.web import WebProvider
from steersman.adapters.transport import Transport
from steersman.core.analysis.model import MetricQuery, Over, Part, Source
from steersman.ports import AccessRefused, MetricError, MetricServer, Secrets

Serve = Callable[[Callable[[web.Request], Awaitable[web.StreamResponse]]], Awaitable[str]]
AT = 1_800_000_000.0
SECRET = "s3cret-v4lue"
KEYS = ("token", "api-key", "app-key", "access-key-id", "secret-access-key")
SECRETS = Secrets("ns", {"s": {key: SECRET.encode() for key in KEYS}})
LOGIN = {"secretName": "s"}

INFLUX = (
    "#datatype,string,long,dateTime:RFC3339,double,string\r\n"
    ",result,table,_time,_value,pod\r\n"
    ",,0,2027-01-15T07:59:30Z,4,a\r\n"
    ",,0,2027-01-15T07:59:45Z,4.5,a\r\n"
    "\r\n"
)


@dataclass(frozen=True)
class Case:
    """A provider, settings for a server at a URL, and an answer of that server that means 4.5."""

    make: Callable[[Transport], MetricServer]
    settings: Callable[[str], dict[str, Any]]
    good: Any
    name: str
    text: str = "x"
    series: bool = True


CASES = {
    "prometheus": Case(
        lambda transport: PrometheusProvider(None, transport),
        lambda url: {"address": url, "credentials": LOGIN},
        {"status": "success", "data": {"resultType": "vector", "result": [{"metric": {}, "value": [AT, "4.5"]}]}},
        "Prometheus",
    ),
    "web": Case(
        WebProvider,
        lambda url: {
            "url": f"{url}/stats",
            "jmesPath": "data.value",
            "headers": [{"name": "Authorization", "prefix": "Bearer ", "secret": {"secretName": "s", "key": "token"}}],
        },
        {"data": {"value": "4.5"}},
        "the web API",
        series=False,
    ),
    "datadog": Case(
        DatadogProvider,
        lambda url: {"address": url, "credentials": LOGIN},
        {
            "status": "ok",
            "res_type": "time_series",
            "series": [
                {
                    "scope": "revision:a",
                    "pointlist": [[AT * 1000 - 30_000, 4.0], [AT * 1000 - 15_000, 4.5], [AT * 1000, None]],
                }
            ],
        },
        "Datadog",
    ),
    "newRelic": Case(
        NewRelicProvider,
        lambda url: {"accountId": 7, "address": f"{url}/graphql", "credentials": LOGIN, "lookback": "1m"},
        {"data": {"actor": {"account": {"nrql": {"results": [{"average.duration": 4.5}]}}}}},
        "New Relic",
        text="SELECT average(duration) FROM T",
    ),
    "influxdb": Case(
        InfluxDBProvider, lambda url: {"address": url, "org": "o", "credentials": LOGIN}, INFLUX.encode(), "InfluxDB"
    ),
    "graphite": Case(
        GraphiteProvider,
        lambda url: {"address": url, "credentials": LOGIN},
        [{"target": "a.b", "tags": {}, "datapoints": [[4.0, AT - 30], [4.5, AT - 15], [None, AT]]}],
        "Graphite",
    ),
    "mlflow": Case(
        MLflowProvider,
        lambda url: {"url": url, "metric": "auc", "runId": "abc", "credentials": LOGIN},
        {"run": {"info": {}, "data": {"metrics": [{"key": "auc", "value": 4.5, "timestamp": 1, "step": 0}]}}},
        "MLflow",
        series=False,
    ),
}
every = pytest.mark.parametrize("kind", CASES)


class Server:
    """Answers every request alike and keeps what was asked."""

    def __init__(self, body: Any, status: int = 200, delay: float = 0.0, headers: dict[str, str] | None = None) -> None:
        self.body, self.status, self.delay, self.headers = body, status, delay, headers or {}
        self.requests: list[web.Request] = []
        self.bodies: list[bytes] = []
        self.gone = 0

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        self.bodies.append(await request.read())
        try:
            await asyncio.sleep(self.delay)
        except asyncio.CancelledError:
            self.gone += 1
            raise
        body = self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()
        return web.Response(body=body, status=self.status, headers=self.headers)


Ask = Callable[..., Awaitable[Any]]


@pytest.fixture
async def ask() -> AsyncIterator[Ask]:
    """Ask a kind of provider about a server at a URL."""
    made: list[MetricServer] = []

    async def asking(
        kind: str, base: str, over: Over | None = None, at: float = AT, max_bytes: int = 100_000, **more: Any
    ) -> Any:
        case = CASES[kind]
        provider = case.make(Transport(max_bytes=max_bytes))
        made.append(provider)
        settings = {**case.settings(base), "timeout": "1s", **more}
        settings = {name: value for name, value in settings.items() if value is not None}
        query = MetricQuery("t/m", Part.VALUE, Source(kind, json.dumps(settings), "ns"), case.text, at, over)
        return await (provider.query(query, SECRETS) if over is None else provider.query_range(query, SECRETS))

    yield asking
    for provider in made:
        await provider.close()


def harmless(message: str) -> bool:
    return SECRET not in message and message.isprintable() and len(message) < 400


@every
async def test_a_good_answer(serve: Serve, ask: Ask, kind: str) -> None:
    server = Server(CASES[kind].good)
    (sample,) = await ask(kind, await serve(server))
    assert sample.value == 4.5
    (request,) = server.requests
    assert any(SECRET in value for value in request.headers.values())
    assert SECRET not in str(request.url) and SECRET not in repr(SECRETS)


@every
@pytest.mark.parametrize("status", [401, 403])
async def test_access_is_refused(serve: Serve, ask: Ask, kind: str, status: int) -> None:
    with pytest.raises(
        AccessRefused, match=rf"{CASES[kind].name} at http://127.*refused access \(HTTP {status}\)"
    ) as e:
        await ask(kind, await serve(Server(SECRET.encode(), status)))
    assert harmless(str(e.value))


@every
async def test_a_slow_server_is_given_up(serve: Serve, ask: Ask, kind: str) -> None:
    begin = time.monotonic()
    with pytest.raises(MetricError, match=f"{CASES[kind].name} at .* gave no answer within 1 s"):
        await ask(kind, await serve(Server(CASES[kind].good, delay=5)))
    assert time.monotonic() - begin < 2.5


@every
async def test_too_large_an_answer_is_not_read(serve: Serve, ask: Ask, kind: str) -> None:
    with pytest.raises(MetricError, match="larger than 1000 bytes"):
        await ask(kind, await serve(Server(b" " * 5000)), max_bytes=1000)


@every
async def test_a_redirect_is_not_followed(serve: Serve, ask: Ask, kind: str) -> None:
    target = Server(CASES[kind].good)
    elsewhere = await serve(target)
    with pytest.raises(MetricError, match="redirect"):
        await ask(kind, await serve(Server(b"", 302, headers={"Location": elsewhere})))
    assert target.requests == []


@every
async def test_nobody_listens(ask: Ask, kind: str) -> None:
    with pytest.raises(MetricError, match=f"cannot reach {CASES[kind].name} at http://127.0.0.1:9: "):
        await ask(kind, "http://127.0.0.1:9")


@every
@pytest.mark.parametrize("url", ["http://169.254.169.254", "http://[::ffff:169.254.169.254]", "http://[fd00:ec2::254]"])
async def test_a_metadata_service_is_not_asked(ask: Ask, kind: str, url: str) -> None:
    with pytest.raises(MetricError, match="is an address that the operator does not ask"):
        await ask(kind, url)


@every
@pytest.mark.parametrize("status", [200, 500])
@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b"\xff\xfe",
        b"[" * 50_000,
        b"null",
        b"[1]",
        b'{"series": "x", "run": [], "data": {"actor": 1}, "status": "success"}',
        b'{"series": [{"pointlist": [["a", true]]}], "run": {"data": {"metrics": [{"key": "auc", "value": "x"}]}}}',
        b'[{"target": "a", "datapoints": [[1]]}]',
        b",result,table,_value\n,,0,much\n",
        SECRET.encode(),
    ],
)
async def test_anything_else_is_an_error_in_one_line_or_no_data(
    serve: Serve, ask: Ask, kind: str, status: int, body: bytes
) -> None:
    try:
        samples = await ask(kind, await serve(Server(body, status)))
    except MetricError as error:
        assert harmless(str(error))
    else:
        assert samples == () and status == 200


@every
async def test_who_stops_waiting_ends_the_request(serve: Serve, ask: Ask, kind: str) -> None:
    server = Server(CASES[kind].good, delay=0.5)
    asking = asyncio.create_task(ask(kind, await serve(server)))
    await asyncio.sleep(0.1)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking


@every
async def test_values_over_time_or_a_word_why_not(serve: Serve, ask: Ask, kind: str) -> None:
    url = await serve(Server(CASES[kind].good))
    over = Over(AT - 600, 15.0)
    if not CASES[kind].series:
        with pytest.raises(MetricError, match=f"{kind} has one value at a time"):
            await ask(kind, url, over)
    elif kind in ("datadog", "influxdb", "graphite"):
        (series,) = await ask(kind, url, over)
        assert series.points == ((AT - 30, 4.0), (AT - 15, 4.5))


@every
async def test_a_secret_without_the_key(serve: Serve, kind: str) -> None:
    url = await serve(Server(CASES[kind].good))
    provider = CASES[kind].make(Transport())
    query = MetricQuery("t/m", Part.VALUE, Source(kind, json.dumps(CASES[kind].settings(url)), "ns"), "x", AT)
    with pytest.raises(MetricError, match=r"Secret 's' in namespace 'ns' (has no key|needs the key)"):
        await provider.query(query, Secrets("ns", {"s": {"other": b"x"}}))
    await provider.close()


async def test_names_that_lead_to_a_metadata_service(monkeypatch: pytest.MonkeyPatch) -> None:
    async def resolve(*_: object) -> list[Any]:
        return [{"host": "169.254.169.254"}]

    resolver = http._CarefulResolver()
    monkeypatch.setattr(resolver._inner, "resolve", resolve)
    with pytest.raises(http.ForbiddenAddress):
        await resolver.resolve("metadata.example")


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("a", [1.0]),
        ("b", [0.0]),
        ("c", [2.5]),
        ("d", []),
        ("missing", []),
        ("e[?name=='auc'].value | [0]", [0.9]),
        ("length(e)", [2.0]),
        ("nan", []),
    ],
)
async def test_what_jmespath_picks(serve: Serve, ask: Ask, path: str, values: list[float]) -> None:
    answer = {"a": True, "b": False, "c": "2.5", "d": None, "nan": "NaN", "e": [{"name": "auc", "value": 0.9}, {}]}
    samples = await ask("web", await serve(Server(answer)), jmesPath=path)
    assert [sample.value for sample in samples] == values


@pytest.mark.parametrize(
    ("path", "said"),
    [("e", "picks a list"), ("@", "picks an object"), ("t", "no number"), ("abs(t)", "cannot be applied")],
)
async def test_what_jmespath_picks_is_never_shown(serve: Serve, ask: Ask, path: str, said: str) -> None:
    with pytest.raises(MetricError, match=said) as caught:
        await ask("web", await serve(Server({"t": SECRET, "e": [SECRET]})), jmesPath=path)
    assert harmless(str(caught.value))


DATAROBOT = {
    "metrics": {
        "cacheHitRatio": 0.5,
        "executionTime": 61.0,
        "medianLoad": 2,
        "numConsumers": 3,
        "peakLoad": 9,
        "responseTime": 84.0,
        "serverErrorRate": 0.0025,
        "slowRequests": 0,
        "totalPredictions": 1000,
        "totalRequests": 400,
        "userErrorRate": 0.0,
    },
    "modelId": "5f1a",
    "period": {"end": "2027-01-15T08:00:00Z", "start": "2027-01-15T07:00:00Z"},
}
"""As https://docs.datarobot.com/en/docs/api/reference/public-api/observability_service_health.html has it."""


async def test_datarobots_service_health(serve: Serve, ask: Ask) -> None:
    server = Server(DATAROBOT)
    url = await serve(server)
    samples = await ask(
        "web",
        url,
        url=f"{url}/api/v2/deployments/64ab/serviceStats/?modelId=5f1a%2F",
        jmesPath="metrics.serverErrorRate",
    )
    assert [sample.value for sample in samples] == [0.0025]
    assert server.requests[0].raw_path == "/api/v2/deployments/64ab/serviceStats/?modelId=5f1a%2F"
    assert server.requests[0].headers["Authorization"] == f"Bearer {SECRET}"


async def test_what_datadog_is_asked(serve: Serve, ask: Ask) -> None:
    server = Server(CASES["datadog"].good)
    await ask("datadog", await serve(server))
    (request,) = server.requests
    assert request.path == "/api/v1/query"
    assert dict(request.query) == {"from": "1799999700", "to": "1800000000", "query": "x"}
    assert request.headers["DD-API-KEY"] == request.headers["DD-APPLICATION-KEY"] == SECRET


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (
            {"status": "error", "error": "Error parsing query: rule"},
            200,
            "rejected the query: Error parsing query: rule",
        ),
        ({"errors": ["Bad Request", "no"]}, 400, "rejected the query: Bad Request; no"),
    ],
)
async def test_what_datadog_refuses(serve: Serve, ask: Ask, body: Any, status: int, said: str) -> None:
    with pytest.raises(MetricError, match=said):
        await ask("datadog", await serve(Server(body, status)))


async def test_account_and_nrql_are_variables(serve: Serve, ask: Ask) -> None:
    server = Server(CASES["newRelic"].good)
    await ask("newRelic", await serve(server))
    sent = json.loads(server.bodies[0])
    assert "SELECT" not in sent["query"] and "$nrql: Nrql!" in sent["query"]
    assert sent["variables"]["account"] == 7
    assert sent["variables"]["nrql"] == "SELECT average(duration) FROM T\nSINCE 1799999940000 UNTIL 1800000000000"
    assert server.requests[0].headers["API-Key"] == SECRET


def relic(*rows: Any) -> Any:
    return {"data": {"actor": {"account": {"nrql": {"results": list(rows)}}}}}


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (relic({"count": 1000}), [({}, 1000.0)]),
        (relic({"percentile.duration": {"95": 0.3}}), [({}, 0.3)]),
        (
            relic({"facet": "a", "host": "a", "count": 1}, {"facet": "b", "host": "b", "count": None}),
            [({"facet": "a"}, 1.0)],
        ),
        (relic(), []),
        (relic({"a": 1, "b": 2}), "2 values in a row"),
        ({"errors": [{"message": "NRQL Syntax Error: oops"}]}, "rejected the query: NRQL Syntax Error: oops"),
        ({"data": {"actor": {"account": None}}}, "shows nothing of this account"),
    ],
)
async def test_what_new_relic_answers(serve: Serve, ask: Ask, body: Any, found: Any) -> None:
    asking = ask("newRelic", await serve(Server(body)))
    if isinstance(found, str):
        with pytest.raises(MetricError, match=found):
            await asking
    else:
        assert [(dict(sample.labels), sample.value) for sample in await asking] == found


async def test_new_relics_values_over_time(serve: Serve, ask: Ask) -> None:
    rows = [{"beginTimeSeconds": AT - 15 * n, "endTimeSeconds": AT - 15 * n + 15, "count": n} for n in (2, 1)]
    server = Server(relic(*rows))
    (series,) = await ask("newRelic", await serve(server), Over(AT - 60, 15.0))
    assert series.points == ((AT - 15, 2.0), (AT, 1.0))
    assert json.loads(server.bodies[0])["variables"]["nrql"].endswith("TIMESERIES 15 seconds")


async def test_what_influxdb_is_asked(serve: Serve, ask: Ask) -> None:
    server = Server(CASES["influxdb"].good)
    (sample,) = await ask("influxdb", await serve(server))
    assert dict(sample.labels) == {"pod": "a"}
    assert (server.requests[0].path, dict(server.requests[0].query)) == ("/api/v2/query", {"org": "o"})
    assert server.requests[0].headers["Authorization"] == f"Token {SECRET}"
    assert json.loads(server.bodies[0])["now"] == "2027-01-15T08:00:00Z"


@pytest.mark.parametrize(
    ("body", "status", "found"),
    [
        (b"", 200, []),
        (b"\r\n\r\n", 200, []),
        (b"#datatype,string,long,double\r\n,result,table,_value\r\n,,0,1\r\n,,1,2\r\n", 200, [1.0, 2.0]),
        (b"#datatype,string,long,double\r\n,result,table,_value\r\n,,0,\r\n", 200, []),
        (b"#datatype,string,long,string\r\n,result,table,_value\r\n,,0,a\r\n", 200, "_value is a string"),
        (b"#datatype,string,long,double\r\n,result,table,n\r\n,,0,1\r\n", 200, "no column _value"),
        (
            b"#datatype,string,string\r\n,error,reference\r\n,ran out of memory,897\r\n",
            200,
            "could not evaluate.*memory",
        ),
        (b'{"code":"invalid","message":"compilation failed: x"}', 400, "rejected the query: compilation failed"),
    ],
)
async def test_what_influxdb_answers(serve: Serve, ask: Ask, body: bytes, status: int, found: Any) -> None:
    asking = ask("influxdb", await serve(Server(body, status)))
    if isinstance(found, str):
        with pytest.raises(MetricError, match=found):
            await asking
    else:
        assert [sample.value for sample in await asking] == found


async def test_what_graphite_is_asked(serve: Serve, ask: Ask) -> None:
    server = Server(CASES["graphite"].good)
    await ask("graphite", await serve(server))
    assert server.requests[0].path == "/render"
    asked = {"target": "x", "from": "1799999700", "until": "1800000000", "format": "json"}
    assert dict(server.requests[0].query) == asked


@pytest.mark.parametrize(
    ("body", "status", "found"),
    [
        ({"run": {"data": {}}}, 200, []),
        ({"run": {"data": {"metrics": [{"key": "auc", "value": "NaN"}]}}}, 200, []),
        ({"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no"}, 404, "has no run abc"),
        ({"error_code": "INTERNAL_ERROR", "message": "oops"}, 500, "answered INTERNAL_ERROR: oops"),
    ],
)
async def test_what_mlflow_answers(serve: Serve, ask: Ask, body: Any, status: int, found: Any) -> None:
    server = Server(body, status)
    asking = ask("mlflow", await serve(server))
    if isinstance(found, str):
        with pytest.raises(MetricError, match=found):
            await asking
    else:
        assert [sample.value for sample in await asking] == found
    assert str(server.requests[0].rel_url) == "/api/2.0/mlflow/runs/get?run_id=abc"


async def test_a_version_without_a_run(ask: Ask) -> None:
    with pytest.raises(MetricError, match="names no run of the candidate's version"):
        await ask("mlflow", "http://127.0.0.1:9", runId="")


async def test_cloudwatch_is_bounded_like_all_others(serve: Serve) -> None:
    provider = CloudWatchProvider(Transport(max_bytes=1000))
    stat = {"namespace": "n", "metricName": "m", "stat": "Sum"}
    one = [{"id": "a", "metricStat": stat}]

    async def ask(url: str, **more: Any) -> Any:
        settings = {"region": "eu-west-1", "endpointUrl": url, "credentials": LOGIN, "metricDataQueries": one, **more}
        settings = {name: value for name, value in settings.items() if value is not None}
        query = MetricQuery("t/m", Part.VALUE, Source("cloudWatch", json.dumps(settings), "ns"), "", AT)
        return await provider.query(query, SECRETS)

    for server, said in [
        (Server(b"", 302, headers={"Location": "http://127.0.0.1:9"}), "redirect"),
        (Server(b" " * 5000), "larger than 1000 bytes"),
        (Server(b"<html>", 500), "CloudWatch (answered|could not be asked)"),
        (Server(b"nothing", 200), "CloudWatch"),
    ]:
        with pytest.raises(MetricError, match=said) as caught:
            await ask(await serve(server))
        assert harmless(str(caught.value))
    with pytest.raises(MetricError, match="gave no answer within 1 s"):
        await ask(await serve(Server(b"", delay=5)), timeout="1s")
    with pytest.raises(MetricError, match="cannot reach CloudWatch"):
        await ask("http://127.0.0.1:9")
    with pytest.raises(MetricError, match="does not ask"):
        await ask("http://169.254.169.254")
    with pytest.raises(MetricError, match="may not lend its own identity"):
        await ask("http://127.0.0.1:9", credentials=None)
    lending = CloudWatchProvider(own_identity=True)
    settings = {"region": "eu-west-1", "endpointUrl": "http://127.0.0.1:9", "metricDataQueries": one}
    query = MetricQuery("t/m", Part.VALUE, Source("cloudWatch", json.dumps(settings)), "", AT)
    with pytest.raises(MetricError, match="with an endpointUrl needs credentials"):
        await lending.query(query, Secrets())
    await lending.close()
    await provider.close()
