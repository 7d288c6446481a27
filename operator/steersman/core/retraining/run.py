"""The retraining under way: from the request to begin to what came of it."""

from __future__ import annotations

import math
from typing import Final

from steersman.api.conditions import Reason
from steersman.api.retraining_actions import OBJECTS, Target
from steersman.api.retraining_status import (
    RetrainingOutcome,
    RetrainingPhase,
    RetrainingRun,
)
from steersman.core.analysis.placeholders import PlaceholderError
from steersman.core.naming import content_hash
from steersman.core.retraining import objects
from steersman.core.retraining.ending import REASONS, entry, with_entry
from steersman.core.retraining.model import (
    Answer,
    AskNewest,
    Began,
    Begin,
    Cancel,
    Follow,
    Order,
    Run,
    RunState,
)
from steersman.core.retraining.parameters import parameters, values
from steersman.core.retraining.work import Work, settings_json, short

MAX_BACK_OFF: Final = 3600.0
RESEND_SECONDS: Final = 5.0
"""Before the second request to begin, when the target surely began nothing and named no time; it doubles up to MAX_RESEND_SECONDS."""
MAX_RESEND_SECONDS: Final = 300.0
NEWEST_SECONDS: Final = 10.0
"""Between two questions for the newest version."""


def begin(work: Work, trigger: str, reason: str) -> None:
    """Intend a retraining. It is asked for once this is recorded."""
    number = work.status.number + 1
    # The uid keeps ids apart when the ModelDeployment is made anew: targets remember those of before.
    key = f"{work.view.name}-retrain-{number}-{content_hash(work.view.uid)[:5]}"
    run = RetrainingRun(
        id=key,
        trigger=trigger,
        reason=short(reason),
        target=work.spec.action.target,
        started_at=work.now,
        stable_version=work.view.stable_version,
        attempt_at=work.now,
    )
    work.set(number=number, current=run, waiting="")
    work.event(Reason.RETRAINING_STARTED, f"{run.id}: {trigger}: {run.reason}")


def go_on(work: Work) -> None:
    """Take the answers in, and do what follows."""
    if work.status.current is None:
        return
    if work.run.target != work.spec.action.target:
        end(work, RetrainingOutcome.CANCELLED, "spec.retraining names another target now")
        return
    _fold_newest(work)
    if work.run.phase == RetrainingPhase.BACK_OFF and work.now >= work.run.attempt_at:
        _next_attempt(work)
    send_at = work.run.send_at
    if work.run.phase == RetrainingPhase.STARTING and send_at is not None and work.now >= send_at:
        work.set_run(sends=work.run.sends + 1, send_at=None)
    if work.run.phase in (RetrainingPhase.STARTING, RetrainingPhase.RUNNING):
        if work.spec.action.target in OBJECTS:
            _fold_object(work)
        else:
            _fold_answers(work)
    if work.status.current is not None:
        _in_time(work)
    if work.status.current is not None and work.run.phase == RetrainingPhase.REGISTERING:
        _registered(work)


def ask(work: Work) -> None:
    """Errands of the retraining under way; notes when to look again."""
    run = work.status.current
    if run is None:
        return
    registry = work.view.registry
    if registry is not None and (run.version_before is None or run.phase == RetrainingPhase.REGISTERING):
        at = math.floor(work.now / NEWEST_SECONDS) * NEWEST_SECONDS
        work.errands.append(AskNewest(registry, at))
        work.wake(at + NEWEST_SECONDS)
    if run.phase == RetrainingPhase.BACK_OFF:
        work.wake(run.attempt_at)
    if run.phase not in (RetrainingPhase.STARTING, RetrainingPhase.RUNNING):
        return
    work.wake(run.attempt_at + work.spec.timeout)
    if work.spec.action.target in OBJECTS:
        return
    try:
        order = order_of(work, run)
    except PlaceholderError as error:
        work.set(problem=short(str(error)))
        return
    if run.phase == RetrainingPhase.RUNNING:
        work.errands.append(Follow(order, run.ref, Run(RunState.RUNNING, run.ref, run.url, run.message)))
    elif run.send_at is None:
        before = work.before.current
        fresh = before is None or (before.key, before.sends) != (run.key, run.sends)
        work.errands.append(Begin(order, run.sends, fresh=fresh))
    else:
        work.wake(run.send_at)


def order_of(work: Work, run: RetrainingRun) -> Order:
    """What is to be run. Raises PlaceholderError."""
    filled = values(run, work.view.name, work.view.namespace, work.view.model)
    settings = settings_json(work.spec.action.settings)
    told = parameters(work.spec, filled)
    return Order(run.key, Target(run.target), settings, work.view.namespace, run.attempt_at, told)


def end(work: Work, outcome: RetrainingOutcome, message: str, version: str = "") -> None:
    """The retraining is over."""
    ended = entry(work.run, outcome, message, work.now, version)
    work.status = with_entry(work.status, ended)
    work.event(REASONS[outcome], f"{ended.id}: {ended.message}", warning=outcome != RetrainingOutcome.SUCCEEDED)


def _next_attempt(work: Work) -> None:
    run = work.run
    work.set_run(
        phase=RetrainingPhase.STARTING,
        attempt=run.attempt + 1,
        attempt_at=work.now,
        sends=1,
        send_at=None,
        ref="",
        url="",
        message="",
    )


def _failed(work: Work, message: str) -> None:
    """The attempt failed: another one, or the end."""
    run, retries = work.run, work.spec.retries
    if run.attempt > retries.limit:
        tries = f" (attempt {run.attempt} of {run.attempt})" if run.attempt > 1 else ""
        end(work, RetrainingOutcome.FAILED, f"{message}{tries}")
        return
    wait = min(MAX_BACK_OFF, retries.delay * 2 ** (run.attempt - 1))
    work.set_run(phase=RetrainingPhase.BACK_OFF, attempt_at=work.now + wait, message=short(message))


def _succeeded(work: Work, run: Run) -> None:
    work.set_run(
        phase=RetrainingPhase.REGISTERING,
        ref=run.ref or work.run.ref,
        url=run.url or work.run.url,
        message=short(run.message),
        succeeded_at=work.now,
    )


def _fold_object(work: Work) -> None:
    run = work.run
    seen = objects.seen(work, run.key, run.target)
    if seen is not None:
        _fold_run(work, objects.read(seen))
    elif run.phase == RetrainingPhase.RUNNING:
        end(work, RetrainingOutcome.CANCELLED, f"{objects.kind(run.target)} {run.key} was deleted")
    else:
        try:
            objects.manifest(work, run)
        except PlaceholderError as error:
            end(work, RetrainingOutcome.FAILED, str(error))


def _fold_answers(work: Work) -> None:
    for answer in work.view.answers:
        errand = answer.errand
        # An earlier answer may have ended the attempt.
        if work.status.current is None or not isinstance(errand, Begin | Follow) or errand.order.key != work.run.key:
            continue
        if isinstance(errand, Begin) and work.run.phase == RetrainingPhase.STARTING:
            if errand.number == work.run.sends and work.run.send_at is None:
                _fold_begun(work, answer)
        elif isinstance(errand, Follow) and work.run.phase == RetrainingPhase.RUNNING and answer.run is not None:
            _fold_run(work, answer.run)
        elif isinstance(errand, Follow) and work.run.phase == RetrainingPhase.RUNNING:
            work.set_run(message=short(answer.error))


def _fold_begun(work: Work, answer: Answer) -> None:
    run = work.run
    if answer.began == Began.YES and answer.run is not None:
        _fold_run(work, answer.run)
    elif answer.began == Began.NOT_YET:
        wait = answer.again_after or min(MAX_RESEND_SECONDS, RESEND_SECONDS * 2 ** min(run.sends - 1, 10))
        work.set_run(send_at=work.now + wait, message=short(answer.error))
    elif answer.began == Began.REFUSED:
        _failed(work, answer.error)
    else:
        # It may run: another attempt would be a second one.
        said = f"it is not known whether {run.target} began {run.key}, so it was not asked again: {answer.error}"
        end(work, RetrainingOutcome.FAILED, said)


def _fold_run(work: Work, found: Run) -> None:
    if found.state == RunState.SUCCEEDED:
        _succeeded(work, found)
    elif found.state == RunState.FAILED:
        work.set_run(ref=found.ref or work.run.ref, url=found.url or work.run.url)
        _failed(work, found.message or "the pipeline failed")
    elif found.state == RunState.GONE:
        end(work, RetrainingOutcome.CANCELLED, found.message or "the run is not there any more")
    else:
        work.set_run(
            phase=RetrainingPhase.RUNNING,
            ref=found.ref or work.run.ref,
            url=found.url or work.run.url,
            message=short(found.message),
        )


def _in_time(work: Work) -> None:
    run = work.run
    if run.phase not in (RetrainingPhase.STARTING, RetrainingPhase.RUNNING):
        return
    if work.now < run.attempt_at + work.spec.timeout:
        return
    if run.ref and run.target not in OBJECTS:
        try:
            work.errands.append(Cancel(order_of(work, run), run.ref))
        except PlaceholderError as error:
            work.set(problem=short(str(error)))
    # What was not seen to end may still run: no further attempt.
    last = f", last: {run.message}" if run.message else ""
    end(work, RetrainingOutcome.FAILED, f"it did not end within {work.spec.timeout:g} s{last}")


def _fold_newest(work: Work) -> None:
    for answer in work.view.answers:
        if isinstance(answer.errand, AskNewest) and not answer.error and work.run.version_before is None:
            # After a success it is too late to know what was there before.
            if work.run.phase == RetrainingPhase.REGISTERING:
                return
            work.set_run(version_before=answer.value or "0")


def _registered(work: Work) -> None:
    run = work.run
    before = int(run.version_before) if run.version_before is not None else None
    for answer in work.view.answers:
        if not isinstance(answer.errand, AskNewest) or answer.value is None or answer.errand.at < run.started_at:
            continue
        if before is not None and int(answer.value) > before:
            end(work, RetrainingOutcome.SUCCEEDED, f"version {answer.value} was registered", answer.value)
            return
    if before is None:
        end(work, RetrainingOutcome.SUCCEEDED, "the pipeline succeeded; the registry did not say what it had before")
        return
    until = (run.succeeded_at or work.now) + work.spec.registration
    if work.now >= until:
        said = f"the pipeline succeeded, and no new version was registered within {work.spec.registration:g} s"
        end(work, RetrainingOutcome.SUCCEEDED, said)
    else:
        work.wake(until)
