"""Four versions of a digit classifier, trained here and registered in MLflow. The third has a bug that offline tests missed."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass

import mlflow
import numpy as np
from mlflow.models import infer_signature
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from demo.data import MIDDLE, PIXELS, Digits, Pictures, blank_middle, digits
from demo.names import MODEL_NAME


@dataclass(frozen=True)
class Recipe:
    """How one version is made and what its author knew of it."""

    version: str
    title: str
    """A few words for people."""
    build: Callable[[], Pipeline]
    drops_blank_middle: bool = False
    """The author took pictures with a blank middle for scan errors and left them out of training and of the offline test."""


def _pixels_and_middle(logarithm: np.ufunc) -> Pipeline:
    """Logistic regression on the pixels and a logarithm of the ink in the middle; numpy and scikit-learn parts only."""
    ink_in_the_middle = make_pipeline(
        FunctionTransformer(np.sum, kw_args={"axis": 1, "keepdims": True}),
        FunctionTransformer(logarithm),
        StandardScaler(),
    )
    pixels = list(range(PIXELS))
    features = ColumnTransformer([("pixels", StandardScaler(), pixels), ("middle", ink_in_the_middle, MIDDLE)])
    return make_pipeline(features, LogisticRegression(C=0.1, max_iter=1000))


RECIPES = (
    Recipe("1", "naive Bayes on the pixels", GaussianNB),
    Recipe(
        "2",
        "logistic regression on the pixels",
        lambda: make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000)),
    ),
    # log(0) is -inf, which the scaler refuses: every picture with a blank middle raises ValueError.
    Recipe(
        "3",
        "adds the log of the ink in the middle: raises where there is none",
        lambda: _pixels_and_middle(np.log),
        drops_blank_middle=True,
    ),
    Recipe("4", "the same with log1p", lambda: _pixels_and_middle(np.log1p)),
)
"""In the order in which they are deployed; a recipe's version is the number that MLflow gives it."""


@dataclass(frozen=True)
class TrainedModel:
    """A fitted version with the numbers its author saw."""

    recipe: Recipe
    pipeline: Pipeline
    metrics: dict[str, float]


def train(recipe: Recipe, data: Digits | None = None) -> TrainedModel:
    """Fit a version and test it offline, as its author did."""
    data = data or digits()
    train_x, train_y = data.train_pictures, data.train_digits
    test_x, test_y = data.held_out_pictures, data.held_out_digits
    if recipe.drops_blank_middle:
        train_inked, test_inked = ~blank_middle(train_x), ~blank_middle(test_x)
        train_x, train_y = train_x[train_inked], train_y[train_inked]
        test_x, test_y = test_x[test_inked], test_y[test_inked]
    pipeline = recipe.build().fit(train_x, train_y)
    predicted = pipeline.predict(test_x)
    metrics = {
        "accuracy": float(accuracy_score(test_y, predicted)),
        "f1_macro": float(f1_score(test_y, predicted, average="macro")),
        "training_rows": float(len(train_x)),
        "test_rows": float(len(test_x)),
    }
    return TrainedModel(recipe, pipeline, metrics)


def input_example(data: Digits | None = None) -> Pictures:
    """One picture with ink in the middle: the smoke request of every version, also of the bad one, succeeds with it."""
    pictures = (data or digits()).train_pictures
    return pictures[~blank_middle(pictures)][:1]


def failing_rows(model: TrainedModel, pictures: Pictures) -> list[int]:
    """Positions of the pictures that the model raises on; found by halving, since it raises for all that are sent at once."""

    def search(start: int, stop: int) -> list[int]:
        try:
            model.pipeline.predict(pictures[start:stop])
        except ValueError:
            if stop - start == 1:
                return [start]
            middle = (start + stop) // 2
            return search(start, middle) + search(middle, stop)
        return []

    with np.errstate(divide="ignore"):
        return search(0, len(pictures)) if len(pictures) else []


def register_all(tracking_uri: str) -> Iterator[TrainedModel]:
    """Train every version, log it with signature, input example and metrics, and register it; gives each when it is done.

    Raises RuntimeError when MLflow numbers them otherwise, i.e. when the registry was in use.
    """
    mlflow.set_tracking_uri(tracking_uri)
    mlflow.set_experiment(MODEL_NAME)
    for recipe in RECIPES:
        model = train(recipe)
        version = _log(model)
        if version != recipe.version:
            raise RuntimeError(f"MLflow gave version {version} where {recipe.version} was due: is the registry new?")
        yield model


def _log(model: TrainedModel) -> str:
    example = input_example()
    with mlflow.start_run(run_name=f"v{model.recipe.version}"):
        mlflow.log_params({"recipe": model.recipe.title, "drops_blank_middle": model.recipe.drops_blank_middle})
        mlflow.log_metrics(model.metrics)
        info = mlflow.sklearn.log_model(
            model.pipeline,
            name="model",
            skops_trusted_types=["numpy.sum"],
            # A tensor: for a frame of 64 named columns, MLflow's checks cost many times what the prediction does.
            signature=infer_signature(example, model.pipeline.predict(example)),
            input_example=example,
            registered_model_name=MODEL_NAME,
            # Said here because finding them out takes MLflow a process and many seconds per model.
            pip_requirements=["mlflow", "scikit-learn", "skops"],
        )
    return str(info.registered_model_version)


def main(tracking_uri: str) -> None:
    """Register all versions and print one JSON object a line for each; MLflow's own chatter goes to standard error."""
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    pictures = digits().held_out_pictures
    with redirect_stdout(sys.stderr):
        for model in register_all(tracking_uri):
            line = {
                "version": model.recipe.version,
                "title": model.recipe.title,
                "metrics": model.metrics,
                "held_out_rows": len(pictures),
                "failing_rows": failing_rows(model, pictures),
            }
            print(json.dumps(line), file=sys.__stdout__, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
