"""The MLflow adapter against servers on loopback that behave and that do not; the real server is in the component tests."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from steersman.adapters.registries.mlflow import MLflowRegistry
from steersman.adapters.registries.mlflow_versions import MAX_PAGES
from steersman.api.conditions import Reason
from steersman.ports import ModelRegistryClient, ModelVersion, RegistryCredentials, RegistryError, VersionSelector

Serve = Callable[[Callable[[web.Request], Awaitable[web.StreamResponse]]], Awaitable[str]]
BY_ALIAS = VersionSelector("fraud", alias="champion")
BY_VERSION = VersionSelector("fraud", version="3")
BY_TAGS = VersionSelector("fraud", tags=(("stage", "ok"),))


def entry(version: str = "3", **more: Any) -> dict[str, Any]:
    return {"name": "fraud", "version": version, "status": "READY", "source": "s3://x", "run_id": "r1", **more}


def refusal(code: str, message: str = "") -> dict[str, str]:
    return {"error_code": code, "message": message}


class Registry:
    """Answers by path; an answer is (status, JSON or bytes) or a function of the request."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers = answers
        self.requests: list[web.Request] = []
        self.delay = 0.0
        self.headers: dict[str, str] = {}

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        await asyncio.sleep(self.delay)
        answer = self.answers.get(request.path.removeprefix("/api/2.0/mlflow/"), self.answers.get("*"))
        status, body = answer(request) if callable(answer) else answer
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return web.Response(status=status, body=data, content_type="application/json", headers=self.headers)


@pytest.fixture
async def client() -> AsyncIterator[MLflowRegistry]:
    registry = MLflowRegistry(timeout=0.5, max_bytes=20_000)
    yield registry
    await registry.close()


async def refused(
    client: MLflowRegistry, url: str, selector: VersionSelector, credentials: RegistryCredentials | None = None
) -> RegistryError:
    with pytest.raises(RegistryError) as caught:
        await client.resolve(url, credentials, selector)
    assert len(str(caught.value)) < 500
    assert "\n" not in str(caught.value)
    return caught.value


async def test_it_implements_the_port(client: MLflowRegistry) -> None:
    port: ModelRegistryClient = client
    assert port is client


async def test_a_version_an_alias_and_tags(serve: Serve, client: MLflowRegistry) -> None:
    found = {"model_version": entry()}
    search = {
        "model_versions": [
            entry("4", tags=[{"key": "stage", "value": "no"}]),
            entry(tags=[{"key": "stage", "value": "ok"}]),
        ]
    }
    registry = Registry(
        {
            "model-versions/get": (200, found),
            "registered-models/alias": (200, found),
            "model-versions/search": (200, search),
        }
    )
    url = await serve(registry)
    for selector in (BY_VERSION, BY_ALIAS, BY_TAGS):
        assert await client.resolve(url + "/", None, selector) == ModelVersion("fraud", "3", None, "r1")
    assert [dict(request.query) for request in registry.requests] == [
        {"name": "fraud", "version": "3"},
        {"name": "fraud", "alias": "champion"},
        {
            "filter": "name='fraud' AND tags.`stage`='ok'",
            "order_by": "version_number DESC",
            "max_results": "100",
        },
    ]


@pytest.mark.parametrize(
    ("more", "model_id", "run_id"),
    [
        ({"source": "models:/m-0af1"}, "m-0af1", "r1"),
        ({"source": "models:/m-0af1/data"}, "m-0af1", "r1"),
        ({"source": "models:/m-0af1", "model_id": "m-ff"}, "m-ff", "r1"),
        ({"source": "models:/other/1", "run_id": ""}, None, None),
        ({"source": None, "run_id": None}, None, None),
    ],
)
async def test_model_id_and_run(
    serve: Serve, client: MLflowRegistry, more: dict[str, Any], model_id: str | None, run_id: str | None
) -> None:
    url = await serve(Registry({"*": (200, {"model_version": entry(**more)})}))
    assert await client.resolve(url, None, BY_ALIAS) == ModelVersion("fraud", "3", model_id, run_id)


MISSING_MODEL = (404, refusal("RESOURCE_DOES_NOT_EXIST", "Registered Model with name=fraud not found"))
A_MODEL = (200, {"registered_model": {"name": "fraud"}})


@pytest.mark.parametrize(
    ("selector", "answer", "reason"),
    [
        (BY_VERSION, (404, refusal("RESOURCE_DOES_NOT_EXIST")), Reason.VERSION_NOT_FOUND),
        (BY_ALIAS, (400, refusal("INVALID_PARAMETER_VALUE", "alias champion not found")), Reason.ALIAS_NOT_FOUND),
        (BY_ALIAS, (404, refusal("RESOURCE_DOES_NOT_EXIST")), Reason.ALIAS_NOT_FOUND),
        (BY_TAGS, (200, {}), Reason.NO_MATCHING_VERSION),
    ],
)
async def test_a_missing_part_and_a_missing_model_are_told_apart(
    serve: Serve, client: MLflowRegistry, selector: VersionSelector, answer: Any, reason: Reason
) -> None:
    url = await serve(Registry({"registered-models/get": A_MODEL, "*": answer}))
    assert (await refused(client, url, selector)).reason == reason
    url = await serve(Registry({"registered-models/get": MISSING_MODEL, "*": answer}))
    assert (await refused(client, url, selector)).reason == Reason.MODEL_NOT_FOUND


@pytest.mark.parametrize("selector", [BY_VERSION, BY_ALIAS, BY_TAGS])
@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (401, b"You are not authenticated", Reason.REGISTRY_UNAUTHORIZED),
        (403, b"Permission denied", Reason.REGISTRY_UNAUTHORIZED),
        (500, refusal("INTERNAL_ERROR"), Reason.REGISTRY_UNREACHABLE),
        (502, b"<html>", Reason.REGISTRY_UNREACHABLE),
        (429, refusal("REQUEST_LIMIT_EXCEEDED"), Reason.REGISTRY_UNREACHABLE),
        (400, refusal("SOMETHING_ELSE", "a reason"), Reason.REGISTRY_ERROR),
        (404, b"<html>not here</html>", Reason.REGISTRY_ERROR),
        (404, {"detail": "Not Found"}, Reason.REGISTRY_ERROR),
        (204, b"", Reason.REGISTRY_ERROR),
        (200, b"{", Reason.REGISTRY_ERROR),
        (200, b"[" * 10_000, Reason.REGISTRY_ERROR),
        (200, [], Reason.REGISTRY_ERROR),
        (200, {"model_version": 1, "model_versions": 1}, Reason.REGISTRY_ERROR),
        (200, {"model_version": {}, "model_versions": [{}]}, Reason.REGISTRY_ERROR),
        (200, {"model_version": None, "model_versions": [None]}, Reason.REGISTRY_ERROR),
        (200, b" " * 30_000, Reason.REGISTRY_ERROR),
    ],
)
async def test_trouble_by_kind(
    serve: Serve, client: MLflowRegistry, selector: VersionSelector, status: int, body: Any, reason: Reason
) -> None:
    assert (await refused(client, await serve(Registry({"*": (status, body)})), selector)).reason == reason


async def test_trouble_while_looking_for_the_model_is_not_a_missing_alias(serve: Serve, client: MLflowRegistry) -> None:
    answers = {"registered-models/get": (500, b""), "*": (400, refusal("INVALID_PARAMETER_VALUE"))}
    assert (await refused(client, await serve(Registry(answers)), BY_ALIAS)).reason == Reason.REGISTRY_UNREACHABLE


async def test_a_slow_registry_is_unreachable(serve: Serve, client: MLflowRegistry) -> None:
    registry = Registry({"*": (200, {})})
    registry.delay = 3.0
    begin = time.monotonic()
    error = await refused(client, await serve(registry), BY_ALIAS)
    assert (error.reason, time.monotonic() - begin < 1.5) == (Reason.REGISTRY_UNREACHABLE, True)
    assert "gave no answer within 0.5 s" in str(error)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://127.0.0.1:9", Reason.REGISTRY_UNREACHABLE),
        ("ftp://127.0.0.1", Reason.REGISTRY_ERROR),
        ("http://", Reason.REGISTRY_ERROR),
        ("", Reason.REGISTRY_ERROR),
        ("http://[", Reason.REGISTRY_ERROR),
    ],
)
async def test_a_url_that_does_not_work(client: MLflowRegistry, url: str, reason: Reason) -> None:
    assert (await refused(client, url, BY_ALIAS)).reason == reason


async def test_a_redirect_is_not_followed_and_gets_no_credentials(serve: Serve, client: MLflowRegistry) -> None:
    target = Registry({"*": (200, {"model_version": entry()})})
    registry = Registry({"*": (302, b"")})
    registry.headers = {"Location": await serve(target)}
    error = await refused(client, await serve(registry), BY_ALIAS, RegistryCredentials(token="s3cret-token"))
    assert error.reason == Reason.REGISTRY_ERROR
    assert target.requests == []


@pytest.mark.parametrize(
    ("credentials", "header"),
    [
        (None, None),
        (RegistryCredentials(), None),
        (RegistryCredentials(username="only"), None),
        (RegistryCredentials(username="u", password="pässword"), "Basic dTpww6Rzc3dvcmQ="),
        (RegistryCredentials(token="t0ken"), "Bearer t0ken"),
        (RegistryCredentials(username="u", password="pässword", token="t0ken"), "Basic dTpww6Rzc3dvcmQ="),
    ],
)
async def test_credentials_are_sent_as_mlflow_does(
    serve: Serve, client: MLflowRegistry, credentials: RegistryCredentials | None, header: str | None
) -> None:
    registry = Registry({"*": (200, {"model_version": entry()})})
    await client.resolve(await serve(registry), credentials, BY_ALIAS)
    assert registry.requests[0].headers.get("Authorization") == header


async def test_one_callers_credentials_are_not_anothers(serve: Serve, client: MLflowRegistry) -> None:
    registry = Registry({"*": (200, {"model_version": entry()})})
    registry.headers = {"Set-Cookie": "session=1"}
    url = await serve(registry)
    await client.resolve(url, RegistryCredentials(token="t0ken"), BY_ALIAS)
    await client.resolve(url, None, BY_ALIAS)
    assert "Authorization" not in registry.requests[1].headers
    assert "Cookie" not in registry.requests[1].headers


async def test_a_line_break_in_a_secret_is_explained(client: MLflowRegistry) -> None:
    error = await refused(client, "http://127.0.0.1:9", BY_ALIAS, RegistryCredentials(token="s3cret-token\n"))
    assert error.reason == Reason.REGISTRY_UNAUTHORIZED
    assert "line break" in str(error)
    assert "s3cret" not in str(error)


async def test_a_server_that_repeats_the_credentials_is_censored(serve: Serve, client: MLflowRegistry) -> None:
    def echo(request: web.Request) -> Any:
        return 400, refusal("BAD_REQUEST", f"you sent {request.headers['Authorization']}")

    error = await refused(
        client, await serve(Registry({"*": echo})), BY_ALIAS, RegistryCredentials(token="s3cret-token")
    )
    assert "you sent Bearer ***" in str(error)
    assert error.__cause__ is None


async def test_user_information_in_a_url_is_neither_sent_nor_shown(serve: Serve, client: MLflowRegistry) -> None:
    registry = Registry({"*": (500, b"")})
    url = (await serve(registry)).replace("http://", "http://user:s3cret@")
    assert "s3cret" not in str(await refused(client, url, BY_ALIAS))
    assert "Authorization" not in registry.requests[0].headers


@pytest.mark.parametrize("status", ["PENDING_REGISTRATION", "FAILED_REGISTRATION"])
@pytest.mark.parametrize("selector", [BY_VERSION, BY_ALIAS, BY_TAGS])
async def test_a_version_that_is_not_ready_is_not_given(
    serve: Serve, client: MLflowRegistry, selector: VersionSelector, status: str
) -> None:
    found = entry(status=status, status_message="upload broke", tags=[{"key": "stage", "value": "ok"}])
    error = await refused(
        client, await serve(Registry({"*": (200, {"model_version": found, "model_versions": [found]})})), selector
    )
    assert error.reason == Reason.REGISTRY_ERROR
    assert str(error) == f"version 3 of 'fraud' is not ready: {status} (upload broke)"


async def test_tags_take_the_newest_that_is_ready(serve: Serve, client: MLflowRegistry) -> None:
    tags = [{"key": "stage", "value": "ok"}]
    versions = [entry("5", status="PENDING_REGISTRATION", tags=tags), entry("4", tags=tags), entry("3", tags=tags)]
    url = await serve(Registry({"*": (200, {"model_versions": versions})}))
    assert (await client.resolve(url, None, BY_TAGS)).version == "4"


async def test_tags_read_further_pages_and_end(serve: Serve, client: MLflowRegistry) -> None:
    def page(request: web.Request) -> Any:
        number = int(request.query.get("page_token", "0"))
        tags = [{"key": "stage", "value": "ok" if number == 3 else "no"}]
        return 200, {"model_versions": [entry(str(9 - number), tags=tags)], "next_page_token": str(number + 1)}

    url = await serve(Registry({"*": page}))
    assert (await client.resolve(url, None, BY_TAGS)).version == "6"
    endless = Registry({"registered-models/get": A_MODEL, "*": (200, {"next_page_token": "again"})})
    assert (await refused(client, await serve(endless), BY_TAGS)).reason == Reason.NO_MATCHING_VERSION
    assert len(endless.requests) == MAX_PAGES + 1


@pytest.mark.parametrize(
    ("model", "tags", "sent"),
    [
        ("it's", (("a", "b"),), "name=\"it's\" AND tags.`a`='b'"),
        ('say "x"', (("a", "b"),), "name='say \"x\"' AND tags.`a`='b'"),
        ("fraud", (("a`b", "x"), ("ok", "it's"), ("plain", "v 1")), "name='fraud' AND tags.`plain`='v 1'"),
        ("fraud", (("x", "' OR name LIKE '%"),), "name='fraud'"),
    ],
)
async def test_hostile_names_do_not_reach_the_filter(
    serve: Serve, client: MLflowRegistry, model: str, tags: tuple[tuple[str, str], ...], sent: str
) -> None:
    found = entry("2", tags=[{"key": key, "value": value} for key, value in tags])
    wrong = entry("3", tags=[])
    registry = Registry(
        {
            "*": (
                200,
                {"model_versions": [{**wrong, "name": model}, entry("9", name="another"), {**found, "name": model}]},
            )
        }
    )
    assert (await client.resolve(await serve(registry), None, VersionSelector(model, tags=tags))).version == "2"
    assert registry.requests[0].query["filter"] == sent


async def test_a_name_that_cannot_be_searched_is_refused(client: MLflowRegistry) -> None:
    error = await refused(client, "http://127.0.0.1:9", VersionSelector("'\"", tags=(("a", "b"),)))
    assert error.reason == Reason.REGISTRY_ERROR


@pytest.mark.parametrize("name", ["a&b=c", "a/../b", "ü ?#", "%2e", "+"])
async def test_names_are_sent_as_they_are(serve: Serve, client: MLflowRegistry, name: str) -> None:
    registry = Registry({"*": (200, {"model_version": entry()})})
    await client.resolve(await serve(registry), None, VersionSelector(name, alias=name))
    assert dict(registry.requests[0].query) == {"name": name, "alias": name}


async def test_a_selector_without_a_choice_is_an_error_of_the_caller(client: MLflowRegistry) -> None:
    with pytest.raises(ValueError, match="VersionSelector"):
        await client.resolve("http://127.0.0.1:9", None, VersionSelector("fraud"))


async def test_one_slow_registry_does_not_hold_up_another(serve: Serve) -> None:
    slow, quick = (Registry({"*": (200, {"model_version": entry()})}) for _ in range(2))
    slow.delay = 0.3
    slow_url, quick_url = await serve(slow), await serve(quick)
    client = MLflowRegistry(timeout=2.0, concurrency=1)
    waiting = [asyncio.create_task(client.resolve(slow_url, None, BY_ALIAS)) for _ in range(3)]
    await asyncio.sleep(0.05)
    begin = time.monotonic()
    await client.resolve(quick_url, None, BY_ALIAS)
    assert time.monotonic() - begin < 0.2
    await asyncio.gather(*waiting)
    await client.close()


async def test_the_newest_version_and_tags_of_a_model(serve: Serve, client: MLflowRegistry) -> None:
    answers: dict[str, Any] = {
        "model-versions/search": {
            "model_versions": [
                {"name": "fraud", "version": "9", "status": "PENDING_REGISTRATION"},
                {"name": "fraud", "version": "8", "status": "READY"},
            ]
        },
        "registered-models/get": {"registered_model": {"name": "fraud", "tags": [{"key": "data", "value": "v3"}]}},
    }

    async def answer(request: web.Request) -> web.Response:
        return web.json_response(answers[request.path.removeprefix("/api/2.0/mlflow/")])

    url = await serve(answer)
    assert await client.newest(url, None, "fraud") == "8"
    assert await client.model_tag(url, None, "fraud", "data") == "v3"
    assert await client.model_tag(url, None, "fraud", "other") is None
    answers["model-versions/search"] = {}
    assert await client.newest(url, None, "fraud") is None


async def test_a_model_that_is_not_there_has_no_newest_version_and_no_tags(
    serve: Serve, client: MLflowRegistry
) -> None:
    async def missing(request: web.Request) -> web.Response:
        if request.path.endswith("search"):
            return web.json_response({})
        return web.json_response({"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no"}, status=404)

    url = await serve(missing)
    assert await client.newest(url, None, "fraud") is None
    with pytest.raises(RegistryError) as caught:
        await client.model_tag(url, None, "fraud", "data")
    assert caught.value.reason == Reason.MODEL_NOT_FOUND
