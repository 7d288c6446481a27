"""What a soak promises, and whether it was kept."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from soak.outcomes import LOST, Outcome
from soak.release import Round
from soak.run import Result
from soak.settings import Kind
from soak.weights import follows, wrong_sums

FEW = 5
"""So many examples of what went wrong."""


@dataclass(frozen=True)
class Promise:
    """One promise."""

    name: str
    kept: bool
    found: str


def check(result: Result) -> list[Promise]:
    """All promises, in the order of their weight."""
    return [
        _nothing_lost(result),
        _enough_requests(result),
        _all_accounted_for(result),
        _rounds_complete(result),
        _weights_planned(result),
        _right_versions(result),
        _kills(result),
        Promise("it ran to its end", not result.problems, "; ".join(result.problems) or "nothing went wrong"),
    ]


def _nothing_lost(result: Result) -> Promise:
    outcomes = Counter[Outcome]()
    for (_, _, _, outcome), number in result.tally.counts.items():
        outcomes[outcome] += number
    lost = {str(outcome): number for outcome, number in outcomes.items() if outcome in LOST}
    found = (
        f"{sum(lost.values())} lost{f' {lost}' if lost else ''}, {outcomes[Outcome.MODEL]} failed by the model itself"
    )
    return Promise("no request failed but by the model itself", not lost, found)


def _enough_requests(result: Result) -> Promise:
    answered, asked = result.tally.answered, result.settings.requests
    return Promise(f"at least {asked:,} requests", answered >= asked, f"{answered:,}")


def _all_accounted_for(result: Result) -> Promise:
    end = result.tally.end or {}
    found = f"{end.get('sent', 0):,} were due and sent, {result.tally.answered:,} have a known end"
    return Promise("the end of every request is known", end.get("sent") == result.tally.answered > 0, found)


def _rounds_complete(result: Result) -> Promise:
    done = Counter(played.kind for played in result.rounds if played.ended)
    asked = Counter(result.settings.planned())
    kept = all(done[kind] >= number for kind, number in asked.items())
    return Promise("all rounds reached their end", kept, ", ".join(f"{done[kind]} of {kind}" for kind in Kind))


def _weights_planned(result: Result) -> Promise:
    wrong = [
        f"round {played.number} ({played.kind}): {played.row}"
        for played in result.rounds
        if played.ended
        and (not follows(played.row, played.planned, promoted=played.promoted) or not _weights_ok(played))
    ]
    seen = sum(len(played.weights) for played in result.rounds)
    found = "; ".join(wrong[:FEW]) if wrong else f"{seen} settings of weights seen, each of them planned"
    return Promise("weights sum to 100 and follow the plan", not wrong, found)


def _weights_ok(played: Round) -> bool:
    values = {weight for weights in played.weights for weight in weights.values()}
    planned = {*played.planned, *(100 - weight for weight in played.planned)}
    return bool(played.weights) and not wrong_sums(played.weights) and values <= planned


def _right_versions(result: Result) -> Promise:
    """Stable and candidate answer, each round's candidate at least once, and nobody else."""
    wrong = []
    for played in result.rounds:
        versions = {
            version: number
            for version, number in _answers(result, played).items()
            if version  # none: a lost request, which is counted elsewhere
        }
        if played.version not in versions:
            wrong.append(f"round {played.number}: v{played.version} was never asked")
        strangers = versions.keys() - {played.stable, played.version}
        if strangers:
            wrong.append(f"round {played.number} ({played.kind} of v{played.version}): answers of {strangers}")
    found = "; ".join(wrong[:FEW]) if wrong else "in each round stable and the candidate, and no other"
    return Promise("the right versions answer", not wrong and bool(result.rounds), found)


def _answers(result: Result, played: Round) -> Counter[str]:
    counted: Counter[str] = Counter()
    for (_, host, version, _), number in result.tally.between(*result.span(played)).items():
        if host == played.host:
            counted[version] += number
    return counted


def _kills(result: Result) -> Promise:
    wanted = result.settings.kill_window > 0
    moments = Counter(moment for kill in result.kills for moment in kill.moments if moment != "idle")
    found = f"{len(result.kills)} kills; in mid-rollout: {dict(moments) or 'none'}"
    return Promise("the operator's leader was killed", bool(result.kills) or not wanted, found)
