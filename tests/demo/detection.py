"""When the bad version could first be told from the good one: the operator's own judge on the clients' own records."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from demo.records import Cause, Record
from steersman.api.analysis import SequentialJudge
from steersman.api.status import MeasurementPhase
from steersman.core.analysis import evidence
from steersman.core.analysis.sequential import Counts, Span, judge_against_stable, start


@dataclass(frozen=True)
class Look:
    """The judge's opinion at a moment of the analysis' grid."""

    at: float
    candidate: Counts
    stable: Counts
    """Answers since the look before."""
    suspected: bool
    """The evidence exceeds 1/alpha, but may still be due to answers of stable that are not counted yet."""
    fails: bool
    """The evidence exceeds 1/alpha whatever stable's next answers say: the judge would have ended the rollout."""
    message: str


def looks(
    records: Sequence[Record],
    candidate: str,
    stable: str,
    judge: SequentialJudge,
    interval: float,
    begin: float,
    end: float,
) -> list[Look]:
    """Ask the judge at every multiple of `interval` in (begin, end], telling it each answer that was complete by then.

    Like the operator's, the first look counts from the last multiple before `begin`, the candidate's first traffic.
    It stops at the first look that fails. The operator's own looks come later than these at best: a failure has to be
    scraped before it can be counted.
    """
    taken_until = math.floor(begin / interval) * interval
    counted = (record for record in records if taken_until < record.done_at <= end)
    done = sorted(counted, key=lambda record: record.done_at)
    found: list[Look] = []
    state, position = start(), 0
    window: list[Record] = []
    at = taken_until + interval
    while at <= end:
        while position < len(done) and done[position].done_at <= at:
            window.append(done[position])
            position += 1
        counts = _count(window, candidate), _count(window, stable)
        judgement = judge_against_stable(judge, state, *counts, Span(at - taken_until, interval))
        state = judgement.sequential or state
        fails = judgement.phase is MeasurementPhase.FAIL
        suspected = evidence.mixture(state.log_likelihood_ratios) > 1 / judge.alpha
        found.append(Look(at, *counts, suspected or fails, fails, judgement.message))
        if fails:
            break
        if judgement.moves:
            window, taken_until = [], at
        at += interval
    return found


def detectable_at(done: Sequence[Look]) -> float | None:
    """The moment of the first look that fails; None when none did."""
    return next((look.at for look in done if look.fails), None)


def suspected_at(done: Sequence[Look]) -> float | None:
    """The moment of the first look whose evidence exceeds 1/alpha; None when none did."""
    return next((look.at for look in done if look.suspected), None)


def _count(records: Iterable[Record], version: str) -> Counts:
    mine = [record for record in records if record.version == version]
    return Counts(len(mine), sum(record.cause is Cause.MODEL for record in mine))
