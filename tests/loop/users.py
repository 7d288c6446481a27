"""The users: patients' measurements sent at a constant rate, and the diagnosis sent as feedback some seconds later.

`python -m loop.users` is a process of its own. It says `ready`, begins at the line `begin`, uses the new instrument from the line `shift` on, and ends with
its input. Each request is written down as a line of JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import sys
import time
from collections import defaultdict
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import TextIO

import aiohttp

from loop.names import CALIBRATION, EXAMPLE, HOST, REVISION_HEADER, VERSION_HEADER

FEEDBACK_SECONDS = 3.0
"""How long a diagnosis takes."""
FLUSH_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Request:
    """One patient's measurement and what came of it."""

    at: float
    """When it was due, seconds since the epoch."""
    latency: float
    status: int
    """HTTP status; 0 without an answer."""
    version: str
    """Model version that answered."""
    correct: bool
    shifted: bool
    """It came from the new instrument."""


def read_requests(path: Path) -> list[Request]:
    """What the users wrote down."""
    return [Request(*json.loads(line)) for line in path.read_text().splitlines() if line]


@dataclass(frozen=True)
class Case:
    """A request's body and the diagnosis."""

    body: bytes
    malignant: int


def cases(calibration: float) -> list[Case]:
    """New patients, seen through an instrument."""
    sys.path.insert(0, str(EXAMPLE))
    from measurements import LABEL
    from measurements import cases as measured

    table = measured(calibration)[1]
    features = table.drop(columns=LABEL)
    split = [{"columns": list(features), "data": [row]} for row in features.to_numpy().tolist()]
    bodies = [json.dumps({"dataframe_split": one}).encode() for one in split]
    return [Case(body, int(label)) for body, label in zip(bodies, table[LABEL], strict=True)]


class Users:
    """Sends until told to stop."""

    def __init__(self, url: str, rate: float, output: TextIO, session: aiohttp.ClientSession) -> None:
        self._url, self._rate, self._output, self._session = url, rate, output, session
        self._cases = {False: cases(1.0), True: cases(CALIBRATION)}
        self._random = random.Random(5)
        self._known: dict[str, list[tuple[float, int, int]]] = defaultdict(list)
        """By revision: when the diagnosis is known, the prediction, the diagnosis."""
        self._tasks: set[asyncio.Task[None]] = set()
        self.shifted = False
        self.stopping = asyncio.Event()
        self.sent = 0

    async def run(self) -> None:
        """Send at the constant rate, whatever the answers."""
        telling = asyncio.create_task(self._tell())
        began, wall = time.monotonic(), time.time()
        while not self.stopping.is_set():
            due = self.sent / self._rate
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.stopping.wait(), max(0.0, began + due - time.monotonic()))
            if self.stopping.is_set():
                break
            shifted = self.shifted
            case = self._random.choice(self._cases[shifted])
            task = asyncio.create_task(self._send(case, wall + due, shifted))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            self.sent += 1
        await asyncio.gather(*self._tasks)
        telling.cancel()
        self._output.flush()

    async def _send(self, case: Case, at: float, shifted: bool) -> None:
        status, version, correct = 0, "", False
        headers = {"Host": HOST, "Content-Type": "application/json"}
        try:
            async with self._session.post(f"{self._url}/invocations", data=case.body, headers=headers) as answer:
                status, version = answer.status, answer.headers.get(VERSION_HEADER, "")
                body = await answer.json(content_type=None)
                if status == 200:
                    predicted = int(body["predictions"][0])
                    correct = predicted == case.malignant
                    known = time.monotonic() + FEEDBACK_SECONDS
                    self._known[answer.headers.get(REVISION_HEADER, "")].append((known, predicted, case.malignant))
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, KeyError, TypeError):
            # An answer that is no prediction failed as much as none.
            status = 0 if status == 200 else status
        request = Request(at, time.time() - at, status, version, correct, shifted)
        self._output.write(json.dumps(astuple(request)) + "\n")

    async def _tell(self) -> None:
        """Send the diagnoses that are known by now, each second, for the revision that predicted."""
        while True:
            await asyncio.sleep(1.0)
            self._output.flush()
            now = time.monotonic()
            for revision, entries in self._known.items():
                due = [entry for entry in entries if entry[0] <= now]
                del entries[: len(due)]
                if not due:
                    continue
                feedback = {"predictions": [entry[1] for entry in due], "ground_truth": [entry[2] for entry in due]}
                if revision:
                    feedback |= {"revision": revision}
                with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
                    async with self._session.post(
                        f"{self._url}/feedback", json=feedback, headers={"Host": HOST}
                    ) as answer:
                        if answer.status != 200:
                            print(f"feedback: {answer.status} {await answer.text()}", file=sys.stderr)


async def serve(url: str, rate: float, output: TextIO) -> int:
    """Do what the lines on standard input say."""
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    timeout = aiohttp.ClientTimeout(total=20)
    async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0)) as session:
        users = Users(url, rate, output, session)
        print("ready", flush=True)
        await lines.readline()
        running = asyncio.create_task(users.run())
        while line := await lines.readline():
            users.shifted = line.strip() == b"shift"
        users.stopping.set()
        await running
        print(f"sent {users.sent}", flush=True)
    return 0


def main() -> int:
    """Run the users."""
    parser = argparse.ArgumentParser(prog="python -m loop.users", description=__doc__)
    parser.add_argument("--url", required=True, help="of the gateway")
    parser.add_argument("--rate", type=float, required=True, help="requests per second")
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    with options.output.open("w") as output:
        return asyncio.run(serve(options.url, options.rate, output))


if __name__ == "__main__":
    sys.exit(main())
