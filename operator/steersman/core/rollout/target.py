"""The revision that the spec asks for now, and what to do when it differs from what is under way."""

from __future__ import annotations

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
from steersman.core.analysis.binding import BindingError, bind
from steersman.core.analysis.model import BoundMetric
from steersman.core.pod.template import TemplateError
from steersman.core.revision import Revision, make_revision
from steersman.core.rollout.ending import abort
from steersman.core.rollout.turn import Turn
from steersman.core.snapshot import Problem

PASSING_TROUBLE = REGISTRY_TROUBLE | {Reason.RESOLVING}
"""It blocks new rollouts and disturbs nothing that runs."""


def describe_selector(model: ModelSource) -> str:
    """`version 7`, `alias champion` or `tags a=b`."""
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
        name=model.name,
        selector=describe_selector(model),
        version=answer.version,
        model_id=answer.model_id,
        run_id=answer.run_id,
        resolved_at=turn.now,
    )
    pinned = turn.status.model
    if pinned is None or pinned.model_copy(update={"resolved_at": turn.now}) != wanted:
        turn.event(Reason.RESOLVED, f"{model.name} {wanted.selector} is version {answer.version}")
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
        spec.model.name,
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
    """The metrics of each stage; sets turn.problem when a template is missing or cannot be used."""
    analysis, blue_green = turn.spec.analysis, turn.spec.strategy.blue_green
    wanted: dict[AnalysisStage, tuple[list[TemplateRef], list[Argument]]] = {}
    if blue_green is None:
        wanted[AnalysisStage.BACKGROUND] = (analysis.templates, analysis.args)
    else:
        pre, post = blue_green.pre_promotion_analysis, blue_green.post_promotion_analysis
        if pre is not None:
            wanted[AnalysisStage.PRE_PROMOTION] = (pre.templates, [*analysis.args, *pre.args])
        if post is not None:
            wanted[AnalysisStage.POST_PROMOTION] = (post.templates, [*analysis.args, *post.args])
        else:
            # Without one of its own, the switch is watched with the general analysis.
            wanted[AnalysisStage.POST_PROMOTION] = (analysis.templates, analysis.args)
    metrics: dict[AnalysisStage, tuple[BoundMetric, ...]] = {}
    for stage, (refs, args) in wanted.items():
        found: list[tuple[str, AnalysisTemplateSpec]] = []
        for ref in refs:
            template = turn.snapshot.templates.get(ref.name)
            if template is None or isinstance(template, Problem):
                turn.problem = (
                    turn.problem
                    or template
                    or Problem(
                        Reason.TEMPLATE_NOT_FOUND,
                        f"there is no AnalysisTemplate or ClusterAnalysisTemplate {ref.name!r}",
                    )
                )
            else:
                found.append((ref.name, template))
        try:
            metrics[stage] = bind(found, args, analysis.interval)
        except BindingError as error:
            turn.problem = turn.problem or Problem(Reason.TEMPLATE_INVALID, str(error))
    turn.metrics = metrics


def follow(turn: Turn, desired: Revision | None) -> None:
    """Start, keep or end a rollout so that it leads to the desired revision."""
    _lift_quarantine(turn, desired)
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
    rollout = turn.status.rollout
    if rollout is None or rollout.phase == RolloutPhase.ABORTING or why is None:
        return
    if turn.problem is None and why.reason in PASSING_TROUBLE:
        return
    abort(turn, Outcome.CANCELLED, why.reason, why.message)


def _lift_quarantine(turn: Turn, desired: Revision | None) -> None:
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
    if turn.unresolved is not None:
        # Its pods could not fetch the model.
        turn.wait(f"{desired.name} is not started: {turn.unresolved.message}", turn.unresolved.reason)
        return
    strategy = _strategy(turn) if turn.status.stable is not None else StrategyName.INITIAL
    rollout = RolloutStatus(
        revision=desired.name,
        version=desired.version,
        strategy=strategy,
        phase=RolloutPhase.STARTING,
        started_at=turn.now,
        step_started_at=turn.now,
        generation=turn.generation,
    )
    kept: list[RetiringRevision] = [r for r in turn.status.retiring if r.revision != desired.name]
    turn.set(rollout=rollout, retiring=kept, candidate=turn.revision_status(desired.name, desired.version, 0))
    stable = turn.status.stable
    turn.event(
        Reason.ROLLOUT_STARTED, f"{desired.name} by {strategy}" + (f", stable is {stable.name}" if stable else "")
    )


def _strategy(turn: Turn) -> StrategyName:
    return StrategyName.CANARY if turn.spec.strategy.canary is not None else StrategyName.BLUE_GREEN
