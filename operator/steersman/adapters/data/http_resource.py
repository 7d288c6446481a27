"""A resource over HTTP whose content changes with the data."""

from __future__ import annotations

import hashlib
from typing import Final

from steersman.adapters.transport import Answer, Request, Transport, authorization
from steersman.api.retraining import HttpResource
from steersman.ports import MetricError, Secrets

TIMEOUT: Final = 15.0
HASHED_BYTES: Final = 1024 * 1024
"""Of a larger resource the ETag is taken, if the server gives one."""


class HttpContent:
    """Implements steersman.ports.DataSource: a hash of the content or, of a large resource, of its ETag."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def look(self, settings: str, secrets: Secrets) -> str | None:
        """The hash; None when the resource is not there. Raises MetricError."""
        wanted = HttpResource.model_validate_json(settings)
        head = await self._ask("HEAD", wanted, secrets)
        if head.status == 404:
            return None
        tag, length = head.headers.get("ETag", ""), head.headers.get("Content-Length", "")
        if head.status == 200 and tag and length.isdigit() and int(length) > HASHED_BYTES:
            return f"etag:{hashlib.sha256(tag.encode()).hexdigest()[:32]}"
        # Some servers know no HEAD.
        found = await self._ask("GET", wanted, secrets)
        if found.status == 404:
            return None
        if found.status != 200:
            raise MetricError(f"the data's resource at {found.shown} answered HTTP {found.status}")
        return f"sha256:{hashlib.sha256(found.body).hexdigest()[:32]}"

    async def _ask(self, method: str, wanted: HttpResource, secrets: Secrets) -> Answer:
        return await self._transport.fetch(
            Request(
                "the data's resource",
                wanted.url,
                TIMEOUT,
                method,
                headers={"Accept": "*/*", **authorization(wanted.credentials, secrets)},
                tls=self._transport.tls(wanted.tls, secrets),
                too_large="name a smaller one, such as its .dvc file",
            )
        )
