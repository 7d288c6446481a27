"""Whether the clocks of the operator and of a metric server agree.

Looks lie on a grid of the operator's clock, and the server answers for a moment of its own clock. When the operator's is ahead, the newest samples
are not there yet, and the next look finds them in its past: they would never be counted. When it is behind, a look tells of a time before the weight that it
is to be evidence for. So an answer of a server whose clock differs is no answer.
"""

from __future__ import annotations

from email.utils import parsedate_to_datetime

from steersman.ports import MetricError

MOST_SECONDS = 1.0
"""The greatest difference that is put up with. The `Date` header has whole seconds, so a difference is noticed between this and one second more."""


def ahead_by(date: str | None, sent: float, received: float) -> float:
    """The least number of seconds by which the operator's clock is ahead (negative: behind) of the one that wrote an answer's `Date`.

    0 when they may agree, and when there is no date that can be read. `sent` and `received` are by the operator's clock; the header's moment lies
    between them, anywhere in its second.
    """
    try:
        second = parsedate_to_datetime(date or "").timestamp()
    except (ValueError, TypeError, OverflowError):
        return 0.0
    return max(0.0, sent - second - 1.0) or min(0.0, received - second)


def check_clocks(shown: str, date: str | None, sent: float, received: float) -> None:
    """Raise MetricError when the clocks differ by more than MOST_SECONDS."""
    ahead = ahead_by(date, sent, received)
    if abs(ahead) > MOST_SECONDS:
        how = "ahead of" if ahead > 0 else "behind"
        raise MetricError(
            f"the operator's clock is {abs(ahead):.0f} s {how} that of Prometheus at {shown}: counts of a moment cannot be relied on until they agree"
        )
