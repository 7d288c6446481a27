"""What is kept in status of notifications: those that are decided and not sent yet."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from steersman.api.meta import ApiModel, Timestamp

MAX_PENDING = 10
"""Most that wait in one status; the oldest gives way."""
MESSAGE_LENGTH = 512
"""Characters of a message that are kept."""


class PendingNotification(ApiModel):
    """An event that somebody wants to be told of. It stays here until it is sent or given up, so that a restart forgets none."""

    id: Annotated[str, Field(max_length=32)]
    at: Timestamp
    """When it happened."""
    reason: Annotated[str, Field(max_length=128)]
    message: Annotated[str, Field(max_length=MESSAGE_LENGTH)] = ""
    warning: bool = False
    revision: str = ""
    """The revision of the rollout that it is about, else the stable one."""
    left_out: int = 0
    """Earlier ones that had to give way."""


Pending = Annotated[list[PendingNotification], Field(max_length=MAX_PENDING)]
