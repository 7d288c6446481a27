"""`python -m benchmarks.judges`: how often each judge is wrong about a good version, and what a bad one costs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence

from benchmarks.judging.rules import RULES
from benchmarks.judging.scenarios import MINUTES, Scenario, scenarios
from benchmarks.judging.trials import Score, play

OURS, KAYENTA, FLAGGER = "Steersman", "Kayenta", "Flagger, threshold 5"
FALSE_ALARMS = 0.01
"""Most false rollbacks of Steersman in any scenario."""
KAYENTA_BOUND = 0.02
"""Kayenta's own bound of false alarms: its confidence is 98 %."""
NOISE = 2.0
"""Standard errors by which a share may miss its target by chance."""

Results = Sequence[tuple[Scenario, Mapping[str, Score]]]


def main() -> int:
    """Play, print, and say by the exit code whether a target was missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.judges", description=__doc__)
    parser.add_argument("--rollouts", type=int, default=400, help="of each scenario; default 400")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="scenarios whose names hold this")
    arguments = parser.parse_args()
    results = []
    for scenario in scenarios():
        if arguments.only in scenario.name:
            results.append((scenario, play(scenario, RULES, arguments.rollouts, arguments.seed)))
            print(f"{scenario.name} …", file=sys.stderr)
    print(markdown(results, arguments.rollouts))
    missed = misses(results, arguments.rollouts)
    for what in missed:
        print(f"missed: {what}", file=sys.stderr)
    return 1 if missed else 0


def markdown(results: Results, rollouts: int) -> str:
    """One table of what should stay and one of what should be rolled back."""
    names = list(RULES)
    head = "| | " + " | ".join(names) + " |\n|---|" + "---:|" * len(names)
    parts = [f"{rollouts} rollouts of {MINUTES} minutes of each kind, the same requests for every judge."]
    good = [
        f"| {scenario.name} | " + " | ".join(_share(scores[name]) for name in names) + " |"
        for scenario, scores in results
        if not scenario.is_bad
    ]
    bad = [
        f"| {scenario.name} | " + " | ".join(_cost(scores[name]) for name in names) + " |"
        for scenario, scores in results
        if scenario.is_bad
    ]
    parts += ["### False rollbacks of a version that is as good as stable", "\n".join([head, *good])]
    parts += ["### Bad versions: share rolled back, median time, failed requests (mean)", "\n".join([head, *bad])]
    return "\n\n".join(parts)


def _share(score: Score) -> str:
    return f"{100 * score.ended:.2g} %"


def _cost(score: Score) -> str:
    after = f"{score.seconds:.0f} s" if score.seconds is not None else "-"
    return f"{100 * score.ended:.3g} %, {after}, {score.failed:.0f}"


def misses(results: Results, rollouts: int) -> list[str]:
    """The targets that Steersman misses: in each scenario, by more than chance."""
    found = []
    equal = {
        scenario.name.partition(":")[0]: scores for scenario, scores in results if scenario.name.endswith(": equal")
    }
    for scenario, scores in results:
        ours, kayenta, flagger = scores[OURS], scores[KAYENTA], scores[FLAGGER]
        if not scenario.is_bad:
            if ours.ended > FALSE_ALARMS + NOISE * _error(FALSE_ALARMS, rollouts):
                found.append(f"{scenario.name}: {100 * ours.ended:.2g} % false rollbacks")
            continue
        of_equal = equal.get(scenario.name.partition(":")[0])
        within = of_equal is not None and of_equal[KAYENTA].ended <= KAYENTA_BOUND
        if scenario.ratio == 2 and within and ours.ended < kayenta.ended - NOISE * _error(kayenta.ended, rollouts):
            found.append(f"{scenario.name}: found {100 * ours.ended:.3g} %, Kayenta {100 * kayenta.ended:.3g} %")
        if scenario.ratio == 10:
            found += [
                f"{scenario.name}: {ours.failed:.0f} failed requests, {name} {other.failed:.0f}"
                for name, other, part in ((FLAGGER, flagger, 3.0), (KAYENTA, kayenta, 2.0))
                if ours.failed > other.failed / part
            ]
    return found


def _error(share: float, rollouts: int) -> float:
    return float((share * (1.0 - share) / rollouts) ** 0.5)


if __name__ == "__main__":
    sys.exit(main())
