"""Structured logs: one JSON object a line, or text for people."""

from __future__ import annotations

import json
import logging
import sys
from typing import Literal

from steersman.api.meta import format_timestamp

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "settings", "k8s_skip", "k8s_ref"}


class JsonFormatter(logging.Formatter):
    """Time, level, logger, message and whatever was given as `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        """One line of JSON."""
        entry: dict[str, object] = {
            "time": format_timestamp(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        entry |= {key: value for key, value in vars(record).items() if key not in _STANDARD}
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


def configure(log_format: Literal["json", "text"], level: str) -> None:
    """Send everything to standard error in this form."""
    handler = logging.StreamHandler(sys.stderr)
    text = logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    handler.setFormatter(JsonFormatter() if log_format == "json" else text)
    logging.basicConfig(handlers=[handler], level=level, force=True)
    # One line per request or watched object is of use to nobody.
    for noisy in ("kopf", "aiohttp.access", "asyncio"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, logging.getLevelName(level)))
    logging.getLogger("kopf._core.reactor.observation").addFilter(_is_news)


def _is_news(record: logging.LogRecord) -> bool:
    """Kopf warns of each kind that is not installed, again with every change of any; no cluster has every traffic provider."""
    return not record.getMessage().startswith("Unresolved resources cannot be served")
