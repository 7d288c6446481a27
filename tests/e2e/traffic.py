"""Users: steady requests through the gateway, each answer kept."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import aiohttp


@dataclass(frozen=True)
class Answer:
    """What became of one request."""

    at: float
    status: int
    """0 when there was no answer."""
    version: str
    """Of the model that answered; empty when it was no model."""
    error: str = ""


@dataclass
class Traffic:
    """Sends requests at a constant rate from a thread of its own, from enter to exit."""

    url: str
    host: str
    rate: float = 40.0
    path: str = "/invocations"
    method: str = "POST"
    answers: list[Answer] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(30)

    def versions(self, since: float = 0.0) -> Counter[str]:
        """Requests by the version that answered."""
        return Counter(answer.version for answer in list(self.answers) if answer.at >= since)

    def lost(self) -> list[Answer]:
        """Requests that failed and were not answered by a model."""
        return [a for a in list(self.answers) if a.status != 200 and not (a.status == 500 and a.version)]

    def summary(self) -> str:
        """Lost requests in a few lines: when, and by what cause."""
        lost = self.lost()
        causes = Counter(f"{answer.status} {answer.error[:90]}" for answer in lost)
        span = f"{lost[0].at:.3f} to {lost[-1].at:.3f}" if lost else "never"
        return f"{len(lost)} of {len(self.answers)} lost, {span}: {dict(causes)}"

    async def _run(self) -> None:
        timeout = aiohttp.ClientTimeout(total=15)
        async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=200)) as session:
            tasks: set[asyncio.Task[None]] = set()
            due = time.monotonic()
            while not self._stop.is_set():
                task = asyncio.create_task(self._send(session))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
                due = max(due + 1 / self.rate, time.monotonic() - 1)
                await asyncio.sleep(max(0.0, due - time.monotonic()))
            await asyncio.gather(*tasks)

    async def _send(self, session: aiohttp.ClientSession) -> None:
        at = time.time()
        try:
            async with self._request(session) as answer:
                text = await answer.text()
                version = answer.headers.get("x-steersman-model-version", "")
                self.answers.append(Answer(at, answer.status, version, "" if version else text[:200]))
        except (aiohttp.ClientError, TimeoutError) as error:
            self.answers.append(Answer(at, 0, "", f"{type(error).__name__}: {error}"))

    def _request(self, session: aiohttp.ClientSession) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        body = {} if self.method == "POST" else None
        return session.request(self.method, self.url + self.path, json=body, headers={"Host": self.host})
