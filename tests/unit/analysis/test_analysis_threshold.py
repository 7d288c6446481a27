import math

import pytest
from tests.unit.analysis.builders import START, bound, context, failing, look, only, threshold_metric, value

from steersman.api.analysis import ThresholdJudge
from steersman.api.status import MeasurementPhase as Phase
from steersman.core.analysis import begin, due
from steersman.core.analysis.model import Sample
from steersman.core.analysis.threshold import judge


@pytest.mark.parametrize(
    ("bounds", "measured", "phase", "message"),
    [
        ({"max": 0.5}, 0.5, Phase.PASS, "0.5 is within the maximum 0.5"),
        ({"max": 0.5}, -9.0, Phase.PASS, "-9 is within the maximum 0.5"),
        ({"max": 0.5}, 0.51, Phase.FAIL, "0.51 is above the maximum 0.5"),
        ({"min": 0.99}, 0.99, Phase.PASS, "0.99 is within the minimum 0.99"),
        ({"min": 0.99}, 0.98, Phase.FAIL, "0.98 is below the minimum 0.99"),
        ({"min": 0, "max": 1}, 0.0, Phase.PASS, "0 is within 0 to 1"),
        ({"min": 0, "max": 1}, math.nan, Phase.INCONCLUSIVE, "the query returned nan, which is no measurement"),
        ({"max": 1}, math.inf, Phase.INCONCLUSIVE, "the query returned inf, which is no measurement"),
        ({"min": 1}, -math.inf, Phase.INCONCLUSIVE, "the query returned -inf, which is no measurement"),
    ],
)
def test_bounds_are_inclusive_and_only_numbers_are_measurements(
    bounds: dict[str, float], measured: float, phase: Phase, message: str
) -> None:
    judgement = judge(ThresholdJudge(query="x", **bounds), [Sample({}, measured)])
    assert (judgement.phase, judgement.message) == (phase, message)
    assert judgement.value == (measured if phase is not Phase.INCONCLUSIVE else None)


def test_no_series_and_several_are_inconclusive() -> None:
    settings = ThresholdJudge(query="x", max=1)
    assert judge(settings, []).message == "no data: the query returned no series"
    several = judge(settings, [Sample({"pod": str(n)}, 0.0) for n in range(3)])
    assert several.phase is Phase.INCONCLUSIVE
    assert several.message == "the query returned 3 series; aggregate it, for example with sum()"


def test_the_window_starts_at_the_first_look_and_is_at_least_the_interval() -> None:
    text = 'rate(x{r="{{candidate}}",s="{{stable}}",n="{{namespace}}",d="{{deployment}}"}[{{window}}])'
    metrics = bound(threshold_metric(threshold=ThresholdJudge(query=text, max=1)))
    status = begin(context().stage, metrics, START)
    for looks, window in ((1, "15s"), (2, "30s"), (5, "75s")):
        (query,), _ = due(metrics, status, context(), START + looks * 15 + 2)
        assert query.text == (f'rate(x{{r="fraud-v2-bbbbbbbb",s="fraud-v1-aaaaaaaa",n="risk",d="fraud"}}[{window}])')


def test_failures_add_up_and_errors_and_gaps_do_not() -> None:
    metrics = bound(threshold_metric(failure_limit=1))
    status = begin(context().stage, metrics, START)
    for step, answer in enumerate((value(0.9), failing(), value(), value(math.nan), value(0.1), value(0.9)), start=1):
        status = look(metrics, status, START + 15 * step, answer)
    metric = only(status)
    assert (metric.passes, metric.failures, metric.inconclusive, metric.errors) == (1, 2, 2, 1)
    assert [m.phase for m in metric.measurements] == [
        Phase.FAIL,
        Phase.ERROR,
        Phase.INCONCLUSIVE,
        Phase.INCONCLUSIVE,
        Phase.PASS,
        Phase.FAIL,
    ]
