"""Ask the operator for a manual action and wait until it has answered."""

from __future__ import annotations

import asyncio
import time

from steersman.api.meta import ANNOTATION_ACTION
from steersman.api.modeldeployment import ModelDeployment
from steersman.api.status import ActionStatus
from steersman.cli.action_rules import objection
from steersman.cli.choices import Action
from steersman.cli.connection import UserClient
from steersman.cli.errors import UserError
from steersman.cli.reading import read_model

ANSWER_WITHIN = 15.0
"""Seconds in which a running operator has answered."""
POLL_INTERVAL = 0.3
"""Seconds between looks at the object."""
RUNNING_HINT = "is the operator running? kubectl get pods -A -l app.kubernetes.io/name=steersman"


async def request(
    client: UserClient, name: str, action: Action, *, force: bool = False, wait_for: float = ANSWER_WITHIN
) -> ActionStatus | None:
    """Ask for an action; its result once the operator has handled it, None without waiting (`wait_for` 0, in seconds).

    Raises UserError when it makes no sense now (unless forced) or is not handled in time, ApiError, NotFound.
    """
    deadline = time.monotonic() + wait_for
    md = (await _look(client, name))[0]
    refused = objection(md, action)
    if refused is not None and not force:
        raise UserError(f"{name}: {refused}", f"{refused.hint} (--force asks all the same)")
    await _earlier_request(client, name, action, force, deadline)
    before = (await _look(client, name))[0].status.action
    await client.annotate(name, {ANNOTATION_ACTION: action.value})
    if not wait_for:
        return None
    while True:
        handled = (await _look(client, name))[0].status.action
        if handled is not None and handled.action == action.value and (before is None or handled.at != before.at):
            return handled
        if time.monotonic() >= deadline:
            raise UserError(
                f"{name}: the operator has not handled {action.value} within {wait_for:g} s; the request stays",
                f"{RUNNING_HINT}; take the request back: "
                f"kubectl annotate md {name} -n {client.namespace} {ANNOTATION_ACTION}-",
            )
        await asyncio.sleep(POLL_INTERVAL)


async def _earlier_request(client: UserClient, name: str, action: Action, force: bool, deadline: float) -> None:
    """Wait until the operator is done with an earlier request.

    It takes the same word for the same request until it has seen the annotation gone, which it records as `cleared`.
    """
    while not force:
        md, waiting = await _look(client, name)
        last = md.status.action
        recorded = last.action if last is not None and not last.cleared else None
        if action.value not in (waiting, recorded) and waiting in (None, recorded):
            return
        if time.monotonic() >= deadline or waiting not in (None, recorded):
            raise UserError(
                f"{name}: an earlier request, {waiting or recorded}, has not been handled yet",
                f"{RUNNING_HINT}; --force asks all the same",
            )
        await asyncio.sleep(POLL_INTERVAL)


async def _look(client: UserClient, name: str) -> tuple[ModelDeployment, str | None]:
    """The object, and the action that its annotation asks for."""
    manifest = await client.get(name)
    annotations = manifest.get("metadata", {}).get("annotations") or {}
    return read_model(manifest)[0], annotations.get(ANNOTATION_ACTION)
