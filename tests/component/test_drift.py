"""Drift as the operator sees it through a real Prometheus, which scrapes pods that count rows into bins."""

from __future__ import annotations

import asyncio
import http.server
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from tests.component.adapters.processes import free_port, running

from cluster.binaries import Binaries
from steersman.adapters.metrics.prometheus import PrometheusProvider
from steersman.api.conditions import ConditionStatus, ConditionType, Reason
from steersman.api.drift import Drift
from steersman.api.drift_status import DriftStatus
from steersman.core.analysis.model import QueryResult
from steersman.core.drift import Subject, findings, look_for_drift
from steersman.core.snapshot import EventIntent
from unit.drift.profiles import Profile, Values

STABLE, OTHER, BARE = "fraud-v1-a", "fraud-v2-b", "fraud-v3-c"
ODD = 'amount "of" \\ {things}\n€'
"""A column's name that would break a query if it were ever put into one."""


class Pod:
    """What a pod of the model exports at /metrics: the contract between the runtime and the operator."""

    def __init__(self, profile: Profile | None, revision: str) -> None:
        self._profile = profile
        self._revision = revision
        self.restart()

    def restart(self) -> None:
        """Every counter begins at 0 again."""
        registry = CollectorRegistry()
        labels = ["column", "role", "kind", "bin"]
        self._rows = Counter("steersman_profile_observations", "-", labels, registry=registry)
        ratio = Gauge("steersman_profile_reference_ratio", "-", labels, registry=registry)
        rows = Gauge("steersman_profile_reference_rows", "-", labels[:2], registry=registry)
        self._drift = Counter("steersman_concept_drift", "-", ["predicted_by", "detector"], registry=registry)
        self._feedback = Counter("steersman_feedback", "-", ["predicted_by", "outcome"], registry=registry)
        for detector in ("adwin", "page_hinkley"):
            self._drift.labels(self._revision, detector)
        for outcome in ("correct", "wrong"):
            self._feedback.labels(self._revision, outcome)
        for column in self._profile.columns if self._profile is not None else ():
            rows.labels(column.name, column.role).set(sum(column.counts))
            for label, count in zip(column.labels, column.counts, strict=True):
                self._rows.labels(column.name, column.role, column.kind, label)
                ratio.labels(column.name, column.role, column.kind, label).set(count / sum(column.counts))
        self.registry = registry

    def predict(self, rows: dict[str, Values]) -> None:
        """Count rows into their bins."""
        for column in self._profile.columns if self._profile is not None else ():
            for label, number in column.count(rows[column.name]).items():
                self._rows.labels(column.name, column.role, column.kind, label).inc(number)

    def learn(self, wrong: int, fired: int) -> None:
        """Feedback comes, and a detector fires so often."""
        self._feedback.labels(self._revision, "wrong").inc(wrong)
        self._drift.labels(self._revision, "page_hinkley").inc(fired)


def draw(random: np.random.Generator, number: int, shift: float = 0.0) -> dict[str, Values]:
    return {
        ODD: random.normal(shift, 1.0, number),
        "age": random.normal(40.0, 10.0, number),
        "city": random.choice(["lima", "osaka", "turin"], number, p=(0.5, 0.3, 0.2)),
        "label": random.choice(["fraud", "fine"], number, p=(0.1, 0.9)),
    }


@pytest.fixture(scope="module")
def pods() -> dict[str, Pod]:
    profile = Profile(draw(np.random.default_rng(1), 5000), predictions=("label",))
    return {"a": Pod(profile, STABLE), "b": Pod(profile, STABLE), "other": Pod(profile, OTHER), "bare": Pod(None, BARE)}


@pytest.fixture(scope="module")
def prometheus(
    pods: dict[str, Pod], prometheus_binaries: Binaries, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(generate_latest(pods[self.path.strip("/")].registry))

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    directory, port = tmp_path_factory.mktemp("drift"), free_port()
    revisions = {"a": STABLE, "b": STABLE, "other": OTHER, "bare": BARE}
    jobs = [
        {
            "job_name": name,
            "metrics_path": f"/{name}",
            "static_configs": [
                {
                    "targets": [f"127.0.0.1:{server.server_address[1]}"],
                    "labels": {"namespace": "risk", "steersman_dev_revision": revision, "pod": name},
                }
            ],
        }
        for name, revision in revisions.items()
    ]
    (directory / "prometheus.yml").write_text(
        json.dumps({"global": {"scrape_interval": "500ms", "scrape_timeout": "400ms"}, "scrape_configs": jobs})
    )
    command = [
        *(str(prometheus_binaries["prometheus"]), "--config.file=prometheus.yml", "--storage.tsdb.path=data"),
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    url = f"http://127.0.0.1:{port}"
    try:
        with running(command, f"{url}/-/ready", Path(directory) / "log"):
            yield url
    finally:
        server.shutdown()


class Looker:
    """Looks for drift as the operator does, with the real clock."""

    def __init__(self, provider: PrometheusProvider, revision: str, settings: Drift) -> None:
        self.status: DriftStatus | None = None
        self.events: list[EventIntent] = []
        self._provider = provider
        self._subject = Subject("risk", "fraud", revision)
        self._settings = settings
        self._results: tuple[QueryResult, ...] = ()

    async def look(self) -> None:
        looked = look_for_drift(self._settings, self.status, self._subject, self._results, round(time.time(), 3))
        assert looked.status is not None
        # As it comes back from the API server.
        self.status = DriftStatus.model_validate(json.loads(json.dumps(looked.status.to_wire())))
        self.events += looked.events
        self._results = tuple([QueryResult(query, await self._provider.query(query)) for query in looked.queries])

    async def until(self, reached: Callable[[DriftStatus], object], within: float = 20.0) -> DriftStatus:
        end = time.monotonic() + within
        while time.monotonic() < end:
            await self.look()
            if self.status is not None and reached(self.status):
                return self.status
            await asyncio.sleep(0.1)
        raise AssertionError(f"not reached within {within} s: {self.status}")

    def condition(self, kind: ConditionType) -> tuple[ConditionStatus, Reason]:
        return findings(self._settings, self.status)[kind][:2]


@pytest.fixture
async def provider(prometheus: str) -> AsyncIterator[PrometheusProvider]:
    made = PrometheusProvider(prometheus)
    yield made
    await made.close()


async def test_drift_is_seen_through_prometheus_whatever_pods_restart_beside_it(
    provider: PrometheusProvider, pods: dict[str, Pod]
) -> None:
    random = np.random.default_rng(2)
    settings = Drift.model_validate({"window": "1m", "interval": "1s", "consecutive": 1})
    looker = Looker(provider, STABLE, settings)
    # Prometheus knows both pods, from whose start nothing was counted.
    await looker.until(lambda status: status.data.not_judged == Reason.NOT_ENOUGH_DATA and status.data.samples == 0)
    assert looker.condition(ConditionType.CONCEPT_DRIFT) == (ConditionStatus.UNKNOWN, Reason.NOT_ENOUGH_DATA)

    pods["other"].predict(draw(random, 5000, shift=5.0))
    pods["a"].predict(draw(random, 700))
    pods["b"].predict(draw(random, 300))
    pods["a"].learn(wrong=10, fired=0)
    await asyncio.sleep(1.5)
    pods["b"].restart()
    # It is scraped once before it serves: a counter that is never seen lower than before was not seen to restart.
    await asyncio.sleep(1.5)
    pods["b"].predict(draw(random, 500))
    calm = await looker.until(lambda status: status.data.samples > 1300)
    # What Prometheus' increase() adds by extrapolation is a small part.
    assert calm.data.samples == pytest.approx(1500, rel=0.12) and calm.data.judged == 4
    assert looker.condition(ConditionType.DATA_DRIFT) == (ConditionStatus.FALSE, Reason.NO_DRIFT)
    assert looker.condition(ConditionType.CONCEPT_DRIFT) == (ConditionStatus.FALSE, Reason.NO_DRIFT)

    pods["a"].predict(draw(random, 1500, shift=1.5))
    pods["b"].learn(wrong=30, fired=1)
    drifted = await looker.until(
        lambda status: status.data.detected_at and status.concept and status.concept.detected_at
    )
    assert [column.name for column in drifted.data.columns if column.drifted] == [ODD]
    assert looker.condition(ConditionType.DATA_DRIFT) == (ConditionStatus.TRUE, Reason.DRIFT_DETECTED)
    assert looker.condition(ConditionType.CONCEPT_DRIFT) == (ConditionStatus.TRUE, Reason.DRIFT_DETECTED)
    assert [event.reason for event in looker.events] == [Reason.DRIFT_DETECTED] * 2


async def test_pods_without_a_profile_have_no_reference(provider: PrometheusProvider) -> None:
    looker = Looker(provider, BARE, Drift.model_validate({"window": "1m", "interval": "1s"}))
    await looker.until(lambda status: status.data.not_judged)
    assert looker.condition(ConditionType.DATA_DRIFT) == (ConditionStatus.UNKNOWN, Reason.NO_REFERENCE)
