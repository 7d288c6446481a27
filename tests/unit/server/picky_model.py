"""An MLflow model, loaded from this file, that fails in a different way for each of a few input values."""

import sys
import time

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE

RAISES = 100.0
EXITS = -1.0
RAISES_BAD_REQUEST = -2.0
CANNOT_BE_ENCODED = -3.0
OUT_OF_MEMORY = -4.0
SLOW = 3000.0  # and above: sleeps for the excess in milliseconds


class PickyModel(mlflow.pyfunc.PythonModel):
    """Answers twice its input."""

    def predict(self, context, model_input, params=None):
        values = model_input["x"].tolist()
        for value in values:
            if value == EXITS:
                sys.exit(7)
            if value == RAISES_BAD_REQUEST:
                raise MlflowException("not a client's error", error_code=INVALID_PARAMETER_VALUE)
            if value == CANNOT_BE_ENCODED:
                return [object()]
            if value == OUT_OF_MEMORY:
                raise MemoryError
            if value >= SLOW:
                time.sleep((value - SLOW) / 1000)
            elif value >= RAISES:
                raise ValueError(f"the secret is {value}")
        return [2 * value for value in values]


mlflow.models.set_model(PickyModel())
