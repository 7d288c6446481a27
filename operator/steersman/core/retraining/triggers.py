"""What the triggers see, and which of them asks for a retraining."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from steersman.api.conditions import ConditionStatus, Reason
from steersman.api.meta import format_timestamp
from steersman.api.retraining import Growth, ScheduleTrigger, Trigger
from steersman.api.retraining_status import TriggerStatus
from steersman.api.status import MeasurementPhase
from steersman.core.analysis import threshold
from steersman.core.analysis.model import BoundMetric, QueryResult
from steersman.core.analysis.placeholders import PlaceholderError
from steersman.core.naming import content_hash
from steersman.core.retraining.model import Look
from steersman.core.retraining.moments import following, latest
from steersman.core.retraining.work import Work, settings_json, short


@dataclass(frozen=True)
class Cause:
    """A trigger that asks for a retraining, and why."""

    trigger: str
    reason: str


def prepare(work: Work) -> None:
    """Forget triggers that are gone, and begin anew with those that are new or changed."""
    names = {trigger.name for trigger in work.spec.triggers}
    if any(each.name not in names for each in work.status.triggers):
        work.set(triggers=[each for each in work.status.triggers if each.name in names])
    for trigger in work.spec.triggers:
        settings = content_hash(trigger.model_dump(mode="json", by_alias=True, exclude_none=True))
        if work.memory(trigger.name).settings != settings:
            fresh = TriggerStatus(name=trigger.name, settings=settings)
            work.replace(fresh)


def fold(work: Work) -> None:
    """Take answers into the triggers' memories."""
    for trigger in work.spec.triggers:
        if trigger.measured is not None:
            _fold_metric(work, trigger)
        elif trigger.data is not None:
            _fold_data(work, trigger)


def ask(work: Work) -> None:
    """Queries and looks that are due; notes when the next ones are."""
    for trigger in work.spec.triggers:
        if trigger.data is not None or trigger.metric is not None:
            _ask(work, trigger)


def causes(work: Work) -> Iterator[Cause]:
    """Triggers that ask for a retraining now, in order. Moments that are too late are skipped on the way."""
    for trigger in work.spec.triggers:
        reason = _reason(work, trigger)
        if reason is not None:
            yield Cause(trigger.name, short(reason))


def taken(work: Work, cause: str) -> None:
    """A retraining begins: it takes all data that is there now, and answers its own trigger."""
    for trigger in work.spec.triggers:
        memory = work.memory(trigger.name)
        if trigger.data is not None:
            work.remember(trigger.name, trained=memory.seen, baseline=memory.value)
        if trigger.name == cause and trigger.schedule is not None:
            work.remember(trigger.name, moment=_latest(trigger.schedule, memory, work.now) or memory.moment)
        if trigger.name == cause and (trigger.metric is not None or trigger.drift is not None):
            work.remember(trigger.name, outside=0, fired_for=work.view.stable_version, fired_at=work.now)


def _reason(work: Work, trigger: Trigger) -> str | None:
    memory = work.memory(trigger.name)
    if trigger.schedule is not None:
        return _scheduled(work, trigger.name, trigger.schedule)
    if trigger.data is not None:
        return _grown(trigger.data.growth, memory) if trigger.data.growth is not None else _changed(work, trigger)
    if trigger.metric is not None:
        if memory.outside < trigger.metric.looks or not _again(work, memory, trigger.metric.repeat_after):
            return None
        where = f"{trigger.metric.template}/{trigger.metric.metric}"
        value = "" if memory.value is None else f", latest {memory.value:.6g}"
        return f"{where} was outside its bounds in {memory.outside} looks in a row{value}"
    return _drifted(work, trigger)


def _scheduled(work: Work, name: str, schedule: ScheduleTrigger) -> str | None:
    memory = work.memory(name)
    if memory.moment is None:
        # From now on: what was before this trigger is not missed.
        work.remember(name, moment=work.now)
    coming = following(schedule, work.now)
    if coming is not None:
        work.wake(coming)
    moment = _latest(schedule, work.memory(name), work.now)
    if moment is None:
        return None
    said = format_timestamp(moment)
    if work.now - moment > schedule.starting_deadline:
        why = work.status.waiting or "the operator did not look in time"
        work.remember(name, moment=moment)
        work.event(Reason.RETRAINING_SKIPPED, short(f"{name}: the moment {said} is left out: {why}"), warning=True)
        return None
    work.wake(moment + schedule.starting_deadline)
    return f"the schedule's moment {said}"


def _latest(schedule: ScheduleTrigger, memory: TriggerStatus, now: float) -> float | None:
    """The latest moment that was neither met nor skipped."""
    moment = latest(schedule, now)
    return moment if moment is not None and memory.moment is not None and moment > memory.moment else None


def _grown(growth: Growth, memory: TriggerStatus) -> str | None:
    if memory.value is None or memory.baseline is None:
        return None
    needed = growth.by if growth.by is not None else abs(memory.baseline) * (growth.percent or 0.0) / 100
    gained = memory.value - memory.baseline
    if gained <= 0 or gained < needed:
        return None
    return f"{growth.template}/{growth.metric} grew from {memory.baseline:.6g} to {memory.value:.6g}"


def _changed(work: Work, trigger: Trigger) -> str | None:
    memory, data = work.memory(trigger.name), trigger.data
    if data is None or memory.seen is None or memory.seen == memory.trained:
        return None
    if data.git_tag is not None:
        return f"git tag {_label(memory.seen)}"
    if data.model_tag is not None:
        return f"the model's tag {data.model_tag.key} is {memory.seen}"
    return "the content of the data's resource changed"


def _drifted(work: Work, trigger: Trigger) -> str | None:
    drift, memory = trigger.drift, work.memory(trigger.name)
    if drift is None:
        return None
    seen = [
        condition
        for condition in work.view.conditions
        if condition.type in drift.conditions and condition.status == ConditionStatus.TRUE
    ]
    if not seen:
        if memory.fired_for is not None:
            work.remember(trigger.name, fired_for=None)
        return None
    long = [condition for condition in seen if work.now - condition.last_transition_time >= drift.for_]
    if not long:
        work.wake(min(condition.last_transition_time for condition in seen) + drift.for_)
        return None
    if not _again(work, memory, drift.repeat_after):
        return None
    return f"{long[0].type}: {long[0].message}"


def _again(work: Work, memory: TriggerStatus, repeat_after: float | None) -> bool:
    """Whether what goes on may begin a retraining: its first, one for another stable version, or one after some time."""
    if memory.fired_for is None or memory.fired_for != work.view.stable_version:
        return True
    if repeat_after is None or memory.fired_at is None:
        return False
    if work.now >= memory.fired_at + repeat_after:
        return True
    work.wake(memory.fired_at + repeat_after)
    return False


def _fold_metric(work: Work, trigger: Trigger) -> None:
    bound = work.view.metrics.get(trigger.name)
    if isinstance(bound, str):
        if work.memory(trigger.name).error != bound:
            work.remember(trigger.name, error=short(bound))
        return
    if bound is None:
        return
    found = [result for result in work.view.results if result.query.metric == bound.name]
    for result in sorted(found, key=lambda result: result.query.at):
        last = work.memory(trigger.name).looked_at
        if last is None or result.query.at > last:
            _fold_result(work, trigger, bound, result)


def _fold_result(work: Work, trigger: Trigger, bound: BoundMetric, result: QueryResult) -> None:
    name, at, memory = trigger.name, result.query.at, work.memory(trigger.name)
    settings = bound.metric.threshold
    if result.error is not None or settings is None:
        work.remember(name, looked_at=at, error=short(result.error or ""))
        return
    judgement = threshold.judge(settings, result.samples)
    if judgement.value is None:
        work.remember(name, looked_at=at, error=short(judgement.message))
        return
    work.remember(name, looked_at=at, error="", value=judgement.value)
    if trigger.metric is not None:
        outside = judgement.phase == MeasurementPhase.FAIL
        # Counted no further than matters.
        work.remember(name, outside=min(memory.outside + 1, trigger.metric.looks) if outside else 0)
        if not outside:
            work.remember(name, fired_for=None)
    elif memory.baseline is None:
        work.remember(name, baseline=judgement.value)


def _fold_data(work: Work, trigger: Trigger) -> None:
    for answer in work.view.answers:
        look = answer.errand
        if not isinstance(look, Look) or look.trigger != trigger.name or trigger.data is None:
            continue
        memory = work.memory(trigger.name)
        if memory.looked_at is not None and look.at <= memory.looked_at:
            continue
        work.remember(trigger.name, looked_at=look.at, error=short(answer.error))
        if answer.error or answer.value is None:
            continue
        if memory.trained is None:
            work.remember(trigger.name, seen=answer.value, trained=answer.value)
        elif trigger.data.git_tag is not None and natural(_label(answer.value)) < natural(_label(memory.trained)):
            # A tag was taken away: the one before it is nothing new.
            work.remember(trigger.name, seen=answer.value, trained=answer.value)
        else:
            work.remember(trigger.name, seen=answer.value)


def _ask(work: Work, trigger: Trigger) -> None:
    bound = work.view.metrics.get(trigger.name) if trigger.measured is not None else None
    if isinstance(bound, str):
        return
    interval = trigger.interval
    at = math.floor(work.now / interval) * interval
    memory = work.memory(trigger.name)
    work.wake(at + interval)
    # Looks of the future are those of a clock that was put back.
    if memory.looked_at is not None and at <= memory.looked_at < at + interval:
        return
    if memory.looked_at is not None and memory.looked_at >= at + interval:
        work.remember(trigger.name, looked_at=None)
    if bound is not None and bound.metric.threshold is not None and work.view.context is not None:
        try:
            work.queries += threshold.queries(bound, bound.metric.threshold, work.view.context, at, at)
        except PlaceholderError as error:
            work.remember(trigger.name, error=short(str(error)))
    elif trigger.data is not None:
        _look(work, trigger, at)


def _look(work: Work, trigger: Trigger, at: float) -> None:
    data, registry = trigger.data, work.view.registry
    if data is None:
        return
    if data.git_tag is not None:
        work.errands.append(Look(trigger.name, "gitTag", settings_json(data.git_tag), work.view.namespace, at))
    elif data.http is not None:
        work.errands.append(Look(trigger.name, "http", settings_json(data.http), work.view.namespace, at))
    elif data.model_tag is not None and registry is not None:
        settings = settings_json(data.model_tag)
        work.errands.append(Look(trigger.name, "modelTag", settings, work.view.namespace, at, registry))


def _label(seen: str) -> str:
    """The tag's name in `name@commit`."""
    return seen.rpartition("@")[0]


def natural(name: str) -> list[tuple[int, int, str]]:
    """A key that sorts numbers in names as numbers: v9 before v10."""
    return [(1, int(part), "") if part.isdigit() else (0, 0, part) for part in re.split(r"([0-9]+)", name)]
