"""The endpoint that takes deliveries of MLflow's webhooks: each is verified, and then only a reason to look at once.

The Service reaches every replica, but only the leader polls: a replica that does not lead hands what it has verified to the one
that does, and answers 503 when it reaches none, so that MLflow sends it again.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Final

import aiohttp
from aiohttp import web

from steersman.adapters.http import new_session
from steersman.core.webhook import (
    DELIVERY_ID,
    MAX_BODY,
    SIGNATURE,
    TIMESTAMP,
    Envelope,
    Replays,
    Result,
    is_signed,
    is_timely,
    read_envelope,
    read_news,
)
from steersman.ports import ApiError
from steersman.shell.webhook_secrets import Registry, WebhookSecrets

logger = logging.getLogger(__name__)

FORWARDED: Final = "X-Steersman-Forwarded"
"""A delivery that another replica hands on; it is not handed on again."""
READ_SECONDS: Final = 10.0
"""How long the body of a delivery may take."""
FORWARD_SECONDS: Final = 3.0
"""How long another replica may take."""
KEEPALIVE_SECONDS: Final = 15.0
QUIET_SECONDS: Final = 10.0
"""Between two lines in the log about the same result."""

STATUS: Final = {
    Result.ACCEPTED: 202,
    Result.FORWARDED: 202,
    Result.IGNORED: 202,
    Result.UNSIGNED: 401,
    # Who does not know a secret does not learn which registries there are.
    Result.UNKNOWN: 403,
    Result.WRONG_SIGNATURE: 403,
    Result.STALE: 403,
    Result.REPLAYED: 409,
    Result.TOO_LARGE: 413,
    Result.TOO_MANY: 429,
    Result.MALFORMED: 400,
    Result.NO_LEADER: 503,
    Result.NOT_NOW: 503,
}

Wake = Callable[[str, str, str], int]
"""Namespace and name of the registry, and the model."""


class WebhookEndpoint:
    """Serves `POST /webhooks/<namespace>/<registry>`, and `POST /webhooks` for the operator's default registry."""

    def __init__(
        self,
        secrets: WebhookSecrets,
        wake: Wake,
        leads: Callable[[], bool | None],
        observe: Callable[[str], None],
        clock: Callable[[], float],
        peers: tuple[str, ...] = (),
    ) -> None:
        """`leads` says whether this replica is the leader, None while it knows nothing yet; `observe` hears each result;
        `clock` gives seconds since the epoch; `peers` are host:port of the other replicas, this one perhaps among them.
        """
        self._secrets = secrets
        self._wake = wake
        self._leads = leads
        self._observe = observe
        self._clock = clock
        self._peers = peers
        self._replays = Replays()
        self._told: dict[Result, float] = {}
        self._session: aiohttp.ClientSession | None = None
        self._runner: web.AppRunner | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port."""
        app = web.Application(client_max_size=MAX_BODY)
        app.add_routes([web.post("/webhooks", self._take), web.post("/webhooks/{namespace}/{registry}", self._take)])
        # What is signed is what was sent: nothing is unpacked.
        self._runner = web.AppRunner(
            app, access_log=None, auto_decompress=False, keepalive_timeout=KEEPALIVE_SECONDS, shutdown_timeout=1.0
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        await site.start()
        return int(self._runner.addresses[0][1])

    async def close(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()
        if self._session is not None:
            await self._session.close()

    async def _take(self, request: web.Request) -> web.Response:
        registry = request.match_info.get("namespace", ""), request.match_info.get("registry", "")
        try:
            result = await self._judge(request, registry)
        except web.HTTPRequestEntityTooLarge:
            result = Result.TOO_LARGE
        except TimeoutError:
            result = Result.MALFORMED
        except ApiError:
            result = Result.NOT_NOW
        self._observe(result)
        status = STATUS[result]
        if status >= 400:
            self._tell(registry, result)
        said = "refused" if status == 403 else str(result)
        response = web.Response(status=status, text=f"{said}\n")
        if status >= 400:
            # The next attempt may then reach another replica; and who is refused begins anew.
            response.force_close()
        if status == 503:
            response.headers["Retry-After"] = "2"
        return response

    def _tell(self, registry: Registry, result: Result) -> None:
        """Log a refusal, but not each of very many: anybody may send."""
        now = asyncio.get_running_loop().time()
        if now - self._told.get(result, -QUIET_SECONDS) >= QUIET_SECONDS:
            self._told[result] = now
            where = "/".join(registry).strip("/") or "the default registry"
            logger.info("a delivery for %.130r was not taken: %s", where, result)

    async def _judge(self, request: web.Request, registry: Registry) -> Result:
        envelope = read_envelope(request.headers)
        if envelope is None:
            return Result.UNSIGNED
        if not is_timely(envelope, self._clock()):
            return Result.STALE
        async with asyncio.timeout(READ_SECONDS):
            body = await request.read()
        leads = self._leads()
        if leads is None or (not leads and FORWARDED in request.headers):
            return Result.NO_LEADER
        refused = await self._refused(registry, envelope, body)
        refused = refused or self._replays.refusal(registry, envelope, self._clock())
        if refused is not None:
            return refused
        news = read_news(body)
        if news is None:
            return Result.MALFORMED
        # Before anything is waited for: of two at the same moment one is taken.
        self._replays.accepted(registry, envelope)
        if news.model is None:
            return Result.IGNORED
        if leads:
            self._wake(*registry, news.model)
            return Result.ACCEPTED
        if await self._forward(request, body):
            return Result.FORWARDED
        self._replays.forget(registry, envelope)
        return Result.NO_LEADER

    async def _refused(self, registry: Registry, envelope: Envelope, body: bytes) -> Result | None:
        secret = await self._secrets.read(registry)
        if secret is not None and is_signed(envelope, body, [secret]):
            return None
        # It may be new, or have changed.
        latest = await self._secrets.read(registry, doubted=True)
        if latest is None:
            return Result.UNKNOWN
        return None if latest != secret and is_signed(envelope, body, [latest]) else Result.WRONG_SIGNATURE

    async def _forward(self, request: web.Request, body: bytes) -> bool:
        """Hand a verified delivery to the other replicas; whether one of them took it."""
        if self._session is None:
            self._session = new_session()
        headers = {name: request.headers[name] for name in (DELIVERY_ID, TIMESTAMP, SIGNATURE)} | {FORWARDED: "1"}
        try:
            async with asyncio.timeout(FORWARD_SECONDS):
                for address in await self._addresses():
                    url = f"http://{address}{request.rel_url.raw_path}"
                    try:
                        async with self._session.post(
                            url, data=body, headers=headers, allow_redirects=False
                        ) as response:
                            if response.status in (202, STATUS[Result.REPLAYED]):
                                return True
                    except (aiohttp.ClientError, OSError) as error:
                        logger.debug("replica %s takes no deliveries: %s", address, error)
        except TimeoutError:
            pass
        return False

    async def _addresses(self) -> list[str]:
        loop, found = asyncio.get_running_loop(), list[str]()
        for peer in self._peers:
            host, _, port = peer.rpartition(":")
            try:
                infos = await loop.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)
            except OSError as error:
                logger.info("the replicas at %s cannot be looked up: %s", host, error)
                continue
            found += [f"[{info[4][0]}]:{port}" if ":" in str(info[4][0]) else f"{info[4][0]}:{port}" for info in infos]
        return list(dict.fromkeys(found))
