"""A judge's query with its placeholders filled: the one place where threshold, comparison and mannWhitney render theirs."""

from __future__ import annotations

import math
from collections.abc import Mapping

from steersman.api.comparison_judges import REVISION_PLACEHOLDER
from steersman.core.analysis.model import AnalysisContext, BoundMetric
from steersman.core.analysis.promql import PromQLError, render


def check_query(query: str, args: Mapping[str, str]) -> None:
    """Raise PromQLError when a query about both revisions cannot be rendered with these arguments."""
    render(query, _strings("", "", {"candidate": "", "stable": ""}, args), window="1s")


def check_query_of_each(query: str, args: Mapping[str, str]) -> None:
    """Raise PromQLError when a query that is asked of each revision cannot be rendered, or does not say of which it is asked."""
    render(query, _strings("", "", {"revision": ""}, args), window="1s")
    if not REVISION_PLACEHOLDER.search(query):
        raise PromQLError("the query has no {{revision}}, so it would be the same for candidate and stable")


def query_text(query: str, bound: BoundMetric, context: AnalysisContext, window: float) -> str:
    """A query about both revisions; `window` is in seconds, and rounded up to whole ones."""
    revisions = {"candidate": context.candidate, "stable": context.stable}
    return _text(query, bound, context, revisions, window)


def query_text_of(query: str, bound: BoundMetric, context: AnalysisContext, revision: str, window: float) -> str:
    """A query that is asked of each revision, for one of them."""
    return _text(query, bound, context, {"revision": revision}, window)


def _text(query: str, bound: BoundMetric, context: AnalysisContext, revisions: Mapping[str, str], window: float) -> str:
    strings = _strings(context.namespace, context.deployment, revisions, bound.args)
    return render(query, strings, window=f"{math.ceil(window)}s")


def _strings(namespace: str, deployment: str, revisions: Mapping[str, str], args: Mapping[str, str]) -> dict[str, str]:
    arguments = {f"args.{name}": value for name, value in args.items()}
    return {"namespace": namespace, "deployment": deployment, **revisions, **arguments}
