"""Golden requests: what samples may be, and when answers agree."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from steersman.api.cluster_gates import GoldenGate
from steersman.api.gate_status import GatePhase
from steersman.core.gates.facts import Missing, Unknown
from steersman.core.gates.golden import (
    MAX_SAMPLES,
    NONE,
    Exchange,
    Exchanges,
    Refused,
    SamplesError,
    judge,
    parse_samples,
)


def exchange(here: Any, there: Any = NONE, expected: Any = NONE) -> Exchanges:
    return Exchanges((Exchange(here, there, expected),))


def test_a_serving_example_is_one_request() -> None:
    body = {"dataframe_split": {"columns": ["a"], "data": [[1], [2]]}}
    (sample,) = parse_samples(json.dumps(body).encode())
    assert json.loads(sample.body) == body and sample.expected is NONE


def test_a_list_holds_bodies_and_requests_with_what_is_expected() -> None:
    first, second = parse_samples(b'[{"inputs": [1]}, {"request": {"inputs": [2]}, "expected": null}]')
    assert json.loads(first.body) == {"inputs": [1]} and first.expected is NONE
    assert json.loads(second.body) == {"inputs": [2]} and second.expected is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"not json", "not JSON"),
        (b"[]", "no request"),
        (b"[1, 2]", "JSON object"),
        (b'"text"', "JSON object"),
        (b"[" * 100_000, "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (json.dumps([{}] * (MAX_SAMPLES + 1)).encode(), "more than 100"),
    ],
)
def test_what_are_no_samples_is_said(text: bytes, why: str) -> None:
    with pytest.raises(SamplesError, match=why):
        parse_samples(text)


@pytest.mark.parametrize(
    ("gate", "here", "there", "phase"),
    [
        ({}, [1, 2], [1, 2], GatePhase.PASS),
        ({}, [1, 2], [1.0, 2.0], GatePhase.PASS),
        ({}, [1, 2], [1, 3], GatePhase.FAIL),
        ({"maxDisagreement": 0.5}, [1, 2], [1, 3], GatePhase.PASS),
        ({"maxDisagreement": 0.4}, [1, 2], [1, 3], GatePhase.FAIL),
        ({"tolerance": 0.1}, [1.05], [1.0], GatePhase.PASS),
        ({"tolerance": 0.05}, [0.95], [0.90], GatePhase.PASS),
        ({"tolerance": 0.1}, [1.2], [1.0], GatePhase.FAIL),
        ({"tolerance": 0.1, "relative": True}, [109.0], [100.0], GatePhase.PASS),
        ({"tolerance": 0.1, "relative": True}, [111.0], [100.0], GatePhase.FAIL),
        ({"tolerance": 9.0}, ["yes"], ["no"], GatePhase.FAIL),
        ({"tolerance": 9.0}, [True], [False], GatePhase.FAIL),
        ({"tolerance": 9.0}, [True], [1], GatePhase.FAIL),
        ({"tolerance": 9.0}, [None], [0], GatePhase.FAIL),
        ({}, [math.nan], [math.nan], GatePhase.PASS),
        ({"tolerance": 9.0}, [math.nan], [1.0], GatePhase.FAIL),
        ({"tolerance": 9.0}, [math.inf], [1.0], GatePhase.FAIL),
        ({}, [math.inf], [math.inf], GatePhase.PASS),
        ({"tolerance": 0.1}, [[0.1, 0.9]], [[0.15, 0.85]], GatePhase.PASS),
        ({"tolerance": 0.1}, [[0.1, 0.9]], [[0.1, 0.9, 0.0]], GatePhase.FAIL),
        ({"tolerance": 0.1}, [{"p": 0.1}], [{"p": 0.15}], GatePhase.PASS),
        ({"tolerance": 0.1}, [{"p": 0.1}], [{"q": 0.1}], GatePhase.FAIL),
        ({}, [1], [1, 2], GatePhase.FAIL),
        ({}, [], [1], GatePhase.FAIL),
        ({}, "a text", "a text", GatePhase.PASS),
    ],
)
def test_answers_agree_within_the_tolerance(gate: dict[str, Any], here: Any, there: Any, phase: GatePhase) -> None:
    settings = GoldenGate.model_validate(gate)
    assert judge(settings, exchange({"predictions": here}, {"predictions": there})).phase == phase
    assert judge(settings, exchange(here, there)).phase == phase, "an answer without predictions is compared as it is"


def test_it_is_compared_with_stable_and_with_what_is_expected() -> None:
    both = judge(GoldenGate(), exchange([1], [1], [2]))
    assert both.phase == GatePhase.FAIL and both.found == "1 of 2 predictions differ"
    assert both.message == "for example 1 instead of 2"
    assert judge(GoldenGate(), exchange([1], expected=[1])).phase == GatePhase.PASS
    alone = judge(GoldenGate(), exchange([1]))
    assert alone.phase == GatePhase.PASS and "no stable" in alone.message


def test_a_refusal_of_the_candidate_fails_and_one_of_stable_is_not_compared() -> None:
    refused = judge(GoldenGate(), exchange(Refused("HTTP 400: a\nb"), [1]))
    assert refused.phase == GatePhase.FAIL and refused.message.endswith("HTTP 400: a b")
    assert judge(GoldenGate(), exchange([5], Refused("HTTP 400"))).phase == GatePhase.PASS


def test_what_is_missing_fails_and_what_is_unknown_is_an_error() -> None:
    assert judge(GoldenGate(), Missing("no file")).phase == GatePhase.FAIL
    assert judge(GoldenGate(), Unknown("no answer")).phase == GatePhase.ERROR
