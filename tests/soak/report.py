"""The figures of a soak: a table for people, JSON for programs."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from statistics import fmean
from typing import Any

from rich.table import Table

from soak.outcomes import LOST, Outcome
from soak.promises import Promise
from soak.release import Round
from soak.run import Result
from soak.settings import Kind
from soak.tally import Lost


def outcomes_of(result: Result, rounds: Sequence[Round]) -> Counter[Outcome]:
    """What became of the requests of these rounds, both hosts together."""
    counted: Counter[Outcome] = Counter()
    for played in rounds:
        for (_, _, _, outcome), number in result.tally.between(*result.span(played)).items():
            counted[outcome] += number
    return counted


def kills_in(result: Result, rounds: Sequence[Round]) -> int:
    """Kills during these rounds."""
    spans = [result.span(played) for played in rounds]
    return sum(begin <= kill.at < end for kill in result.kills for begin, end in spans)


def table(result: Result) -> Table:
    """A line for each kind of round."""
    columns = ("", "rounds", "seconds (mean, most)", "requests", "model's own failures", "lost", "kills", "weights")
    made = Table(*columns, title="What happened")
    for kind in Kind:
        rounds = [played for played in result.rounds if played.kind is kind]
        done = [played for played in rounds if played.ended]
        outcomes = outcomes_of(result, rounds)
        seconds = [played.ended - played.began for played in done] or [0.0]
        rows = Counter(" > ".join(map(str, played.row)) for played in done)
        made.add_row(
            str(kind),
            f"{len(done)} of {len(rounds)}",
            f"{fmean(seconds):.1f}, {max(seconds):.1f}",
            f"{outcomes.total():,}",
            f"{outcomes[Outcome.MODEL]:,}",
            _by_reason(outcomes),
            str(kills_in(result, rounds)),
            "\n".join(f"{row} ({number})" for row, number in rows.most_common()),
        )
    made.add_section()
    outcomes = _all_outcomes(result)
    made.add_row(
        "all",
        str(sum(bool(played.ended) for played in result.rounds)),
        f"{result.ended - result.tally.began:.0f} in all",
        f"{outcomes.total():,}",
        f"{outcomes[Outcome.MODEL]:,}",
        _by_reason(outcomes),
        str(len(result.kills)),
    )
    return made


def lost_lines(result: Result, most: int = 10) -> list[str]:
    """The lost requests by cause, the commonest first, each with the first of its kind; and what is known of that one."""
    causes: dict[tuple[Outcome, int, str], list[Lost]] = defaultdict(list)
    for lost in sorted(result.tally.lost, key=lambda lost: lost.at):
        causes[lost.outcome, lost.status, lost.detail[:80]].append(lost)
    lines = []
    for (outcome, status, detail), all_lost in sorted(causes.items(), key=lambda cause: -len(cause[1]))[:most]:
        first, last = all_lost[0], all_lost[-1]
        lines.append(
            f"{len(all_lost)} x {outcome} {status or ''} {detail}".rstrip()
            + f", from {_place(result, first)} to {_place(result, last)}; the first: {first.host} v{first.version or '?'} after "
            f"{first.seconds:.3f} s, request {first.nth} of a {'fresh' if first.fresh else 'kept'} connection"
        )
    return lines


def _place(result: Result, lost: Lost) -> str:
    """Which round it was in, and how far in."""
    for played in result.rounds:
        begin, end = result.span(played)
        if begin <= lost.at < end:
            return f"round {played.number} ({played.kind}) + {lost.at - begin:.3f} s"
    return "before the first round"


def sender_line(result: Result) -> str:
    """How well the generator kept to its own times, and how fast the answers came."""
    end = result.tally.end
    if end is None:
        return "The load generator's sums are missing."
    lag, latency = end["lag"], end["latency"]
    return (
        f"Sent {end['sent']:,} in {end['seconds']:.0f} s ({end['sent'] / max(end['seconds'], 1e-9):.1f}/s), {end['late']:,} "
        f"of them late; lag p50 {lag['p50'] * 1e3:.1f} ms, p99 {lag['p99'] * 1e3:.1f} ms, most {lag['max'] * 1e3:.0f} ms; "
        f"answers p50 {latency['p50'] * 1e3:.1f} ms, p99 {latency['p99'] * 1e3:.1f} ms, most {latency['max'] * 1e3:.0f} ms; "
        f"the sender took {end['cpuSeconds']:.1f} CPU seconds; the machine was busy for {result.busy:.0%} of the time"
    )


def as_json(result: Result, promises: Sequence[Promise]) -> dict[str, Any]:
    """Everything but the counts of single seconds."""
    return {
        "settings": asdict(result.settings),
        "promises": [asdict(promise) for promise in promises],
        "seconds": result.ended - result.tally.began,
        "outcomes": _all_outcomes(result),
        "sender": result.tally.end,
        "machineBusy": result.busy,
        "rounds": [
            {
                **asdict(played),
                "outcomes": outcomes_of(result, [played]),
                "kills": kills_in(result, [played]),
            }
            for played in result.rounds
        ],
        "kills": [asdict(kill) for kill in result.kills],
        "lost": [asdict(lost) for lost in result.tally.lost],
        "problems": result.problems,
    }


def _all_outcomes(result: Result) -> Counter[Outcome]:
    counted: Counter[Outcome] = Counter()
    for (_, _, _, outcome), number in result.tally.counts.items():
        counted[outcome] += number
    return counted


def _by_reason(outcomes: Counter[Outcome]) -> str:
    return "\n".join(f"{number} {outcome}" for outcome, number in outcomes.items() if outcome in LOST) or "0"
