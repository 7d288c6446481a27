"""Progress that reads well in a terminal and in a CI log."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

PLAIN_INTERVAL = 15.0
"""Seconds between two progress lines of one step where the output is no terminal."""

LEAST_SHARE = 0.05
"""Share of a step that must be done before the time left is estimated from it."""


def duration(seconds: float) -> str:
    """`seconds` for people: `4.2 s`, `3 min 05 s`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s"


class Step:
    """One step under way: its caller reports how far it is."""

    def __init__(self, progress: Progress, title: str) -> None:
        self._progress = progress
        self._title = title
        self._began = progress.clock()
        self._last_line = self._began

    def update(self, done: int, total: int, unit: str) -> None:
        """Say that `done` of `total` units are done; the time left is estimated from the pace so far."""
        now = self._progress.clock()
        interval = 0.2 if self._progress.is_terminal else PLAIN_INTERVAL
        if now - self._last_line < interval or total <= 0:
            return
        self._last_line = now
        done = min(done, total)
        text = f"{self._title}: {done}/{total} {unit}"
        if done >= total * LEAST_SHARE:
            text += f", about {duration((now - self._began) / done * (total - done))} left"
        self._progress.passing(text)


class Progress:
    """Prints what goes on, each line with the seconds since the start.

    In a terminal the line of the running step is rewritten in place; elsewhere a line is printed when a step starts,
    when it ends and every 15 s in between. `quiet` drops everything.
    """

    def __init__(
        self, stream: TextIO | None = None, *, quiet: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.clock = clock
        self._stream = stream if stream is not None else sys.stderr
        self._quiet = quiet
        self._began = clock()
        self._lock = threading.Lock()
        self._open_line = False
        self.is_terminal = self._stream.isatty()

    def say(self, text: str) -> None:
        """Print one line that stays."""
        self._write(text, stays=True)

    def passing(self, text: str) -> None:
        """Print a line that the next one replaces, where that can be done."""
        self._write(text, stays=not self.is_terminal)

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """Announce a step, and how long it took once it has ended well."""
        step = Step(self, title)
        began = self.clock()
        self.passing(f"{title} ...")
        yield step
        self.say(f"{title}: {duration(self.clock() - began)}")

    def _write(self, text: str, *, stays: bool) -> None:
        if self._quiet:
            return
        with self._lock:
            line = f"[{self.clock() - self._began:6.1f}] {text}"
            before = "\r\x1b[2K" if self._open_line else ""
            self._stream.write(f"{before}{line}" + ("\n" if stays else ""))
            self._stream.flush()
            self._open_line = not stays
