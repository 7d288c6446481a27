"""Judging gates: a pure function of facts, so that the operator and `steersman gate` say the same."""

from __future__ import annotations

from collections.abc import Iterable

from steersman.api.gate_status import GatePhase, GateResult
from steersman.api.gates import Gate
from steersman.core.gates import artifact, comparing, numbers, records
from steersman.core.gates.facts import Missing, Unknown, VersionFacts
from steersman.core.gates.finding import Finding


def judge(
    gates: Iterable[Gate],
    candidate: VersionFacts | Missing | Unknown,
    stable: VersionFacts | Missing | Unknown | None,
    now: float,
) -> tuple[GateResult, ...]:
    """One result a gate, in their order. `stable` is None while there is none; `now` in seconds since the epoch.

    What could not be read is an Error where it is needed, and what is not there a Fail; neither ever passes.
    """
    return tuple(_result(gate, candidate, stable, now) for gate in gates)


def _result(
    gate: Gate,
    candidate: VersionFacts | Missing | Unknown,
    stable: VersionFacts | Missing | Unknown | None,
    now: float,
) -> GateResult:
    if isinstance(candidate, Missing | Unknown):
        # What is expected can be said all the same.
        finding = Finding.without(candidate, _judged(gate, VersionFacts("", ""), stable, now).expected)
    else:
        finding = _judged(gate, candidate, stable, now)
    return finding.of_gate(gate.name)


def _judged(
    gate: Gate, candidate: VersionFacts, stable: VersionFacts | Missing | Unknown | None, now: float
) -> Finding:
    if gate.metric is not None:
        return numbers.metric(gate.metric, candidate)
    if gate.not_worse is not None:
        return comparing.not_worse(gate.not_worse, candidate, stable)
    if gate.gap is not None:
        return numbers.gap(gate.gap, candidate)
    if gate.parameter is not None:
        return numbers.parameter(gate.parameter, candidate)
    if gate.tag is not None:
        return records.tag(gate.tag, candidate)
    if gate.signature is not None:
        return comparing.signature(gate.signature, candidate, stable)
    if gate.input_example is not None:
        return artifact.input_example(candidate)
    if gate.digest is not None:
        return artifact.digest(gate.digest, candidate)
    if gate.flavor is not None:
        return artifact.flavor(gate.flavor, candidate)
    if gate.python is not None:
        return artifact.python(gate.python, candidate)
    if gate.dependency is not None:
        return artifact.dependency(gate.dependency, candidate)
    if gate.age is not None:
        return records.age(gate.age, candidate, now)
    if gate.job is not None or gate.golden is not None:
        what = "a Job that succeeds" if gate.job is not None else "answers like stable's"
        return Finding(GatePhase.PENDING, what, "", "only the operator judges it, on the cluster")
    # A kind of a newer operator: it was not judged, so it does not pass.
    return Finding(GatePhase.ERROR, "a gate of a known kind", "", "this version of Steersman does not know its kind")
