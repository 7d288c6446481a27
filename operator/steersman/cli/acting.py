"""Ask the operator for a manual action and wait until it has answered."""

from __future__ import annotations

import asyncio
import time

from steersman.api.meta import ANNOTATION_ACTION
from steersman.api.modeldeployment import ModelDeployment
from steersman.api.status import ActionStatus
from steersman.cli.action_rules import objection
from steersman.cli.choices import Request
from steersman.cli.connection import UserClient
from steersman.cli.errors import UserError
from steersman.cli.reading import read_model

ANSWER_WITHIN = 15.0
"""Seconds in which a running operator has answered."""
POLL_INTERVAL = 0.3
"""Seconds between looks at the object."""
RECORDED_CHARACTERS = 80
"""Of an asked word in status.action; see core.rollout.actions."""
RUNNING_HINT = "is the operator running? kubectl get pods -A -l app.kubernetes.io/name=steersman"


async def request(
    client: UserClient, name: str, asked: Request, *, force: bool = False, wait_for: float = ANSWER_WITHIN
) -> ActionStatus | None:
    """Ask for an action; its result once the operator has handled it, None without waiting (`wait_for` 0, in seconds).

    Raises UserError when it makes no sense now (unless forced) or is not handled in time, ApiError, NotFound.
    """
    deadline = time.monotonic() + wait_for
    md = (await _look(client, name))[0]
    refused = objection(md, asked)
    if refused is not None and not force:
        raise UserError(f"{name}: {refused}", f"{refused.hint} (--force asks all the same)")
    await _earlier_request(client, name, asked.word[:RECORDED_CHARACTERS], force, deadline)
    before = (await _look(client, name))[0].status.action
    await client.annotate(name, {ANNOTATION_ACTION: asked.word})
    if not wait_for:
        return None
    while True:
        handled = (await _look(client, name))[0].status.action
        new = handled is not None and (before is None or handled.at != before.at)
        if handled is not None and new and handled.action == asked.word[:RECORDED_CHARACTERS]:
            return handled
        if time.monotonic() >= deadline:
            raise UserError(
                f"{name}: the operator has not handled {asked.word} within {wait_for:g} s; the request stays",
                f"{RUNNING_HINT}; take the request back: "
                f"kubectl annotate md {name} -n {client.namespace} {ANNOTATION_ACTION}-",
            )
        await asyncio.sleep(POLL_INTERVAL)


async def _earlier_request(client: UserClient, name: str, word: str, force: bool, deadline: float) -> None:
    """Wait until the operator is done with an earlier request.

    It takes the same word for the same request until it has seen the annotation gone, which it records as `cleared`.
    """
    while not force:
        md, waiting = await _look(client, name)
        last = md.status.action
        recorded = last.action if last is not None and not last.cleared else None
        if word not in (waiting, recorded) and waiting in (None, recorded):
            return
        if time.monotonic() >= deadline or waiting not in (None, recorded):
            raise UserError(
                f"{name}: an earlier request, {waiting or recorded}, has not been handled yet",
                f"{RUNNING_HINT}; --force asks all the same",
            )
        await asyncio.sleep(POLL_INTERVAL)


async def _look(client: UserClient, name: str) -> tuple[ModelDeployment, str | None]:
    """The object, and the action that its annotation asks for, as far as the operator records it."""
    manifest = await client.get(name)
    asked = (manifest.get("metadata", {}).get("annotations") or {}).get(ANNOTATION_ACTION)
    return read_model(manifest)[0], None if asked is None else asked[:RECORDED_CHARACTERS]
