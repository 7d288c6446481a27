"""Every built-in template against a sample in its system's format: scraped by a real Prometheus as the documentation says, and counted by the operator's judge.

The samples are written by hand after the sources that their first lines name; none is captured from the system. They prove that queries, labels and
relabelling fit together, not that the system writes what the sample says. A runtime's sample is one pod's page, which stable's pod shows three
times over; a gateway's holds both revisions, stable with nine times the candidate's requests.
"""

from __future__ import annotations

import asyncio
import http.server
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.component.adapters.processes import free_port, running

from cluster.binaries import Binaries
from steersman.adapters.metrics.prometheus import PrometheusProvider
from steersman.api.analysis import AnalysisTemplateSpec
from steersman.api.status import AnalysisStage, MeasurementPhase
from steersman.core.analysis import advance, begin, bind, due, histogram, sequential
from steersman.core.analysis.model import AnalysisContext, BoundMetric, Part, QueryResult, Sample, Source

REPOSITORY = Path(__file__).resolve().parents[2]
TEMPLATES = REPOSITORY / "helm" / "steersman" / "files" / "analysis-templates"
SAMPLES = Path(__file__).with_name("samples")
NAMESPACE, CANDIDATE, STABLE = "risk", "fraud-v2-bbbbbbbb", "fraud-v1-aaaaaaaa"
CONTEXT = AnalysisContext(NAMESPACE, "fraud", STABLE, CANDIDATE, AnalysisStage.BACKGROUND, 0.0)
RUNTIMES = ("mlflow", "mlserver", "tfserving", "triton", "seldon", "kserve", "linkerd")
"""Scraped from the models' pods."""
GATEWAYS = ("envoy", "istio", "nginx", "traefik", "cadvisor")
TIMES = {CANDIDATE: 1, STABLE: 3}
NGINX_RELABELLING = [
    {
        "source_labels": ["exported_namespace", "service"],
        "separator": "-",
        "regex": "(.+)",
        "target_label": "upstream",
        "replacement": "$1-80",
    },
    {"source_labels": ["canary"], "regex": "(.+)", "target_label": "upstream"},
]
"""As docs/reference/templates.md says."""

SEQUENTIAL: dict[str, tuple[tuple[float, float], tuple[float, float]]] = {
    "request-errors": ((100, 4), (300, 12)),
    "latency": ((100, 10), (300, 30)),
    "prediction-errors": ((100, 5), (300, 15)),
    "mlflow-accuracy": ((100, 12), (300, 8)),
    "mlflow-large-errors": ((100, 20), (300, 20)),
    "mlserver-errors": ((100, 3), (300, 9)),
    "mlserver-prediction-errors": ((100, 8), (300, 24)),
    "mlserver-latency": ((100, 12), (300, 36)),
    "tfserving-errors": ((100, 5), (300, 15)),
    "tfserving-latency": ((100, 7), (300, 21)),
    "seldon-errors": ((100, 6), (300, 18)),
    "seldon-latency": ((100, 9), (300, 27)),
    "kserve-errors": ((100, 3), (300, 9)),
    "kserve-latency": ((100, 6), (300, 18)),
    "linkerd-errors": ((100, 4), (300, 12)),
    "linkerd-latency": ((100, 8), (300, 24)),
    "envoy-errors": ((100, 4), (900, 36)),
    "envoy-latency": ((100, 10), (900, 90)),
    "istio-errors": ((100, 4), (900, 36)),
    "istio-latency": ((100, 10), (900, 90)),
    "nginx-errors": ((100, 4), (900, 36)),
    "nginx-latency": ((100, 10), (900, 90)),
    "traefik-errors": ((100, 4), (900, 36)),
    "traefik-latency": ((100, 12), (900, 108)),
}
"""(requests, failures) of candidate and stable."""
MEANS: dict[str, tuple[tuple[float, float], tuple[float, float]]] = {
    # 10 of 0.5, 10 of 1, 4 of 50 and one of 100, which is the highest; of each page there are four.
    "mlflow-absolute-error": ((100, 12.6), (300, (60 * 0.5 + 10 + 5 * 50) / 75)),
}
"""(requests, mean) of candidate and stable."""
THRESHOLD: dict[str, tuple[float, MeasurementPhase]] = {
    "error-ratio": (0.04, MeasurementPhase.PASS),
    "saturation": (5, MeasurementPhase.PASS),
    "cpu-throttling": (0.1, MeasurementPhase.PASS),
    "envoy-saturation": (6, MeasurementPhase.PASS),
    "mlserver-saturation": (5, MeasurementPhase.PASS),
    "triton-errors": (0.02, MeasurementPhase.PASS),
    "triton-latency": (1.0, MeasurementPhase.PASS),
    "triton-saturation": (3, MeasurementPhase.PASS),
}


def scaled(text: str, times: float) -> str:
    """Every value of a page, so many times over."""
    lines = [line.rpartition(" ") for line in text.splitlines() if line and not line.startswith("#")]
    return "".join(f"{series} {float(value) * times:g}\n" for series, _, value in lines)


class Page(http.server.BaseHTTPRequestHandler):
    """/<system>/<times>; all zero until `served`."""

    served = False

    def do_GET(self) -> None:
        _, system, times = self.path.split("/")
        body = scaled((SAMPLES / f"{system}.prom").read_text(), float(times) * Page.served).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


def _job(address: str, system: str) -> dict[str, Any]:
    if system in RUNTIMES:
        targets = [
            {
                "targets": [address],
                "labels": {
                    "__metrics_path__": f"/{system}/{times}",
                    "namespace": NAMESPACE,
                    "steersman_dev_revision": revision,
                    "pod": f"{revision}-x",
                },
            }
            for revision, times in TIMES.items()
        ]
    else:
        # cAdvisor's own labels namespace and pod are kept, a gateway's target has labels of its own.
        labels = {} if system == "cadvisor" else {"namespace": "gateways", "pod": "gateway"}
        targets = [{"targets": [address], "labels": {"__metrics_path__": f"/{system}/1", **labels}}]
    relabelling = NGINX_RELABELLING if system == "nginx" else []
    return {"job_name": system, "static_configs": targets, "metric_relabel_configs": relabelling}


@dataclass
class Scraped:
    """A Prometheus, and the moment at which it knew everything."""

    url: str
    at: float
    window: float

    def ask(self, promql: str) -> tuple[Sample, ...]:
        return asyncio.run(self._ask(promql))

    async def _ask(self, promql: str) -> tuple[Sample, ...]:
        provider = PrometheusProvider(self.url)
        try:
            return await provider.instant(None, promql, self.at)
        finally:
            await provider.close()


@pytest.fixture(scope="module")
def scraped(prometheus_binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scraped]:
    """All samples, scraped first with all values zero and then with their own."""
    directory, port = tmp_path_factory.mktemp("templates"), free_port()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"127.0.0.1:{server.server_port}"
    configuration = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
        "scrape_configs": [_job(address, system) for system in (*RUNTIMES, *GATEWAYS)],
    }
    # JSON is YAML.
    (directory / "prometheus.yml").write_text(json.dumps(configuration))
    url = f"http://127.0.0.1:{port}"
    command = [
        str(prometheus_binaries["prometheus"]),
        f"--config.file={directory}/prometheus.yml",
        f"--storage.tsdb.path={directory}/data",
        f"--web.listen-address=127.0.0.1:{port}",
        "--scrape.discovery-reload-interval=500ms",
    ]
    with running(command, f"{url}/-/ready", directory / "log"):
        targets = len(TIMES) * len(RUNTIMES) + len(GATEWAYS)
        until = time.monotonic() + 30
        while not any(sample.value == targets for sample in Scraped(url, time.time(), 0).ask("sum(up)")):
            assert time.monotonic() < until, "not everything is scraped"
            time.sleep(0.2)
        time.sleep(2)
        began = time.time()
        Page.served = True
        time.sleep(4)
        at = time.time()
        yield Scraped(url, at, at - began + 2)
    server.shutdown()
    server.server_close()


def bound(name: str, **args: str) -> BoundMetric:
    """The one metric of a built-in template, with its defaults."""
    spec = AnalysisTemplateSpec.model_validate(yaml.safe_load((TEMPLATES / f"{name}.yaml").read_text()))
    given = [{"name": name, "value": value} for name, value in args.items()]
    arguments = type(spec).model_validate({"args": given, "metrics": spec.metrics}).args
    (metric,) = bind([(name, spec)], arguments, 15.0)
    return metric


def counts(scraped: Scraped, metric: BoundMetric) -> tuple[tuple[float, float], ...]:
    judge = metric.metric.sequential
    assert judge is not None
    queries = sequential.queries(metric, judge, Source(), scraped.window, scraped.at)
    answers: dict[Part, tuple[Sample, ...]] = {query.part: scraped.ask(query.text) for query in queries}
    rows = [sequential.row(metric, judge, CONTEXT, revision) for revision in (CANDIDATE, STABLE)]
    found = [sequential.read_counts(answers, row) for row in rows]
    return tuple((count.requests, count.failures) for count in found)


def test_every_template_of_the_chart_is_tested() -> None:
    assert {path.stem for path in TEMPLATES.glob("*.yaml")} == {*SEQUENTIAL, *MEANS, *THRESHOLD}


@pytest.mark.parametrize("name", SEQUENTIAL)
def test_counters_of_both_revisions(scraped: Scraped, name: str) -> None:
    assert counts(scraped, bound(name)) == SEQUENTIAL[name]


@pytest.mark.parametrize("name", MEANS)
def test_means_of_both_revisions(scraped: Scraped, name: str) -> None:
    metric = bound(name)
    judge = metric.metric.sequential
    assert judge is not None
    assert judge.highest is not None
    queries = sequential.queries(metric, judge, Source(), scraped.window, scraped.at)
    (samples,) = (scraped.ask(query.text) for query in queries if query.part is Part.BUCKETS)
    rows = [sequential.row(metric, judge, CONTEXT, revision) for revision in (CANDIDATE, STABLE)]
    sides = histogram.pair(*(histogram.read(samples, row, judge.highest) for row in rows))
    found = [(values.number, values.mean * judge.highest) for values in sides]
    assert found == [pytest.approx(expected) for expected in MEANS[name]]


@pytest.mark.parametrize("name", THRESHOLD)
def test_values_of_the_candidate(scraped: Scraped, name: str) -> None:
    value, phase = THRESHOLD[name]
    metrics = (bound(name),)
    status = begin(AnalysisStage.BACKGROUND, metrics, scraped.at - scraped.window - 15.0)
    queries, _ = due(metrics, status, CONTEXT, scraped.at + 60.0)
    # The looks' grid is 15 s; everything happened in the last ten.
    results = [QueryResult(query, scraped.ask(query.text)) for query in queries]
    status = advance(metrics, status, CONTEXT, results, scraped.at + 60.0)
    assert status.metrics[0].phase is phase, status.metrics[0].message
    assert status.metrics[0].measurements[-1].value == pytest.approx(value)


def test_istio_counts_by_one_reporter_only(scraped: Scraped) -> None:
    assert counts(scraped, bound("istio-errors", reporter="destination")) == SEQUENTIAL["istio-errors"]
    assert counts(scraped, bound("istio-errors", reporter="waypoint")) == ((0, 0), (0, 0))


def test_another_port_is_another_service(scraped: Scraped) -> None:
    assert counts(scraped, bound("envoy-errors", port="8080")) == ((88888, 0), (0, 0))


def test_another_objective(scraped: Scraped) -> None:
    """A bound that is a whole number is found although Prometheus 3 writes 1000 as 1000.0."""
    assert counts(scraped, bound("envoy-latency", slo="1000"))[0] == (100, 3)
    with pytest.raises(sequential.NoCountsError, match="counter of successes has no series"):
        counts(scraped, bound("envoy-latency", slo="123"))
