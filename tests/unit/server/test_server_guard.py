"""The guard around a model's predict function."""

import inspect

import numpy
import pandas
import pytest

from steersman_server.guard import CURRENT, Prediction, PredictionFailedError, count_rows, guard


def test_signature_is_kept_because_mlflow_looks_for_params() -> None:
    def predict(data: object, params: object = None) -> object:
        return data

    assert list(inspect.signature(guard(predict)).parameters) == ["data", "params"]


def test_outside_a_request_the_guard_does_nothing() -> None:
    def predict(_: object) -> object:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        guard(predict)(1)


@pytest.mark.parametrize("error", [ValueError("a"), SystemExit(1), KeyboardInterrupt()])
def test_whatever_the_model_raises_is_noted(error: BaseException) -> None:
    def predict(_: object) -> object:
        raise error

    token = CURRENT.set(prediction := Prediction())
    try:
        with pytest.raises(PredictionFailedError):
            guard(predict)(1)
    finally:
        CURRENT.reset(token)
    assert prediction.error is error
    assert not prediction.done


@pytest.mark.parametrize(
    ("output", "rows"),
    [
        ([1, 2, 3], 3),
        ([], 0),
        (numpy.zeros((4, 2)), 4),
        (numpy.float64(1), 1),
        (numpy.array(1), 1),
        (pandas.DataFrame({"a": [1, 2]}), 2),
        (pandas.Series([1, 2, 3]), 3),
        ({"scores": numpy.zeros(5), "labels": numpy.zeros(5)}, 5),
        ({"choices": {"text": "x", "index": 0}}, 1),
        ({}, 1),
        ("text", 1),
        (b"bytes", 1),
        (None, 1),
    ],
)
def test_rows_of_an_output(output: object, rows: int) -> None:
    assert count_rows(output) == rows
