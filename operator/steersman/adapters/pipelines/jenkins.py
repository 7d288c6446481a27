"""Jenkins: https://www.jenkins.io/doc/book/using/remote-access-api/. A build is asked for, waits in the queue as an item, and then has a number."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from steersman.adapters.pipelines.calls import Calls, Reply, credentials, settings_of, text, web_url
from steersman.adapters.transport import Transport
from steersman.api.retraining_actions import JenkinsAction
from steersman.core.retraining.model import Order, Run, RunState
from steersman.ports import Secrets

QUEUE, BUILD = "queue/", "build/"
"""What a ref begins with."""


class JenkinsPipeline:
    """Implements steersman.ports.Pipeline. There is no idempotency key: a build is found again by its parameter retraining_id."""

    repeatable = False

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def start(self, order: Order, secrets: Secrets) -> Run:
        """Ask for a build. Raises PipelineError."""
        settings = settings_of(JenkinsAction, order)
        reply = await self._calls(settings, secrets).post(
            f"{_job(settings)}/buildWithParameters", form=dict(order.parameters)
        )
        reply.require_success()
        # Only the number is taken: Jenkins may know itself by another name, and credentials go nowhere else.
        item = re.search(r"/queue/item/([0-9]+)/?$", reply.headers.get("Location", ""))
        if item is None:
            raise reply.malformed()
        return Run(RunState.RUNNING, QUEUE + item[1], message="it waits in Jenkins' queue")

    async def find(self, order: Order, secrets: Secrets) -> Run | None:
        """The queued item or build with the parameter. Raises PipelineError."""
        settings = settings_of(JenkinsAction, order)
        calls = self._calls(settings, secrets)
        tree = quote("items[id,actions[parameters[name,value]]]", safe="")
        queue = await calls.get(f"/queue/api/json?tree={tree}")
        if 200 <= queue.status < 300:
            for item in queue.listed("items"):
                if _is(item, order) and text(item.get("id")):
                    return Run(RunState.RUNNING, QUEUE + text(item["id"]), message="it waits in Jenkins' queue")
        tree = quote("builds[number,result,building,url,actions[parameters[name,value]]]{0,50}", safe="")
        builds = await calls.get(f"{_job(settings)}/api/json?tree={tree}")
        if not 200 <= builds.status < 300:
            raise builds.refused()
        found = next((build for build in builds.listed("builds") if _is(build, order)), None)
        return _build(builds, found) if found is not None else None

    async def state(self, order: Order, ref: str, secrets: Secrets) -> Run:
        """How it stands. Raises PipelineError."""
        settings = settings_of(JenkinsAction, order)
        calls = self._calls(settings, secrets)
        if ref.startswith(BUILD):
            reply = await calls.get(f"{_job(settings)}/{quote(ref.removeprefix(BUILD), safe='')}/api/json")
            if reply.status == 404:
                return Run(RunState.GONE, ref, message=f"Jenkins has no build {ref.removeprefix(BUILD)} any more")
            return _build(reply, reply.document())
        reply = await calls.get(f"/queue/item/{quote(ref.removeprefix(QUEUE), safe='')}/api/json")
        if reply.status == 404:
            # Items are forgotten some minutes after their build began.
            run = await self.find(order, secrets)
            gone = "Jenkins forgot the queued item, and no build has the parameter retraining_id of it"
            return run if run is not None else Run(RunState.GONE, ref, message=gone)
        item = reply.document()
        if item.get("cancelled"):
            return Run(RunState.FAILED, ref, message="the build was cancelled while it waited in Jenkins' queue")
        executable = item.get("executable")
        if isinstance(executable, dict) and text(executable.get("number")):
            return Run(RunState.RUNNING, BUILD + text(executable["number"]), web_url(executable.get("url")))
        return Run(RunState.RUNNING, ref, message="it waits in Jenkins' queue")

    async def cancel(self, order: Order, ref: str, secrets: Secrets) -> None:
        """Stop the build, or take it out of the queue. Raises PipelineError."""
        settings = settings_of(JenkinsAction, order)
        calls = self._calls(settings, secrets)
        if ref.startswith(BUILD):
            await calls.post(f"{_job(settings)}/{quote(ref.removeprefix(BUILD), safe='')}/stop", form={})
        else:
            await calls.post(f"/queue/cancelItem?id={quote(ref.removeprefix(QUEUE), safe='')}", form={})

    def _calls(self, settings: JenkinsAction, secrets: Secrets) -> Calls:
        # With an API token Jenkins asks for no crumb.
        headers = credentials(settings.credentials, secrets)
        return Calls(self._transport, "Jenkins", settings.url, settings, secrets, **headers)


def _job(settings: JenkinsAction) -> str:
    return "".join(f"/job/{quote(part, safe='')}" for part in settings.job.split("/"))


def _is(entry: dict[str, Any], order: Order) -> bool:
    for action in entry.get("actions") or []:
        for parameter in (action.get("parameters") if isinstance(action, dict) else None) or []:
            if parameter.get("name") == "retraining_id" and parameter.get("value") == order.key:
                return True
    return False


def _build(reply: Reply, build: dict[str, Any]) -> Run:
    number = text(build.get("number"))
    if not number:
        raise reply.malformed()
    ref, url, result = BUILD + number, web_url(build.get("url")), build.get("result")
    if build.get("building") or result is None:
        return Run(RunState.RUNNING, ref, url)
    if result == "SUCCESS":
        return Run(RunState.SUCCEEDED, ref, url)
    return Run(RunState.FAILED, ref, url, f"the build ended as {text(result)}")
