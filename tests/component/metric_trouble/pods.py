"""Pods whose /metrics one loopback server shows: counters of requests, and every trouble that a scrape can have."""

from __future__ import annotations

import asyncio
import http.server
import threading
import time
from dataclasses import dataclass
from pathlib import PurePosixPath
from types import TracebackType
from typing import Self

NAMESPACE = "risk"
TICK = 0.1
"""Seconds between a pod's requests."""


@dataclass
class Pod:
    """One pod's process and how it answers scrapes."""

    name: str
    revision: str
    requests: int = 0
    """That its present process counted."""
    failures: int = 0
    served: int = 0
    """By all its processes since `forget`."""
    failed: int = 0
    down: bool = False
    """Scrapes are answered with 503."""
    answers_after: float = 0.0
    """Seconds that /metrics takes."""
    shows: str | None = None
    """What it shows instead of its count of requests."""
    queue: str = "0"
    """A gauge."""

    def serve(self, requests: int, failures: int = 0) -> None:
        """Answer so many requests, of which so many fail."""
        self.requests += requests
        self.failures += failures
        self.served += requests
        self.failed += failures

    def forget(self) -> None:
        """What was served so far is history that an analysis must not count."""
        self.served = self.failed = 0

    def restart(self) -> None:
        """A new process of the same pod: its counters begin at 0."""
        self.requests = self.failures = 0

    def page(self) -> str:
        good, bad = self.shows or self.requests - self.failures, self.shows or self.failures
        return (
            "# TYPE requests_total counter\n"
            f'requests_total{{code="200"}} {good}\nrequests_total{{code="500"}} {bad}\n'
            f"# TYPE queue gauge\nqueue {self.queue}\n"
        )

    async def traffic(self, seconds: float, failing: int = 20) -> None:
        """Two requests a tick for a while; every `failing`-th fails (0: none)."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for _ in range(2):
                self.serve(1, int(failing > 0 and self.served % failing == failing - 1))
            await asyncio.sleep(TICK)


class Pods:
    """Serves /metrics of every pod under /<name>, from enter to exit."""

    def __init__(self) -> None:
        self.known: dict[str, Pod] = {}
        pods = self.known

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                pod = pods[PurePosixPath(self.path).name]
                body = pod.page().encode()
                time.sleep(pod.answers_after)
                self.send_response(503 if pod.down else 200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Say nothing."""

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, request: object, client_address: object) -> None:
                """A Prometheus that is killed hangs up in the middle."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def add(self, name: str, revision: str) -> Pod:
        self.known[name] = Pod(name, revision)
        return self.known[name]
