"""Golden requests: when the candidate's pods are there and before they get any traffic."""

from __future__ import annotations

from steersman.api.cluster_gates import GoldenGate
from steersman.api.conditions import Reason
from steersman.api.gate_status import GatePhase, GateResult, GatesStatus
from steersman.api.gates import Gate
from steersman.api.status import Outcome
from steersman.core.gates import golden
from steersman.core.gates.facts import Missing, Unknown
from steersman.core.gates.golden import Exchanges
from steersman.core.gates.questions import GoldenQuestion
from steersman.core.rollout.admission import said
from steersman.core.rollout.ending import abort
from steersman.core.rollout.gate import deadline
from steersman.core.rollout.gate_jobs import anew, pending
from steersman.core.rollout.turn import Turn


def passed(turn: Turn) -> bool:
    """Whether every golden gate passes; aborts when one fails, and watches the deadline while one cannot be judged."""
    gates = [(gate, gate.golden) for gate in turn.spec.gates if gate.golden is not None]
    status = turn.status.gates
    # Gates that are added in mid-rollout are for the next one.
    if not gates or turn.rollout.fast or status is None or status.revision != turn.rollout.revision:
        return True
    found = {result.name: result for result in status.results}
    found |= {gate.name: _result(turn, status, gate, settings, found.get(gate.name)) for gate, settings in gates}
    status = status.model_copy(update={"results": [found[result.name] for result in status.results]})
    turn.set(gates=status)
    of_golden = {gate.name: found[gate.name] for gate, _ in gates}
    phases = {result.phase for result in of_golden.values()}
    if GatePhase.FAIL in phases:
        failed = status.model_copy(update={"phase": GatePhase.FAIL})
        turn.set(gates=failed)
        abort(turn, Outcome.ABORTED, Reason.GATE_FAILED, said(failed))
        return False
    if phases == {GatePhase.PASS}:
        return True
    names = ", ".join(name for name, result in of_golden.items() if result.phase != GatePhase.PASS)
    why = next((result.message for result in of_golden.values() if result.phase == GatePhase.ERROR), "")
    if why:
        turn.wait(f"the golden requests of {names} could not be judged: {why}", Reason.GATE_ERROR)
    else:
        turn.wait(f"the golden requests of {names} to be answered", Reason.AWAITING_GATES)
    deadline(turn)
    return False


def forgotten(status: GatesStatus, gates: list[Gate], now: float) -> GatesStatus:
    """Before a rollout begins: what an earlier one of the same revision answered counts no more."""
    names = {gate.name for gate in gates if gate.golden is not None}
    if all(result.phase == GatePhase.PENDING for result in status.results if result.name in names):
        return status
    results = [pending(each.name) if each.name in names else each for each in status.results]
    return anew(status, now).model_copy(update={"results": results, "phase": GatePhase.PASS})


def _result(turn: Turn, status: GatesStatus, gate: Gate, settings: GoldenGate, known: GateResult | None) -> GateResult:
    if known is not None and known.phase in (GatePhase.PASS, GatePhase.FAIL):
        return known
    question = GoldenQuestion(
        model=turn.spec.model.name or turn.name,
        version=turn.rollout.version,
        samples=settings.samples,
        path=settings.path,
        timeout=settings.timeout,
        candidate=turn.rollout.revision,
        stable=turn.status.stable.name if turn.status.stable is not None else None,
        attempt=status.attempt,
    )
    answer = turn.snapshot.answers.get(question)
    if not isinstance(answer, Exchanges | Missing):
        # Also what could not be had: it is asked again and again while it stands here.
        turn.questions.append(question)
    if answer is None:
        return pending(gate.name)
    usable = answer if isinstance(answer, Exchanges | Missing | Unknown) else Unknown("the answer is of another kind")
    return golden.judge(settings, usable).of_gate(gate.name)
