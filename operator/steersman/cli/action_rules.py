"""Which manual actions make sense in which state. The operator decides; these rules spare the user a useless request."""

from __future__ import annotations

from steersman.api.modeldeployment import ModelDeployment
from steersman.api.status import RolloutPhase, RolloutStatus, StrategyName
from steersman.cli.choices import Action
from steersman.cli.errors import UserError
from steersman.cli.view.steps import candidate_weight, current_step


def objection(md: ModelDeployment, action: Action) -> UserError | None:
    """Why an action would come to nothing now, and what to do instead; None when it makes sense."""
    rules = {
        Action.PROMOTE: _promote,
        Action.ABORT: _abort,
        Action.RETRY: _retry,
        Action.PAUSE: _pause,
        Action.RESUME: _resume,
    }
    return rules[action](md)


def _command(md: ModelDeployment, verb: str) -> str:
    return f"steersman {verb} {md.metadata.get('name', '')} -n {md.metadata.get('namespace', '')}"


def _promote(md: ModelDeployment) -> UserError | None:
    rollout = md.status.rollout
    if rollout is None:
        quarantined = md.status.quarantine
        if quarantined is not None:
            return UserError(
                f"nothing to promote: version {quarantined.version} was aborted and is quarantined",
                f"to try it again from the first step: {_command(md, 'retry')}",
            )
        return UserError(
            "nothing to promote: no rollout is under way",
            "a rollout starts when the model's version or the spec changes",
        )
    if rollout.phase is RolloutPhase.ABORTING:
        return UserError(
            "nothing to promote: the rollout is being aborted", f"when it has ended: {_command(md, 'retry')}"
        )
    if rollout.promote_requested:
        return UserError(
            f"promotion of version {rollout.version} was asked for already", f"follow it: {_command(md, 'watch')}"
        )
    if not (md.status.paused or _waits(md, rollout)):
        if rollout.phase is RolloutPhase.PROMOTING:
            return UserError(
                f"version {rollout.version} is being promoted already", f"follow it: {_command(md, 'watch')}"
            )
        return UserError(
            f"nothing to promote yet: the rollout of version {rollout.version} does not wait for anybody",
            f"promote ends a pause or a wait for evidence; follow the rollout with {_command(md, 'watch')}",
        )
    return None


def _waits(md: ModelDeployment, rollout: RolloutStatus) -> bool:
    """Whether promote has an effect now: a pause, or evidence that is still missing. As core.rollout sees it."""
    if rollout.held or rollout.phase is RolloutPhase.PRE_PROMOTION or rollout.phase is RolloutPhase.POST_PROMOTION:
        return True
    if rollout.strategy is not StrategyName.CANARY or rollout.gate_open:
        return False
    weight = candidate_weight(md, rollout)
    if rollout.phase is RolloutPhase.PROMOTING:
        return weight < 100
    if rollout.phase is not RolloutPhase.STEPPING:
        return False
    step = current_step(md, rollout)
    if step is not None and step.pause is not None:
        return True
    return 0 < weight < (step.set_weight if step and step.set_weight else 100)


def _abort(md: ModelDeployment) -> UserError | None:
    rollout = md.status.rollout
    if rollout is None:
        return UserError(
            "nothing to abort: no rollout is under way", "to serve an older version, name it in spec.model"
        )
    if rollout.phase is RolloutPhase.ABORTING:
        return UserError("the rollout is being aborted already", f"follow it: {_command(md, 'watch')}")
    if rollout.strategy is StrategyName.INITIAL:
        return UserError(
            "the first rollout cannot be aborted: there is no stable revision to go back to",
            "change the spec, or delete the ModelDeployment",
        )
    return None


def _retry(md: ModelDeployment) -> UserError | None:
    if md.status.quarantine is not None:
        return None
    return UserError("nothing to retry: no revision is quarantined", f"see past rollouts: {_command(md, 'history')}")


def _pause(md: ModelDeployment) -> UserError | None:
    rollout = md.status.rollout
    if rollout is None or rollout.phase is RolloutPhase.ABORTING:
        return UserError("nothing to pause: no rollout is under way", "to hold the next one, set spec.paused to true")
    if md.status.paused:
        return UserError("it is paused already", f"go on: {_command(md, 'resume')}")
    if md.spec.paused:
        return UserError("it is paused by spec.paused already", "to go on, set spec.paused to false")
    return None


def _resume(md: ModelDeployment) -> UserError | None:
    if md.status.paused:
        return None
    if md.spec.paused:
        return UserError(
            "it is paused by spec.paused, not by hand", "set spec.paused to false where the manifest is kept"
        )
    rollout = md.status.rollout
    if rollout is not None and _waits(md, rollout):
        return UserError(
            "it is not paused by hand: the rollout is at a step that waits", f"go on: {_command(md, 'promote')}"
        )
    return UserError("nothing to resume: it is not paused", f"see where it stands: {_command(md, 'status')}")
