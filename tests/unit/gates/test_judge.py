"""Each gate: what passes, what fails with which words, and that what is not known never passes."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steersman.api.gate_status import GatePhase
from steersman.api.gates import Gate
from steersman.core.gates import Missing, ModelFile, Needs, RunFacts, Unknown, needs_of
from steersman.core.gates.facts import compared
from unit.gates.facts_samples import NOW, SHA, facts, result

NOT_WORSE = {"metric": "accuracy", "higherIsBetter": True}
LOSS = {"metric": "loss", "higherIsBetter": False}

JUDGED: list[tuple[str, dict[str, Any], str, str, str]] = [
    ("min", {"metric": {"name": "accuracy", "min": 0.9}}, "Pass", "accuracy at least 0.9", "0.93"),
    ("too low", {"metric": {"name": "accuracy", "min": 0.95}}, "Fail", "accuracy at least 0.95", "0.93"),
    ("max", {"metric": {"name": "loss", "max": 0.1}}, "Fail", "loss at most 0.1", "0.2"),
    ("both", {"metric": {"name": "loss", "min": 0, "max": 1}}, "Pass", "loss from 0 to 1", "0.2"),
    ("nan", {"metric": {"name": "bad", "min": 0}}, "Fail", "bad at least 0", "not a number"),
    ("no metric", {"metric": {"name": "auc", "min": 0}}, "Fail", "auc at least 0", "nothing"),
    ("gap", {"gap": {"train": "train", "test": "accuracy", "max": 0.04}}, "Pass", "at most 0.04", "0.04 apart"),
    ("wide", {"gap": {"train": "train", "test": "accuracy", "max": 0.03}}, "Fail", "at most 0.03", "0.04 apart"),
    ("gap of nan", {"gap": {"train": "bad", "test": "accuracy", "max": 9}}, "Fail", "at most 9", "not a number apart"),
    ("no gap", {"gap": {"train": "none", "test": "accuracy", "max": 9}}, "Fail", "at most 9", "nothing"),
    ("range", {"parameter": {"name": "C", "min": 0.1, "max": 1}}, "Pass", "C from 0.1 to 1", "0.5"),
    ("beyond", {"parameter": {"name": "C", "max": 0.1}}, "Fail", "C at most 0.1", "0.5"),
    ("infinite", {"parameter": {"name": "odd", "min": 0.1}}, "Fail", "odd at least 0.1", "infinite"),
    ("no number", {"parameter": {"name": "solver", "min": 1}}, "Fail", "solver at least 1", "lbfgs"),
    ("one of", {"parameter": {"name": "solver", "oneOf": ["saga", "lbfgs"]}}, "Pass", "solver one of saga, lbfgs", "l"),
    ("none of", {"parameter": {"name": "solver", "oneOf": ["saga"]}}, "Fail", "solver one of saga", "lbfgs"),
    ("no parameter", {"parameter": {"name": "depth", "min": 1}}, "Fail", "depth at least 1", "nothing"),
    ("tag", {"tag": {"name": "approved-by"}}, "Pass", "tag approved-by of any value", "ann@example.com"),
    ("of the run", {"tag": {"name": "data", "value": "validated"}}, "Pass", "tag data = validated", "validated"),
    ("value", {"tag": {"name": "approved-by", "value": "ann"}}, "Fail", "tag approved-by = ann", "ann@example.com"),
    ("like", {"tag": {"name": "approved-by", "pattern": "*@example.com"}}, "Pass", "like *@example.com", "ann@"),
    ("unlike", {"tag": {"name": "approved-by", "pattern": "*@Example.com"}}, "Fail", "like *@Example.com", "ann@"),
    ("no tag", {"tag": {"name": "none"}}, "Fail", "tag none of any value", "nothing"),
    ("example", {"inputExample": {}}, "Pass", "an input example", "an input example"),
    ("digest", {"digest": {"path": "model.pkl", "sha256": SHA}}, "Pass", f"model.pkl with SHA-256 {SHA}", SHA),
    ("by tag", {"digest": {"path": "model.pkl", "tag": "sha"}}, "Pass", f"model.pkl with SHA-256 {SHA}", SHA),
    ("other", {"digest": {"path": "model.pkl", "sha256": "cd" * 32}}, "Fail", "with SHA-256 cdcd", SHA),
    ("no digest", {"digest": {"path": "model.pkl", "tag": "approved-by"}}, "Fail", "tag approved-by", "ann@"),
    ("no such tag", {"digest": {"path": "model.pkl", "tag": "data"}}, "Fail", "tag data", "nothing"),
    ("no file", {"digest": {"path": "none.pkl", "sha256": SHA}}, "Fail", "none.pkl", "nothing"),
    ("far file", {"digest": {"path": "far.pkl", "sha256": SHA}}, "Error", "far.pkl", ""),
    ("not read", {"digest": {"path": "x.pkl", "sha256": SHA}}, "Error", "x.pkl", ""),
    ("flavor", {"flavor": {"oneOf": ["xgboost", "sklearn"]}}, "Pass", "flavor xgboost or sklearn", "python_function"),
    ("no flavor", {"flavor": {"oneOf": ["xgboost"]}}, "Fail", "flavor xgboost", "python_function, sklearn"),
    ("python", {"python": {"versions": ">=3.10,<3.13"}}, "Pass", "Python >=3.10,<3.13", "3.11.7"),
    ("old python", {"python": {"versions": ">=3.12"}}, "Fail", "Python >=3.12", "3.11.7"),
    ("pinned", {"dependency": {"name": "Scikit.Learn", "specifier": "~=1.7"}}, "Pass", "Scikit.Learn ~=1.7", "1.7.0"),
    ("too old", {"dependency": {"name": "scikit-learn", "specifier": ">=1.8"}}, "Fail", ">=1.8", "1.7.0"),
    ("not pinned", {"dependency": {"name": "numpy", "specifier": ">=1"}}, "Fail", "numpy >=1", "numpy>=1"),
    ("not there", {"dependency": {"name": "torch", "specifier": ">=1"}}, "Fail", "torch >=1", "nothing"),
    ("young", {"age": {"max": "2h"}}, "Pass", "registered at most 2h ago", "1h ago"),
    ("old", {"age": {"max": "30m"}}, "Fail", "registered at most 30m ago", "1h ago"),
]


@pytest.mark.parametrize(
    ("gate", "phase", "expected", "found"), [case[1:] for case in JUDGED], ids=[case[0] for case in JUDGED]
)
def test_each_gate(gate: dict[str, Any], phase: str, expected: str, found: str) -> None:
    came = result(gate)
    assert came.phase.value == phase
    assert expected in came.expected and came.found.startswith(found)
    # A result tells why in one of its parts.
    assert came.phase is GatePhase.PASS or came.message or came.found


def test_what_is_missing_is_told_with_what_there_is() -> None:
    came = result({"metric": {"name": "auc", "min": 0}})
    assert came.message == "the run of version 7 has no metric 'auc'; it has: accuracy, bad, loss, train"
    assert "it has: C, odd, solver" in result({"parameter": {"name": "depth", "min": 0}}).message


@pytest.mark.parametrize(
    ("gate", "value", "stable", "phase", "expected"),
    [
        (NOT_WORSE, 0.93, 0.92, "Pass", "accuracy at least 0.92 (stable's 0.92, tolerance 0)"),
        (NOT_WORSE, 0.93, 0.94, "Fail", "accuracy at least 0.94"),
        ({**NOT_WORSE, "tolerance": 0.01}, 0.93, 0.94, "Pass", "at least 0.93"),
        ({**NOT_WORSE, "tolerance": 0.02, "relative": True}, 0.93, 0.94, "Pass", "at least 0.9212"),
        ({**NOT_WORSE, "tolerance": 0.02, "relative": True}, -1.01, -1, "Pass", "at least -1.02"),
        (NOT_WORSE, math.nan, 0.1, "Fail", "at least 0.1"),
        (NOT_WORSE, 0.9, math.nan, "Error", "no worse than stable's"),
    ],
)
def test_not_worse_than_stable(gate: dict[str, Any], value: float, stable: float, phase: str, expected: str) -> None:
    here, there = (facts(run=RunFacts(metrics={"accuracy": number})) for number in (value, stable))
    came = result({"notWorse": gate}, here, there)
    assert (came.phase.value, expected in came.expected) == (phase, True), came


def test_a_loss_is_better_when_it_is_lower() -> None:
    low, high = (facts(run=RunFacts(metrics={"loss": number})) for number in (0.1, 0.2))
    assert result({"notWorse": LOSS}, low, high).phase is GatePhase.PASS
    assert result({"notWorse": LOSS}, high, low).phase is GatePhase.FAIL


def test_without_a_stable_there_is_nothing_to_be_worse_than() -> None:
    came = result({"notWorse": NOT_WORSE})
    assert (came.phase.value, came.message) == ("Pass", "there is no stable version to compare with")
    assert result({"notWorse": NOT_WORSE}, facts(run=RunFacts())).phase is GatePhase.FAIL


@pytest.mark.parametrize(
    "stable", [Unknown("down"), Missing("deleted"), facts(run=RunFacts()), facts(run=Unknown("x"))]
)
def test_a_stable_that_cannot_be_read_is_an_error_and_no_fault_of_the_candidate(stable: Any) -> None:
    came = result({"notWorse": NOT_WORSE}, facts(), stable)
    assert came.phase is GatePhase.ERROR and "stable cannot be compared with" in came.message


GATES: list[dict[str, Any]] = [case[1] for case in JUDGED] + [{"notWorse": NOT_WORSE}, {"signature": {}}]


@pytest.mark.parametrize("gate", GATES)
def test_what_is_not_known_never_passes(gate: dict[str, Any]) -> None:
    down = Unknown("the registry at http://x gave no answer within 5 s")
    assert result(gate, down).phase is GatePhase.ERROR and result(gate, down).message == down.message
    assert result(gate, Missing("deleted")).phase is GatePhase.FAIL
    dark = facts(
        created_at=None, tags={}, run=down, model_file=down, python_version=down, requirements=down, digests={}
    )
    came = result(gate, dark)
    by_tag = "tag" in gate.get("digest", {})
    assert came.phase is (GatePhase.FAIL if by_tag else GatePhase.ERROR)


def test_a_version_without_run_or_artifact_fails_with_the_reason() -> None:
    bare = facts(run=Missing("the registry names no run"), model_file=Missing("no MLmodel"), tags={})
    assert result({"metric": {"name": "a", "min": 0}}, bare).message == "the registry names no run"
    assert result({"tag": {"name": "a"}}, bare).phase is GatePhase.FAIL
    assert result({"inputExample": {}}, bare).message == "no MLmodel"
    plain = facts(model_file=ModelFile())
    assert result({"inputExample": {}}, plain).phase is GatePhase.FAIL
    assert result({"flavor": {"oneOf": ["sklearn"]}}, plain).found == "none"


def test_an_empty_tag_is_no_approval_and_the_version_goes_before_its_run() -> None:
    assert result({"tag": {"name": "by"}}, facts(tags={"by": " "})).phase is GatePhase.FAIL
    assert result({"tag": {"name": "data"}}, facts(tags={"data": ""})).phase is GatePhase.FAIL


def test_a_version_of_the_future_is_nothing_to_rely_on() -> None:
    came = result({"age": {"max": "1h"}}, facts(created_at=NOW + 7200))
    assert came.phase is GatePhase.ERROR and "in the future" in came.message
    assert result({"age": {"max": "1h"}}, facts(created_at=NOW + 10)).phase is GatePhase.PASS


@pytest.mark.parametrize(
    ("lines", "phase"),
    [
        (("torch==2.1.0+cu121",), "Pass"),
        (("Torch == 2.1.0 ; python_version > '3'",), "Pass"),
        (("torch[extra]==2.1.0  # why", "x"), "Pass"),
        (("torch==2.1.0 --hash=sha256:00",), "Pass"),
        (("torch==2.*",), "Fail"),
        (("torch>=2,<3",), "Fail"),
        (("torch @ https://example.com/torch.whl",), "Fail"),
        (("torch==2.1.0", "torch==3.0"), "Fail"),
        (("torch==2.1.0rc1",), "Fail"),
        (("torch===odd",), "Fail"),
        (("torch[" + "a," * 1000 + "a]==2.1.0",), "Fail"),
        (("][", "torchvision==2.1", ""), "Fail"),
    ],
)
def test_requirements_as_they_are_written(lines: tuple[str, ...], phase: str) -> None:
    gate = {"dependency": {"name": "torch", "specifier": ">=2.1,<3"}}
    assert result(gate, facts(requirements=lines)).phase.value == phase


def test_a_hostile_pattern_takes_no_time() -> None:
    hostile = {"tag": {"name": "by", "pattern": "*a" * 127 + "b"}}
    started = time.perf_counter()
    assert result(hostile, facts(tags={"by": "a" * 100_000})).phase is GatePhase.FAIL
    assert time.perf_counter() - started < 5


def test_a_python_version_that_is_none() -> None:
    came = result({"python": {"versions": ">=3"}}, facts(python_version="newest"))
    assert (came.phase.value, came.message) == ("Fail", "it does not read as a version (PEP 440)")


@given(st.text(), st.text(), st.floats(), st.floats())
def test_whatever_a_run_holds_the_result_is_one_short_printable_line(
    key: str, value: str, here: float, there: float
) -> None:
    odd = facts(
        tags={key: value, "by": value},
        run=RunFacts({key: here, "accuracy": here}, {key: value, "C": value}, {key: value}),
        requirements=tuple(value.splitlines()),
        python_version=value,
        model_file=ModelFile((key, value), Unknown(value)),
    )
    stable = replace(odd, run=RunFacts({"accuracy": there}))
    for gate in GATES:
        for came in (result(gate, odd, stable), result(gate, Unknown(value), Missing(key))):
            for text in (came.expected, came.found, came.message):
                assert text.isprintable() and len(text) <= 1400
    passed = result({"notWorse": NOT_WORSE}, odd, stable).phase is GatePhase.PASS
    assert not passed or here >= there or math.isclose(here, there)


def test_only_what_is_needed_is_asked_for() -> None:
    def gates(*written: dict[str, Any]) -> list[Gate]:
        return [Gate.model_validate({"name": f"g{number}", **each}) for number, each in enumerate(written)]

    assert needs_of(gates({"age": {"max": "1h"}})) == Needs()
    assert needs_of(gates({"tag": {"name": "a"}})) == Needs(run=True)
    assert needs_of(gates({"inputExample": {}}, {"python": {"versions": ">=3"}})) == Needs(model_file=True, python=True)
    files = gates({"digest": {"path": "a", "tag": "x"}}, {"dependency": {"name": "a", "specifier": ">1"}})
    assert needs_of(files) == Needs(requirements=True, digests=frozenset({"a"}))
    both = gates({"signature": {}}, {"metric": {"name": "a", "min": 0}}, {"notWorse": NOT_WORSE})
    assert [each.name for each in compared(both)] == ["g0", "g2"]
