"""A server that answers as a target's documentation says (samples/), and the target as the operator calls it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from steersman.adapters.pipelines.airflow import AirflowPipeline
from steersman.adapters.pipelines.circleci import CircleCIPipeline
from steersman.adapters.pipelines.github import GitHubPipeline
from steersman.adapters.pipelines.gitlab import GitLabPipeline
from steersman.adapters.pipelines.jenkins import JenkinsPipeline
from steersman.adapters.pipelines.kubeflow import KubeflowPipeline
from steersman.adapters.pipelines.webhook import WebhookPipeline
from steersman.adapters.transport import Transport
from steersman.api.retraining_actions import RetrainingAction, Target
from steersman.core.retraining.model import Order
from steersman.core.retraining.work import settings_json
from steersman.ports import Pipeline, Secrets

SAMPLES = Path(__file__).parent / "samples"
KEY = "fraud-retrain-3-93926"
SECRET = "s3cret-v4lue"
AT = 1_795_748_400.0
PARAMETERS = {"retraining_id": KEY, "model": "fraud", "reason": "the schedule's moment"}
SECRETS = Secrets(
    "risk",
    {
        "s": {"token": SECRET.encode(), "trigger-token": b"tr1gger-t0ken", "signing": b"whsec_c2lnbmluZy1rZXk="},
        "login": {"username": b"ci", "password": SECRET.encode()},
    },
)
LOGIN = {"secretName": "login"}
TOKEN = {"secretName": "s"}
SETTINGS: dict[Target, dict[str, Any]] = {
    Target.AIRFLOW: {"dag": "train_fraud", "credentials": TOKEN},
    Target.KUBEFLOW: {"pipelineId": "p1", "pipelineVersionId": "v1", "experimentId": "e1", "credentials": TOKEN},
    Target.GITHUB: {"owner": "example", "repository": "fraud", "workflow": "train.yaml", "credentials": TOKEN},
    Target.GITLAB: {"project": "risk/fraud", "credentials": TOKEN},
    Target.JENKINS: {"job": "risk/train-fraud", "credentials": LOGIN},
    Target.CIRCLECI: {"project": "gh/example/fraud", "credentials": TOKEN},
    Target.WEBHOOK: {"secret": {"secretName": "s", "key": "signing"}, "credentials": TOKEN},
}
MAKE: dict[Target, Callable[[Transport], Pipeline]] = {
    Target.AIRFLOW: AirflowPipeline,
    Target.KUBEFLOW: KubeflowPipeline,
    Target.GITHUB: lambda transport: GitHubPipeline(transport, look_seconds=0.01),
    Target.GITLAB: GitLabPipeline,
    Target.JENKINS: JenkinsPipeline,
    Target.CIRCLECI: CircleCIPipeline,
    Target.WEBHOOK: lambda transport: WebhookPipeline(transport, clock=lambda: AT),
}
REFS = {
    Target.AIRFLOW: KEY,
    Target.KUBEFLOW: "5b1c",
    Target.GITHUB: "30433642",
    Target.GITLAB: "257",
    Target.JENKINS: "build/42",
    Target.CIRCLECI: "5034460f",
    Target.WEBHOOK: KEY,
}
Serve = Callable[[Callable[[web.Request], Awaitable[web.StreamResponse]]], Awaitable[str]]


@dataclass
class Received:
    """A request as the server got it."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)


@dataclass
class Contract:
    """One target, and its server that knows some of the documented exchanges."""

    target: Target
    url: str = ""
    exchanges: list[dict[str, Any]] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    transport: Transport = field(default_factory=Transport)

    async def begin(self, serve: Serve) -> Contract:
        self.url = await serve(self._answer)
        return self

    def expect(self, *names: str) -> None:
        """What the server answers, in order where several are for the same request; the last goes on."""
        sample = json.loads((SAMPLES / f"{self.target}.json").read_text())
        assert sample["source"] and sample["date"]
        self.exchanges = [dict(sample["exchanges"][name]) for name in names]

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = request.rel_url.raw_path
        received = Received(request.method, path, dict(request.query), dict(request.headers), await request.read())
        self.received.append(received)
        fitting = [each for each in self.exchanges if (each["method"], each["path"]) == (request.method, path)]
        if not fitting:
            return web.json_response({"message": f"unexpected {request.method} {path}"}, status=501)
        if len(fitting) > 1:
            self.exchanges.remove(fitting[0])
        found = fitting[0]
        body = b"" if found["body"] is None else json.dumps(found["body"]).encode()
        return web.Response(
            status=found["status"], body=body, headers=found.get("headers"), content_type="application/json"
        )

    def settings(self, **changes: Any) -> dict[str, Any]:
        own = {"url": f"{self.url}/hooks/fraud"} if self.target == Target.WEBHOOK else {"url": self.url}
        if self.target == Target.WEBHOOK:
            own["statusUrl"] = f"{self.url}/runs/{{{{retrainingId}}}}"
        return SETTINGS[self.target] | own | changes

    def order(self, **changes: Any) -> Order:
        action = RetrainingAction.model_validate({self.target: self.settings(**changes)})
        return Order(KEY, self.target, settings_json(action.settings), "risk", AT, PARAMETERS)

    @property
    def pipeline(self) -> Pipeline:
        return MAKE[self.target](self.transport)
