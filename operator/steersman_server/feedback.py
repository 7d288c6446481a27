"""Reading feedback: what a model predicted, and what turned out to be true."""

import json
from dataclasses import dataclass
from typing import Any, cast

from steersman_profile.format import Task
from steersman_profile.values import MAX_TEXT, category, is_label
from steersman_server.settings import REVISION

MAX_BYTES = 1024 * 1024
"""Largest body."""
MAX_PAIRS = 10_000
"""Predictions in one request."""
GREATEST = 1e100
"""Greatest number, either side of zero: sums of squared errors stay finite."""


class FeedbackError(ValueError):
    """The feedback cannot be used; the message says why, without a value of it."""


@dataclass(frozen=True, slots=True)
class Feedback:
    """Pairs of a prediction and the truth, of one revision."""

    revision: str
    """The revision that predicted; empty when the body does not say."""
    task: Task | None
    """What the model does, when the body says."""
    pairs: tuple[tuple[object, object], ...]
    """Prediction and truth; both are there."""
    skipped: int
    """Pairs without a prediction or without a truth, which may not be known yet."""

    def task_by_type(self) -> Task:
        """Numbers with a fraction, on either side, are of a regression; text, booleans and whole numbers are labels."""
        return (
            "regression" if any(isinstance(value, float) for pair in self.pairs for value in pair) else "classification"
        )

    def labels(self) -> list[tuple[str, str]]:
        """The pairs as labels. Raises FeedbackError."""
        return [(_label(predicted, "predictions"), _label(true, "ground_truth")) for predicted, true in self.pairs]

    def numbers(self) -> list[tuple[float, float]]:
        """The pairs as numbers. Raises FeedbackError."""
        return [(_number(predicted, "predictions"), _number(true, "ground_truth")) for predicted, true in self.pairs]


def parse(body: bytes) -> Feedback:
    """Read the body of a request to /feedback. Raises FeedbackError."""
    try:
        content = json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        reason = str(error) if isinstance(error, json.JSONDecodeError | _ConstantError) else "it cannot be decoded"
        raise FeedbackError(f"The body is not JSON: {reason}.") from None
    if not isinstance(content, dict):
        raise FeedbackError("The body is not a JSON object with predictions and ground_truth.")
    if unknown := sorted(content.keys() - {"predictions", "ground_truth", "revision", "task"}):
        raise FeedbackError(f"The body has unknown keys: {', '.join(unknown)[:200]}.")
    predictions, truth = _list(content, "predictions"), _list(content, "ground_truth")
    if len(predictions) != len(truth):
        raise FeedbackError(f"There are {len(predictions)} predictions and {len(truth)} values of ground_truth.")
    if len(predictions) > MAX_PAIRS:
        raise FeedbackError(f"There are {len(predictions)} predictions; send at most {MAX_PAIRS} at once.")
    pairs = tuple(pair for pair in zip(predictions, truth, strict=True) if pair[0] is not None and pair[1] is not None)
    return Feedback(_revision(content), _task(content), pairs, len(predictions) - len(pairs))


class _ConstantError(ValueError):
    """NaN or an infinity."""


def _no_constant(name: str) -> Any:
    raise _ConstantError(f"{name} is no JSON; null means that a value is not known")


def _list(content: dict[str, Any], key: str) -> list[object]:
    value = content.get(key)
    if not isinstance(value, list):
        raise FeedbackError(f"{key} is not a list.")
    return value


def _revision(content: dict[str, Any]) -> str:
    revision = content.get("revision")
    if revision is None:
        return ""
    if not isinstance(revision, str) or not REVISION.fullmatch(revision):
        raise FeedbackError(
            "revision is no name of a revision: give what the answer's header x-steersman-revision says."
        )
    return revision


def _task(content: dict[str, Any]) -> Task | None:
    task = content.get("task")
    if task not in (None, "classification", "regression"):
        raise FeedbackError("task must be classification or regression.")
    return cast("Task | None", task)


def _label(value: object, where: str) -> str:
    if not isinstance(value, str | bool | int | float):
        raise FeedbackError(f"{where} holds lists or objects; give one label for each prediction.")
    label = category(value)
    if label is None or not is_label(label):
        raise FeedbackError(f"{where} holds a label that is empty, longer than {MAX_TEXT} characters or no UTF-8.")
    return label


def _number(value: object, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise FeedbackError(f"{where} holds values that are no numbers; give task: classification if they are labels.")
    if not abs(value) <= GREATEST:  # also NaN
        raise FeedbackError(f"{where} holds a number beyond {GREATEST:g}.")
    return float(value)
