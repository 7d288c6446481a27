"""One turn of retraining: from what is seen and what is recorded to what is intended. Pure."""

from __future__ import annotations

from steersman.api.retraining import DuringRollout
from steersman.api.retraining_status import MANUAL, RetrainingStatus
from steersman.core.analysis.placeholders import PlaceholderError
from steersman.core.retraining import objects, run, triggers
from steersman.core.retraining.parameters import parameters, values
from steersman.core.retraining.work import View, Work, short


def decide(view: View, status: RetrainingStatus, *, asked: bool = False) -> Work:
    """What follows. `asked`: a person wants a retraining, which nothing else delays."""
    work = Work(view, status)
    triggers.prepare(work)
    triggers.fold(work)
    run.go_on(work)
    work.set(problem=problem(work))
    _begin(work, asked)
    # After that the errands are of what is intended now.
    run.ask(work)
    triggers.ask(work)
    return work


def problem(work: Work) -> str:
    """Why no retraining can begin, as far as the spec tells; empty when one can."""
    for name, bound in work.view.metrics.items():
        if isinstance(bound, str):
            return short(f"trigger {name}: {bound}")
    sample = Work(work.view, RetrainingStatus())
    run.begin(sample, MANUAL, "checked")
    try:
        parameters(work.spec, values(sample.run, work.view.name, work.view.namespace, work.view.model))
        if sample.run.target in objects.KINDS:
            objects.manifest(sample, sample.run)
    except PlaceholderError as error:
        return short(str(error))
    return ""


def _begin(work: Work, asked: bool) -> None:
    found = list(triggers.causes(work))
    if work.status.current is not None:
        _wait(work, found, f"{work.run.id} is under way")
        return
    if asked:
        run.begin(work, MANUAL, "somebody asked for it")
        triggers.taken(work, MANUAL)
        return
    if not found:
        work.set(waiting="")
        return
    until = _cool_at(work)
    if work.status.problem:
        _wait(work, found, work.status.problem)
    elif work.spec.suspend:
        _wait(work, found, "spec.retraining.suspend is set")
    elif not work.view.stable:
        _wait(work, found, "no version is stable yet")
    elif work.view.busy and work.spec.during_rollout == DuringRollout.WAIT:
        _wait(work, found, work.view.busy)
    elif until is not None:
        work.wake(until)
        _wait(work, found, "the cooldown after the last retraining is not over")
    else:
        cause = found[0]
        run.begin(work, cause.trigger, cause.reason)
        triggers.taken(work, cause.trigger)


def _cool_at(work: Work) -> float | None:
    """When the cooldown ends; None when it has."""
    ended = work.status.last_ended_at
    if ended is None or work.now >= ended + work.spec.cooldown:
        return None
    return ended + work.spec.cooldown


def _wait(work: Work, found: list[triggers.Cause], why: str) -> None:
    if not found:
        work.set(waiting="")
        return
    work.set(waiting=short(f"{found[0].trigger} ({found[0].reason}) waits: {why}"))
