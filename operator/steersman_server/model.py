"""Loading a model with MLflow and wrapping MLflow's scoring server around it."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steersman_profile.format import Profile, ProfileError
from steersman_server import profile
from steersman_server.guard import guard
from steersman_server.reply import Application

MLMODEL = "MLmodel"
FETCHED = "model"
"""Directory inside MODEL_DIR that ``steersman_server.fetch`` creates."""


class ModelLoadError(Exception):
    """The model cannot be loaded; the message is one line."""


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model and the scoring server around it."""

    application: Application
    """MLflow's scoring server; its model is guarded (see `steersman_server.guard`)."""
    flavor: str
    """The flavor that loaded the model, such as ``sklearn``; ``python_function`` for a custom model."""
    example: str | None
    """The model's input example as a body for /invocations (JSON), None when it was saved without one."""
    profile: Profile | None = None
    """The model's reference profile, None when it was stored without one or is not to be counted."""
    profile_error: ProfileError | None = None
    """Why the model's profile cannot be read."""


def find(model_dir: Path) -> Path:
    """Return the directory that holds the MLmodel file: `model_dir` itself, or what the fetch made in it.

    Raises ModelLoadError: there is none.
    """
    for directory in (model_dir, model_dir / FETCHED):
        if (directory / MLMODEL).is_file():
            return directory
    raise ModelLoadError(f"no {MLMODEL} file in {model_dir} or {model_dir / FETCHED}")


def load(model_dir: Path, with_profile: bool = True) -> LoadedModel:
    """Import MLflow and load the model below `model_dir`; takes seconds, so call it in a thread.

    ``SERVING_MODEL_CONFIG`` (JSON) in the environment overrides the model's configuration, as in MLflow's own server.
    Requests are counted into the model's profile, if it has one, unless `with_profile` is false.

    Raises ModelLoadError: anything that goes wrong, also inside the model's own code; the cause is attached.
    """
    directory = find(model_dir)
    try:
        return _load(directory, with_profile)
    except Exception as error:
        text = " ".join(str(error).split())
        raise ModelLoadError(f"{type(error).__name__}: {text}" if text else type(error).__name__) from error
    except SystemExit as error:
        raise ModelLoadError(f"the model's code called sys.exit({error.code})") from error


def _load(directory: Path, with_profile: bool) -> LoadedModel:
    import mlflow.pyfunc
    from mlflow.pyfunc import scoring_server

    config = os.environ.get(scoring_server.SERVING_MODEL_CONFIG)
    model = mlflow.pyfunc.load_model(str(directory), model_config=json.loads(config) if config else None)
    reference, profile_error = _profile(directory) if with_profile else (None, None)
    model._predict_fn = guard(model._predict_fn, profile.Observer(reference) if reference else None)
    application, example = scoring_server.init(model), _example(model, directory)
    return LoadedModel(application, _flavor(model.metadata.flavors), example, reference, profile_error)


def _profile(directory: Path) -> tuple[Profile | None, ProfileError | None]:
    try:
        return profile.read(directory), None
    except ProfileError as error:  # no reason not to serve
        return None, error


def _flavor(flavors: dict[str, Any]) -> str:
    return next((name for name in flavors if name != "python_function"), "python_function")


def _example(model: Any, directory: Path) -> str | None:
    if model.metadata.saved_input_example_info is None:
        return None
    serving_input: str | None = model.metadata.get_serving_input(str(directory))
    if serving_input is None:  # MLflow before 2.16 saved no serving example
        from mlflow.models import convert_input_example_to_serving_input

        serving_input = convert_input_example_to_serving_input(model.input_example)
    return serving_input
