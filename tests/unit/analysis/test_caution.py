"""Evidence that survives doubt: bursts of any size in two looks, and a slow start, abort nothing; what lasts does."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steersman.api.analysis import SequentialJudge
from steersman.api.status import MeasurementPhase, SequentialStatus
from steersman.core.analysis import evidence
from steersman.core.analysis.caution import Memory
from steersman.core.analysis.sequential import judge_against_reference, judge_against_stable, start
from steersman.core.analysis.weighing import Counts, Prudence, Span, warm_up, weigh

PASS, FAIL, INCONCLUSIVE = MeasurementPhase.PASS, MeasurementPhase.FAIL, MeasurementPhase.INCONCLUSIVE
JUDGE = SequentialJudge(requests="r", failures="f")
EARLY, LATE = Span(15.0, 15.0, settled=False), Span(15.0, 15.0)
GOOD = Counts(60.0, 0.0), Counts(540.0, 1.0)
BAD = Counts(60.0, 20.0), Counts(540.0, 1.0)

Look = tuple[Counts, Counts]
LOOKS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30), st.booleans()), max_size=12)


def phases(*looks: tuple[Look, Span], judge: SequentialJudge = JUDGE) -> list[MeasurementPhase]:
    state, found = start(), []
    for (candidate, stable), span in looks:
        judged = judge_against_stable(judge, state, candidate, stable, span)
        assert judged.sequential is not None
        state = judged.sequential
        found.append(judged.phase)
    return found


def test_what_lasts_is_found_at_the_third_look() -> None:
    assert phases((BAD, EARLY), (BAD, EARLY), (BAD, LATE)) == [INCONCLUSIVE, INCONCLUSIVE, FAIL]


def test_a_slow_start_is_suspected_and_then_cleared() -> None:
    assert phases((BAD, EARLY), (BAD, EARLY), (GOOD, LATE), (GOOD, LATE)) == [INCONCLUSIVE, INCONCLUSIVE, PASS, PASS]


def test_a_slow_start_at_every_weight_is_cleared_too() -> None:
    weight = [(BAD, EARLY), (BAD, EARLY), (GOOD, LATE), (GOOD, LATE)]
    assert FAIL not in phases(*weight, *weight)


def test_two_bursts_of_any_size_abort_nothing() -> None:
    burst = Counts(60.0, 60.0), Counts(540.0, 0.0)
    found = phases((GOOD, LATE), (burst, LATE), *[(GOOD, LATE)] * 5, (burst, LATE), (GOOD, LATE))
    assert FAIL not in found and found[-1] is PASS
    assert FAIL in phases((burst, LATE), (GOOD, LATE), judge=JUDGE.model_copy(update={"outliers": 0}))


def test_a_third_burst_is_no_coincidence() -> None:
    burst = Counts(60.0, 60.0), Counts(540.0, 0.0)
    assert phases(*[(burst, LATE), (GOOD, LATE)] * 3)[-2:] == [FAIL, FAIL]


def test_without_doubt_the_second_look_decides() -> None:
    plain = JUDGE.model_copy(update={"outliers": 0, "warm_up": 0.0})
    assert phases((BAD, LATE), (BAD, LATE), judge=plain) == [INCONCLUSIVE, FAIL]


def test_after_a_switch_too() -> None:
    def after(*looks: tuple[Counts, Span]) -> list[MeasurementPhase]:
        state, found = SequentialStatus(reference_requests=10_000, reference_failures=10), []
        for candidate, span in looks:
            judged = judge_against_reference(JUDGE, state, candidate, span)
            assert judged.sequential is not None
            state = judged.sequential
            found.append(judged.phase)
        return found

    bad, good = Counts(600.0, 60.0), Counts(600.0, 0.0)
    assert after((bad, EARLY), (bad, EARLY), (bad, LATE)) == [INCONCLUSIVE, INCONCLUSIVE, FAIL]
    assert after((bad, EARLY), (bad, EARLY), (good, LATE)) == [INCONCLUSIVE, INCONCLUSIVE, PASS]


@given(LOOKS, st.integers(0, 3))
def test_doubt_never_adds_evidence(looks: list[tuple[int, int, bool]], outliers: int) -> None:
    memory, before = Memory(), 1.0
    for candidate, stable, settled in looks:
        here, there = Counts(1000.0, candidate), Counts(9000.0, stable)
        weighed = weigh(memory, 1.0, here, there, Span(15.0, 15.0, settled=settled), 0.1, Prudence(outliers))
        assert weighed.decisive <= weighed.memory.total * (1 + 1e-9)
        # ... nor more than was known before this look, which is why the bound holds.
        assert weighed.decisive <= before * (1 + 1e-9)
        memory, before = weighed.memory, weighed.memory.total


@given(LOOKS)
def test_the_worst_looks_are_lowered_to_the_next(looks: list[tuple[int, int, bool]]) -> None:
    memory, given_looks = Memory(), []
    for candidate, stable, settled in looks:
        given_looks.append(evidence.look(candidate, candidate + stable, 0.1))
        memory = memory.take(given_looks[-1], settled=settled, outliers=2)
    lowered = []
    for number in range(len(evidence.ODDS)):
        values = sorted((look[number] for look in given_looks), reverse=True)
        level = max(0.0, values[2]) if len(values) > 2 else 0.0
        lowered.append(sum(min(value, level) if place < 2 else value for place, value in enumerate(values)))
    assert memory.winsorized(2) == pytest.approx(evidence.mixture(lowered))
    assert memory.winsorized(0) == memory.total


def test_looks_that_speak_for_the_candidate_are_kept() -> None:
    memory = Memory()
    for _ in range(3):
        memory = memory.take(evidence.look(0, 9, 0.1), settled=False, outliers=2)
    assert memory.winsorized(2) == memory.settled() == memory.total < 1.0


def test_the_warm_up_is_two_looks_of_whoever_looks_often() -> None:
    assert [warm_up(JUDGE, interval) for interval in (1.0, 15.0, 60.0)] == [2.0, 30.0, 30.0]
    assert warm_up(JUDGE.model_copy(update={"warm_up": 90.0}), 1.0) == 90.0


@pytest.mark.parametrize(("size", "rate"), [(1, 0.02), (20, 0.02), (20, 0.2)])
def test_equal_revisions_whose_failures_come_in_bursts_are_promoted(size: int, rate: float) -> None:
    """With the defaults, which know nothing of bursts; without a past, so that all is learned during the rollout."""
    ended = 0
    for number in range(200):
        draw, state = random.Random(number), start()
        for _ in range(40):
            bursts = [sum(draw.random() < rate for _ in range(n)) for n in (5, 45)]
            here, there = (Counts(n * 100.0, float(count * size)) for n, count in zip((5, 45), bursts, strict=True))
            judged = judge_against_stable(JUDGE, state, here, there, LATE)
            assert judged.sequential is not None
            state = judged.sequential
            if judged.phase is FAIL:
                ended += 1
                break
    assert ended / 200 <= 0.04
