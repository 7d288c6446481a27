"""Where the targets' addresses come from: a Secret of the ModelDeployment's namespace, or a directory of the operator's own."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from steersman.api.faults import faults
from steersman.api.notifications import Notification, NotificationContent, SharedNotification
from steersman.ports import KubeClient, NotificationError
from steersman.shell.secret_reader import SecretError, secret_data

_TARGETS = TypeAdapter(list[SharedNotification])


@dataclass(frozen=True)
class SharedTargets:
    """Whom the operator tells of every ModelDeployment."""

    targets: tuple[SharedNotification, ...] = ()
    directory: Path | None = None
    """Holds a file for each key, with the target's apprise URL."""
    cluster: str = ""
    """What the texts call this cluster."""


def parse_targets(text: str) -> tuple[SharedNotification, ...]:
    """Targets from JSON. Raises ValueError that says what is wrong."""
    try:
        found = _TARGETS.validate_json(text)
    except ValidationError as error:
        raise ValueError(faults(error)) from None
    names = [target.name for target in found]
    if len(set(names)) != len(names):
        raise ValueError("two targets have the same name")
    return tuple(found)


class TargetAddress:
    """Reads apprise URLs when they are needed, so that a changed Secret counts at once, and keeps none."""

    def __init__(self, client: KubeClient, directory: Path | None) -> None:
        self._client = client
        self._directory = directory

    async def of(self, namespace: str, target: NotificationContent) -> str:
        """The target's apprise URL. Raises NotificationError that names Secret and key."""
        if isinstance(target, Notification):
            return await self._from_secret(namespace, target.url.secret_name, target.url.key)
        assert isinstance(target, SharedNotification)  # noqa: S101  there are two kinds
        try:
            # The kubelet replaces these files; they are small and in memory.
            return ((self._directory or Path("/nowhere")) / target.key).read_text().strip()
        except (OSError, UnicodeDecodeError):
            said = f"the operator's notification Secret has no key {target.key!r}"
            raise NotificationError(said, hopeless=True) from None

    async def _from_secret(self, namespace: str, name: str, key: str) -> str:
        try:
            raw = (await secret_data(self._client, namespace, name)).get(key)
        except SecretError as error:
            raise NotificationError(str(error), hopeless=error.missing) from None
        if raw is None:
            raise NotificationError(f"Secret {name!r} in namespace {namespace!r} has no key {key!r}", hopeless=True)
        try:
            return base64.b64decode(raw, validate=True).decode().strip()
        except (binascii.Error, TypeError, ValueError):
            raise NotificationError(f"key {key!r} of Secret {name!r} is not text", hopeless=True) from None
