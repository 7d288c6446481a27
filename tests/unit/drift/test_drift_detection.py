"""What is found, after how many rows, and that nothing is told when nothing changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine

from steersman.api.drift import Drift
from steersman.api.drift_status import ColumnRole, DriftMethod, DriftStatus
from steersman.core.drift.columns import read
from steersman.core.drift.judge import Judgement, chosen, judge
from steersman.core.drift.looks import data
from unit.drift.profiles import Profile, Values

CITIES = ["berlin", "lagos", "lima", "osaka", "quito", "turin"]
MANY = np.array([f"kind {place}" for place in range(61)])
Rows = dict[str, Values]


def draw(random: np.random.Generator, number: int, shift: float = 0.0, cities: tuple[float, ...] | None = None) -> Rows:
    """Rows of nine numeric columns, of which `shift` moves the first by so many standard deviations, three categorical and a prediction."""
    rows: Rows = {f"n{place}": random.normal(0.0, 1.0, number) for place in range(6)}
    rows["n0"] += shift
    rows["skewed"] = random.lognormal(3.0, 1.0, number)
    rows["counts"] = random.poisson(3.0, number).astype(float)
    rows["gaps"] = np.where(random.random(number) < 0.1, np.nan, random.gamma(2.0, 2.0, number))
    rows["city"] = random.choice(CITIES, number, p=cities or (0.4, 0.25, 0.15, 0.1, 0.07, 0.03))
    rows["flag"] = random.choice(["yes", "no"], number, p=(0.02, 0.98))
    rows["many"] = MANY[random.zipf(1.6, number).clip(max=60)]
    rows["score"] = random.beta(2.0, 5.0, number)
    return rows


def found(profile: Profile, window: Rows, settings: Drift) -> Judgement:
    return judge(chosen(read(profile.answer(window)).columns, settings), settings)


def made(rows: int, seed: int) -> tuple[Profile, np.random.Generator]:
    random = np.random.default_rng(seed)
    return Profile(draw(random, rows), predictions=("score",)), random


@pytest.mark.parametrize("rows", [500, 5000, 20_000])
@pytest.mark.parametrize("samples", [250, 1000, 1500, 4000])
def test_a_hundred_windows_of_unshifted_data_are_quiet(rows: int, samples: int) -> None:
    """One look each a window: no drift is told, and few windows show any."""
    settings = Drift()
    profile, random = made(rows, seed=samples + rows)
    status = DriftStatus(revision="r", started_at=0.0)
    alone = 0
    for window in range(1, 101):
        answer = profile.answer(draw(random, samples))
        status = status.model_copy(update={"data": data(settings, status, answer, window * settings.window)})
        assert status.data.judged == 13 and status.data.detected_at is None
        alone += status.data.seen_since is not None
    assert alone <= 2  # alpha is 0.001 a window


@pytest.mark.parametrize(
    ("shift", "samples", "method"),
    [
        (1.0, 200, DriftMethod.KOLMOGOROV_SMIRNOV),
        (0.5, 350, DriftMethod.KOLMOGOROV_SMIRNOV),
        (0.25, 1000, DriftMethod.KOLMOGOROV_SMIRNOV),
        (0.6, 1100, DriftMethod.PSI),
    ],
)
def test_a_shifted_number_is_found_within_so_many_rows(shift: float, samples: int, method: DriftMethod) -> None:
    """In nine of ten windows at least, and no other column beside it."""
    profile, random = made(20_000, seed=7)
    judgements = [found(profile, draw(random, samples, shift), Drift()) for _ in range(60)]
    hits = [judgement.drifted for judgement in judgements if judgement.is_drift]
    assert len(hits) >= 54
    assert {columns[0].name for columns in hits} == {"n0"} and {columns[0].method for columns in hits} == {method}
    assert sum(len(columns) > 1 for columns in hits) <= 2


@pytest.mark.parametrize(("samples", "method"), [(300, DriftMethod.CHI_SQUARE), (1500, DriftMethod.JENSEN_SHANNON)])
def test_a_shifted_category_is_found_within_so_many_rows(samples: int, method: DriftMethod) -> None:
    profile, random = made(20_000, seed=8)
    shifted = (0.25, 0.25, 0.15, 0.1, 0.15, 0.1)
    judgements = [found(profile, draw(random, samples, cities=shifted), Drift()) for _ in range(60)]
    hits = [judgement.drifted for judgement in judgements if judgement.is_drift]
    assert len(hits) >= 54 and {columns[0].method for columns in hits} == {method}
    assert {columns[0].name for columns in hits} == {"city"}


def test_a_shift_that_does_not_matter_is_not_told_however_many_rows_show_it() -> None:
    profile, random = made(50_000, seed=9)
    judgement = found(profile, draw(random, 50_000, shift=0.1), Drift())
    column = next(column for column in judgement.columns if column.name == "n0")
    assert column.p_value < 1e-6 and not column.drifted


def test_values_that_are_new_or_missing_are_drift() -> None:
    profile, random = made(20_000, seed=10)
    window = draw(random, 2000)
    window["gaps"] = np.where(random.random(2000) < 0.5, np.nan, window["gaps"])
    window["city"] = np.where(random.random(2000) < 0.2, "zurich", window["city"])
    window["score"] = window["score"] * 0.6
    drifted = {column.name: column for column in found(profile, window, Drift()).drifted}
    assert set(drifted) == {"gaps", "city", "score"}
    assert drifted["score"].role is ColumnRole.PREDICTION
    left_out = Drift.model_validate({"columns": {"exclude": ["ga*"]}, "predictions": False})
    assert {column.name for column in found(profile, window, left_out).drifted} == {"city"}


def test_a_share_of_columns_can_be_asked_for() -> None:
    profile, random = made(20_000, seed=11)
    window = draw(random, 2000, shift=1.0)
    judgement = found(profile, window, Drift.model_validate({"thresholds": {"share": 0.2}}))
    assert len(judgement.drifted) == 1 and not judgement.is_drift
    for name in ("n1", "n2"):
        window[name] = window[name] + 1.0
    assert found(profile, window, Drift.model_validate({"thresholds": {"share": 0.2}})).is_drift


def _split(loader: Callable[..., Any], column: str) -> tuple[Rows, Rows, Rows]:
    """Real rows: half of those below a column's median as the reference, the other half as like data, and those above as shifted data."""
    bunch = loader(as_frame=True)
    frame, random = bunch.data, np.random.default_rng(12)
    rows = random.permutation(len(frame))
    below = frame[column].to_numpy() <= frame[column].median()
    low, high = rows[below[rows]], rows[~below[rows]]
    take = lambda places: {name: frame[name].to_numpy(dtype=float)[places] for name in frame.columns}  # noqa: E731
    return take(low[::2]), take(low[1::2]), take(high)


@pytest.mark.parametrize(
    ("loader", "column"),
    [(load_breast_cancer, "mean radius"), (load_wine, "color_intensity"), (load_diabetes, "bmi")],
)
def test_real_data_split_by_a_column_drifts_and_split_at_random_does_not(
    loader: Callable[..., Any], column: str
) -> None:
    reference, like, shifted = _split(loader, column)
    profile, settings = Profile(reference), Drift(min_samples=30)
    drifted = {each.name for each in found(profile, shifted, settings).drifted}
    assert column in drifted
    assert not found(profile, like, settings).is_drift
