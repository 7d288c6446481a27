"""The gates before a rollout: judged before the candidate has a pod, and again as long as they do not pass."""

from __future__ import annotations

from collections.abc import Sequence

from steersman.api.conditions import Reason
from steersman.api.gate_status import GatePhase, GateResult, GatesStatus
from steersman.api.gates import Gate
from steersman.api.status import HistoryEntry, Outcome, StrategyName
from steersman.core.gates.facts import Missing, Unknown, VersionFacts, compared, needs_of
from steersman.core.gates.judge import judge
from steersman.core.gates.questions import FactsQuestion
from steersman.core.history import with_entry
from steersman.core.naming import content_hash
from steersman.core.revision import Revision
from steersman.core.rollout import gate_jobs
from steersman.core.rollout.stored import stored
from steersman.core.rollout.turn import Turn

SEVERITY = (GatePhase.FAIL, GatePhase.ERROR, GatePhase.PENDING, GatePhase.PASS)
"""The worst first."""
_NOT_ASKED = Unknown("it was not asked for")


def admitted(turn: Turn, desired: Revision, strategy: StrategyName) -> bool:
    """Whether the rollout may begin; judges the gates, and notes what is waited for, or why it may not."""
    gates = turn.spec.gates
    if not gates:
        turn.set(gates=None)
        return True
    status = _status(turn, desired)
    if status.phase != GatePhase.PASS:
        before, status = status, _judged(turn, status, desired)
        _tell(turn, before, status, strategy)
    turn.set(gates=status)
    if status.phase == GatePhase.PASS:
        return True
    reasons = {GatePhase.FAIL: Reason.GATE_FAILED, GatePhase.ERROR: Reason.GATE_ERROR}
    turn.wait(f"{desired.name} is not started: {said(status)}", reasons.get(status.phase, Reason.AWAITING_GATES))
    return False


def said(status: GatesStatus) -> str:
    """The worst of the results in one line."""
    worst = [result for result in status.results if result.phase == status.phase]
    if status.phase in (GatePhase.PASS, GatePhase.PENDING):
        names = ", ".join(result.name for result in worst)
        return "all gates pass" if status.phase == GatePhase.PASS else f"gates are being judged: {names}"
    return "; ".join(_line(result) for result in worst[:3]) + (f"; and {len(worst) - 3} more" if len(worst) > 3 else "")


def _line(result: GateResult) -> str:
    found = f", found {result.found}" if result.found else ""
    why = f": {result.message}" if result.message else ""
    verb = "fails" if result.phase == GatePhase.FAIL else "could not be judged"
    return f"gate {result.name} {verb} (expected {result.expected}{found}){why}"


def _status(turn: Turn, desired: Revision) -> GatesStatus:
    """What is known of this revision and these gates; what was found of others counts for nothing."""
    asked = content_hash([gate.to_wire() for gate in turn.spec.gates])
    status = turn.status.gates
    if status is not None and (status.revision, status.judged) == (desired.name, asked):
        return status
    results = [gate_jobs.pending(gate.name) for gate in turn.spec.gates]
    return GatesStatus(
        revision=desired.name,
        version=desired.version,
        judged=asked,
        since=turn.now,
        attempt_at=turn.now,
        results=results,
    )


def _judged(turn: Turn, status: GatesStatus, desired: Revision) -> GatesStatus:
    gates = turn.spec.gates
    on_registry = [gate for gate in gates if gate.job is None and gate.golden is None]
    found = {result.name: result for result in status.results}
    found |= {result.name: _kept(found.get(result.name), result) for result in _of_registry(turn, on_registry, desired)}
    worst = _worst([found[gate.name] for gate in on_registry])
    if worst == GatePhase.PASS:
        status, of_jobs = gate_jobs.judge(turn, status, found, desired)
        found |= of_jobs
        worst = _worst([found[gate.name] for gate in gates if gate.golden is None])
    return status.model_copy(update={"phase": worst, "results": [found[gate.name] for gate in gates]})


def _worst(results: Sequence[GateResult]) -> GatePhase:
    return min((result.phase for result in results), key=SEVERITY.index, default=GatePhase.PASS)


def _kept(before: GateResult | None, now: GateResult) -> GateResult:
    """The earlier words while nothing but an age grew: a status that changes with each look is written with each look."""
    same = before is not None and (before.phase, before.expected, before.message) == (
        now.phase,
        now.expected,
        now.message,
    )
    return before if same and before is not None and before.found.endswith(_moment(now.found)) else now


def _moment(found: str) -> str:
    """`3.1 days ago, at 2026-...` -> ` ago, at 2026-...`; everything else whole."""
    _, ago, moment = found.partition(" ago, at ")
    return ago + moment if ago else found


def _of_registry(turn: Turn, gates: Sequence[Gate], desired: Revision) -> Sequence[GateResult]:
    if not gates:
        return ()
    candidate = _facts(turn, FactsQuestion(desired.model, desired.version, needs_of(gates)))
    stable: VersionFacts | Missing | Unknown | None = None
    comparing = compared(gates)
    present = turn.status.stable
    if present is not None:
        # Of the model that stable is of: the spec may name another by now.
        known = stored(turn, present.name)
        model = known.model if known is not None else desired.model
        question = FactsQuestion(model, present.version, needs_of(comparing))
        stable = _facts(turn, question) if comparing else _NOT_ASKED
    if candidate is None or (present is not None and stable is None):
        return [gate_jobs.pending(gate.name) for gate in gates]
    return judge(gates, candidate, stable, turn.now)


def _facts(turn: Turn, question: FactsQuestion) -> VersionFacts | Missing | Unknown | None:
    """The answer, None while there is none; asked for from now on."""
    turn.questions.append(question)
    answer = turn.snapshot.answers.get(question)
    return answer if isinstance(answer, VersionFacts | Missing | Unknown) else None


def _tell(turn: Turn, before: GatesStatus, now: GatesStatus, strategy: StrategyName) -> None:
    """An event when it comes to something else; a refusal stands in the history, once for a revision and its gates."""
    if now.phase == before.phase and _outcomes(now) == _outcomes(before):
        return
    if now.phase == GatePhase.PASS:
        turn.event(Reason.GATES_PASSED, f"{now.revision}: all {len(now.results)} gates before the rollout pass")
    elif now.phase == GatePhase.ERROR:
        turn.event(Reason.GATE_ERROR, f"{now.revision}: {said(now)}", warning=True)
    elif now.phase == GatePhase.FAIL:
        message = said(now)
        turn.event(Reason.GATE_FAILED, f"{now.revision} gets no traffic: {message}", warning=True)
        latest = turn.status.history[0] if turn.status.history else None
        if latest is None or latest.outcome != Outcome.REFUSED or latest.revision != now.revision:
            entry = HistoryEntry(
                revision=now.revision,
                version=now.version,
                strategy=strategy,
                outcome=Outcome.REFUSED,
                reason=str(Reason.GATE_FAILED),
                message=message,
                started_at=now.since,
                ended_at=turn.now,
            )
            turn.set(history=with_entry(turn.status, entry))


def _outcomes(status: GatesStatus) -> list[tuple[str, GatePhase]]:
    return [(result.name, result.phase) for result in status.results]
