"""demo-report.json: what was promised, what clients measured, and how far they are apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from demo import detection
from demo.names import BAD_VERSION, INTERVAL
from demo.observe import Observations, distinct_weights
from demo.records import Record
from demo.scenario import Action
from demo.split import Split, measure, plateaus, pooled
from demo.timeline import Rollout, decisions, rollouts
from steersman.api.analysis import SequentialJudge

GOOD_VERSION = "2"
"""Stable while the bad version is tried."""


@dataclass(frozen=True)
class Run:
    """Everything that one run of the demo wrote down."""

    records: Sequence[Record]
    observations: Observations
    actions: Sequence[Action]
    models: Sequence[Mapping[str, Any]]
    """What demo.models said of each version."""
    judge: SequentialJudge
    """The judge of failed requests, as the cluster's template has it."""
    rate: float
    """Requests per second."""
    phases: Mapping[str, float] = field(default_factory=dict)
    """Seconds that each part of the demo took."""


def build_report(run: Run) -> dict[str, Any]:
    """The report without its verdict; times are seconds since the first request. Raises ValueError without records."""
    if not run.records:
        raise ValueError("no request was recorded")
    begin = run.records[0].at
    end = max(record.done_at for record in run.records)
    ended = rollouts(run.observations)
    splits = [measure(plateau, run.records) for plateau in plateaus(run.observations.routes, begin, end)]
    return {
        "startedAt": begin,
        "seconds": end - begin,
        "rate": run.rate,
        "intervalSeconds": INTERVAL,
        "alpha": run.judge.alpha,
        "models": list(run.models),
        "requests": requests(run.records),
        "versions": {version: statistics(run.records, version) for version in _versions(run.records)},
        "weights": [
            {"at": route.at - begin, "weights": route.weights} for route in distinct_weights(run.observations.routes)
        ],
        "split": {
            "plateaus": [_split(split, begin) for split in splits if split.requests],
            "pooled": [_split(split, begin) for split in pooled(splits) if split.requests],
        },
        "rollouts": [_rollout(rollout, begin) for rollout in ended],
        "rollback": rollback(run, begin, end),
        "quarantined": sorted({seen.quarantined for seen in run.observations.deployments if seen.quarantined}),
        "decisions": [
            {**asdict(decision), "at": decision.at - begin} for decision in decisions(run.observations, run.actions)
        ],
        "phases": dict(run.phases),
    }


def requests(records: Sequence[Record]) -> dict[str, Any]:
    """User requests sent and failed, by cause."""
    failed = [record for record in records if record.failed]
    return {
        "sent": len(records),
        "succeeded": len(records) - len(failed),
        "failed": len(failed),
        "failedByCause": dict(Counter(record.cause.value for record in failed)),
        "failedByBadVersion": sum(record.excused for record in failed),
        "failedOtherwise": sum(not record.excused for record in failed),
        "otherFailures": [asdict(record) for record in failed if not record.excused][:20],
    }


def statistics(records: Sequence[Record], version: str) -> dict[str, Any]:
    """How one version served its users; latencies in milliseconds."""
    mine = [record for record in records if record.version == version]
    served = [record for record in mine if not record.failed]
    latencies = [1000 * record.latency for record in mine]
    p50, p99 = np.percentile(latencies, [50, 99]) if latencies else (float("nan"), float("nan"))
    return {
        "requests": len(mine),
        "failed": len(mine) - len(served),
        "p50Milliseconds": round(float(p50), 2),
        "p99Milliseconds": round(float(p99), 2),
        "accuracy": sum(record.correct for record in served) / len(served) if served else None,
    }


def rollback(run: Run, begin: float, end: float) -> dict[str, Any] | None:
    """How the bad version was caught; None when it never failed or never had traffic."""
    first_bad = min((record.done_at for record in run.records if record.excused), default=None)
    shifted = next((route.at for route in run.observations.routes if BAD_VERSION in route.weights), None)
    if first_bad is None or shifted is None:
        return None
    back = next(
        (
            route.at
            for route in run.observations.routes
            if route.at > shifted and route.weights == {GOOD_VERSION: 100} and route.accepted
        ),
        None,
    )
    bad = [record for record in run.records if record.version == BAD_VERSION]
    # The watch may tell of the first weight later than the gateway acts on it.
    tried = min(shifted, *(record.at for record in bad))
    seen = detection.looks(run.records, BAD_VERSION, GOOD_VERSION, run.judge, INTERVAL, tried, end)
    detectable, suspected = detection.detectable_at(seen), detection.suspected_at(seen)
    return {
        "firstTrafficAt": tried - begin,
        "firstBadResponseAt": first_bad - begin,
        "evidenceExceededAt": _since(suspected, begin),
        "detectableAt": _since(detectable, begin),
        "stableAllTrafficAt": _since(back, begin),
        "lastAnswerOfBadVersionAt": max(record.done_at for record in bad) - begin,
        "secondsFromFirstBadResponse": _since(back, first_bad),
        "intervalsFromDetectable": _intervals(back, detectable),
        "intervalsFromEvidence": _intervals(back, suspected),
        "badVersionRequests": len(bad),
        "badVersionFailures": sum(record.excused for record in bad),
        "looks": [
            {
                "at": look.at - begin,
                "candidateRequests": look.candidate.requests,
                "candidateFailures": look.candidate.failures,
                "stableRequests": look.stable.requests,
                "stableFailures": look.stable.failures,
                "says": look.message,
            }
            for look in seen
        ],
    }


def _since(moment: float | None, origin: float) -> float | None:
    return None if moment is None else moment - origin


def _intervals(later: float | None, earlier: float | None) -> float | None:
    return None if later is None or earlier is None else (later - earlier) / INTERVAL


def _split(split: Split, begin: float) -> dict[str, Any]:
    return {
        "from": split.start - begin,
        "to": split.end - begin,
        "version": split.version,
        "weight": split.weight,
        "requests": split.requests,
        "answered": split.answered,
        "withoutVersion": split.unknown,
        "share": split.share,
        "difference": split.difference,
        "sigma": split.sigma,
        "limit": split.limit,
        "within": split.within,
    }


def _rollout(rollout: Rollout, begin: float) -> dict[str, Any]:
    return {
        "version": rollout.version,
        "strategy": rollout.strategy,
        "outcome": rollout.outcome,
        "reason": rollout.reason,
        "message": rollout.message,
        "startedAt": rollout.started_at - begin,
        "decidedAt": rollout.decided_at - begin,
        "endedAt": rollout.ended_at - begin,
    }


def _versions(records: Sequence[Record]) -> list[str]:
    return sorted({record.version for record in records if record.version})
