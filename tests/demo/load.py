"""The users: pictures sent to the gateway at a constant rate, whatever the answers. `python -m demo.load` is a process of its own.

Open loop: requests are sent when they are due, not when an earlier one is answered, as many users would. It gets ready,
says so, and begins when a line comes on standard input. The end of the input, SIGTERM or SIGINT stops the sending;
every request that was sent is waited for and written down.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import aiohttp

from demo.names import HOST, VERSION_HEADER
from demo.records import Cause, Record, cause_of

FLUSH_SECONDS = 0.2


@dataclass(frozen=True)
class Picture:
    """A request's body and the right answer."""

    body: bytes
    digit: int


@dataclass(frozen=True)
class LoadSettings:
    """How to send."""

    url: str
    """Base URL of the gateway."""
    host: str = HOST
    rate: float = 80.0
    """Requests per second."""
    timeout: float = 20.0
    """Seconds after which a user gives up."""
    max_in_flight: int = 400
    """Bound on requests under way; those due beyond it wait, and their wait counts as latency."""
    seed: int = 1


def held_out_pictures() -> list[Picture]:
    """The held-out half of the data, encoded as MLflow's scoring protocol wants it."""
    from demo.data import digits  # scikit-learn's import takes seconds; tests of the sender need none of it

    data = digits()
    return [
        Picture(json.dumps({"inputs": [row]}).encode(), int(digit))
        for row, digit in zip(data.held_out_pictures.tolist(), data.held_out_digits, strict=True)
    ]


class LoadGenerator:
    """Sends pictures drawn at random until told to stop."""

    def __init__(self, settings: LoadSettings, pictures: Sequence[Picture], output: TextIO) -> None:
        self._settings = settings
        self._pictures = pictures
        self._output = output
        self._stop = asyncio.Event()
        self._random = random.Random(settings.seed)
        self.sent = 0
        self.recorded = 0

    def stop(self) -> None:
        """Send no more; `run` returns when what is under way has been answered."""
        self._stop.set()

    async def run(self) -> None:
        """Send at the constant rate until stopped."""
        settings = self._settings
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=30)
        timeout = aiohttp.ClientTimeout(total=settings.timeout)
        slots = asyncio.Semaphore(settings.max_in_flight)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            flusher = asyncio.create_task(self._flush())
            start_monotonic, start = time.monotonic(), time.time()
            tasks: set[asyncio.Task[None]] = set()
            while not self._stop.is_set():
                due = self.sent / settings.rate
                await self._sleep(start_monotonic + due - time.monotonic())
                if self._stop.is_set():
                    break
                await slots.acquire()
                self.sent += 1
                task = asyncio.create_task(self._send(session, start + due, slots))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            if tasks:
                await asyncio.wait(tasks)
            flusher.cancel()
            self._output.flush()

    async def _sleep(self, seconds: float) -> None:
        if seconds > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), seconds)

    async def _flush(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            self._output.flush()

    async def _send(self, session: aiohttp.ClientSession, due: float, slots: asyncio.Semaphore) -> None:
        picture = self._random.choice(self._pictures)
        status, version, cause, correct = 0, "", Cause.CONNECTION, False
        try:
            async with session.post(
                f"{self._settings.url}/invocations",
                data=picture.body,
                headers={"Host": self._settings.host, "Content-Type": "application/json"},
            ) as response:
                body = await response.read()
                status, version = response.status, response.headers.get(VERSION_HEADER, "")
                cause = cause_of(status, version)
                if cause is Cause.NONE:
                    correct = json.loads(body)["predictions"][0] == picture.digit
        except TimeoutError:
            cause = Cause.TIMEOUT
        except (aiohttp.ClientError, OSError):
            cause = Cause.CONNECTION
        except (ValueError, LookupError, TypeError):
            cause = Cause.GARBLED
        finally:
            slots.release()
            # The clock may be stepped during a run, the difference of two of its readings is near enough to 0 then.
            latency = max(0.0, time.time() - due)
            self._output.write(Record(due, latency, status, version, cause, correct).to_line())
            self.recorded += 1


async def _main(settings: LoadSettings, output: Path) -> None:
    with output.open("w") as file:
        generator = LoadGenerator(settings, held_out_pictures(), file)
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signum, generator.stop)
        print("ready", flush=True)
        lines = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
        if await lines.readline():
            waiting = asyncio.create_task(_stop_at_end(lines, generator))
            await generator.run()
            waiting.cancel()
    if generator.recorded != generator.sent:
        raise RuntimeError(f"{generator.sent} requests were sent but {generator.recorded} recorded")
    print(f"sent {generator.sent}", flush=True)


async def _stop_at_end(lines: asyncio.StreamReader, generator: LoadGenerator) -> None:
    """So that it does not outlive who started it."""
    while await lines.readline():
        pass
    generator.stop()


def main(arguments: Sequence[str] | None = None) -> int:
    """Send until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m demo.load", description="Send pictures at a constant rate.")
    parser.add_argument("--url", required=True, help="base URL of the gateway")
    parser.add_argument("--host", default=LoadSettings.host, help="Host header")
    parser.add_argument("--rate", type=float, default=LoadSettings.rate, help="requests per second")
    parser.add_argument("--output", type=Path, required=True, help="file for the records, one a line")
    options = parser.parse_args(arguments)
    if options.rate <= 0:
        parser.error("the rate must be above 0")
    asyncio.run(_main(LoadSettings(options.url.rstrip("/"), options.host, options.rate), options.output))
    return 0


if __name__ == "__main__":
    sys.exit(main())
