"""Keeping a profile with its model in MLflow, and reading it back."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import mlflow
from mlflow import MlflowClient

from steersman.profile.build import ReferenceDataError, build_profile
from steersman_profile.format import PATH, Profile, dump, parse


def log_reference(df: Any, *, model: Any = None, **options: Any) -> Profile:
    """Make the profile of reference data (see `build_profile` for `df` and the options) and store it with a model.

    `model` is what `log_model` returned, a logged model's ID, or a URI: ``models:/<model ID>``, ``models:/<name>/<version>``,
    ``models:/<name>@<alias>``, ``runs:/<run>/<path>``. Without it the model that this session logged last is meant (MLflow 3).

    The file goes into the model's artifact directory, so every later download of the model brings it; a profile that is already there is
    replaced. Log it before the version gets traffic: pods that run keep the one that they were started with.

    Raises ReferenceDataError: no profile can be made, or there is no such model.
    """
    profile = build_profile(df, **options)
    place = _place(model)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / PATH
        file.parent.mkdir(parents=True)
        file.write_text(dump(profile), encoding="utf-8")
        _upload(place, folder)
    return profile


def read_reference(model: Any = None) -> Profile:
    """The profile that is stored with a model; `model` as for `log_reference`.

    Raises ReferenceDataError: there is no such model, or no profile with it. ProfileError: it cannot be read.
    """
    place = _place(model)
    try:
        folder = place
        if place.startswith("models:/"):
            folder = MlflowClient().get_logged_model(place.removeprefix("models:/")).artifact_location
        file = Path(mlflow.artifacts.download_artifacts(artifact_uri=f"{folder.rstrip('/')}/{PATH}"))
    except Exception as error:
        raise ReferenceDataError(f"{place} has no {PATH}, or it cannot be read: {error}") from error
    return parse(file.read_bytes())


def _place(model: Any) -> str:
    """The URI of the model's artifact directory: ``models:/<model ID>`` or ``runs:/<run>/<path>``."""
    if model is None:
        model = _last_logged()
    if model_id := getattr(model, "model_id", None):
        return f"models:/{model_id}"
    uri = getattr(model, "model_uri", model)
    if not isinstance(uri, str) or not uri:
        raise ReferenceDataError("model must be what log_model returned, the ID of a logged model, or a URI of one")
    if "/" not in uri:
        return f"models:/{uri}"
    scheme, path = urlsplit(uri).scheme, uri.partition(":/")[2].strip("/")
    if scheme == "runs" and "/" in path:
        return _of_run(path)
    if scheme == "models" and ("/" in path or "@" in path):
        return _registered(uri, path)
    if scheme == "models" and path:
        return f"models:/{path}"
    raise ReferenceDataError(
        f"{uri!r} is no model: give models:/<name>/<version>, models:/<model ID> or runs:/<run>/<path>"
    )


def _last_logged() -> str:
    logged = mlflow.last_logged_model() if hasattr(mlflow, "last_logged_model") else None
    if logged is None:
        raise ReferenceDataError("no model was logged in this session: give model=, such as what log_model returned")
    return f"models:/{logged.model_id}"


def _registered(uri: str, path: str) -> str:
    """Where the version came from: the registry itself takes no artifacts."""
    client = MlflowClient()
    name, _, alias = path.partition("@")
    try:
        if alias:
            version = client.get_model_version_by_alias(name, alias)
        else:
            name, _, number = path.rpartition("/")
            version = client.get_model_version(name, number)
    except Exception as error:
        raise ReferenceDataError(f"the registry has no {uri}: {error}") from error
    source = str(version.source or "")
    if getattr(version, "model_id", None):
        return f"models:/{version.model_id}"
    if source.startswith(("models:/", "runs:/")):
        return _place(source)
    if version.run_id and (below := _below_run(client, version.run_id, source)):
        return _of_run(f"{version.run_id}/{below}")
    raise ReferenceDataError(f"{uri} comes from {source!r}, which is neither a logged model nor artifacts of its run")


def _below_run(client: MlflowClient, run_id: str, source: str) -> str | None:
    root = client.get_run(run_id).info.artifact_uri.rstrip("/") + "/"
    return source.removeprefix(root).rstrip("/") if source.startswith(root) else None


def _of_run(path: str) -> str:
    """Where the model that a run logged as <run>/<path> is: MLflow 3 keeps it apart from the run."""
    client = MlflowClient()
    run_id, _, name = path.partition("/")
    if hasattr(client, "search_logged_models"):
        try:
            experiment = client.get_run(run_id).info.experiment_id
            logged = client.search_logged_models([experiment], f"source_run_id = '{run_id}' AND name = '{name}'")
        except Exception as error:
            raise ReferenceDataError(f"there is no run {run_id}: {error}") from error
        if logged:
            return f"models:/{logged[0].model_id}"
    return f"runs:/{path}"


def _upload(place: str, folder: str) -> None:
    client = MlflowClient()
    scheme, _, path = place.partition(":/")
    try:
        if scheme == "models":
            client.log_model_artifacts(path, folder)
        else:
            run_id, _, below = path.partition("/")
            client.log_artifacts(run_id, folder, below)
    except Exception as error:
        raise ReferenceDataError(f"the profile could not be stored with {place}: {error}") from error
