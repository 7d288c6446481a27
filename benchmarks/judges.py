"""`python -m benchmarks.judges`: how often each judge is wrong about a good version, and what a bad one costs."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Mapping, Sequence

from benchmarks.judging.plot import save
from benchmarks.judging.rules import RULES
from benchmarks.judging.scenarios import MINUTES, WEIGHTS, Scenario, scenarios
from benchmarks.judging.trials import Score, play
from benchmarks.report import DOCUMENT, JUDGES, write

PICTURE = DOCUMENT.parent / "benchmarks" / "judges.svg"
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
    parser.add_argument("--write", action="store_true", help="put tables and picture into docs/benchmarks.md")
    arguments = parser.parse_args()
    results = []
    for scenario in scenarios():
        if arguments.only in scenario.name:
            results.append((scenario, play(scenario, RULES, arguments.rollouts, arguments.seed)))
            print(f"{scenario.name} …", file=sys.stderr)
    text = markdown(results, arguments.rollouts)
    print(text)
    if arguments.write:
        save(results, PICTURE)
        write(f"![{PICTURE.stem}]({PICTURE.relative_to(DOCUMENT.parent)})\n\n{text}", part=JUDGES)
    for what in out_of_reach(results):
        print(f"out of reach of any test: {what}", file=sys.stderr)
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
    return f"{100 * score.ended:.3g} %"


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
                if ours.failed > other.failed / part >= least_failed(scenario.ratio)
            ]
    return found


def out_of_reach(results: Results) -> list[str]:
    """Targets that no test reaches whose false alarms are as few."""
    return [
        f"{scenario.name}: {scores[name].failed:.0f} / {part:.0f} failed requests, of {name}"
        for scenario, scores in results
        if scenario.ratio == 10
        for name, part in ((FLAGGER, 3.0), (KAYENTA, 2.0))
        if scores[name].failed / part < least_failed(scenario.ratio)
    ]


def least_failed(ratio: float) -> float:
    """The fewest failures of the candidate, on average, after which any test can find it that is wrong once in a hundred times.

    Wald's bound (A. Wald, Sequential tests of statistical hypotheses, Annals of Mathematical Statistics 16, 1945): log(1/alpha) over the mean
    logarithm of the likelihood ratio that a failure brings. It is for tests that always find the candidate, at the first weight.
    """
    share = WEIGHTS[0] / 100.0
    odds = ratio * share / (1.0 - share)
    bad = odds / (1.0 + odds)
    each = bad * math.log(bad / share) + (1.0 - bad) * math.log((1.0 - bad) / (1.0 - share))
    return bad * math.log(1.0 / FALSE_ALARMS) / each


def _error(share: float, rollouts: int) -> float:
    return float((share * (1.0 - share) / rollouts) ** 0.5)


if __name__ == "__main__":
    sys.exit(main())
