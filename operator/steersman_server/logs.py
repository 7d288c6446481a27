"""Structured logs: one JSON object a line on standard output."""

import json
import logging
import sys
import time
from collections.abc import Callable


class JsonFormatter(logging.Formatter):
    """Renders a record as JSON with ``time`` (UTC), ``level``, ``logger``, ``message`` and, if any, ``exception``.

    A dictionary passed as ``extra={"fields": {...}}`` is merged into the object.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line of JSON."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        entry: dict[str, object] = {
            "time": f"{stamp}.{int(record.msecs):03d}Z",
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        entry.update(getattr(record, "fields", {}))
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


def configure(level: str) -> None:
    """Send every logger's records and Python's warnings to standard output as JSON, from `level` up."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(True)
    # These say at each start, or at each bad request, what the server itself says once or as a metric.
    logging.getLogger("uvicorn.error").setLevel(max(logging.WARNING, logging.getLevelName(level)))
    logging.getLogger("mlflow.pyfunc.scoring_server").setLevel(logging.ERROR)


class ExceptionLog:
    """Logs exceptions with their traceback, each kind at most once an interval.

    A model that fails on every request would otherwise write a traceback for each. A kind is the exception's type and
    the line that raised it; kinds beyond `kinds` share one budget.
    """

    def __init__(
        self,
        logger: logging.Logger,
        interval: float = 60.0,
        kinds: int = 100,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._logger = logger
        self._interval = interval
        self._kinds = kinds
        self._clock = clock
        self._seen: dict[object, tuple[float, int]] = {}

    def error(self, message: str, exception: BaseException) -> None:
        """Log `exception` unless its kind was logged less than the interval (in seconds) ago; then only count it."""
        kind: object = (type(exception), _raised_at(exception))
        if kind not in self._seen and len(self._seen) >= self._kinds:
            kind = "other"
        now = self._clock()
        logged, suppressed = self._seen.get(kind, (-self._interval, 0))
        if now - logged < self._interval:
            self._seen[kind] = (logged, suppressed + 1)
            return
        self._seen[kind] = (now, 0)
        fields = {"exception_type": type(exception).__name__, "repeats_not_logged": suppressed}
        self._logger.error(message, exc_info=exception, extra={"fields": fields})


def _raised_at(exception: BaseException) -> tuple[str, int] | None:
    frame = exception.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    return None if frame is None else (frame.tb_frame.f_code.co_filename, frame.tb_lineno)
