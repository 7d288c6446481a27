"""A judge's query with its placeholders filled, and where it is sent: the one place for threshold, comparison and mannWhitney."""

from __future__ import annotations

import math
from collections.abc import Mapping

from steersman.api.analysis import Metric
from steersman.api.comparison_judges import REVISION_PLACEHOLDER
from steersman.core.analysis import source
from steersman.core.analysis.model import AnalysisContext, BoundMetric, Source
from steersman.core.analysis.placeholders import PlaceholderError


def check_query(metric: Metric, query: str | None, args: Mapping[str, str]) -> None:
    """Raise PlaceholderError when a query about both revisions, or the provider, cannot be used with these arguments."""
    source.check(metric, args)
    source.query_text(metric, query, source.unknown_values(args), window=1)


def check_query_of_each(metric: Metric, query: str, args: Mapping[str, str]) -> None:
    """Raise PlaceholderError when a query that is asked of each revision cannot be used, or does not say of which it is asked."""
    source.check(metric, args, revision=True)
    source.query_text(metric, query, source.unknown_values(args, revision=True), window=1)
    if not REVISION_PLACEHOLDER.search(query):
        raise PlaceholderError("the query has no {{revision}}, so it would be the same for candidate and stable")


def query_text(
    query: str | None, bound: BoundMetric, context: AnalysisContext, window: float, revision: str | None = None
) -> tuple[Source, str]:
    """Where it is sent, and what: about both revisions, or about one of them.

    `window` is in seconds, and rounded up to whole ones.
    """
    seconds = math.ceil(window)
    where = source.source(bound.metric, context, bound.args, seconds, revision)
    text = source.query_text(bound.metric, query, source.values(context, bound.args, revision), seconds)
    # A job has no query; whose it is must be known where it is made.
    return where, text or (context.deployment if where.provider == "job" else "")
