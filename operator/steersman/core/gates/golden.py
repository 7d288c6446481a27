"""Golden requests: what samples are, and how far the answers of two servers disagree."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Final

from steersman.api.cluster_gates import GoldenGate
from steersman.core.gates.facts import Missing, Unknown
from steersman.core.gates.finding import Finding
from steersman.core.gates.words import exact, number, quoted

MAX_SAMPLES: Final = 100
NONE: Final = object()
"""For a sample without an expected answer; None is an answer."""


@dataclass(frozen=True)
class Golden:
    """One request of the samples."""

    body: str
    """JSON."""
    expected: Any = NONE


@dataclass(frozen=True)
class Exchange:
    """What came of one request; an answer is parsed JSON, or why there is none."""

    candidate: Any
    stable: Any = NONE
    """NONE while there is no stable."""
    expected: Any = NONE


@dataclass(frozen=True)
class Refused:
    """A server answered that it cannot do with this request."""

    message: str


@dataclass(frozen=True)
class Exchanges:
    """What came of all of them."""

    of: tuple[Exchange, ...]


class SamplesError(ValueError):
    """The samples cannot be used; the message says why."""


def parse_samples(text: bytes) -> tuple[Golden, ...]:
    """A body for the server, or a list of them, or of objects with `request` and perhaps `expected`. Raises SamplesError."""
    try:
        # MLflow writes its serving example as it is sent: an object.
        written = json.loads(text)
    except (ValueError, RecursionError):
        raise SamplesError("the samples are not JSON") from None
    entries = written if isinstance(written, list) else [written]
    if not entries:
        raise SamplesError("the samples hold no request")
    if len(entries) > MAX_SAMPLES:
        raise SamplesError(f"the samples hold more than {MAX_SAMPLES} requests")
    if not all(isinstance(each, dict) for each in entries):
        raise SamplesError("each sample must be a JSON object: what is sent to the server, or request and expected")
    return tuple(_sample(each) for each in entries)


def _sample(entry: dict[str, Any]) -> Golden:
    if "request" not in entry:
        return Golden(json.dumps(entry))
    return Golden(json.dumps(entry["request"]), entry.get("expected", NONE))


def judge(gate: GoldenGate, found: Exchanges | Missing | Unknown) -> Finding:
    """Pass when few enough predictions disagree with stable's, and with those that were expected."""
    margin = f"{number(100 * gate.tolerance)} %" if gate.relative else number(gate.tolerance)
    within = f" within {margin}" if gate.tolerance else ""
    share = f", but for {number(100 * gate.max_disagreement)} %" if gate.max_disagreement else ""
    expected = f"answers like stable's to {quoted(gate.samples)}{within}{share}"
    if not isinstance(found, Exchanges):
        return Finding.without(found, expected)
    for each in found.of:
        if isinstance(each.candidate, Refused):
            return Finding.of(
                False, expected, "a refusal", f"the candidate refused a request: {each.candidate.message}"
            )
    pairs = [(there, each.candidate) for each in found.of for there in (each.stable, each.expected)]
    # What stable refuses, nobody relies on.
    pairs = [(there, here) for there, here in pairs if there is not NONE and not isinstance(there, Refused)]
    if not pairs:
        answered = f"{len(found.of)} answered"
        return Finding.of(True, expected, answered, "there is no stable to compare with, and no expected answer")
    total, different, example = 0, 0, ""
    for there, here in pairs:
        for left, right in zip_longest(_predictions(there), _predictions(here), fillvalue=NONE):
            total += 1
            if not _agree(left, right, gate):
                different += 1
                example = example or f"for example {_shown(right)} instead of {_shown(left)}"
    disagreement = different / total if total else 0.0
    found_text = f"{different} of {total} predictions differ" if different else f"all {total} predictions agree"
    return Finding.of(disagreement <= gate.max_disagreement, expected, found_text, example)


def _predictions(answer: Any) -> Sequence[Any]:
    """One for each row: MLflow answers {"predictions": [...]} and TensorFlow Serving as well; else the answer as one."""
    inner = answer.get("predictions", answer) if isinstance(answer, dict) else answer
    return inner if isinstance(inner, list) else [inner]


def _agree(left: Any, right: Any, gate: GoldenGate) -> bool:
    if _is_number(left) and _is_number(right):
        if math.isnan(left) or math.isnan(right):
            return math.isnan(left) and math.isnan(right)
        margin = abs(left) * gate.tolerance if gate.relative else gate.tolerance
        return bool(left == right or abs(left - right) <= margin or math.isclose(abs(left - right), margin))
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(_agree(a, b, gate) for a, b in zip(left, right, strict=True))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_agree(left[key], right[key], gate) for key in left)
    return bool(type(left) is type(right) and left == right)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _shown(value: Any) -> str:
    if value is NONE:
        return "nothing"
    if _is_number(value):
        return exact(value)
    return quoted(json.dumps(value, default=str))
