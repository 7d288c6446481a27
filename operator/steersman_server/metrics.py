"""The server's Prometheus metrics."""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import choose_encoder

from steersman_server.profile_metrics import ProfileCollector

EXCEPTION_TYPES = 20
"""Distinct values of the label ``type`` of ``steersman_exceptions_total``; further types are counted as ``other``."""

DURATION_BUCKETS = (
    *(0.001, 0.0025, 0.005, 0.0075),
    *(0.01, 0.025, 0.05, 0.075),
    *(0.1, 0.25, 0.5, 0.75),
    *(1.0, 2.5, 5.0, 10.0, 30.0),
)
"""Upper bounds of ``steersman_request_duration_seconds``, in seconds."""


class Metrics:
    """The metrics of one server, in a registry of their own."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self.requests = Counter(
            "steersman_requests", "Requests to /invocations by HTTP status code.", ["code"], registry=self.registry
        )
        for code in ("200", "400", "500"):  # a series that starts at 1 has no increase: rate() misses the first error
            self.requests.labels(code)
        self.duration = Histogram(
            "steersman_request_duration_seconds",
            "Time from a request's headers to its response, requests to /invocations of any status code.",
            buckets=DURATION_BUCKETS,
            registry=self.registry,
        )
        self.in_progress = Gauge(
            "steersman_requests_in_progress", "Requests to /invocations being answered.", registry=self.registry
        )
        self._exceptions = Counter(
            "steersman_exceptions", "Exceptions that the model raised, by type.", ["type"], registry=self.registry
        )
        self._exception_types: set[str] = set()
        self.predictions = Counter(
            "steersman_predictions", "Rows predicted in answered requests.", registry=self.registry
        )
        self.model_info = Gauge(
            "steersman_model_info", "The loaded model; always 1.", ["name", "version", "flavor"], registry=self.registry
        )
        self.load_seconds = Gauge(
            "steersman_model_load_seconds", "Time that importing and loading the model took.", registry=self.registry
        )
        self.profile = ProfileCollector()
        self.registry.register(self.profile)
        self.ready = Gauge("steersman_model_ready", "1 while /ready answers 200, else 0.", registry=self.registry)

    def exception(self, type_name: str) -> None:
        """Count an exception of the model under its type's name, or under ``other`` when there are too many types."""
        if type_name not in self._exception_types:
            if len(self._exception_types) >= EXCEPTION_TYPES:
                type_name = "other"
            else:
                self._exception_types.add(type_name)
        self._exceptions.labels(type_name).inc()

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """Return the page for a scraper that sent the header ``Accept: <accept>``, and its content type."""
        encode, content_type = choose_encoder(accept)
        return encode(self.registry), content_type
