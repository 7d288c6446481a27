"""A metric server that answers instant queries as Prometheus does: counters of requests, and whatever else a test says.

It knows two forms of query: the operator's counting expression (core/analysis/promql.py) over counters that a test raises or
lets run, and any other text, for which a test sets the answer.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from aiohttp import web

from simulation.loopback import LoopbackServer

REQUESTS = "steersman_requests_total"
"""The counter that `count` and `flow` raise, with the label `code`."""
_COUNTING = re.compile(
    r"sum by \(namespace, steersman_dev_revision\) \(\(last_over_time\((?P<selector>.*?)\[\d+s\]\) - "
    r"last_over_time\(.*?\[\d+s\] offset (?P<window>\d+)s\) >= 0\) or last_over_time\(.*?\[\d+s\]\)\)"
    r"(?: or absent\(.*\))?"
)
_SELECTOR = re.compile(r"(?P<metric>[A-Za-z_:][\w:]*)\s*(?:\{(?P<matchers>.*)\})?")
_MATCHER = re.compile(r'(?P<label>\w+)\s*(?P<operator>=~|!~|!=|=)\s*"(?P<value>[^"]*)"')

Value = float | None
Answer = Callable[[str, float], Value]


@dataclass
class Series:
    """A counter's course: from each moment on it has a value and grows at a rate."""

    labels: dict[str, str]
    course: list[tuple[float, float, float]] = field(default_factory=list)
    """(moment, value, increments per second), by moment."""

    def value(self, at: float) -> float | None:
        """The whole number that a scrape at this moment would have shown; None before the series began."""
        for moment, value, rate in reversed(self.course):
            if moment <= at:
                return float(int(value + rate * (at - moment)))
        return None

    def change(self, at: float, add: float = 0.0, rate: float | None = None) -> None:
        """Raise it, and go on at a rate (by default as before)."""
        last_rate = self.course[-1][2] if self.course else 0.0
        self.course.append((at, (self.value(at) or 0.0) + add, last_rate if rate is None else rate))


@dataclass(frozen=True)
class Asked:
    """A query and its answer."""

    at: float
    """The moment that was asked about, seconds since the epoch."""
    answered: float
    """When the answer left, seconds since the epoch."""
    promql: str
    value: Value
    """The value of a query with a set answer; None for counting expressions and for no data."""


class MetricServer(LoopbackServer):
    """Set answers and counters by its methods, while it runs or before."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """`clock` gives seconds since the epoch."""
        super().__init__()
        self._clock = clock
        self.asked: list[Asked] = []
        self.down = False
        """Answer 503 to everything."""
        self._answers: list[tuple[str, Answer]] = []
        self._series: dict[tuple[str, str, str], Series] = {}

    def answer(self, containing: str, value: Value | Answer) -> None:
        """Answer queries whose text contains `containing`: with a number, with no data (None), or with what a function of the
        query and its moment says. Later settings win.
        """
        fixed: Answer = value if callable(value) else lambda promql, at: value
        self._answers = [(text, known) for text, known in self._answers if text != containing]
        self._answers.insert(0, (containing, fixed))

    def count(self, namespace: str, revision: str, requests: float, failures: float = 0.0) -> None:
        """A revision has answered so many more requests, of which so many failed (code 500)."""
        now = self._clock()
        self._counter(namespace, revision, "200").change(now, add=requests - failures)
        self._counter(namespace, revision, "500").change(now, add=failures)

    def flow(self, namespace: str, revision: str, per_second: float, failing: float = 0.0) -> None:
        """From now on a revision answers so many requests per second, of which the share `failing` fails."""
        now = self._clock()
        self._counter(namespace, revision, "200").change(now, rate=per_second * (1.0 - failing))
        if failing or (namespace, revision, "500") in self._series:
            self._counter(namespace, revision, "500").change(now, rate=per_second * failing)

    def _counter(self, namespace: str, revision: str, code: str) -> Series:
        labels = {"__name__": REQUESTS, "namespace": namespace, "steersman_dev_revision": revision, "code": code}
        return self._series.setdefault((namespace, revision, code), Series(labels))

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/api/v1/query", self._query), web.post("/api/v1/query", self._query)]

    async def _query(self, request: web.Request) -> web.Response:
        if self.down:
            return web.Response(status=503, text="down for the test")
        given = {**request.query, **(await request.post())}
        promql, at = str(given.get("query", "")), float(str(given.get("time") or self._clock()))
        result, value = self._evaluate(promql, at)
        data = {"resultType": "vector", "result": result}
        self.asked.append(Asked(at, time.time(), promql, value))
        return web.json_response({"status": "success", "data": data})

    def _evaluate(self, promql: str, at: float) -> tuple[list[dict[str, object]], Value]:
        for containing, answer in self._answers:
            if containing in promql:
                value = answer(promql, at)
                return ([] if value is None else [_sample({}, at, value)]), value
        counting = _COUNTING.fullmatch(promql)
        return (self._increments(counting["selector"], float(counting["window"]), at) if counting else []), None

    def _increments(self, selector: str, window: float, at: float) -> list[dict[str, object]]:
        sums: dict[tuple[str, str], float] = {}
        for series in self._series.values():
            now, earlier = series.value(at), series.value(at - window)
            if now is None or not selects(selector, series.labels):
                continue
            # A series without an earlier value began within the window.
            key = series.labels["namespace"], series.labels["steersman_dev_revision"]
            sums[key] = sums.get(key, 0.0) + now - (earlier or 0.0)
        return [
            _sample({"namespace": namespace, "steersman_dev_revision": revision}, at, value)
            for (namespace, revision), value in sums.items()
        ]


def selects(selector: str, labels: dict[str, str]) -> bool:
    """Whether a plain vector selector matches a series."""
    parsed = _SELECTOR.fullmatch(selector.strip())
    if parsed is None or parsed["metric"] != labels["__name__"]:
        return False
    for matcher in _MATCHER.finditer(parsed["matchers"] or ""):
        has, wanted = labels.get(matcher["label"], ""), matcher["value"].replace("\\\\", "\\")
        equal = bool(re.fullmatch(wanted, has)) if "~" in matcher["operator"] else has == wanted
        if equal == matcher["operator"].startswith("!"):
            return False
    return True


def _sample(labels: dict[str, str], at: float, value: float) -> dict[str, object]:
    return {"metric": labels, "value": [at, repr(float(value))]}
