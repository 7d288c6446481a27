"""Phase, message and conditions: what a person and other tools read off the status."""

from __future__ import annotations

from collections.abc import Callable

from steersman.api.conditions import Condition, ConditionStatus, ConditionType, Reason, next_condition
from steersman.api.gate_status import GatePhase, GatesStatus
from steersman.api.status import Phase, RolloutPhase, StrategyName
from steersman.core.analysis.model import Assessment, Verdict
from steersman.core.drift import findings as drift_findings
from steersman.core.kstatus import abnormal
from steersman.core.rollout.actions import possible
from steersman.core.rollout.admission import said
from steersman.core.rollout.turn import Turn
from steersman.core.rollout.weights import PROMPT_SECONDS, is_provisional

_TRUE, _FALSE, _UNKNOWN = ConditionStatus.TRUE, ConditionStatus.FALSE, ConditionStatus.UNKNOWN
_WAITS_FOR_PERSON = frozenset({Reason.AWAITING_PROMOTION, Reason.INCONCLUSIVE_LIMIT_EXCEEDED, Reason.PAUSED})

_GATES = frozenset({Reason.AWAITING_GATES, Reason.GATE_FAILED, Reason.GATE_ERROR})
_CAPACITY_TROUBLE = frozenset({Reason.UNSCHEDULABLE, Reason.QUOTA_EXCEEDED, Reason.PODS_FAILING})

Finding = tuple[ConditionStatus, Reason, str]


def summarize(turn: Turn, judged: Assessment | None, at_target: bool) -> None:
    """Set phase, message, the printer columns' fields and the conditions.

    at_target: the revision that the spec asks for is known and is stable.
    """
    stable = turn.status.stable
    phase, message = _phase(turn, at_target)
    steps = turn.steps
    rollout = turn.status.rollout
    in_steps = (
        rollout is not None and rollout.strategy == StrategyName.CANARY and rollout.phase == RolloutPhase.STEPPING
    )
    available = turn.available(stable.name) if stable else 0
    findings = {
        ConditionType.READY: _ready(turn, phase, at_target, available, message),
        ConditionType.AVAILABLE: _available(turn, available),
        ConditionType.PROGRESSING: _progressing(turn, at_target),
        ConditionType.ACCEPTED: _accepted(turn),
        ConditionType.MODEL_RESOLVED: _resolved(turn),
        ConditionType.ANALYSIS_PASSING: _analysis(turn, judged),
        ConditionType.TRAFFIC_ROUTED: _traffic(turn),
    }
    if turn.spec.gates and turn.status.gates is not None:
        findings[ConditionType.GATES_PASSED] = _gates(turn.status.gates)
    if findings[ConditionType.READY][0] != _TRUE and (kind := abnormal(turn, phase, at_target)) is not None:
        about = ConditionType.READY if rollout is None else ConditionType.PROGRESSING
        findings[kind] = (_TRUE, findings[about][1], findings[about][2])
    if turn.spec.drift is not None:
        findings |= drift_findings(turn.spec.drift, turn.status.drift)
    turn.set(
        observed_generation=turn.generation,
        phase=phase,
        message=message,
        candidate_weight=turn.candidate_weight,
        step=f"{rollout.step}/{len(steps)}" if rollout is not None and in_steps else "",
        ready=f"{available}/{stable.replicas}" if stable else f"0/{turn.spec.replicas}",
        actions=possible(turn),
        conditions=[_condition(turn, kind, finding) for kind, finding in findings.items()],
    )
    _announce(turn)


def _announce(turn: Turn) -> None:
    """An event for each trouble that a condition newly tells of, and when somebody is asked; how a rollout begins and ends is told where it happens."""
    before = {c.type: c.reason for c in turn.before.conditions}
    told: dict[ConditionType, Callable[[Condition], bool]] = {
        ConditionType.ACCEPTED: lambda c: c.status == _FALSE,
        ConditionType.MODEL_RESOLVED: lambda c: c.status == _FALSE,
        ConditionType.TRAFFIC_ROUTED: lambda c: c.reason == Reason.ROUTE_NOT_ACCEPTED,
        ConditionType.ANALYSIS_PASSING: lambda c: c.reason in (Reason.ANALYSIS_ERROR, Reason.ANALYSIS_INCONCLUSIVE),
        ConditionType.PROGRESSING: lambda c: (
            c.reason in _CAPACITY_TROUBLE
            or (c.reason == Reason.PROGRESS_DEADLINE_EXCEEDED and turn.status.rollout is not None)
        ),
    }
    for condition in turn.status.conditions:
        tell = told.get(condition.type)
        if tell is not None and tell(condition) and before.get(condition.type) != condition.reason:
            turn.event(condition.reason, condition.message, warning=True)
        elif _asks(condition) and before.get(condition.type) != condition.reason:
            turn.event(condition.reason, condition.message)


def _asks(condition: Condition) -> bool:
    """Whether the rollout newly waits for somebody to say promote."""
    return condition.type == ConditionType.PROGRESSING and condition.reason == Reason.AWAITING_PROMOTION


def _condition(turn: Turn, kind: ConditionType, finding: Finding) -> Condition:
    return next_condition(turn.before.conditions, kind, *finding, generation=turn.generation, now=turn.now)


def _phase(turn: Turn, at_target: bool) -> tuple[Phase, str]:
    status = turn.status
    rollout, trouble = status.rollout, turn.problem or turn.unresolved
    if rollout is not None:
        if rollout.phase == RolloutPhase.ABORTING:
            return Phase.ROLLING_BACK, rollout.message
        if turn.paused or turn.waiting_reason in _WAITS_FOR_PERSON:
            return Phase.PAUSED, turn.waiting_for
        message = turn.waiting_for or f"{rollout.revision}: {rollout.phase}"
        return (Phase.INITIALIZING if status.stable is None else Phase.PROGRESSING), message
    if status.stable is None and (trouble is not None or turn.waiting_reason != Reason.PAUSED):
        return Phase.PENDING, trouble.message if trouble else turn.waiting_for
    if status.rollback is not None:
        return (
            Phase.DEGRADED,
            f"{status.rollback.revision} serves instead of {status.rollback.instead_of}: {status.rollback.message}",
        )
    if status.quarantine is not None:
        return Phase.DEGRADED, f"{status.quarantine.revision} was rolled back: {status.quarantine.message}"
    if trouble is not None and not at_target:
        # A moment after each change: nothing is wrong yet.
        return Phase.PROGRESSING if trouble.reason == Reason.RESOLVING else Phase.DEGRADED, trouble.message
    if turn.problem is not None:
        return Phase.DEGRADED, turn.problem.message
    if turn.waiting_reason == Reason.GATE_FAILED:
        return Phase.DEGRADED, turn.waiting_for
    if status.stable is None or (not at_target and turn.waiting_for):
        # The revision that the spec asks for is not started: it is held, or others come first.
        return Phase.PAUSED if turn.waiting_reason == Reason.PAUSED else Phase.PROGRESSING, turn.waiting_for
    if turn.available(status.stable.name) == 0:
        return Phase.DEGRADED, f"no pod of {status.stable.name} is available"
    return Phase.HEALTHY, f"{status.stable.name} has all traffic"


def _ready(turn: Turn, phase: Phase, at_target: bool, available: int, message: str) -> Finding:
    if phase == Phase.PENDING:
        trouble = turn.problem or turn.unresolved
        otherwise = turn.waiting_reason if turn.waiting_reason in _GATES else Reason.RESOLVING
        return _FALSE, trouble.reason if trouble else otherwise, message
    if turn.status.rollout is not None:
        return _FALSE, Reason.ROLLOUT_PROGRESSING, message
    if turn.status.rollback is not None:
        return _FALSE, Reason.ROLLED_BACK, message
    if turn.status.quarantine is not None:
        return _FALSE, Reason.ROLLOUT_ABORTED, message
    if turn.problem is not None:
        return _FALSE, turn.problem.reason, turn.problem.message
    if not at_target:
        return _FALSE, turn.unresolved.reason if turn.unresolved else turn.waiting_reason, message
    if turn.status.stable is not None and available < turn.status.stable.replicas:
        return (
            _FALSE,
            Reason.MINIMUM_REPLICAS_UNAVAILABLE,
            f"{available} of {turn.status.stable.replicas} pods are available",
        )
    return _TRUE, Reason.ROLLOUT_COMPLETE, message


def _available(turn: Turn, available: int) -> Finding:
    stable = turn.status.stable
    if stable is None:
        return _FALSE, Reason.NO_STABLE_REVISION, "no revision serves yet"
    if available == 0:
        return _FALSE, Reason.MINIMUM_REPLICAS_UNAVAILABLE, f"no pod of {stable.name} is available"
    return _TRUE, Reason.MINIMUM_REPLICAS_AVAILABLE, f"{stable.name} is available"


def _progressing(turn: Turn, at_target: bool) -> Finding:
    status = turn.status
    rollout = status.rollout
    if rollout is not None:
        if rollout.phase == RolloutPhase.ABORTING:
            return _FALSE, Reason.ROLLOUT_ABORTED, rollout.message
        if turn.paused:
            return _UNKNOWN, Reason.PAUSED, f"{rollout.revision} is held at {turn.candidate_weight} %"
        if turn.waiting_reason == Reason.PROGRESS_DEADLINE_EXCEEDED:
            return _FALSE, turn.waiting_reason, turn.waiting_for
        if turn.waiting_reason in _WAITS_FOR_PERSON:
            return _UNKNOWN, turn.waiting_reason, turn.waiting_for
        return _TRUE, turn.waiting_reason, turn.waiting_for or f"{rollout.revision}: {rollout.phase}"
    if status.rollback is not None:
        return _FALSE, _known_reason(status.rollback.reason), status.rollback.message
    if status.quarantine is not None:
        return _FALSE, _known_reason(status.quarantine.reason), status.quarantine.message
    if at_target:
        return _TRUE, Reason.ROLLOUT_COMPLETE, f"{status.stable.name if status.stable else ''} is stable"
    trouble = turn.problem or turn.unresolved
    if trouble is not None:
        return _FALSE, trouble.reason, trouble.message
    refused = turn.waiting_reason == Reason.GATE_FAILED
    return _FALSE if refused else _UNKNOWN, turn.waiting_reason, turn.waiting_for


def _known_reason(text: str) -> Reason:
    return Reason(text) if text in set(Reason) else Reason.ROLLOUT_ABORTED


def _accepted(turn: Turn) -> Finding:
    if turn.problem is not None:
        return _FALSE, turn.problem.reason, turn.problem.message
    return _TRUE, Reason.ACCEPTED, "the spec and what it refers to is valid"


def _resolved(turn: Turn) -> Finding:
    if turn.unresolved is not None:
        status = _UNKNOWN if turn.unresolved.reason == Reason.RESOLVING else _FALSE
        return status, turn.unresolved.reason, turn.unresolved.message
    model = turn.status.model
    if model is None:
        return _UNKNOWN, Reason.RESOLVING, "the registry was not asked yet"
    return _TRUE, Reason.RESOLVED, f"{model.name} {model.selector} is version {model.version}"


def _analysis(turn: Turn, judged: Assessment | None) -> Finding:
    status = turn.status
    if judged is None:
        if (
            status.rollout is None
            and status.quarantine is not None
            and status.quarantine.reason in (Reason.ANALYSIS_FAILED, Reason.REGRESSION)
        ):
            return _FALSE, Reason.ANALYSIS_FAILED, status.quarantine.message
        return _UNKNOWN, Reason.NO_ANALYSIS, "no analysis is under way"
    if judged.verdict == Verdict.FAILED:
        return _FALSE, Reason.ANALYSIS_FAILED, judged.message
    if judged.verdict in (Verdict.PASSING, Verdict.COMPLETE):
        return _TRUE, Reason.ANALYSIS_PASSING, judged.message
    if judged.verdict == Verdict.INCONCLUSIVE:
        return _UNKNOWN, Reason.ANALYSIS_ERROR if judged.error else Reason.ANALYSIS_INCONCLUSIVE, judged.message
    return _UNKNOWN, Reason.AWAITING_ANALYSIS, judged.message


def _gates(gates: GatesStatus) -> Finding:
    about = f"{gates.revision}: {said(gates)}"
    if gates.phase == GatePhase.PASS:
        return _TRUE, Reason.GATES_PASSED, about
    if gates.phase == GatePhase.FAIL:
        return _FALSE, Reason.GATE_FAILED, about
    return _UNKNOWN, Reason.GATE_ERROR if gates.phase == GatePhase.ERROR else Reason.AWAITING_GATES, about


def _traffic(turn: Turn) -> Finding:
    if not turn.status.weights:
        return _UNKNOWN, Reason.NO_STABLE_REVISION, "no revision receives traffic yet"
    state = turn.route_state()
    if state.settled or (not state.rejected and _follows_soon(turn)):
        return _TRUE, Reason.WEIGHTS_APPLIED, ", ".join(f"{w.revision} {w.weight} %" for w in turn.status.weights)
    return _FALSE, Reason.ROUTE_NOT_ACCEPTED if state.rejected else Reason.WEIGHTS_PENDING, state.message


def _follows_soon(turn: Turn) -> bool:
    """Whether it is not worth telling that the route is behind: for a moment after a weight is set, or only revisions without traffic differ."""
    rollout = turn.status.rollout
    if rollout is None:
        return any(c.type == ConditionType.TRAFFIC_ROUTED and c.status == _TRUE for c in turn.before.conditions)
    return is_provisional(turn) and turn.now < rollout.step_started_at + PROMPT_SECONDS
