"""The metrics of a model's reference profile."""

import logging
from collections.abc import Iterable
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from steersman_profile.format import Profile, ProfileError, Role
from steersman_server.profile import Observation

_logger = logging.getLogger(__name__)

_BIN = ["column", "role", "kind", "bin"]


class ProfileCollector(Collector):
    """The metrics of a profile, and of its absence. Called in the event loop only."""

    def __init__(self) -> None:
        self._profile: Profile | None = None
        self._totals: dict[Role, Any] = {}
        self._failures = 0
        self._logged = False

    def use(self, profile: Profile) -> None:
        """Export this profile: its reference, and all bins at 0."""
        import numpy

        self._profile = profile
        for role in ("feature", "prediction"):
            bins = sum(len(column.bins) for column in profile.with_role(role))
            self._totals[role] = numpy.zeros(bins, dtype=numpy.int64)

    def unreadable(self, error: ProfileError) -> None:
        """Count a profile that cannot be read: nothing is counted into it."""
        self._failures += 1
        _logger.warning("The model's profile is not used: %s", error)

    def _failed(self, failure: Exception) -> None:
        self._failures += 1
        if not self._logged:
            self._logged = True
            kind = type(failure).__name__
            # Messages of other kinds may repeat a value.
            why = str(failure) if kind == "UncountableError" else kind
            _logger.warning("A request was not counted into the model's profile (further ones are not logged): %s", why)

    def add(self, observation: Observation) -> None:
        """Count one answered request."""
        if observation.failure is not None:
            self._failed(observation.failure)
        if observation.features is not None:
            self._totals["feature"] += observation.features
        if observation.predictions is not None:
            self._totals["prediction"] += observation.predictions

    def describe(self) -> Iterable[Metric]:
        """Nothing: the registry need not collect to know the names."""
        return []

    def collect(self) -> Iterable[Metric]:
        """The metrics now."""
        profile = self._profile
        if profile is None and not self._failures:
            return
        yield CounterMetricFamily(
            "steersman_profile_failures",
            "Requests, or the profile itself, that could not be counted into the model's profile.",
            value=self._failures,
        )
        if profile is None:
            return
        observations = CounterMetricFamily(
            "steersman_profile_observations", "Values of answered requests by bin of the model's profile.", labels=_BIN
        )
        ratio = GaugeMetricFamily(
            "steersman_profile_reference_ratio", "Share of the reference data's rows in a bin.", labels=_BIN
        )
        rows = GaugeMetricFamily(
            "steersman_profile_reference_rows", "Rows of the reference data.", labels=["column", "role"]
        )
        for role, totals in self._totals.items():
            counts = iter(totals.tolist())
            for column in profile.with_role(role):
                rows.add_metric([column.name, role], profile.rows)
                for name, reference in zip(column.bins, column.reference, strict=True):
                    labels = [column.name, role, column.kind, name]
                    observations.add_metric(labels, next(counts))
                    ratio.add_metric(labels, reference / profile.rows if profile.rows else 0.0)
        yield from (observations, ratio, rows)
