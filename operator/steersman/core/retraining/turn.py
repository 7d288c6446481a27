"""Retraining as a part of planning one ModelDeployment."""

from __future__ import annotations

from dataclasses import dataclass, replace

from steersman.api.analysis import AnalysisTemplateSpec
from steersman.api.conditions import Reason
from steersman.api.retraining import Retraining, Trigger
from steersman.api.retraining_status import RetrainingOutcome, RetrainingStatus
from steersman.api.status import AnalysisStage
from steersman.core.analysis.binding import BindingError, bind
from steersman.core.analysis.model import BoundMetric, MetricQuery
from steersman.core.retraining import objects
from steersman.core.retraining.decide import decide
from steersman.core.retraining.ending import entry as entry_of
from steersman.core.retraining.ending import with_entry
from steersman.core.retraining.model import Errand, Registry
from steersman.core.retraining.work import View
from steersman.core.rollout.analyses import context
from steersman.core.rollout.turn import Turn
from steersman.core.snapshot import Manifest, Problem


@dataclass(frozen=True)
class Retrained:
    """What retraining wants beside the status."""

    errands: tuple[Errand, ...] = ()
    queries: tuple[MetricQuery, ...] = ()
    objects: tuple[Manifest, ...] = ()
    kept: frozenset[tuple[str, str]] = frozenset()


def advance(turn: Turn) -> Retrained:
    """Go on with the retraining under way, or begin one."""
    spec, status = turn.spec.retraining, turn.status.retraining
    if spec is None:
        if status is not None and (status.current is not None or status.triggers):
            turn.set(retraining=_given_up(turn, status))
        return Retrained()
    work = decide(_view(turn, spec), status or RetrainingStatus(), asked=turn.retrain_asked)
    if work.status != status:
        turn.set(retraining=work.status)
    turn.events += work.events
    for at in work.wake_times:
        turn.wake(at)
    return Retrained(tuple(work.errands), tuple(work.queries), tuple(objects.wanted(work)), objects.kept(work))


def _given_up(turn: Turn, status: RetrainingStatus) -> RetrainingStatus:
    """spec.retraining was taken away: the history stays."""
    current = status.current
    if current is not None:
        entry = entry_of(current, RetrainingOutcome.CANCELLED, "spec.retraining was taken away", turn.now)
        turn.event(Reason.RETRAINING_CANCELLED, f"{entry.id}: {entry.message}", warning=True)
        status = with_entry(status, entry)
    return status.model_copy(update={"triggers": [], "waiting": "", "problem": ""})


def _view(turn: Turn, spec: Retraining) -> View:
    stable, access = turn.status.stable, turn.snapshot.registry
    model = turn.spec.model.title
    name = stable.name if stable is not None else ""
    registry = None
    if not isinstance(access, Problem) and turn.spec.model.name is not None:
        registry = Registry(access.url, access.secret_name, turn.namespace, model)
    return View(
        spec=spec,
        now=turn.now,
        name=turn.name,
        namespace=turn.namespace,
        uid=str(turn.snapshot.manifest["metadata"].get("uid", "")),
        model=model,
        stable=name,
        stable_version=stable.version if stable is not None else "",
        busy="a rollout is under way" if turn.status.rollout is not None else "",
        conditions=turn.before.conditions,
        metrics={trigger.name: _bound(turn, trigger) for trigger in spec.triggers if trigger.measured is not None},
        context=context(turn, AnalysisStage.BACKGROUND, name, name, None),
        registry=registry,
        results=turn.snapshot.results,
        answers=turn.snapshot.reports,
        children=turn.snapshot.children,
    )


def _bound(turn: Turn, trigger: Trigger) -> BoundMetric | str:
    """The trigger's metric, or why it cannot be measured."""
    measured = trigger.measured
    if measured is None:
        return "it measures nothing"
    template = turn.snapshot.templates.get(measured.template)
    if isinstance(template, Problem):
        return template.message
    if template is None:
        return f"analysis template {measured.template!r} was not looked for yet"
    metric = next((each for each in template.metrics if each.name == measured.metric), None)
    if metric is None:
        return f"analysis template {measured.template!r} has no metric {measured.metric!r}"
    if metric.threshold is None:
        return f"{measured.template}/{measured.metric} has another judge than threshold"
    alone = AnalysisTemplateSpec(args=template.args, metrics=[metric])
    interval = trigger.interval
    try:
        (bound,) = bind([(measured.template, alone)], measured.args, interval)
    except BindingError as error:
        return str(error)
    # A name of its own: a rollout may measure the same.
    return replace(bound, template=f"retraining/{trigger.name}/{measured.template}", interval=interval)
