"""promote, abort, rollback, retry, pause, resume and retrain."""

from __future__ import annotations

from steersman.cli.acting import request
from steersman.cli.choices import Request
from steersman.cli.connection import UserClient
from steersman.cli.errors import UserError
from steersman.cli.view.text import clean

IGNORED = "ignored"
"""How the operator's result begins when the action had no effect; see core.rollout.actions."""


async def act(client: UserClient, name: str, asked: Request, *, force: bool, wait_for: float) -> int:
    """Ask for an action and print its result. Raises UserError when the operator ignored it."""
    handled = await request(client, name, asked, force=force, wait_for=wait_for)
    if handled is None:
        print(f"{clean(name)}: {clean(asked.word)} asked for")
        return 0
    if handled.result.startswith(IGNORED):
        where = f"{name} -n {client.namespace}"
        raise UserError(f"{name}: {asked.word} was {handled.result}", f"see where it stands: steersman status {where}")
    print(f"{clean(name)}: {clean(asked.word)} {clean(handled.result)}")
    return 0
