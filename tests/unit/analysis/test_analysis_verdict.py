import pytest
from tests.unit.analysis.builders import START, bound, context, sequential_metric, threshold_metric

from steersman.api.analysis import Metric
from steersman.api.status import AnalysisStage, AnalysisStatus, MetricStatus
from steersman.api.status import MeasurementPhase as Phase
from steersman.core.analysis import begin, verdict
from steersman.core.analysis.model import Verdict

STAGES = [AnalysisStage.PRE_PROMOTION, AnalysisStage.POST_PROMOTION]


def metric_status(name: str = "template/latency", phase: Phase = Phase.PASS, **fields: object) -> MetricStatus:
    looked = {"last_attempt_at": START + 15, "last_look_at": START + 15, "message": "the message"}
    counted = {Phase.PASS: "passes", Phase.FAIL: "failures", Phase.INCONCLUSIVE: "inconclusive", Phase.ERROR: "errors"}
    if phase in (Phase.PASS, Phase.FAIL):
        looked["last_conclusive_at"] = START + 15
    return MetricStatus.model_validate({"name": name, "phase": phase, **looked, counted[phase]: 1, **fields})


def status(*metrics: MetricStatus) -> AnalysisStatus:
    return AnalysisStatus(started_at=START, metrics=list(metrics))


def decide(
    *states: MetricStatus,
    metrics: tuple[Metric, ...] = (threshold_metric(),),
    stage: AnalysisStage = AnalysisStage.BACKGROUND,
    reached: float | None = START,
) -> Verdict:
    return verdict(bound(*metrics), status(*states), context(stage, reached)).verdict


@pytest.mark.parametrize(
    ("stage", "expected"),
    [
        (AnalysisStage.BACKGROUND, Verdict.PASSING),
        (AnalysisStage.PRE_PROMOTION, Verdict.COMPLETE),
        (AnalysisStage.POST_PROMOTION, Verdict.COMPLETE),
    ],
)
@pytest.mark.parametrize("metrics", [(), (threshold_metric(dry_run=True),)])
def test_without_metrics_that_count_all_is_well(
    stage: AnalysisStage, expected: Verdict, metrics: tuple[Metric, ...]
) -> None:
    states = [metric_status(phase=Phase.FAIL)] if metrics else []
    assert decide(*states, metrics=metrics, stage=stage, reached=None) is expected


def test_background_passes_only_by_looks_after_the_weight_was_reached() -> None:
    assert decide(metric_status()) is Verdict.PASSING
    assert decide(metric_status(), reached=START + 15) is Verdict.PENDING
    assert decide(metric_status(), reached=None) is Verdict.PENDING


@pytest.mark.parametrize("stage", list(AnalysisStage))
def test_nothing_looked_at_yet_is_pending(stage: AnalysisStage) -> None:
    metrics = bound(threshold_metric(), sequential_metric())
    assert verdict(metrics, begin(stage, metrics, START), context(stage)).verdict is Verdict.PENDING
    assert verdict(metrics, status(), context(stage)).verdict is Verdict.PENDING


@pytest.mark.parametrize("stage", list(AnalysisStage))
@pytest.mark.parametrize("reached", [None, START])
def test_a_failure_wins_over_everything(stage: AnalysisStage, reached: float | None) -> None:
    failed = metric_status(phase=Phase.FAIL)
    troubled = metric_status("template/errors", Phase.ERROR)
    metrics = (sequential_metric(), threshold_metric())
    assessment = verdict(bound(*metrics), status(troubled, failed), context(stage, reached))
    assert (assessment.verdict, assessment.metric) == (Verdict.FAILED, "template/latency")
    assert assessment.message == "template/latency: the message"


def test_tolerated_failures_are_pending_and_more_are_failed() -> None:
    metrics = (threshold_metric(failure_limit=2),)
    assert decide(metric_status(phase=Phase.FAIL, failures=2), metrics=metrics) is Verdict.PENDING
    assert decide(metric_status(phase=Phase.FAIL, failures=3), metrics=metrics) is Verdict.FAILED
    assert decide(metric_status(phase=Phase.PASS, failures=3), metrics=metrics) is Verdict.FAILED
    assert decide(metric_status(phase=Phase.PASS, failures=2), metrics=metrics) is Verdict.PASSING


def test_a_sequential_failure_is_final_whatever_the_failure_limit() -> None:
    state = metric_status("template/errors", Phase.FAIL)
    assert decide(state, metrics=(sequential_metric(failure_limit=5),)) is Verdict.FAILED


@pytest.mark.parametrize("stage", list(AnalysisStage))
@pytest.mark.parametrize("phase", [Phase.ERROR, Phase.INCONCLUSIVE])
@pytest.mark.parametrize("reached", [None, START])
def test_no_evidence_and_errors_are_inconclusive(stage: AnalysisStage, phase: Phase, reached: float | None) -> None:
    assessment = verdict(bound(threshold_metric()), status(metric_status(phase=phase)), context(stage, reached))
    assert assessment.verdict is Verdict.INCONCLUSIVE
    assert assessment.error is (phase is Phase.ERROR)


def test_an_error_is_named_before_a_mere_lack_of_data() -> None:
    states = metric_status("template/errors", Phase.INCONCLUSIVE), metric_status(phase=Phase.ERROR)
    metrics = bound(sequential_metric(), threshold_metric())
    assessment = verdict(metrics, status(*states), context())
    assert (assessment.metric, assessment.error) == ("template/latency", True)


def test_one_metric_that_waits_makes_all_wait() -> None:
    metrics = (sequential_metric(), threshold_metric())
    waiting = metric_status("template/errors", last_conclusive_at=START - 15)
    assert decide(waiting, metric_status(), metrics=metrics) is Verdict.PENDING
    assert decide(metric_status("template/errors"), metric_status(), metrics=metrics) is Verdict.PASSING


@pytest.mark.parametrize("stage", STAGES)
def test_a_promotion_analysis_is_complete_with_its_count_of_passes(stage: AnalysisStage) -> None:
    metrics = (threshold_metric(count=3),)
    assert decide(metric_status(passes=2), metrics=metrics, stage=stage, reached=None) is Verdict.PENDING
    assert decide(metric_status(passes=3), metrics=metrics, stage=stage, reached=None) is Verdict.COMPLETE
    # What comes after its count is no obstacle, except a failure.
    for phase, expected in ((Phase.INCONCLUSIVE, Verdict.COMPLETE), (Phase.FAIL, Verdict.FAILED)):
        state = metric_status(phase=phase, passes=3)
        assert decide(state, metrics=metrics, stage=stage, reached=None) is expected


def test_a_dry_run_is_silent() -> None:
    metrics = (sequential_metric(dry_run=True), threshold_metric())
    assert decide(metric_status("template/errors", Phase.FAIL), metric_status(), metrics=metrics) is Verdict.PASSING
