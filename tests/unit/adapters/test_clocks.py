"""When the clocks of the operator and of a metric server are taken to differ."""

from __future__ import annotations

import pytest

from steersman.adapters.metrics.clocks import ahead_by, check_clocks
from steersman.ports import MetricError

DATE = "Fri, 15 Jan 2027 08:00:00 GMT"
SECOND = 1_800_000_000.0


@pytest.mark.parametrize(
    ("sent", "received", "ahead"),
    [
        (0.0, 0.1, 0.0),
        (0.9, 0.95, 0.0),
        (-3.0, 4.0, 0.0),  # a slow answer says little
        (2.5, 2.6, 1.5),
        (61.0, 61.1, 60.0),
        (-5.0, -4.5, -4.5),
    ],
)
def test_the_least_difference_that_explains_the_date(sent: float, received: float, ahead: float) -> None:
    assert ahead_by(DATE, SECOND + sent, SECOND + received) == pytest.approx(ahead)


@pytest.mark.parametrize("date", [None, "", "yesterday", "Fri, 99 Jan 2027 08:00:00 GMT"])
def test_a_date_that_cannot_be_read_says_nothing(date: str | None) -> None:
    assert ahead_by(date, 0.0, 0.0) == 0.0


@pytest.mark.parametrize(("by", "said"), [(60.0, "59 s ahead of"), (-60.0, "60 s behind")])
def test_a_difference_is_an_error(by: float, said: str) -> None:
    with pytest.raises(MetricError, match=said):
        check_clocks("http://p", DATE, SECOND + by, SECOND + by)


def test_a_second_is_put_up_with() -> None:
    check_clocks("http://p", DATE, SECOND + 1.9, SECOND + 2.0)
    check_clocks("http://p", DATE, SECOND - 1.0, SECOND - 0.9)
