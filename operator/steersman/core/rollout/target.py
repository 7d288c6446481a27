"""The revision that the spec asks for now, and what to do when it differs from what is under way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from steersman.api.analysis import AnalysisTemplateSpec, Argument, TemplateRef
from steersman.api.conditions import REGISTRY_TROUBLE, Reason
from steersman.api.modeldeployment import ModelSource
from steersman.api.status import (
    AnalysisStage,
    Outcome,
    ResolvedModel,
    RetiringRevision,
    RolloutPhase,
    RolloutStatus,
    StrategyName,
)
from steersman.api.strategy import BlueGreen
from steersman.core.analysis.binding import BindingError, bind
from steersman.core.analysis.budget import divide
from steersman.core.analysis.model import BoundMetric
from steersman.core.pod.template import TemplateError
from steersman.core.revision import Revision, make_revision
from steersman.core.rollout import golden
from steersman.core.rollout.admission import admitted
from steersman.core.rollout.ending import abort
from steersman.core.rollout.rollback import comes_back
from steersman.core.rollout.turn import Turn
from steersman.core.snapshot import Problem

PASSING_TROUBLE = REGISTRY_TROUBLE | {Reason.RESOLVING}
"""It blocks new rollouts and disturbs nothing that runs."""


def describe_selector(model: ModelSource) -> str:
    """`version 7`, `alias champion`, `tags a=b`, or the uri."""
    if model.uri is not None:
        return model.uri
    if model.version is not None:
        return f"version {model.version}"
    if model.alias is not None:
        return f"alias {model.alias}"
    return "tags " + ",".join(f"{key}={value}" for key, value in sorted((model.tags or {}).items()))


def resolve(turn: Turn) -> None:
    """Pin the registry's answer in status; while the registry is in trouble the pinned version stays."""
    answer, model = turn.snapshot.answer, turn.spec.model
    if isinstance(answer, Problem):
        turn.unresolved = answer
        return
    wanted = ResolvedModel(
        registry=model.registry or "",
        name=model.name or turn.name,
        selector=describe_selector(model),
        version=answer.version,
        model_id=answer.model_id,
        run_id=answer.run_id,
        resolved_at=turn.now,
    )
    pinned = turn.status.model
    if pinned is None or pinned.model_copy(update={"resolved_at": turn.now}) != wanted:
        turn.event(Reason.RESOLVED, f"{wanted.name} {wanted.selector} is version {answer.version}")
        turn.set(model=wanted)


def desired_revision(turn: Turn) -> Revision | None:
    """The revision that the spec asks for; None with turn.problem or turn.unresolved set when that is not known."""
    snapshot, spec = turn.snapshot, turn.spec
    for found in (snapshot.obstacle, snapshot.registry, snapshot.runtime):
        if isinstance(found, Problem):
            turn.problem = found
            return None
    resolve(turn)
    pinned = turn.status.model
    if pinned is None or (pinned.registry, pinned.name, pinned.selector) != (
        spec.model.registry or "",
        spec.model.name or turn.name,
        describe_selector(spec.model),
    ):
        return None
    if turn.unresolved is not None and turn.unresolved.reason not in PASSING_TROUBLE:
        return None
    assert not isinstance(snapshot.runtime, Problem)  # noqa: S101  checked above
    assert not isinstance(snapshot.registry, Problem)  # noqa: S101
    try:
        return make_revision(turn.name, spec, pinned, snapshot.runtime, snapshot.registry)
    except TemplateError as error:
        turn.problem = Problem(error.reason, str(error))
        return None


def bind_analyses(turn: Turn) -> None:
    """The metrics of each stage and step; sets turn.problem when a template is missing or cannot be used."""
    analysis, blue_green = turn.spec.analysis, turn.spec.strategy.blue_green
    general = StageMetrics(analysis.templates, analysis.args)
    wanted = {AnalysisStage.BACKGROUND: general} if blue_green is None else _stages(analysis.args, general, blue_green)
    if turn.spec.watch is not None:
        wanted[AnalysisStage.WATCH] = general
    bound = {stage: _bind(turn, metrics) for stage, metrics in wanted.items()}
    of_steps = {
        index: _bind(turn, StageMetrics(own.templates, [*analysis.args, *own.args]))
        for index, step in enumerate(turn.steps)
        if (own := step.analysis or (step.experiment.analysis if step.experiment is not None else None)) is not None
    }
    watched = bound.pop(AnalysisStage.WATCH, None)
    divided = iter(divide([*bound.values(), *of_steps.values()], analysis.alpha))
    turn.metrics = {stage: next(divided) for stage in bound}
    turn.step_metrics = {index: next(divided) for index in of_steps}
    if watched is not None:
        # The rollout is over by then, and its bound with it.
        turn.metrics |= {AnalysisStage.WATCH: divide([watched], analysis.alpha)[0]}


class StageMetrics(NamedTuple):
    """Templates and the arguments for them."""

    templates: Sequence[TemplateRef]
    args: Sequence[Argument]


def _stages(
    args: Sequence[Argument], general: StageMetrics, blue_green: BlueGreen
) -> dict[AnalysisStage, StageMetrics]:
    pre, post = blue_green.pre_promotion_analysis, blue_green.post_promotion_analysis
    # Without one of its own, the switch is watched with the general analysis.
    stages = {
        AnalysisStage.POST_PROMOTION: StageMetrics(post.templates, [*args, *post.args]) if post is not None else general
    }
    if pre is not None:
        stages[AnalysisStage.PRE_PROMOTION] = StageMetrics(pre.templates, [*args, *pre.args])
    return stages


def _bind(turn: Turn, metrics: StageMetrics) -> tuple[BoundMetric, ...]:
    found: list[tuple[str, AnalysisTemplateSpec]] = []
    for ref in metrics.templates:
        template = turn.snapshot.templates.get(ref.name)
        if template is None or isinstance(template, Problem):
            missing = Problem(
                Reason.TEMPLATE_NOT_FOUND, f"there is no AnalysisTemplate or ClusterAnalysisTemplate {ref.name!r}"
            )
            turn.problem = turn.problem or template or missing
        else:
            found.append((ref.name, template))
    try:
        return bind(found, metrics.args, turn.spec.analysis.interval)
    except BindingError as error:
        turn.problem = turn.problem or Problem(Reason.TEMPLATE_INVALID, str(error))
        return ()


def follow(turn: Turn, desired: Revision | None) -> None:
    """Start, keep or end a rollout so that it leads to the revision that is to serve."""
    if turn.problem is not None or desired is None:
        _without_target(turn)
        return
    rollout, stable = turn.status.rollout, turn.status.stable
    if rollout is None:
        if stable is None or desired.name != stable.name:
            _start(turn, desired)
    elif rollout.phase == RolloutPhase.ABORTING:
        return
    elif rollout.revision != desired.name:
        if stable is not None and desired.name == stable.name:
            abort(turn, Outcome.CANCELLED, Reason.ROLLOUT_CANCELLED, f"the spec asks for stable {stable.name} again")
        else:
            abort(turn, Outcome.SUPERSEDED, Reason.ROLLOUT_SUPERSEDED, f"{desired.name} takes its place")
    elif rollout.strategy not in (StrategyName.INITIAL, _strategy(turn)):
        abort(turn, Outcome.SUPERSEDED, Reason.ROLLOUT_SUPERSEDED, f"the strategy is {_strategy(turn)} now")


def _without_target(turn: Turn) -> None:
    """Nothing valid is asked for: a rollout under way has lost its reason, unless only the registry is in trouble."""
    why = turn.problem or turn.unresolved
    if turn.under_way is None or why is None:
        return
    if turn.problem is None and why.reason in PASSING_TROUBLE:
        return
    abort(turn, Outcome.CANCELLED, why.reason, why.message)


def lift_quarantine(turn: Turn, desired: Revision | None) -> None:
    """Forget a failure once the spec changed or asks for another revision."""
    quarantine = turn.status.quarantine
    if quarantine is None:
        return
    if quarantine.generation != turn.generation or (desired is not None and desired.name != quarantine.revision):
        turn.set(quarantine=None)


def _start(turn: Turn, desired: Revision) -> None:
    if turn.status.quarantine is not None and turn.status.quarantine.revision == desired.name:
        return
    if turn.paused:
        turn.wait(f"Paused: {desired.name} is not started", Reason.PAUSED)
        return
    stable, slot = turn.status.stable, turn.snapshot.slot
    fast = turn.status.rollback is not None or comes_back(turn, desired.name)
    warm = next((entry for entry in turn.status.retiring if entry.revision == desired.name), None)
    if turn.unresolved is not None and warm is None:
        # Its pods could not fetch the model.
        turn.wait(f"{desired.name} is not started: {turn.unresolved.message}", turn.unresolved.reason)
        return
    strategy = _strategy(turn) if stable is not None else StrategyName.INITIAL
    if stable is None or not fast:
        if not admitted(turn, desired, strategy):
            return
        if turn.status.gates is not None:
            turn.set(gates=golden.forgotten(turn.status.gates, turn.spec.gates, turn.now))
    if stable is not None and slot is not None and not fast:
        turn.wait(f"{desired.name} is not started: {slot.message}", slot.reason)
        return
    rollout = RolloutStatus(
        revision=desired.name,
        version=desired.version,
        strategy=strategy,
        phase=RolloutPhase.STARTING,
        started_at=turn.now,
        step_started_at=turn.now,
        generation=turn.generation,
        fast=fast and stable is not None,
    )
    kept: list[RetiringRevision] = [r for r in turn.status.retiring if r.revision != desired.name]
    replicas = warm.replicas if warm is not None else 0
    turn.set(rollout=rollout, retiring=kept, candidate=turn.revision_status(desired.name, desired.version, replicas))
    how = "without steps" if rollout.fast else f"by {strategy}"
    turn.event(Reason.ROLLOUT_STARTED, f"{desired.name} {how}" + (f", stable is {stable.name}" if stable else ""))


def _strategy(turn: Turn) -> StrategyName:
    return StrategyName.CANARY if turn.spec.strategy.canary is not None else StrategyName.BLUE_GREEN
