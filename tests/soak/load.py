"""The users: requests at a constant rate, whatever the answers. `python -m soak.load` is a process of its own.

Open loop: a request is sent when it is due, not when an earlier one was answered, on a connection that is free or else on
a new one. Each twentieth opens a connection of its own. The process begins at once; when the control pipe ends, because
it was closed or because who held it died, it sends no more, waits for what is under way, and writes the sums.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from array import array
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from soak.connection import GarbledError, GatewayConnection
from soak.outcomes import LOST, Outcome, Response, outcome_of

FLUSH_SECONDS = 1.0
LATE_SECONDS = 0.25
"""A request that is sent so long after it was due counts as late."""


@dataclass(frozen=True)
class LoadSettings:
    """How to send."""

    address: str
    port: int
    hosts: tuple[str, ...]
    """Host headers, taken in turn."""
    rate: float = 200.0
    """Requests per second, all hosts together."""
    fresh_every: int = 20
    """Each so many-th request opens a connection of its own and closes it."""
    kept: int = 40
    """Connections that are kept open and used in turn."""
    timeout: float = 15.0
    """Seconds, from sending, after which a user gives up."""
    max_open: int = 2000
    """Connections at most; requests due beyond that are sent late."""


class LoadGenerator:
    """Sends until told to stop, and writes lines of JSON: counts each second, each lost request, and at the end the sums."""

    def __init__(self, settings: LoadSettings, output: TextIO) -> None:
        self._settings = settings
        self._output = output
        self._stopped_at: float | None = None
        self._idle: deque[GatewayConnection] = deque()
        self._slots = asyncio.Semaphore(settings.max_open)
        self._counts: Counter[tuple[int, str, str, Outcome]] = Counter()
        self._lags = array("d")
        self._latencies = array("d")
        self._requests = {host: _request(host, "keep-alive") for host in settings.hosts}
        self._fresh_requests = {host: _request(host, "close") for host in settings.hosts}
        self.sent = 0

    def stop(self) -> None:
        """Send what is due by now and no more; `run` returns when all of it has been answered."""
        self._stopped_at = asyncio.get_running_loop().time()

    async def run(self) -> None:
        """Send at the constant rate until stopped."""
        settings, loop = self._settings, asyncio.get_running_loop()
        for _ in range(settings.kept):
            with contextlib.suppress(OSError):
                self._idle.append(await self._connect())
        flusher = asyncio.create_task(self._flush())
        tasks: set[asyncio.Task[None]] = set()
        origin, began = time.time(), loop.time()
        self._write(began=origin)
        while True:
            due = self.sent / settings.rate
            if self._stopped_at is not None and began + due > self._stopped_at:
                break
            ahead = began + due - loop.time()
            if ahead > 0:
                await asyncio.sleep(ahead)
                continue
            await self._slots.acquire()
            self._lags.append(max(0.0, loop.time() - began - due))
            task = asyncio.create_task(self._send(self.sent, origin + due))
            self.sent += 1
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        if tasks:
            await asyncio.wait(tasks)
        flusher.cancel()
        self._write_counts()
        self._write(end=self._sums(self._stopped_at - began))
        self._output.flush()
        for connection in self._idle:
            connection.close()

    async def _send(self, number: int, due: float) -> None:
        settings = self._settings
        host = settings.hosts[number % len(settings.hosts)]
        # Spread over all hosts, whatever their number.
        fresh = number // len(settings.hosts) % settings.fresh_every == 0
        connection: GatewayConnection | None = None
        response, detail = Response(0), ""
        began = time.monotonic()
        try:
            async with asyncio.timeout(settings.timeout):
                connection = await self._connect() if fresh else self._take() or await self._connect()
                response = await connection.ask((self._fresh_requests if fresh else self._requests)[host])
            outcome = outcome_of(response)
        except TimeoutError:
            outcome = Outcome.TIMEOUT
        except GarbledError as error:
            outcome, detail = Outcome.GARBLED, str(error)
        except OSError as error:
            outcome, detail = Outcome.CLOSED, f"{type(error).__name__}: {error}"
        seconds = time.monotonic() - began
        self._slots.release()
        self._latencies.append(seconds)
        self._counts[int(due), host, response.version, outcome] += 1
        if outcome in LOST:
            detail = detail or response.body.decode(errors="replace")[:200]
            nth = connection.requests if connection else 0
            self._write(
                lost={"at": due, "host": host, "version": response.version, "outcome": outcome, "detail": detail,
                      "status": response.status, "seconds": seconds, "fresh": fresh, "nth": nth}
            )  # fmt: skip
        if connection is not None:
            if connection.usable and not fresh and len(self._idle) < settings.kept:
                self._idle.append(connection)
            else:
                connection.close()

    def _take(self) -> GatewayConnection | None:
        while self._idle:
            connection = self._idle.popleft()
            if connection.usable:
                return connection
        return None

    async def _connect(self) -> GatewayConnection:
        loop = asyncio.get_running_loop()
        _, made = await loop.create_connection(GatewayConnection, self._settings.address, self._settings.port)
        return made

    async def _flush(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            self._write_counts()

    def _write_counts(self) -> None:
        self._write(counts=[[*key, number] for key, number in self._counts.items()])
        self._counts.clear()
        self._output.flush()

    def _sums(self, seconds: float) -> dict[str, Any]:
        late = sum(lag > LATE_SECONDS for lag in self._lags)
        return {
            "sent": self.sent,
            "seconds": seconds,
            "late": late,
            "lag": quantiles(self._lags),
            "latency": quantiles(self._latencies),
            "cpuSeconds": time.process_time(),
        }

    def _write(self, **line: Any) -> None:
        self._output.write(json.dumps(line, separators=(",", ":")) + "\n")


def quantiles(values: Sequence[float]) -> dict[str, float]:
    """Median, 99th percentile and maximum; zeros of nothing."""
    ordered = sorted(values) or [0.0]
    return {
        "p50": ordered[len(ordered) // 2],
        "p99": ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)],
        "max": ordered[-1],
    }


def _request(host: str, connection: str) -> bytes:
    body = b"{}"
    head = (
        f"POST /invocations HTTP/1.1\r\nHost: {host}\r\nConnection: {connection}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def _main(settings: LoadSettings, control: Path, output: Path) -> None:
    loop = asyncio.get_running_loop()
    # Ctrl-C reaches the whole process group; the pipe says when to end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pipe = os.open(control, os.O_RDONLY | os.O_NONBLOCK)
    with output.open("w") as file:
        generator = LoadGenerator(settings, file)

        def look() -> None:
            if not os.read(pipe, 4096):
                loop.remove_reader(pipe)
                generator.stop()

        loop.add_reader(pipe, look)
        await generator.run()


def main(arguments: Sequence[str] | None = None) -> int:
    """Send until the control pipe ends."""
    parser = argparse.ArgumentParser(prog="python -m soak.load", description="Send requests at a constant rate.")
    parser.add_argument("--address", required=True, help="IP address of the gateway")
    parser.add_argument("--port", type=int, default=80)
    parser.add_argument("--host", action="append", required=True, help="Host header; several are taken in turn")
    parser.add_argument("--rate", type=float, default=LoadSettings.rate, help="requests per second")
    parser.add_argument("--control", type=Path, required=True, help="named pipe whose end stops the sending")
    parser.add_argument("--output", type=Path, required=True, help="file for what was seen, lines of JSON")
    options = parser.parse_args(arguments)
    if not options.rate > 0:
        parser.error("the rate must be above 0")
    settings = LoadSettings(options.address, options.port, tuple(options.host), options.rate)
    asyncio.run(_main(settings, options.control, options.output))
    return 0


if __name__ == "__main__":
    sys.exit(main())
