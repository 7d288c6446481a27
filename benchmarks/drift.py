"""`python -m benchmarks.drift`: how many rows drift needs to be seen, and how often it is told though nothing changed."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from scipy.stats import norm

from steersman.api.drift import Drift
from steersman.api.drift_status import ColumnKind, ColumnRole, DriftStatus
from steersman.core.analysis.model import Sample
from steersman.core.drift.columns import OBSERVED, PART, REFERENCE, ROWS, Column
from steersman.core.drift.judge import judge
from steersman.core.drift.looks import data

COLUMNS = 20
"""Of which one is shifted."""
BINS = 10
FEW = (200, 250, 300, 400, 500, 700, 1000)
"""Rows in the window with which p-values decide."""
MANY = (1100, 1500, 2000, 5000, 20_000)
"""And distances."""
FOUND = 0.9
"""Share of the windows that must show a shift for it to be found."""
BOUNDS = norm.ppf(np.linspace(0, 1, BINS + 1)[1:-1])
CITIES = (0.4, 0.25, 0.15, 0.1, 0.07, 0.03)
Shares = Sequence[float]


def normal(shift: float = 0.0, spread: float = 1.0) -> Shares:
    """Shares of a normal distribution in the deciles of the standard one."""
    cumulated = np.concatenate([[0.0], norm.cdf((BOUNDS - shift) / spread), [1.0]])
    return tuple(np.diff(cumulated))


def moved(share: float) -> Shares:
    """Shares of six categories, of which `share` of all rows went from the most frequent to the rarest."""
    return (CITIES[0] - share, *CITIES[1:-1], CITIES[-1] + share)


def column(random: Any, kind: ColumnKind, rows: int, samples: int, before: Shares, after: Shares, name: str) -> Column:
    """A column drawn anew."""
    bins = tuple(str(number) for number in range(len(before)))
    drawn = random.multinomial(rows, before), random.multinomial(samples, after)
    return Column(name, ColumnRole.FEATURE, kind, bins, *(tuple(float(count) for count in counts) for counts in drawn))


def rows_needed(kind: ColumnKind, shares: tuple[Shares, Shares], rows: int, sizes: Sequence[int], windows: int) -> str:
    """The least of several sizes with which the shift is found, or `-`."""
    random, settings = np.random.default_rng(1), Drift()
    for samples in sizes:
        hits = 0
        for _ in range(windows):
            columns = [column(random, kind, rows, samples, *shares, "shifted")]
            columns += [
                column(random, ColumnKind.NUMERIC, rows, samples, normal(), normal(), str(number))
                for number in range(COLUMNS - 1)
            ]
            hits += any(found.name == "shifted" for found in judge(columns, settings).drifted)
        if hits >= FOUND * windows:
            return f"{samples:,}"
    return "-"


def days_told(rows: int, per_hour: int, days: int, settings: Drift) -> tuple[int, int]:
    """Of so many days without any change, each with a reference of its own: how many showed drift at a look, and were told of it."""
    random, looks = np.random.default_rng(2), round(settings.window / settings.interval)
    shown = told = 0
    for _ in range(days):
        references = [random.multinomial(rows, normal()) for _ in range(COLUMNS)]
        parts = random.multinomial(per_hour // looks, [1 / BINS] * BINS, size=(24 * looks, COLUMNS))
        cumulated = np.concatenate([np.zeros((1, COLUMNS, BINS)), np.cumsum(parts, axis=0)])
        status, seen, known = DriftStatus(revision="r", started_at=0.0), False, False
        for look in range(looks, 24 * looks + 1):
            window = cumulated[look] - cumulated[look - looks]
            answer = [
                sample for number in range(COLUMNS) for sample in series(number, references[number], window[number])
            ]
            status = status.model_copy(update={"data": data(settings, status, answer, look * settings.interval)})
            seen |= status.data.seen_since is not None
            known |= status.data.detected_at is not None
        shown, told = shown + seen, told + known
    return shown, told


def series(number: int, reference: Any, window: Any) -> list[Sample]:
    """A numeric column as the metric server gives it."""
    column = {"column": str(number), "role": "feature"}
    rows = float(reference.sum())
    samples = [Sample({**column, PART: ROWS}, rows)]
    for place in range(BINS):
        labels = {**column, "kind": "numeric", "bin": str(place) if place < BINS - 1 else "+Inf"}
        samples.append(Sample({**labels, PART: REFERENCE}, reference[place] / rows))
        samples.append(Sample({**labels, PART: OBSERVED}, float(window[place])))
    return samples


def shifts() -> Iterator[tuple[str, ColumnKind, tuple[Shares, Shares]]]:
    """What is moved, and how far."""
    for mean in (0.1, 0.25, 0.5, 1.0, 2.0):
        yield f"mean moved by {mean:g} standard deviations", ColumnKind.NUMERIC, (normal(), normal(mean))
    for spread in (1.5, 2.0):
        yield f"standard deviation {spread:g} times as large", ColumnKind.NUMERIC, (normal(), normal(0.0, spread))
    for share in (0.05, 0.1, 0.2):
        yield f"{100 * share:.0f} % of the rows change category", ColumnKind.CATEGORICAL, (moved(0.0), moved(share))


def power(windows: int) -> str:
    """A table: a row for each shift."""
    lines = [
        f"| Shift of one column of {COLUMNS} | few rows, reference of 500 | few rows, reference of 20,000 | more than 1,000 rows |",
        "|---|---:|---:|---:|",
    ]
    for name, kind, shares in shifts():
        cells = [
            rows_needed(kind, shares, rows, sizes, windows)
            for rows, sizes in ((500, FEW), (20_000, FEW), (20_000, MANY))
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
        print(f"{name} …", file=sys.stderr)
    return "\n".join(lines)


def quiet(days: int) -> str:
    """A table of days without a change."""
    lines = ["| Rows an hour | Reference | Days | showed drift at a look | told |", "|---:|---:|---:|---:|---:|"]
    for per_hour, rows in ((300, 500), (600, 5000), (3000, 2000), (30_000, 50_000)):
        shown, told = days_told(rows, per_hour, days, Drift())
        lines.append(f"| {per_hour:,} | {rows:,} | {days} | {shown} | {told} |")
        print(f"{per_hour} rows an hour …", file=sys.stderr)
    return "\n".join(lines)


def main() -> int:
    """Play and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drift", description=__doc__)
    parser.add_argument("--windows", type=int, default=100, help="of each shift and size; default 100")
    parser.add_argument("--days", type=int, default=50, help="without a change, of each size; default 50")
    arguments = parser.parse_args()
    print(power(arguments.windows), quiet(arguments.days), sep="\n\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
