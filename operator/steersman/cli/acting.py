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
    """An annotation that is there already: wait until the operator has taken it away, so that ours counts as new."""
    while True:
        md, waiting = await _look(client, name)
        if waiting is None or force:
            return
        last = md.status.action
        handled = last is not None and last.action == waiting and not last.cleared
        if handled and waiting != action.value:
            return  # replacing it is noticed
        if time.monotonic() >= deadline or not handled:
            raise UserError(
                f"{name}: an earlier request, {waiting}, has not been handled yet",
                f"{RUNNING_HINT}; --force replaces the earlier request",
            )
        await asyncio.sleep(POLL_INTERVAL)


async def _look(client: UserClient, name: str) -> tuple[ModelDeployment, str | None]:
    """The object, and the action that its annotation asks for."""
    manifest = await client.get(name)
    annotations = manifest.get("metadata", {}).get("annotations") or {}
    return read_model(manifest)[0], annotations.get(ANNOTATION_ACTION)
