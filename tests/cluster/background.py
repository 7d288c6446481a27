"""Does something beside the main work, without holding up the end of the program."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Background:
    """Runs `work` in a thread. When the program ends first, the thread and what it has started end with it."""

    def __init__(self, work: Callable[[], object]) -> None:
        self._work = work
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as failed:  # handed to whoever waits
            self._failure = failed

    def finish(self) -> None:
        """Wait for the end of the work, and raise what it raised."""
        self._thread.join()
        if self._failure is not None:
            raise self._failure
