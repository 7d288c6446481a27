"""Knowing whether a failed request was the model's fault or the client's.

MLflow's scoring server answers 400 both for input that it cannot parse and for a model that crashes. The guard wraps the
one function that MLflow calls after parsing the request and enforcing the signature: what fails before it is the
client's fault, what fails in it or after it is the model's.
"""

import functools
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from steersman_server.profile import Observation, Observer


@dataclass(slots=True)
class Prediction:
    """What became of one request inside the model."""

    rows: int = 0
    """Rows of the output."""
    done: bool = False
    """The model returned."""
    error: BaseException | None = None
    """What the model raised."""
    input_error: str = ""
    """Why MLflow refused the input for the model's type hints, which it checks only inside the guarded function."""
    observation: Observation | None = None
    """What the request adds to the counts of the model's profile, when it has one."""


CURRENT: ContextVar[Prediction | None] = ContextVar("prediction", default=None)
"""The prediction of the request being answered; contexts are copied into threads, the object in them is shared."""


class PredictionFailedError(Exception):
    """Tells the scoring server that the model failed; `Prediction.error` has the exception itself."""


def guard(predict: Callable[..., Any], observer: Observer | None = None) -> Callable[..., Any]:
    """Return `predict` (same signature) that notes in `CURRENT` what became of it, and what `observer` makes of it.

    Everything raised is replaced by `PredictionFailedError`: an `MlflowException` that a model raises must not set the
    status code, and a SystemExit must not stop the server.
    """

    @functools.wraps(predict)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        prediction = CURRENT.get()
        if prediction is None:
            return predict(*args, **kwargs)
        if observer is not None:
            prediction.observation = observer.asked(args[0] if args else None)
        try:
            output = predict(*args, **kwargs)
        except BaseException as error:
            if _in_input_validation(error):
                prediction.input_error = str(error)
            else:
                prediction.error = error
            raise PredictionFailedError(type(error).__name__) from error
        prediction.done = True
        prediction.rows = count_rows(output)
        if observer is not None and prediction.observation is not None:
            observer.answered(prediction.observation, output)
        return output

    return guarded


def count_rows(output: object) -> int:
    """Return the rows of a model's output: of a frame, an array or a list; of the first array in a dictionary; else 1."""
    if isinstance(output, dict) and output:
        output = next(iter(output.values()))
    if isinstance(output, str | bytes | dict):
        return 1
    try:
        return len(output)  # type: ignore[arg-type]
    except TypeError:  # scalars, and arrays without dimensions
        return 1


# Where MLflow checks input against the type hints of a PythonModel's predict.
_INPUT_VALIDATION = frozenset(
    {
        ("mlflow.pyfunc.utils.data_validation", "_validate_model_input"),
        ("mlflow.pyfunc.model", "_convert_input"),
    }
)


def _in_input_validation(error: BaseException) -> bool:
    cause: BaseException | None = error
    while cause is not None:
        frame = cause.__traceback__
        while frame is not None:
            if (frame.tb_frame.f_globals.get("__name__"), frame.tb_frame.f_code.co_name) in _INPUT_VALIDATION:
                return True
            frame = frame.tb_next
        cause = cause.__cause__ or cause.__context__
    return False
