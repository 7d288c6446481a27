from __future__ import annotations

import pytest
from benchmarks.drift import FEW, MANY, days_told, moved, normal, rows_needed

from steersman.api.drift import Drift
from steersman.api.drift_status import ColumnKind


def test_shares_are_shares() -> None:
    for shares in (normal(), normal(0.5), normal(0.0, 2.0), moved(0.0), moved(0.2)):
        assert sum(shares) == pytest.approx(1.0) and min(shares) > 0
    assert normal() == pytest.approx([0.1] * 10)


def test_a_large_shift_needs_few_rows_and_a_small_one_is_never_found() -> None:
    assert rows_needed(ColumnKind.NUMERIC, (normal(), normal(2.0)), 5000, FEW, 5) == "200"
    assert rows_needed(ColumnKind.NUMERIC, (normal(), normal(0.1)), 5000, MANY[:1], 5) == "-"


def test_a_day_without_change_is_quiet() -> None:
    assert days_told(5000, 600, 1, Drift()) == (0, 0)
