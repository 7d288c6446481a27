"""From templates and arguments to the metrics of one rollout."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from steersman.api.analysis import AnalysisTemplateSpec, Argument, Metric
from steersman.api.comparison_judges import Scoring
from steersman.core.analysis import comparison, mann_whitney, sequential, threshold
from steersman.core.analysis.model import BoundMetric
from steersman.core.analysis.placeholders import PlaceholderError
from steersman.core.analysis.source import check as check_source


class BindingError(ValueError):
    """Templates and arguments do not fit together; the message names the template, the metric and the trouble."""


def bind(
    templates: Sequence[tuple[str, AnalysisTemplateSpec]], args: Sequence[Argument], interval: float
) -> tuple[BoundMetric, ...]:
    """The metrics of some (name, template) pairs with a ModelDeployment's arguments, in order.

    Of an argument that is given twice the later value counts, so a stage's arguments may follow the general ones; what
    no template declares is not used. `interval` (seconds) is for metrics without their own; intervals are rounded up to
    whole seconds, at least one. Raises BindingError for a template that is given twice, names that are not unique in a
    template, an argument without a value, an unknown or misplaced placeholder, and a selector that is not plain.
    """
    _unique("template", (name for name, _ in templates))
    given = {arg.name: arg.value for arg in args if arg.value is not None}
    return tuple(
        _bound(template_name, metric, values, interval, template.scoring)
        for template_name, template in templates
        for values in [_values(template_name, template, given)]
        for metric in template.metrics
    )


def _bound(
    template: str, metric: Metric, args: Mapping[str, str], interval: float, scoring: Scoring | None
) -> BoundMetric:
    seconds = metric.interval if metric.interval is not None else interval
    bound = BoundMetric(
        template=template, metric=metric, interval=float(max(1, math.ceil(seconds))), args=args, scoring=scoring
    )
    try:
        if metric.sequential is not None:
            check_source(metric, args, window=None)
            sequential.check(metric.sequential, args)
        elif metric.threshold is not None:
            threshold.check(metric, metric.threshold, args)
        elif metric.comparison is not None:
            comparison.check(metric, metric.comparison, args)
        elif metric.mann_whitney is not None:
            mann_whitney.check(metric, metric.mann_whitney, args)
        else:
            raise BindingError(f"{bound.name}: no judge that this version knows")
    except PlaceholderError as error:
        raise BindingError(f"{bound.name}: {error}") from error
    return bound


def _values(name: str, template: AnalysisTemplateSpec, given: Mapping[str, str]) -> dict[str, str]:
    _unique(f"argument of template {name}", (arg.name for arg in template.args))
    _unique(f"metric of template {name}", (metric.name for metric in template.metrics))
    values: dict[str, str] = {}
    for arg in template.args:
        value = given.get(arg.name, arg.value)
        if value is None:
            raise BindingError(f"template {name}: the argument {arg.name} has no value")
        values[arg.name] = value
    return values


def _unique(what: str, names: Iterable[str]) -> None:
    for name, times in Counter(names).items():
        if times > 1:
            raise BindingError(f"{what} {name} is given {times} times")
