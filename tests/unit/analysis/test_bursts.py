"""Failures that come in bursts: one cause, many failures. With `burst` they count as one, and the bound holds."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steersman.api.analysis import SequentialJudge
from steersman.api.status import MeasurementPhase, SequentialStatus
from steersman.core.analysis.caution import Memory
from steersman.core.analysis.sequential import judge_against_reference, judge_against_stable, start
from steersman.core.analysis.weighing import Counts, Prudence, Span, weigh
from steersman.core.foresight.draw import poisson

SPAN = Span(15.0, 15.0)
ALPHA = 0.01
FAILURES = st.integers(0, 50)


@given(FAILURES, FAILURES, st.integers(1, 100))
def test_so_many_failures_weigh_as_one(candidate: int, stable: int, burst: int) -> None:
    single = weigh(Memory(), 1.0, Counts(1e4, candidate), Counts(9e4, stable), SPAN, 0.1)
    here, there = Counts(1e4, candidate * burst), Counts(9e4, stable * burst)
    many = weigh(Memory(), 1.0, here, there, SPAN, 0.1, Prudence(size=float(burst)))
    assert many.memory.logs == pytest.approx(single.memory.logs, abs=1e-9)
    assert many.decisive == pytest.approx(single.decisive)


@given(st.lists(st.tuples(FAILURES, FAILURES), min_size=1, max_size=5))
def test_a_greater_burst_never_finds_sooner_what_is_certain(looks: list[tuple[int, int]]) -> None:
    """Where evidence stands against the candidate, dividing the failures makes less of it."""
    sizes = (1, 2, 10)
    totals = []
    for burst in sizes:
        memory, prudence = Memory(), Prudence(size=float(burst))
        for candidate, stable in looks:
            memory = weigh(memory, 1.0, Counts(1e4, candidate), Counts(9e4, stable), SPAN, 0.1, prudence).memory
        totals.append(max(1.0, memory.total))
    assert totals == sorted(totals, reverse=True)


def aborted(burst: int, size: int, rollouts: int = 400) -> float:
    """Share of rollouts of equal revisions, whose failures come in bursts of a size, that are aborted."""
    settings = SequentialJudge(requests="r", failures="f", alpha=ALPHA, min_requests=0, burst=burst, outliers=0)
    ended = 0
    for number in range(rollouts):
        draw, state = random.Random(number), start()
        for _ in range(40):
            here, there = (poisson(draw, mean) * size for mean in (0.1, 0.9))
            judged = judge_against_stable(settings, state, Counts(100.0, here), Counts(900.0, there), SPAN)
            assert judged.sequential is not None
            state = judged.sequential
            if judged.phase is MeasurementPhase.FAIL:
                ended += 1
                break
    return ended / rollouts


def test_bursts_break_the_bound_unless_they_count_as_one() -> None:
    assert aborted(burst=1, size=20) > 10 * ALPHA
    assert aborted(burst=20, size=20) <= 2 * ALPHA
    assert aborted(burst=20, size=7) <= 2 * ALPHA, "smaller ones too"


def test_after_a_switch_too() -> None:
    reference = SequentialStatus(reference_requests=10_000, reference_failures=40)
    phases = []
    for burst in (1, 20):
        settings = SequentialJudge(requests="r", failures="f", burst=burst, outliers=0)
        phases.append(judge_against_reference(settings, reference, Counts(1000.0, 40.0), SPAN).phase)
    assert phases == [MeasurementPhase.FAIL, MeasurementPhase.PASS], "two bursts of 20 say little"
