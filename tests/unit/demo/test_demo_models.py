"""The four models: how good they are, what v3 fails on, and that they come back from a file."""

from __future__ import annotations

from pathlib import Path

import mlflow
import pytest

from demo.data import PIXELS, blank_middle, digits
from demo.models import RECIPES, TrainedModel, failing_rows, input_example, train


@pytest.fixture(scope="module")
def models() -> dict[str, TrainedModel]:
    return {recipe.version: train(recipe) for recipe in RECIPES}


def test_each_version_looks_better_offline_than_the_one_before(models: dict[str, TrainedModel]) -> None:
    accuracies = [models[version].metrics["accuracy"] for version in "1234"]
    assert 0.8 < accuracies[0] < 0.9 < accuracies[1]
    assert accuracies == sorted(accuracies)


def test_v3_raises_on_the_pictures_with_a_blank_middle_and_on_no_other(models: dict[str, TrainedModel]) -> None:
    pictures = digits().held_out_pictures[:450]
    failing = failing_rows(models["3"], pictures)
    assert failing == blank_middle(pictures).nonzero()[0].tolist()
    assert 0.04 < len(failing) / len(pictures) < 0.06


@pytest.mark.parametrize("version", ["1", "2", "4"])
def test_the_other_versions_answer_every_picture(models: dict[str, TrainedModel], version: str) -> None:
    pictures = digits().held_out_pictures
    assert failing_rows(models[version], pictures[blank_middle(pictures)]) == []
    assert len(models[version].pipeline.predict(pictures)) == len(pictures)


def test_every_version_answers_the_input_example(models: dict[str, TrainedModel]) -> None:
    example = input_example()
    assert example.shape == (1, PIXELS)
    assert all(model.pipeline.predict(example).shape == (1,) for model in models.values())


def test_training_and_held_out_pictures_do_not_overlap() -> None:
    data = digits()
    assert len(data.train_pictures) + len(data.held_out_pictures) == 1797
    assert data is digits()


def test_v3_comes_back_from_a_file_with_its_bug(models: dict[str, TrainedModel], tmp_path: Path) -> None:
    folder = tmp_path / "model"
    mlflow.sklearn.save_model(
        models["3"].pipeline, folder, skops_trusted_types=["numpy.sum"], pip_requirements=["scikit-learn"]
    )
    loaded = mlflow.pyfunc.load_model(str(folder))
    pictures = digits().held_out_pictures
    blank = blank_middle(pictures)
    good = pictures[~blank][:5]
    assert list(loaded.predict(good)) == list(models["3"].pipeline.predict(good))
    with pytest.raises(ValueError, match="infinity"), pytest.warns(RuntimeWarning, match="divide by zero"):
        loaded.predict(pictures[blank][:1])
