"""What registries sign their deliveries with."""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from weakref import WeakValueDictionary

from pydantic import ValidationError

from steersman.api.registry import ModelRegistrySpec, SecretKey
from steersman.ports import ApiError, KubeClient, NotFound
from steersman.shell.store import Store

logger = logging.getLogger(__name__)

KEPT_SECONDS: Final = 60.0
"""How long a secret is kept before it is read again."""
DOUBT_SECONDS: Final = 5.0
"""The same once a signature was wrong, for the secret may have changed; no sooner, for anybody can sign wrongly."""
SHORTEST: Final = 16
"""Bytes of a secret; a shorter one could be guessed."""

Registry = tuple[str, str]
"""Namespace and name of a ModelRegistry; both empty for the operator's default registry."""


@dataclass(frozen=True)
class _Known:
    at: float
    reference: SecretKey | None
    secret: bytes | ApiError | None

    def kept_for(self, doubted: bool) -> float:
        return DOUBT_SECONDS if doubted or self.secret is None or isinstance(self.secret, ApiError) else KEPT_SECONDS


class WebhookSecrets:
    """Reads and remembers the secrets of webhooks."""

    def __init__(self, client: KubeClient, store: Store, default_file: Path | None) -> None:
        """`default_file` holds the secret of the default registry."""
        self._client = client
        self._store = store
        self._default_file = default_file
        self._known: dict[Registry, _Known] = {}
        self._turns: WeakValueDictionary[Registry, asyncio.Lock] = WeakValueDictionary()
        """Of many deliveries at once one reads the secret, and the others wait for it."""

    async def read(self, registry: Registry, *, doubted: bool = False) -> bytes | None:
        """A registry's secret; None when there is no such registry or it takes no webhooks.

        `doubted`: the one known is wrong. Raises ApiError.
        """
        reference = self._reference(registry)
        if reference is None and (registry != ("", "") or self._default_file is None):
            self._known.pop(registry, None)
            return None
        async with self._turns.setdefault(registry, asyncio.Lock()):
            now = asyncio.get_running_loop().time()
            known = self._known.get(registry)
            if known is None or known.reference != reference or now - known.at >= known.kept_for(doubted):
                known = self._known[registry] = _Known(now, reference, await self._look(registry, reference))
        if isinstance(known.secret, ApiError):
            raise known.secret
        return known.secret

    async def _look(self, registry: Registry, reference: SecretKey | None) -> bytes | ApiError | None:
        try:
            secret = self._of_file() if reference is None else await self._of(registry[0], reference)
        except ApiError as error:
            logger.warning("the secret of the webhook of %s could not be read: %s", _said(registry), error)
            return error
        if secret is not None and len(secret) < SHORTEST:
            said = "the webhook of %s takes nothing: its secret has fewer than %d characters"
            logger.warning(said, _said(registry), SHORTEST)
            return None
        return secret

    def _reference(self, registry: Registry) -> SecretKey | None:
        manifest = self._store.get("ModelRegistry", *registry) if registry != ("", "") else None
        if manifest is None:
            return None
        try:
            spec = ModelRegistrySpec.model_validate(manifest.get("spec") or {})
        except ValidationError:
            return None
        return spec.webhook.secret_ref if spec.webhook is not None else None

    async def _of(self, namespace: str, reference: SecretKey) -> bytes | None:
        try:
            data = (await self._client.get("v1", "Secret", namespace, reference.name)).get("data") or {}
            return base64.b64decode(data[reference.key], validate=True).strip()
        except (NotFound, KeyError):
            logger.warning("there is no key %r of Secret %s/%s for webhooks", reference.key, namespace, reference.name)
        except (binascii.Error, TypeError, ValueError):
            logger.warning("key %r of Secret %s/%s cannot be read", reference.key, namespace, reference.name)
        return None

    def _of_file(self) -> bytes | None:
        try:
            return self._default_file.read_bytes().strip() if self._default_file is not None else None
        except OSError as error:
            logger.warning("the secret of the default registry's webhook cannot be read: %s", error.strerror)
            return None


def _said(registry: Registry) -> str:
    return "/".join(registry) if registry != ("", "") else "the default registry"
