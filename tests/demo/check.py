"""Whether a run kept the promises of the demo, from its report alone."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo.manifests import PLANNED_WEIGHTS
from demo.names import BAD_VERSION

MAX_INTERVALS = 2.0
"""Analysis intervals from the bad version being detectable to all traffic being on stable again."""
EXPECTED = (("2", "canary", "Promoted"), (BAD_VERSION, "canary", "Aborted"), ("4", "blueGreen", "Promoted"))
"""Version, strategy and outcome of each rollout after the first."""
JUDGED_WEIGHTS = {10, 25, 50}
"""Weights that must have been measured at all."""


@dataclass(frozen=True)
class Promise:
    """One promise and what became of it."""

    name: str
    kept: bool
    found: str


def check(report: Mapping[str, Any]) -> list[Promise]:
    """All promises, kept or not."""
    return [
        *(_rollout(report, *expected) for expected in EXPECTED),
        _judged(report),
        _quarantine(report),
        _lag(report),
        _failures(report),
        _split(report),
        _weights(report),
    ]


def _rollout(report: Mapping[str, Any], version: str, strategy: str, outcome: str) -> Promise:
    found = [
        f"{rollout['strategy']} {rollout['outcome']}" for rollout in report["rollouts"] if rollout["version"] == version
    ]
    return Promise(
        f"v{version}: {strategy} {outcome.lower()}",
        found[-1:] == [f"{strategy} {outcome}"],
        ", ".join(found) or "no rollout",
    )


def _judged(report: Mapping[str, Any]) -> Promise:
    reasons = [rollout["reason"] for rollout in report["rollouts"] if rollout["version"] == BAD_VERSION]
    return Promise(
        f"v{BAD_VERSION} was ended by its analysis", reasons == ["AnalysisFailed"], ", ".join(reasons) or "no rollout"
    )


def _quarantine(report: Mapping[str, Any]) -> Promise:
    quarantined = report["quarantined"]
    return Promise(
        f"v{BAD_VERSION} alone is quarantined",
        quarantined == [BAD_VERSION],
        ", ".join(f"v{version}" for version in quarantined) or "nothing is",
    )


def _lag(report: Mapping[str, Any]) -> Promise:
    name = f"stable has all traffic within {MAX_INTERVALS:g} analysis intervals of v{BAD_VERSION} being detectable"
    rollback = report["rollback"]
    if rollback is None:
        return Promise(name, False, f"v{BAD_VERSION} never failed a request")
    lag = rollback["intervalsFromDetectable"]
    if lag is None:
        missing = (
            "it was never detectable" if rollback["detectableAt"] is None else "stable never had all traffic again"
        )
        return Promise(name, False, missing)
    return Promise(name, lag <= MAX_INTERVALS, f"{lag:.2f} intervals")


def _failures(report: Mapping[str, Any]) -> Promise:
    sent, otherwise = report["requests"]["sent"], report["requests"]["failedOtherwise"]
    found = f"{otherwise} of {sent} failed otherwise"
    if otherwise:
        found += f"; the first: {json.dumps(report['requests']['otherFailures'][:3])}"
    return Promise(f"no request failed apart from v{BAD_VERSION}'s own exceptions", sent > 0 and otherwise == 0, found)


def _split(report: Mapping[str, Any]) -> Promise:
    measured = report["split"]["plateaus"]
    missing = JUDGED_WEIGHTS - {plateau["weight"] for plateau in measured}
    outside = [plateau for plateau in measured if not plateau["within"]]
    worst = max((abs(plateau["difference"]) for plateau in measured), default=0.0)
    found = f"{len(measured)} plateaus, worst difference {worst:.2f} points"
    if missing:
        found += f"; not measured: {', '.join(f'{weight} %' for weight in sorted(missing))}"
    for plateau in outside:
        found += (
            f"; v{plateau['version']} at {plateau['weight']} % measured {plateau['share']:.1f} % of {plateau['requests']}"
            f" requests (limit {plateau['limit']:.1f} points, one sigma is {plateau['sigma']:.1f})"
        )
    return Promise("clients measured each split within 3 points of the weights", not missing and not outside, found)


def _weights(report: Mapping[str, Any]) -> Promise:
    seen = [entry["weights"] for entry in report["weights"] if entry["weights"]]
    wrong = [weights for weights in seen if sum(weights.values()) != 100 or not _planned(weights)]
    found = f"{len(seen)} splits seen" + (f", not planned: {wrong}" if wrong else "")
    return Promise("the route's weights summed to 100 and never left the plan", bool(seen) and not wrong, found)


def _planned(weights: Mapping[str, int]) -> bool:
    """The newest version's weight is one of the plan; the other one has the rest."""
    return len(weights) <= 2 and weights[max(weights, key=int)] in PLANNED_WEIGHTS


def main(arguments: Sequence[str] | None = None) -> int:
    """Print every promise of a report; 1 when one is not kept."""
    parser = argparse.ArgumentParser(prog="python -m demo.check", description="Check a demo-report.json.")
    parser.add_argument("report", type=Path)
    promises = check(json.loads(parser.parse_args(arguments).report.read_text()))
    for promise in promises:
        print(f"{'kept' if promise.kept else 'NOT KEPT'}: {promise.name}: {promise.found}")
    return 0 if all(promise.kept for promise in promises) else 1


if __name__ == "__main__":
    sys.exit(main())
