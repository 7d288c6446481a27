"""What the model must do, whatever its metrics say.

pytest tests/                                # of a model trained here and now
MODEL_URI=models:/tumours/8 pytest tests/    # of a registered version
"""

import os

import mlflow
import numpy
import pandas
import pytest
from dataset import TARGET, fetch
from sklearn.metrics import accuracy_score, recall_score
from sklearn.pipeline import Pipeline
from train import split, train

TABLE = fetch()
UNSEEN = split(TABLE)[1]
FEATURES = UNSEEN.drop(columns=TARGET)


@pytest.fixture(scope="session")
def model() -> Pipeline:
    """The model under test."""
    uri = os.environ.get("MODEL_URI")
    return mlflow.sklearn.load_model(uri) if uri else train(TABLE).model


def test_it_is_right_about_rows_it_has_not_seen(model: Pipeline) -> None:
    said = model.predict(FEATURES)
    assert accuracy_score(UNSEEN[TARGET], said) >= 0.95
    assert recall_score(UNSEEN[TARGET], said) >= 0.9, "a tumour that is overlooked is the worse mistake"


def test_it_beats_always_saying_benign(model: Pipeline) -> None:
    assert accuracy_score(UNSEEN[TARGET], model.predict(FEATURES)) > 1 - UNSEEN[TARGET].mean() + 0.2


def test_invariance_of_an_answer_to_the_other_rows(model: Pipeline) -> None:
    together = model.predict_proba(FEATURES)
    shuffled = FEATURES.sample(frac=1, random_state=1)
    again = pandas.DataFrame(model.predict_proba(shuffled), index=shuffled.index).loc[FEATURES.index]
    numpy.testing.assert_allclose(again, together)


def test_invariance_to_the_noise_of_the_instrument(model: Pipeline) -> None:
    noise = numpy.random.default_rng(1).normal(1, 0.005, FEATURES.shape)
    assert (model.predict(FEATURES * noise) == model.predict(FEATURES)).mean() >= 0.98


@pytest.mark.parametrize("column", ["worst_radius", "worst_texture", "worst_concave_points"])
def test_direction_a_larger_or_rougher_tumour_is_no_better_sign(model: Pipeline, column: str) -> None:
    larger = FEATURES.assign(**{column: FEATURES[column] * 1.2})
    change = model.predict_proba(larger)[:, 1] - model.predict_proba(FEATURES)[:, 1]
    assert change.min() >= -1e-9
