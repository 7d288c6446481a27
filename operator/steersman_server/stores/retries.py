"""Trying again what a server could not answer."""

import logging
import random
import time
from collections.abc import Callable
from typing import TypeVar

import requests

_logger = logging.getLogger("steersman_server.fetch")

ATTEMPTS = 4
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Seconds; each pause is twice the one before, with jitter, or what the server's Retry-After asks for."""

T = TypeVar("T")


def retrying(action: Callable[[], T], sleep: Callable[[float], None] = time.sleep) -> T:
    """Return what `action` returns; after 5xx, 429, 408 and broken connections it is called again."""
    for attempt in range(1, ATTEMPTS):
        try:
            return action()
        except requests.RequestException as error:
            if not _passing(error):
                raise
            pause = max(_asked(error), FIRST_PAUSE * 2.0 ** (attempt - 1) * random.uniform(0.5, 1.5))  # noqa: S311
            fields = {"attempt": attempt, "seconds": round(min(pause, LONGEST_PAUSE), 2), "error": type(error).__name__}
            _logger.warning("The store did not answer, trying again", extra={"fields": fields})
            sleep(min(pause, LONGEST_PAUSE))
    return action()


def _passing(error: requests.RequestException) -> bool:
    if error.response is not None:
        return error.response.status_code in {408, 429} or error.response.status_code >= 500
    return isinstance(
        error, requests.ConnectionError | requests.Timeout | requests.exceptions.ChunkedEncodingError
    ) and not isinstance(error, requests.exceptions.SSLError)


def _asked(error: requests.RequestException) -> float:
    after = error.response.headers.get("Retry-After", "") if error.response is not None else ""
    return float(after) if after.isdigit() else 0.0
