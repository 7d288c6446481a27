"""steersman explain: the rule, the numbers, and the evidence over time."""

from __future__ import annotations

import math
from typing import Any

import pytest

from steersman.api.status import AnalysisStage, SequentialStatus
from steersman.cli.view.explain import BAR, bound_of
from steersman.core.analysis.evidence import ODDS, look, mixture
from steersman.core.analysis.means import BETS
from unit.cli import samples
from unit.cli.conftest import Run
from unit.cli.in_memory import InMemoryClient

LOGS = look(12, 14, 0.1)


def judged(**changes: Any) -> dict[str, Any]:
    """The quarantined sample, whose last analysis holds everything that the operator writes."""
    manifest = samples.quarantined()
    metric = manifest["status"]["lastAnalysis"]["metrics"][0]
    metric["sequential"] |= {"alpha": 0.005, "logLikelihoodRatios": LOGS, "evidence": mixture(LOGS)} | changes
    metric["firstLookAt"] = samples.ago(100)
    metric["measurements"] = [
        {"at": samples.ago(55), "phase": "Pass", "value": 0.4, "message": "fine"},
        {"at": samples.ago(40), "phase": "Inconclusive", "value": 14.142135, "message": "suspected"},
        {"at": samples.ago(25), "phase": "Fail", "value": mixture(LOGS), "message": "worse"},
    ]
    return manifest


def test_the_decision_can_be_redone_by_hand(run: Run) -> None:
    result = run(InMemoryClient(judged()), "explain", "fraud")
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert lines[0].startswith("fraud: fraud-v8-5e6f7a8b Aborted 40s ago (AnalysisFailed); request-errors/errors")
    assert "  counts since 100s ago" in lines and "Analysis of the last rollout  since 100s ago" in lines
    assert "  failed: candidate 12/240 (5 %), stable 20/2160 (0.926 %)" in lines
    assert any("rolled back above 200 = 1/0.005" in line for line in lines)
    numbers = next(line for line in lines if "LR(r) of all looks" in line).split()[-len(ODDS) - 1 :]
    assert [float(each) for each in numbers[:-1]] == pytest.approx([math.exp(log) for log in LOGS], rel=0.01)
    assert float(numbers[-1]) == pytest.approx(mixture(LOGS), rel=0.01)


def test_means_are_shown_with_their_bets(run: Run) -> None:
    seen = {"candidateSum": 36.0, "stableSum": 270.0}
    manifest = judged(means=seen, candidateRequests=120, stableRequests=1080, logLikelihoodRatios=[1.0] * len(BETS))
    lines = [" ".join(line.split()) for line in run(InMemoryClient(manifest), "explain", "fraud").out.splitlines()]
    assert "mean: candidate 0.3 of 120 requests, stable 0.25 of 1080 requests" in lines
    assert "b = 0.01 b = 0.02 b = 0.05 b = 0.1 b = 0.2 b = 0.4 b = 0.8 mean" in lines
    assert "E(b) of all looks" + " 2.72" * 8 in lines
    before = {"referenceBounds": [0.1, 2.0], "referenceCounts": [90.0, 100.0]}
    manifest = judged(means=seen | before, candidateRequests=120, referenceRequests=100)
    assert "stable 0.29 of 100 requests" in run(InMemoryClient(manifest), "explain", "fraud").out


def test_evidence_is_a_bar_up_to_the_bound(run: Run) -> None:
    out = run(InMemoryClient(judged()), "explain", "fraud").out
    bars = [line.count("█") for line in out.splitlines() if "│" in line]
    assert bars == [0, BAR // 2, BAR], "14.1 is half way to 200 on a logarithmic scale"


def test_what_doubt_leaves_is_told(run: Run) -> None:
    once = [max(0.0, log / 2) for log in LOGS]
    changes = {"greatestLooks": [[0.0] * 7, once, once], "unsettled": once, "burst": 7.5, "detectable": 0.034}
    out = " ".join(run(InMemoryClient(judged(**changes)), "explain", "fraud").out.split())
    settled = mixture([log - each for log, each in zip(LOGS, once, strict=True)])
    assert f"{settled:.3g} without the time after new weights; 7.5 failures count as one" in out
    assert "with the worst 2 looks lowered to the next" in out
    assert "four of five candidates that fail 3.4 % would have been found" in out


def test_a_rollout_under_way_and_a_threshold(run: Run) -> None:
    out = run(InMemoryClient(samples.canary()), "explain", "fraud").out
    assert out.startswith("fraud: fraud-v8-5e6f7a8b is on trial;")
    assert "Analysis in the background" in out and "no data" in out and "0.183" in out
    assert "rolled back above" not in out, "an older operator does not say what the metric may spend"


def compared() -> dict[str, Any]:
    """A rollout that a comparison and a score end."""
    manifest = samples.quarantined()
    base = {"phase": "Fail", "firstLookAt": samples.ago(600), "lastLookAt": samples.ago(20), "failures": 1}
    looks = [{"at": samples.ago(20), "phase": "Fail", "value": 2.0, "message": "worse"}]
    manifest["status"]["lastAnalysis"]["metrics"] = [
        {
            "name": "t/latency",
            **base,
            "message": "the ratio 2 is above the maximum 1.5",
            "comparison": {"rule": "ratio at most 1.5", "candidate": 3.0, "stable": 1.5},
            "measurements": looks,
        },
        {
            "name": "k/p99",
            **base,
            "message": "High",
            "mannWhitney": {
                "rule": "98 % interval of the shift; High: lower end > 0.25 |estimate| and ratio of means >= 1",
                "classification": "High",
                "critical": True,
                "since": samples.ago(560),
                "step": 60.0,
                "candidatePoints": 10,
                "stablePoints": 9,
                "candidateMean": 30.5,
                "stableMean": 10.5,
                "u": 90.0,
                "pValue": 0.000181,
                "estimate": 20.0,
                "lower": 19.5,
                "upper": 20.5,
                "effect": 2.9,
            },
            "measurements": looks,
        },
        {"name": "k/errors", "comparison": {"candidate": 1.0}, "mannWhitney": {"candidatePoints": 2}},
    ]
    manifest["status"]["lastAnalysis"]["scores"] = [
        {
            "template": "k",
            "classification": "Fail",
            "score": 40.0,
            "reason": "score 40 is below 75",
            "groups": [
                {"name": "slow", "weight": 60.0, "score": 0.0, "counted": 1},
                {"name": "errors", "weight": 40.0, "score": 100.0, "passed": 2, "counted": 2},
                {"name": "other", "weight": 0.0},
            ],
        }
    ]
    return manifest


def test_comparisons_and_scores_can_be_redone_by_hand(run: Run) -> None:
    result = run(InMemoryClient(compared()), "explain", "fraud")
    assert (result.code, result.err) == (0, "")
    lines = [" ".join(line.split()) for line in result.out.splitlines()]
    for expected in (
        "passes while ratio at most 1.5",
        "candidate 3, stable 1.5: ratio 2, difference 1.5",
        "98 % interval of the shift; High: lower end > 0.25 |estimate| and ratio of means >= 1",
        "values: candidate 10, stable 9, one every 60 s, the first 9m20s ago",
        "means: candidate 30.5, stable 10.5; effect size 2.9",
        "shift: estimate 20, interval 19.5 to 20.5; U = 90 of 90 pairs, p = 0.000181",
        "classified High, critical",
        "candidate 1, stable -",
        "✗ k score 40 score 40 is below 75",
        "passes from 95 on, fails below 75",
        "slow 0/1 0 60 0",
        "errors 2/2 100 40 40",
        "other 0/0 - 0 0",
    ):
        assert expected in lines, expected


def test_the_score_is_part_of_the_status(run: Run) -> None:
    assert "✗ k  score 40  score 40 is below 75" in run(InMemoryClient(compared()), "status", "fraud").out


def test_nothing_was_analysed(run: Run) -> None:
    result = run(InMemoryClient(samples.healthy(status={"lastAnalysis": None})), "explain", "fraud")
    assert (result.code, result.out) == (0, "") and "No rollout of fraud was analysed yet." in result.err


def test_hostile_text_and_numbers_do_no_harm(run: Run) -> None:
    manifest = judged(logLikelihoodRatios=[1e6] * len(ODDS), evidence=1e12, alpha=7.0)
    metric = manifest["status"]["lastAnalysis"]["metrics"][0]
    metric["message"] = "\x1b[2J\u202emoved"
    metric["measurements"][0]["value"] = -5.0
    result = run(InMemoryClient(manifest), "explain", "fraud")
    assert result.code == 0 and "\x1b" not in result.out and "\u202e" not in result.out and "moved" in result.out


@pytest.mark.parametrize(
    ("stage", "bound"),
    [(AnalysisStage.BACKGROUND, 200.0), (AnalysisStage.POST_PROMOTION, 400.0), (AnalysisStage.WATCH, 400.0)],
)
def test_after_a_switch_the_bound_is_twice_as_high(stage: AnalysisStage, bound: float) -> None:
    assert bound_of(SequentialStatus(alpha=0.005), stage) == bound
    assert bound_of(SequentialStatus(), stage) is None
