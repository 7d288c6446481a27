"""Gates that compare a version with the one now stable."""

from __future__ import annotations

import math

from steersman.api.gate_status import GatePhase
from steersman.api.gates import NotWorseGate, SignatureGate
from steersman.core.gates.compatibility import differences
from steersman.core.gates.facts import Missing, ModelFile, Unknown, VersionFacts
from steersman.core.gates.finding import Finding
from steersman.core.gates.numbers import metric_of
from steersman.core.gates.signature import Signature
from steersman.core.gates.words import exact, listed, number, quoted

NO_STABLE = "there is no stable version to compare with"
SHOWN_DIFFERENCES = 8
Other = VersionFacts | Missing | Unknown | None


def not_worse(gate: NotWorseGate, facts: VersionFacts, stable: Other) -> Finding:
    """The metric is at least stable's, less the tolerance."""
    name = quoted(gate.metric)
    allowance = f"{number(100 * gate.tolerance)} %" if gate.relative else number(gate.tolerance)
    expected = f"{name} no worse than stable's" + (f" by more than {allowance}" if gate.tolerance else "")
    here = metric_of(facts, gate.metric)
    if isinstance(here, Missing | Unknown):
        return Finding.without(here, expected)
    if stable is None:
        # Without a value there is nothing to compare later versions with, so it must be there, and be a number.
        return Finding.of(math.isfinite(here), expected, number(here), NO_STABLE)
    there = metric_of(stable, gate.metric) if isinstance(stable, VersionFacts) else stable
    if isinstance(there, Missing | Unknown):
        return _without_stable(there, expected, number(here))
    if not math.isfinite(there):
        return _without_stable(Unknown(f"it is {number(there)}"), expected, number(here))
    tolerance = abs(there) * gate.tolerance if gate.relative else gate.tolerance
    bound = there - tolerance if gate.higher_is_better else there + tolerance
    better = here >= bound if gate.higher_is_better else here <= bound
    passes = math.isfinite(here) and (better or math.isclose(here, bound))
    limit = f"{'at least' if gate.higher_is_better else 'at most'} {number(bound)}"
    found = number(here) if passes else exact(here)
    return Finding.of(passes, f"{name} {limit} (stable's {number(there)}, tolerance {allowance})", found)


def signature(gate: SignatureGate, facts: VersionFacts, stable: Other) -> Finding:
    """Nothing that clients of stable would run into."""
    expected = "signature that stable's clients can go on with"
    here = _signature(facts)
    if isinstance(here, Unknown):
        return Finding.without(here, expected)
    if stable is None:
        return Finding(GatePhase.PASS, expected, _summary(here), NO_STABLE)
    file = stable.model_file if isinstance(stable, VersionFacts) else stable
    there = file.signature if isinstance(file, ModelFile) else Unknown(file.message)
    if isinstance(there, Unknown):
        return _without_stable(there, expected, _summary(here))
    if isinstance(there, Missing):
        return Finding(GatePhase.PASS, expected, _summary(here), "stable has no signature, so that none can be broken")
    if isinstance(here, Missing):
        return Finding.without(here, expected)
    found = differences(there, here, outputs=gate.outputs)
    return Finding.of(not found, expected, _summary(here), listed(found, SHOWN_DIFFERENCES, "; "))


def _without_stable(absent: Missing | Unknown, expected: str, found: str) -> Finding:
    """Nothing to compare with is no fault of the candidate, and no pass."""
    return Finding(GatePhase.ERROR, expected, found, quoted(f"stable cannot be compared with: {absent.message}", 1024))


def _signature(facts: VersionFacts) -> Signature | Missing | Unknown:
    return facts.model_file.signature if isinstance(facts.model_file, ModelFile) else facts.model_file


def _summary(found: Signature | Missing) -> str:
    if isinstance(found, Missing):
        return "no signature"
    sides = (("inputs", found.inputs), ("outputs", found.outputs))
    parts = [f"{len(fields)} {word}" for word, fields in sides if fields is not None]
    return ", ".join([*parts, *([f"{len(found.params)} parameters"] if found.params else [])]) or "an empty signature"
