"""Every target that is spoken with over HTTP, against what its documentation says, and what all of them promise in trouble."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from urllib.parse import parse_qs

import pytest
from aiohttp import web

from steersman.adapters import http
from steersman.adapters.pipelines import calls
from steersman.api.retraining_actions import OBJECTS, Target
from steersman.core.retraining.model import Began, Run, RunState
from steersman.ports import PipelineError, Secrets
from unit.adapters.pipelines.contract import AT, KEY, MAKE, PARAMETERS, REFS, SECRET, SECRETS, Contract, Serve

TARGETS = [target for target in Target if target not in OBJECTS]
URLS = {
    Target.AIRFLOW: "/dags/train_fraud/runs/" + KEY,
    Target.GITHUB: "https://github.com/example/fraud/actions/runs/30433642",
    Target.GITLAB: "https://gitlab.com/risk/fraud/-/pipelines/257",
    Target.CIRCLECI: "/pipelines/github/example/fraud/25",
}


@pytest.fixture(params=TARGETS)
async def contract(request: pytest.FixtureRequest, serve: Serve) -> AsyncIterator[Contract]:
    made = await Contract(request.param).begin(serve)
    yield made
    await made.transport.close()


async def of(target: Target, serve: Serve) -> Contract:
    return await Contract(target).begin(serve)


def test_every_target_has_an_adapter() -> None:
    assert set(MAKE) == set(TARGETS)


async def test_a_run_begins_and_is_told_everything_without_its_secrets_in_the_url(contract: Contract) -> None:
    contract.expect("start")
    run = await contract.pipeline.start(contract.order(), SECRETS)
    assert run.state == RunState.RUNNING
    assert run.ref == ("queue/17" if contract.target == Target.JENKINS else REFS[contract.target])
    assert run.url.endswith(URLS.get(contract.target, ""))
    (sent,) = contract.received
    told = {key: values[0] for key, values in parse_qs(sent.body.decode()).items()}
    if contract.target == Target.GITLAB:
        assert told.pop("token") == "tr1gger-t0ken" and told.pop("ref") == "main"
        assert told == {f"variables[{name}]": value for name, value in PARAMETERS.items()}
        assert "PRIVATE-TOKEN" not in sent.headers
    elif contract.target == Target.JENKINS:
        assert told == PARAMETERS
    else:
        document = json.dumps(sent.document)
        assert all(json.dumps(value) in document for value in PARAMETERS.values())
        assert SECRET in json.dumps(sent.headers) or contract.target == Target.JENKINS
    assert SECRET not in sent.path and not sent.query


@pytest.mark.parametrize(("name", "state"), [("running", "running"), ("succeeded", "succeeded"), ("failed", "failed")])
async def test_a_run_is_followed_to_its_end(contract: Contract, name: str, state: str) -> None:
    contract.expect(name)
    run = await contract.pipeline.state(contract.order(), REFS[contract.target], SECRETS)
    assert run.state == state
    assert run.ref == REFS[contract.target]
    assert (run.message != "") >= (state == "failed")
    assert contract.received[-1].method == "GET"


async def test_a_run_can_be_ended(contract: Contract) -> None:
    if contract.target == Target.CIRCLECI:
        contract.expect("running", "cancel")
    elif contract.target != Target.WEBHOOK:
        contract.expect("cancel")
    await contract.pipeline.cancel(contract.order(), REFS[contract.target], SECRETS)
    assert bool(contract.received) == (contract.target != Target.WEBHOOK)


@pytest.mark.parametrize("target", [Target.KUBEFLOW, Target.GITHUB, Target.GITLAB])
async def test_a_run_is_found_by_its_key_and_by_the_whole_of_it(target: Target, serve: Serve) -> None:
    contract = await of(target, serve)
    contract.expect("found")
    found = await contract.pipeline.find(contract.order(), SECRETS)
    assert found is not None and found.ref == REFS[target]
    contract.expect("none")
    assert await contract.pipeline.find(contract.order(), SECRETS) is None


STATUSES = [
    (401, {}, Began.REFUSED),
    (403, {}, Began.REFUSED),
    (404, {}, Began.REFUSED),
    (400, {}, Began.REFUSED),
    (422, {}, Began.REFUSED),
    (429, {"Retry-After": "17"}, Began.NOT_YET),
    (403, {"Retry-After": "17"}, Began.NOT_YET),
    (500, {}, Began.UNKNOWN),
    (503, {"Retry-After": "17"}, Began.UNKNOWN),
]


@pytest.mark.parametrize(
    ("status", "headers", "began"), STATUSES, ids=[f"{s}{'r' if h else ''}" for s, h, _ in STATUSES]
)
@pytest.mark.parametrize("target", TARGETS)
async def test_what_an_error_means_for_the_run(
    target: Target, status: int, headers: dict[str, str], began: Began, serve: Serve
) -> None:
    async def refuse(request: web.Request) -> web.Response:
        said = f"no, not with {request.headers.get('Authorization')} or {SECRET}"
        return web.json_response({"message": said[:40]}, status=status, headers=headers)

    contract = Contract(target, await serve(refuse))
    with pytest.raises(PipelineError) as caught:
        await contract.pipeline.start(contract.order(), SECRETS)
    assert caught.value.began == began
    assert caught.value.again_after == (17 if began == Began.NOT_YET else 0)
    assert caught.value.access == (status in (401, 403) and not headers)
    assert f"HTTP {status}" in str(caught.value)
    await contract.transport.close()


@pytest.mark.parametrize("target", TARGETS)
async def test_a_date_to_wait_for_and_a_limit_that_is_used_up(target: Target, serve: Serve) -> None:
    answers = iter(
        [{"Retry-After": "Fri, 01 Jan 2100 00:00:00 GMT"}, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1"}, {}]
    )

    async def busy(_: web.Request) -> web.Response:
        return web.json_response({}, status=429, headers=next(answers))

    contract, waits = Contract(target, await serve(busy)), []
    for _ in range(3):
        with pytest.raises(PipelineError) as caught:
            await contract.pipeline.start(contract.order(), SECRETS)
        waits.append(caught.value.again_after)
    assert waits == [calls.LONGEST_WAIT, 1.0, 60.0]
    await contract.transport.close()


@pytest.mark.parametrize("target", TARGETS)
async def test_credentials_do_not_follow_a_redirect(target: Target, serve: Serve) -> None:
    stolen: list[str] = []

    async def thief(request: web.Request) -> web.Response:
        stolen.append(request.path)
        return web.json_response({})

    elsewhere = await serve(thief)

    async def redirect(_: web.Request) -> web.Response:
        return web.Response(status=307, headers={"Location": f"{elsewhere}/take"})

    contract = Contract(target, await serve(redirect))
    with pytest.raises(PipelineError, match="redirect") as caught:
        await contract.pipeline.start(contract.order(), SECRETS)
    assert caught.value.began == Began.REFUSED
    with pytest.raises(PipelineError, match="redirect"):
        await contract.pipeline.state(contract.order(), REFS[target], SECRETS)
    assert stolen == []
    await contract.transport.close()


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'"x"', b"{}", b'{"id": {"a": 1}}', b"\xff"])
async def test_an_answer_that_is_none_of_its_api_is_not_taken_for_a_run(
    target: Target, body: bytes, serve: Serve
) -> None:
    async def nonsense(_: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    contract = Contract(target, await serve(nonsense))
    order, pipeline = contract.order(), contract.pipeline
    if target == Target.WEBHOOK:
        # Of the POST only the status counts.
        assert (await pipeline.start(order, SECRETS)).state == RunState.RUNNING
    else:
        with pytest.raises(PipelineError, match=r"answered HTTP 200, but not as") as caught:
            await pipeline.start(order, SECRETS)
        assert caught.value.began == Began.UNKNOWN
    with pytest.raises(PipelineError):
        await pipeline.state(order, REFS[target], SECRETS)
    await contract.transport.close()


@pytest.mark.parametrize("target", TARGETS)
async def test_no_answer_may_have_begun_and_no_connection_has_not(
    target: Target, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "TIMEOUT", 0.1)

    async def silent(_: web.Request) -> web.Response:
        await asyncio.sleep(0.5)
        return web.json_response({})

    contract = Contract(target, await serve(silent))
    with pytest.raises(PipelineError, match=r"no answer within 0\.1 s") as caught:
        await contract.pipeline.start(contract.order(), SECRETS)
    assert caught.value.began == Began.UNKNOWN
    down = Contract(target, "http://127.0.0.1:9")
    with pytest.raises(PipelineError, match="cannot reach") as caught:
        await down.pipeline.start(down.order(), SECRETS)
    assert caught.value.began == Began.NOT_YET
    await contract.transport.close()
    await down.transport.close()


@pytest.mark.parametrize("target", TARGETS)
async def test_no_metadata_service_is_asked(target: Target) -> None:
    contract = Contract(target, "http://169.254.169.254")
    with pytest.raises(PipelineError, match="does not ask"):
        await contract.pipeline.start(contract.order(), SECRETS)
    await contract.transport.close()


@pytest.mark.parametrize("target", TARGETS)
async def test_a_missing_key_of_a_secret_is_named(target: Target, serve: Serve) -> None:
    contract = await of(target, serve)
    empty = Secrets("risk", {"s": {}, "login": {}})
    with pytest.raises(PipelineError, match=r"Secret '(s|login)' in namespace 'risk'") as caught:
        await contract.pipeline.start(contract.order(), empty)
    assert caught.value.began == Began.REFUSED
    assert contract.received == []


# ---------------------------------------------------------------- of one target each


async def test_airflow_finds_what_it_has_begun_already(serve: Serve) -> None:
    contract = await of(Target.AIRFLOW, serve)
    contract.expect("again", "running")
    run = await contract.pipeline.start(contract.order(), SECRETS)
    assert (run.state, run.ref) == (RunState.RUNNING, KEY)
    contract.expect("unknown_dag")
    with pytest.raises(PipelineError, match="Dag with dag_id: 'train_fraud' not found"):
        await contract.pipeline.start(contract.order(), SECRETS)
    contract.expect("gone")
    assert (await contract.pipeline.state(contract.order(), KEY, SECRETS)).state == RunState.GONE


async def test_airflow_3_gives_a_token_for_user_and_password_and_airflow_2_takes_them(serve: Serve) -> None:
    contract = await of(Target.AIRFLOW, serve)
    contract.expect("login", "start")
    await contract.pipeline.start(contract.order(credentials={"secretName": "login"}), SECRETS)
    login, start = contract.received
    assert login.document == {"username": "ci", "password": SECRET} and "Authorization" not in login.headers
    assert start.headers["Authorization"] == "Bearer eyJ.token.sig"
    assert start.document["logical_date"] is None
    contract.exchanges = [{**contract.exchanges[1], "path": "/api/v1/dags/train_fraud/dagRuns"}]
    await contract.pipeline.start(contract.order(credentials={"secretName": "login"}, api="v1"), SECRETS)
    assert contract.received[-1].headers["Authorization"].startswith("Basic ")
    assert "logical_date" not in contract.received[-1].document


async def test_github_without_run_ids_is_asked_again_without_the_word_and_searched(serve: Serve) -> None:
    contract = await of(Target.GITHUB, serve)
    contract.expect("refuses_the_word", "start_older", "none", "found")
    run = await contract.pipeline.start(contract.order(), SECRETS)
    assert (run.ref, run.message) == ("30433642", "queued")
    first, second, *looks = contract.received
    assert first.document["return_run_details"] is True and "return_run_details" not in second.document
    assert looks[0].query["event"] == "workflow_dispatch" and looks[0].query["created"].startswith(">=2026-11-")
    contract.expect("start_older", "none")
    with pytest.raises(PipelineError, match="run-name") as caught:
        await contract.pipeline.start(contract.order(), SECRETS)
    assert caught.value.began == Began.UNKNOWN


async def test_github_says_which_inputs_it_does_not_know(serve: Serve) -> None:
    contract = await of(Target.GITHUB, serve)
    contract.expect("bad_inputs")
    with pytest.raises(PipelineError, match=r'Unexpected inputs provided: \["reason"\]') as caught:
        await contract.pipeline.start(contract.order(), SECRETS)
    assert caught.value.began == Began.REFUSED
    assert len(contract.received) == 1


@pytest.mark.parametrize("target", [Target.GITHUB, Target.GITLAB])
async def test_a_run_that_a_token_may_not_see_is_not_taken_for_gone(target: Target, serve: Serve) -> None:
    contract = await of(target, serve)
    contract.expect("hidden")
    with pytest.raises(PipelineError, match="HTTP 404"):
        await contract.pipeline.state(contract.order(), REFS[target], SECRETS)


async def test_gitlab_follows_with_the_api_token_and_says_what_it_refuses(serve: Serve) -> None:
    contract = await of(Target.GITLAB, serve)
    contract.expect("running")
    await contract.pipeline.state(contract.order(), "257", SECRETS)
    assert contract.received[0].headers["PRIVATE-TOKEN"] == SECRET
    contract.expect("no_ref")
    with pytest.raises(PipelineError, match="HTTP 400"):
        await contract.pipeline.start(contract.order(), SECRETS)


async def test_jenkins_leads_from_the_queue_to_the_build_and_only_on_its_own_host(serve: Serve) -> None:
    contract = await of(Target.JENKINS, serve)
    order, pipeline = contract.order(), contract.pipeline
    contract.expect("start")
    queued = await pipeline.start(order, SECRETS)
    contract.expect("waiting")
    assert (await pipeline.state(order, queued.ref, SECRETS)).ref == "queue/17"
    contract.expect("left")
    build = await pipeline.state(order, queued.ref, SECRETS)
    assert build == Run(RunState.RUNNING, "build/42", "https://jenkins.example.com/job/risk/job/train-fraud/42/")
    contract.expect("dropped")
    assert (await pipeline.state(order, queued.ref, SECRETS)).state == RunState.FAILED
    contract.expect("forgotten", "empty_queue", "builds")
    assert (await pipeline.state(order, queued.ref, SECRETS)).ref == "build/42"
    contract.expect("forgotten", "empty_queue", "no_builds")
    assert (await pipeline.state(order, queued.ref, SECRETS)).state == RunState.GONE
    contract.expect("queue")
    found = await pipeline.find(order, SECRETS)
    assert found is not None and found.ref == "queue/17"
    contract.expect("gone")
    assert (await pipeline.state(order, "build/42", SECRETS)).state == RunState.GONE
    contract.expect("cancel_queued")
    await pipeline.cancel(order, "queue/17", SECRETS)
    assert contract.received[-1].query == {"id": "17"}


async def test_circleci_with_a_definition_and_with_a_configuration_that_is_refused(serve: Serve) -> None:
    contract = await of(Target.CIRCLECI, serve)
    contract.expect("start_definition")
    await contract.pipeline.start(contract.order(definitionId="d1"), SECRETS)
    assert contract.received[0].document == {
        "definition_id": "d1",
        "config": {"branch": "main"},
        "checkout": {"branch": "main"},
        "parameters": PARAMETERS,
    }
    assert contract.received[0].headers["Circle-Token"] == SECRET
    order = contract.order()
    contract.expect("no_workflows", "errored")
    assert (await contract.pipeline.state(order, "5034460f", SECRETS)).state == RunState.FAILED
    contract.expect("no_workflows", "created")
    assert (await contract.pipeline.state(order, "5034460f", SECRETS)).state == RunState.RUNNING
    contract.expect("held")
    assert (await contract.pipeline.state(order, "5034460f", SECRETS)).message == "a workflow is on hold"
    assert await contract.pipeline.find(order, SECRETS) is None


@pytest.mark.parametrize(
    ("secret", "key"), [(b"whsec_c2lnbmluZy1rZXk=", b"signing-key"), (b"any text will do", b"any text will do")]
)
async def test_a_webhook_is_signed_as_standard_webhooks_have_it(secret: bytes, key: bytes, serve: Serve) -> None:
    contract = await of(Target.WEBHOOK, serve)
    contract.expect("start")
    secrets = Secrets("risk", {"s": {"signing": secret, "token": SECRET.encode()}})
    assert await contract.pipeline.start(contract.order(), secrets) == Run(RunState.RUNNING, KEY)
    (sent,) = contract.received
    assert (sent.headers["webhook-id"], sent.headers["webhook-timestamp"]) == (KEY, str(int(AT)))
    expected = hmac.new(key, f"{KEY}.{int(AT)}.".encode() + sent.body, hashlib.sha256).digest()
    assert sent.headers["webhook-signature"] == f"v1,{base64.b64encode(expected).decode()}"
    assert sent.document["type"] == "steersman.retraining.requested" and sent.document["data"] == PARAMETERS


async def test_a_webhook_without_a_status_is_done_when_it_is_taken(serve: Serve) -> None:
    contract = await of(Target.WEBHOOK, serve)
    contract.expect("start")
    assert (await contract.pipeline.start(contract.order(statusUrl=None), SECRETS)).state == RunState.SUCCEEDED


async def test_a_webhooks_credentials_go_to_one_origin(serve: Serve) -> None:
    contract = await of(Target.WEBHOOK, serve)
    order = contract.order(statusUrl="http://127.0.0.1:9/{{retrainingId}}")
    with pytest.raises(PipelineError, match="another origin"):
        await contract.pipeline.state(order, KEY, SECRETS)


async def test_a_signing_secret_that_is_no_base64(serve: Serve) -> None:
    contract = await of(Target.WEBHOOK, serve)
    secrets = Secrets("risk", {"s": {"signing": b"whsec_%%%", "token": b"tttt"}})
    with pytest.raises(PipelineError, match="not base64"):
        await contract.pipeline.start(contract.order(), secrets)


def test_messages_are_one_line() -> None:
    reply = calls.Reply("GitHub", "https://x", 422, json.dumps({"message": "a\nb\x1b[31m" + "c" * 900}).encode())
    assert "\n" not in reply.said and "\x1b" not in reply.said and len(reply.said) < http.MESSAGE_LIMIT
