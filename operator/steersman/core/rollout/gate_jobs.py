"""Gates that are Jobs: begun when the gates on the registry pass, tried again when they could not be carried out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from steersman.api.cluster_gates import JobGate
from steersman.api.conditions import Reason
from steersman.api.duration import format_duration
from steersman.api.gate_status import GatePhase, GateResult, GatesStatus
from steersman.api.gates import Gate
from steersman.core.analysis import job
from steersman.core.analysis.model import MetricQuery, Part, Source
from steersman.core.analysis.placeholders import PlaceholderError
from steersman.core.gates.words import quoted
from steersman.core.pod.template import RegistryAccess, model_environment
from steersman.core.revision import Revision
from steersman.core.rollout.turn import Turn
from steersman.core.snapshot import Problem

FIRST_RETRY, LONGEST_RETRY = 30.0, 600.0
"""Seconds until what could not be carried out is tried again; doubled each time."""
_ANY = Revision("x", "x", "1", None, {})
"""Stands for a revision when a template is checked."""


def unusable(turn: Turn) -> Problem | None:
    """The first gate whose Job may not be made, whatever the version."""
    for gate in turn.spec.gates:
        if gate.job is not None:
            try:
                _spec(turn, gate.job, _ANY)
            except PlaceholderError as error:
                return Problem(Reason.INVALID_SPEC, f"spec.gates {gate.name}: {error}")
    return None


def judge(
    turn: Turn, status: GatesStatus, found: Mapping[str, GateResult], desired: Revision
) -> tuple[GatesStatus, dict[str, GateResult]]:
    """The results of Jobs by their gates' names; asks for those that are not there yet."""
    gates = [(gate, gate.job) for gate in turn.spec.gates if gate.job is not None]
    results = {gate.name: _result(turn, status, gate, settings, found, desired) for gate, settings in gates}
    in_error = any(result.phase == GatePhase.ERROR for result in results.values())
    if not in_error:
        return status.model_copy(update={"again_at": None}), results
    if status.again_at is None:
        pause = min(LONGEST_RETRY, FIRST_RETRY * 2.0 ** min(status.attempt, 10))
        status = status.model_copy(update={"again_at": turn.now + pause})
    elif turn.now >= status.again_at:
        status = anew(status, turn.now)
        again = {name: pending(name, result.expected) for name, result in results.items() if _is_error(result)}
        results |= {
            gate.name: _result(turn, status, gate, settings, {**results, **again}, desired)
            for gate, settings in gates
            if gate.name in again
        }
    if status.again_at is not None:
        turn.wake(status.again_at)
    return status, results


def anew(status: GatesStatus, now: float) -> GatesStatus:
    """A further attempt: other Jobs, and golden requests sent again."""
    return status.model_copy(update={"attempt": status.attempt + 1, "attempt_at": now, "again_at": None})


def tried_again(status: GatesStatus, now: float) -> GatesStatus:
    """Everything that did not pass is judged anew."""
    passed = [each if each.phase == GatePhase.PASS else pending(each.name, each.expected) for each in status.results]
    return anew(status, now).model_copy(update={"phase": GatePhase.PENDING, "results": passed})


def pending(name: str, expected: str = "") -> GateResult:
    """A gate that is not judged yet."""
    return GateResult(name=name, phase=GatePhase.PENDING, expected=expected)


def _is_error(result: GateResult) -> bool:
    return result.phase == GatePhase.ERROR


def _result(
    turn: Turn,
    status: GatesStatus,
    gate: Gate,
    settings: JobGate,
    found: Mapping[str, GateResult],
    desired: Revision,
) -> GateResult:
    expected = f"a Job that succeeds within {format_duration(settings.deadline)}"
    known = found.get(gate.name)
    if known is not None and known.phase != GatePhase.PENDING:
        return known
    query = _query(turn, status, gate, settings, desired)
    answer = next((result for result in turn.snapshot.results if result.query == query), None)
    if answer is None:
        turn.queries.append(query)
        return pending(gate.name, expected)
    if answer.error is not None or not answer.samples:
        why = quoted(answer.error or "the Job gave no result", 1024)
        return GateResult(name=gate.name, phase=GatePhase.ERROR, expected=expected, message=why)
    name = answer.samples[0].labels.get("job", "")
    if answer.samples[0].value == 1.0:
        return GateResult(name=gate.name, phase=GatePhase.PASS, expected=expected, found=f"Job {name} succeeded")
    hint = f"see its log: kubectl logs -n {turn.namespace} job/{name}"
    return GateResult(name=gate.name, phase=GatePhase.FAIL, expected=expected, found=f"Job {name} failed", message=hint)


def _query(turn: Turn, status: GatesStatus, gate: Gate, settings: JobGate, desired: Revision) -> MetricQuery:
    wire = settings.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)
    wire["spec"] = _spec(turn, settings, desired)
    where = Source("job", json.dumps(wire, sort_keys=True, separators=(",", ":")), turn.namespace)
    # The moment is the attempt's, so that a restarted operator finds the Job instead of making another.
    return MetricQuery(f"gates/{gate.name}", Part.VALUE, where, turn.name, status.attempt_at or status.since)


def _spec(turn: Turn, settings: JobGate, desired: Revision) -> dict[str, Any]:
    registry = turn.snapshot.registry
    access = RegistryAccess("") if isinstance(registry, Problem) else registry
    model, stable = turn.status.model, turn.status.stable
    strings = {
        "model": desired.model,
        "version": desired.version,
        "runId": model.run_id or "" if model is not None and model.version == desired.version else "",
        "candidate": desired.name,
        "stable": stable.name if stable is not None else "",
        "deployment": turn.name,
        "namespace": turn.namespace,
    }
    filled = job.filled_spec(settings.spec, strings, None)
    environment = model_environment(desired.model, desired.version, access, turn.spec.model.uri)
    pod = filled["template"]["spec"]
    for field in ("initContainers", "containers"):
        if field in pod:
            pod[field] = [_with(container, environment) for container in pod[field]]
    return filled


def _with(container: dict[str, Any], environment: list[dict[str, Any]]) -> dict[str, Any]:
    """What the user set under the same name stays."""
    own = {variable.get("name") for variable in container.get("env") or []}
    added = [variable for variable in environment if variable["name"] not in own]
    return {**container, "env": [*added, *(container.get("env") or [])]}
