"""Which manual actions make sense in which state. The operator decides; these rules spare the user a useless request.

They say what core.rollout.actions says; a test drives the same states through both.
"""

from __future__ import annotations

from steersman.api.modeldeployment import ModelDeployment
from steersman.api.status import RolloutPhase, RolloutStatus, StrategyName
from steersman.cli.choices import Action, Request
from steersman.cli.earlier import find, ways_back
from steersman.cli.errors import UserError
from steersman.cli.view.plan import candidate_weight, current_step, next_weight


def objection(md: ModelDeployment, asked: Request) -> UserError | None:
    """Why an action would come to nothing now, and what to do instead; None when it makes sense."""
    if asked.word in md.status.actions:
        return None
    if asked.action is Action.ROLLBACK:
        return _rollback(md, asked.to)
    rules = {
        Action.PROMOTE: _promote,
        Action.PROMOTE_FULL: _promote_full,
        Action.ABORT: _abort,
        Action.RETRY: _retry,
        Action.PAUSE: _pause,
        Action.RESUME: _resume,
        Action.RETRAIN: _retrain,
    }
    return rules[asked.action](md)


def _command(md: ModelDeployment, verb: str) -> str:
    return f"steersman {verb} {md.metadata.get('name', '')} -n {md.metadata.get('namespace', '')}"


def _promote(md: ModelDeployment) -> UserError | None:
    rollout = md.status.rollout
    if rollout is None or rollout.phase is RolloutPhase.ABORTING:
        return _no_rollout_to_promote(md)
    if md.status.paused or waits_for_person(md, rollout):
        return None
    if rollout.phase is RolloutPhase.PROMOTING or rollout.fast:
        return UserError(f"version {rollout.version} is being promoted already", f"follow it: {_command(md, 'watch')}")
    return UserError(
        f"nothing to promote yet: the rollout of version {rollout.version} does not wait for anybody",
        f"promote ends a pause or a wait for evidence; follow the rollout with {_command(md, 'watch')}",
    )


def _promote_full(md: ModelDeployment) -> UserError | None:
    rollout = md.status.rollout
    if rollout is None or rollout.phase is RolloutPhase.ABORTING:
        return _no_rollout_to_promote(md)
    if rollout.fast:
        return UserError(
            f"version {rollout.version} is promoted without steps already", f"follow it: {_command(md, 'watch')}"
        )
    if rollout.strategy is StrategyName.INITIAL:
        return UserError("the first rollout has no steps to leave out", f"follow it: {_command(md, 'watch')}")
    return None


def _no_rollout_to_promote(md: ModelDeployment) -> UserError:
    status = md.status
    if status.rollout is not None:
        return UserError(
            "nothing to promote: the rollout is being aborted", f"when it has ended: {_command(md, 'retry')}"
        )
    if status.rollback is not None:
        return UserError(
            f"nothing to promote: version {status.rollback.version} serves by a rollback",
            f"to go forward again: {_command(md, 'retry')}",
        )
    if status.quarantine is not None:
        return UserError(
            f"nothing to promote: version {status.quarantine.version} was aborted and is quarantined",
            f"to try it again from the first step: {_command(md, 'retry')}",
        )
    return UserError(
        "nothing to promote: no rollout is under way", "a rollout starts when the model's version or the spec changes"
    )


def waits_for_person(md: ModelDeployment, rollout: RolloutStatus) -> bool:
    """Whether promote has an effect now: a pause, an analysis or experiment step, or evidence that is still missing."""
    if rollout.strategy is StrategyName.BLUE_GREEN:
        return rollout.phase in (RolloutPhase.PRE_PROMOTION, RolloutPhase.POST_PROMOTION)
    if rollout.strategy is not StrategyName.CANARY or rollout.gate_open or rollout.fast:
        return False
    weight = candidate_weight(md, rollout)
    if rollout.phase is RolloutPhase.PROMOTING:
        return weight < 100
    if rollout.phase is not RolloutPhase.STEPPING:
        return False
    step = current_step(md, rollout)
    if step is not None and (step.pause is not None or rollout.step_analysis or rollout.experiment):
        return True
    return 0 < weight < next_weight(md, rollout)


def _abort(md: ModelDeployment) -> UserError | None:
    rollout = md.status.rollout
    if rollout is None:
        return UserError(
            "nothing to abort: no rollout is under way",
            f"to serve an earlier version: {_command(md, 'rollback')}, or name it in spec.model",
        )
    if rollout.phase is RolloutPhase.ABORTING:
        return UserError("the rollout is being aborted already", f"follow it: {_command(md, 'watch')}")
    if md.status.stable is None:
        return UserError(
            "the first rollout cannot be aborted: there is no stable revision to go back to",
            "change the spec, or delete the ModelDeployment",
        )
    return None


def _rollback(md: ModelDeployment, to: str) -> UserError | None:
    stable, rollout = md.status.stable, md.status.rollout
    if stable is None:
        return UserError(
            "nothing to roll back: no revision has served yet", "change the spec, or delete the ModelDeployment"
        )
    if find(md.status, to) is not None:
        return None
    if rollout is not None and rollout.phase is not RolloutPhase.ABORTING and not to:
        return None
    choices = ", ".join(ways_back(md.status).values())
    if not choices:
        return UserError(
            f"no earlier revision to roll back to: {stable.name} is the only one that was ever promoted",
            f"see past rollouts: {_command(md, 'history')}",
        )
    if to in (stable.name, stable.version):
        return UserError(f"version {stable.version} serves already", f"--to takes one of: {choices}")
    return UserError(f"no earlier revision {to} to roll back to", f"--to takes one of: {choices}")


def _retry(md: ModelDeployment) -> UserError | None:
    if md.status.quarantine is not None or md.status.rollback is not None:
        return None
    return UserError(
        "nothing to retry: no revision is quarantined or rolled back", f"see past rollouts: {_command(md, 'history')}"
    )


def _pause(md: ModelDeployment) -> UserError | None:
    rollout = md.status.rollout
    if rollout is None or rollout.phase is RolloutPhase.ABORTING:
        return UserError("nothing to pause: no rollout is under way", "to hold the next one, set spec.paused to true")
    if md.status.paused:
        return UserError("it is paused already", f"go on: {_command(md, 'resume')}")
    return None


def _retrain(md: ModelDeployment) -> UserError | None:
    if md.spec.retraining is None:
        return UserError(
            "nothing can be retrained: spec.retraining is not set",
            "say there what trains: docs/reference/retraining.md",
        )
    status = md.status.retraining
    if status is not None and status.current is not None:
        return UserError(
            f"the retraining {status.current.id} is under way", f"see where it stands: {_command(md, 'status')}"
        )
    if status is not None and status.problem:
        return UserError(f"no retraining can begin: {status.problem}", "correct spec.retraining")
    return None


def _resume(md: ModelDeployment) -> UserError | None:
    if md.status.paused:
        return None
    if md.spec.paused:
        return UserError(
            "it is paused by spec.paused, not by hand", "set spec.paused to false where the manifest is kept"
        )
    rollout = md.status.rollout
    if rollout is not None and waits_for_person(md, rollout):
        return UserError(
            "it is not paused by hand: the rollout is at a step that waits", f"go on: {_command(md, 'promote')}"
        )
    return UserError("nothing to resume: it is not paused", f"see where it stands: {_command(md, 'status')}")
