"""Pods that count rows into bins as the runtime does, and a real Prometheus that scrapes them."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from tests.component.adapters.processes import free_port, running

from cluster.binaries import Binaries
from unit.drift.profiles import Profile, Values

ODD = 'amount "of" \\ {things}\n€'
"""A column's name that would break a query if it were ever put into one."""


class Pod:
    """What a pod of the model exports at /metrics: the contract between the runtime and the operator."""

    def __init__(self, profile: Profile | None, revision: str) -> None:
        self._profile = profile
        self.revision = revision
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
            self._drift.labels(self.revision, detector)
        for outcome in ("correct", "wrong"):
            self._feedback.labels(self.revision, outcome)
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
        self._feedback.labels(self.revision, "wrong").inc(wrong)
        self._drift.labels(self.revision, "page_hinkley").inc(fired)


def draw(random: np.random.Generator, number: int, shift: float = 0.0) -> dict[str, Values]:
    return {
        ODD: random.normal(shift, 1.0, number),
        "age": random.normal(40.0, 10.0, number),
        "city": random.choice(["lima", "osaka", "turin"], number, p=(0.5, 0.3, 0.2)),
        "label": random.choice(["fraud", "fine"], number, p=(0.1, 0.9)),
    }


@dataclass
class Scraped:
    """A Prometheus and the pods that it scrapes twice a second."""

    url: str
    port: int
    """Of the exporter of all pods."""
    directory: Path
    pods: dict[str, Pod] = field(default_factory=dict)

    def add(self, name: str, pod: Pod) -> Pod:
        """Have a pod scraped from now on."""
        self.pods[name] = pod
        group = {
            "targets": [f"127.0.0.1:{self.port}"],
            "labels": {
                "__metrics_path__": f"/{name}",
                "namespace": "risk",
                "steersman_dev_revision": pod.revision,
                "pod": name,
            },
        }
        # Renamed into place: Prometheus reads a file as soon as it changes.
        (self.directory / "new").write_text(json.dumps([group]))
        (self.directory / "new").rename(self.directory / f"{name}.json")
        return pod


@contextlib.contextmanager
def scraping(binaries: Binaries, directory: Path) -> Iterator[Scraped]:
    """A Prometheus until the block ends."""
    pods: Mapping[str, Pod]

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(generate_latest(pods[self.path.strip("/")].registry))

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    port = free_port()
    scraped = Scraped(f"http://127.0.0.1:{port}", server.server_address[1], directory)
    pods = scraped.pods
    threading.Thread(target=server.serve_forever, daemon=True).start()
    job = {"job_name": "models", "file_sd_configs": [{"files": ["*.json"], "refresh_interval": "1s"}]}
    times = {"scrape_interval": "500ms", "scrape_timeout": "400ms"}
    (directory / "prometheus.yml").write_text(json.dumps({"global": times, "scrape_configs": [job]}))
    command = [
        *(str(binaries["prometheus"]), "--config.file=prometheus.yml", "--storage.tsdb.path=data"),
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    try:
        with running(command, f"{scraped.url}/-/ready", directory / "log"):
            yield scraped
    finally:
        server.shutdown()
