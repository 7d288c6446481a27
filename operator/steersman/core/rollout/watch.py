"""The watch after a promotion: the old revision is kept warm, the analysis goes on, and a regression brings it back."""

from __future__ import annotations

from steersman.api.conditions import Reason
from steersman.api.duration import format_duration
from steersman.api.status import AnalysisStage, RevisionStatus, WatchStatus
from steersman.core.analysis import assess
from steersman.core.rollout.turn import Turn


def begin_if_wanted(turn: Turn, previous: RevisionStatus) -> float:
    """Watch the revision that is being promoted; seconds for which the previous one is kept warm, 0 without a watch.

    A rollout that left out the steps, such as a rollback, is not watched.
    """
    metrics = turn.metrics.get(AnalysisStage.WATCH)
    if turn.spec.watch is None or turn.rollout.fast or not metrics:
        return 0.0
    duration = turn.spec.watch.duration
    turn.set(
        watch=WatchStatus(
            revision=turn.rollout.revision,
            previous=previous.name,
            previous_version=previous.version,
            until=turn.now + duration,
            analysis=assess.begin(AnalysisStage.WATCH, metrics, turn.now),
        )
    )
    turn.event(
        Reason.WATCH_STARTED,
        f"{turn.rollout.revision} is watched for {format_duration(duration)}, {previous.name} is kept warm",
    )
    return duration


def end_if_over(turn: Turn) -> None:
    """End the watch when its time is up, a rollout begins, or the spec does not ask for it any more."""
    watch = turn.status.watch
    if watch is None:
        return
    if turn.status.rollout is not None or turn.spec.watch is None:
        _end(turn)
        _let_go(turn, watch)
    elif turn.now >= watch.until:
        _end(turn)
        turn.event(Reason.WATCH_ENDED, f"{watch.revision} did not regress")
    else:
        turn.wake(watch.until)


def _end(turn: Turn) -> None:
    turn.set(watch=None)


def _let_go(turn: Turn, watch: WatchStatus) -> None:
    """The previous revision is kept no longer than any other without traffic."""
    latest = turn.now + turn.spec.strategy.scale_down_delay
    turn.set(
        retiring=[
            entry.model_copy(update={"scale_down_at": min(entry.scale_down_at, latest)})
            if entry.revision == watch.previous
            else entry
            for entry in turn.status.retiring
        ]
    )
