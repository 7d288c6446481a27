"""What MLflow knows of a model version, for gates and lineage: its run, its logged model (MLflow 3), and small files of its artifact.

Each part is there, missing, or unknown with the reason, so that one trouble spoils only the gates that need that part.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Protocol, TypeVar
from urllib.parse import quote

import aiohttp
import yaml

from steersman.adapters.http import TooLarge, one_line, read_bounded
from steersman.core.gates.facts import Dataset, Missing, ModelFile, Needs, RunFacts, Unknown, VersionFacts
from steersman.core.gates.signature import Signature, SignatureError, parse_signature
from steersman.ports import RegistryError

MAX_FILE: Final = 1024 * 1024
"""Bytes of MLmodel, requirements.txt and python_env.yaml."""
MAX_HASHED: Final = 1024 * 1024 * 1024
"""Bytes of a file whose digest is asked for."""
HASH_SECONDS: Final = 120.0
"""How long the download of a file for its digest may take."""
MAX_LINES: Final = 2000
"""Lines of requirements.txt."""
MAX_FLAVORS: Final = 50
MAX_DATASETS: Final = 50

T = TypeVar("T")
Read = Callable[[aiohttp.ClientResponse], Awaitable[T]]
Get = Callable[[str, Mapping[str, str]], Awaitable[Any]]
"""Path below the API and query to a JSON document, None when it is not there. Raises RegistryError."""


class Artifact(Protocol):
    """A file of the version, read in at most so many seconds; None when it is not there. Raises RegistryError."""

    async def __call__(self, path: str, read: Read[T], seconds: float) -> T | None:
        """Path inside the artifact."""
        ...


class FactsReader:
    """Reads the parts of one version."""

    def __init__(self, get: Get, artifact: Artifact, timeout: float) -> None:
        """`timeout` is in seconds, for each of the small files."""
        self._get = get
        self._artifact = artifact
        self._timeout = timeout

    async def read(self, entry: Mapping[str, Any], needs: Needs) -> VersionFacts:
        """The facts of a version whose registry entry is known."""
        facts: dict[str, Any] = {}
        if needs.run:
            facts["run"] = await _known(self._run(entry))
        if needs.model_file or needs.python:
            written = await _known(self._model_file())
            facts["model_file"] = written if isinstance(written, Missing | Unknown) else _parsed(written)
            if needs.python:
                facts["python_version"] = await _known(self._python(written))
        if needs.requirements:
            facts["requirements"] = await _known(self._requirements())
        return VersionFacts(
            model=str(entry["name"]),
            version=str(entry["version"]),
            created_at=_seconds(entry.get("creation_timestamp")),
            tags=_pairs(entry.get("tags")),
            run_id=one_line(entry.get("run_id") or "", 100),
            source=one_line(entry.get("source") or "", 500),
            digests={path: await _known(self._digest(path)) for path in sorted(needs.digests)},
            **facts,
        )

    async def _run(self, entry: Mapping[str, Any]) -> RunFacts | Missing | Unknown:
        run_id, model_id = entry.get("run_id"), _model_id(entry)
        run = await self._get("/runs/get", {"run_id": str(run_id)}) if run_id else None
        logged = await self._get(f"/logged-models/{quote(model_id, safe='')}", {}) if model_id else None
        if run is None and logged is None:
            gone = f"run {one_line(run_id, 64)!r} of the version is not there any more"
            return Missing(gone if run_id else "the registry names no run for the version")
        of_run, of_model = _part(run, "run", "data"), _part(logged, "model", "data")
        metrics, own = _metrics(of_run.get("metrics")), _metrics(of_model.get("metrics"))
        # log_model gives the model the run's metrics of its own step. That is right for a checkpoint; a model that was logged without
        # a step, after the training, has those of the training's first step.
        metrics = metrics | own if _is_checkpoint(run, model_id) else own | metrics
        params = _pairs(of_run.get("params")) | _pairs(of_model.get("params"))
        info = _part(run, "run", "info")
        return RunFacts(
            metrics,
            params,
            _pairs(of_run.get("tags")),
            datasets=_datasets(_part(run, "run", "inputs").get("dataset_inputs")),
            name=one_line(info.get("run_name") or "", 200),
            user=one_line(info.get("user_id") or "", 200),
            started_at=_seconds(info.get("start_time")),
            ended_at=_seconds(info.get("end_time")),
        )

    async def _model_file(self) -> dict[str, Any] | Missing | Unknown:
        return await self._yaml("MLmodel")

    async def _yaml(self, path: str) -> dict[str, Any] | Missing | Unknown:
        body = await self._artifact(path, _small, self._timeout)
        if body is None:
            return Missing(f"the version's artifact has no file {path}")
        # Off the loop: a megabyte of YAML takes a while.
        written = await asyncio.to_thread(_load, body)
        return written if isinstance(written, dict) else Unknown(f"the version's {path} does not read as YAML")

    async def _python(self, model_file: dict[str, Any] | Missing | Unknown) -> str | Missing | Unknown:
        """As the MLmodel file has it, or else python_env.yaml."""
        if isinstance(model_file, dict):
            version = _flavors(model_file).get("python_function")
            written = version.get("python_version") if isinstance(version, dict) else None
            if written:
                return str(written)
        environment = await self._yaml("python_env.yaml")
        if isinstance(environment, Missing | Unknown):
            return model_file if isinstance(model_file, Unknown) else environment
        if not environment.get("python"):
            return Missing("neither MLmodel nor python_env.yaml names a Python version")
        return str(environment["python"])

    async def _requirements(self) -> tuple[str, ...] | Missing | Unknown:
        body = await self._artifact("requirements.txt", _small, self._timeout)
        if body is None:
            return Missing("the version's artifact has no file requirements.txt")
        try:
            lines = body.decode().splitlines()
        except UnicodeDecodeError:
            return Unknown("the version's requirements.txt is not text")
        if len(lines) > MAX_LINES:
            return Unknown(f"the version's requirements.txt has more than {MAX_LINES} lines")
        return tuple(lines)

    async def _digest(self, path: str) -> str | Missing | Unknown:
        found = await self._artifact(path, _hashed, HASH_SECONDS)
        return found if found is not None else Missing(f"the version's artifact has no file {one_line(path, 100)}")


async def _known(part: Awaitable[T]) -> T | Unknown:
    """A part, or why it could not be read."""
    try:
        return await part
    except RegistryError as error:
        return Unknown(str(error))


async def _small(response: aiohttp.ClientResponse) -> bytes:
    return await read_bounded(response, MAX_FILE)


async def _hashed(response: aiohttp.ClientResponse) -> str:
    """SHA-256 of a body, of which never more than a piece is in memory. Raises TooLarge."""
    digest, size = hashlib.sha256(), 0
    async for chunk in response.content.iter_chunked(65536):
        size += len(chunk)
        if size > MAX_HASHED:
            raise TooLarge(f"the file is larger than {MAX_HASHED} bytes")
        digest.update(chunk)
    return digest.hexdigest()


def _load(body: bytes) -> Any:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return yaml.load(body, loader)  # noqa: S506  either is a safe loader
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        return None


def _parsed(written: Mapping[str, Any]) -> ModelFile:
    return ModelFile(
        flavors=tuple(one_line(name, 100) for name in list(_flavors(written))[:MAX_FLAVORS]),
        signature=_signature(written.get("signature")),
        has_input_example=bool(written.get("saved_input_example_info")),
    )


def _signature(written: Any) -> Signature | Missing | Unknown:
    if written is None:
        return Missing("the version was logged without a signature")
    if not isinstance(written, dict):
        return Unknown("the signature in the version's MLmodel cannot be read")
    try:
        return parse_signature(written)
    except SignatureError as error:
        return Unknown(str(error))


def _flavors(written: Mapping[str, Any]) -> dict[str, Any]:
    flavors = written.get("flavors")
    return {str(name): flavor for name, flavor in flavors.items()} if isinstance(flavors, dict) else {}


def _part(answer: Any, *keys: str) -> dict[str, Any]:
    for key in keys:
        answer = answer.get(key) if isinstance(answer, dict) else None
    return answer if isinstance(answer, dict) else {}


def _entries(listed: Any) -> list[dict[str, Any]]:
    return [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []


def _pairs(listed: Any) -> dict[str, str]:
    return {str(each.get("key")): str(each.get("value", "")) for each in _entries(listed)}


def _datasets(listed: Any) -> tuple[Dataset, ...]:
    found = []
    for each in _entries(listed)[:MAX_DATASETS]:
        dataset = _part(each, "dataset")
        text = {key: one_line(dataset.get(key) or "", 500) for key in ("name", "digest", "source_type", "source")}
        context = _pairs(each.get("tags")).get("mlflow.data.context", "")
        found.append(Dataset(**text, context=one_line(context, 100)))
    return tuple(found)


def _metrics(listed: Any) -> dict[str, float]:
    """By name, the value of the last step; MLflow writes NaN and Infinity as text. What is no number is left out."""
    found: dict[str, tuple[tuple[float, float], float]] = {}
    for each in _entries(listed):
        try:
            value = float(each["value"])
            order = float(each.get("step") or 0), float(each.get("timestamp") or 0)
        except (KeyError, TypeError, ValueError):
            continue
        name = str(each.get("key"))
        if name not in found or found[name][0] <= order:
            found[name] = order, value
    return {name: value for name, (_, value) in found.items()}


def _model_id(entry: Mapping[str, Any]) -> str:
    """Of the logged model, empty when there is none."""
    if entry.get("model_id"):
        return str(entry["model_id"])
    source = str(entry.get("source", ""))
    return source.removeprefix("models:/").partition("/")[0] if source.startswith("models:/m-") else ""


def _is_checkpoint(run: Any, model_id: str) -> bool:
    """Whether the run logged the model at a step of its own."""
    outputs = _entries(_part(run, "run", "outputs").get("model_outputs"))
    return any(each.get("model_id") == model_id and str(each.get("step") or 0) != "0" for each in outputs)


def _seconds(milliseconds: Any) -> float | None:
    try:
        seconds = float(milliseconds) / 1000
    except (TypeError, ValueError):
        return None
    # What a timestamp can name: the years 1970 to 9999.
    return seconds if 0 < seconds < 253_402_300_800 else None
