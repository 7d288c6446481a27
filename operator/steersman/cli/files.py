"""Manifests from files, as kubectl -f takes them."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from steersman.api.faults import faults
from steersman.api.meta import API_VERSION, ApiModel
from steersman.api.modeldeployment import ModelDeploymentSpec
from steersman.cli.errors import UserError

Spec = TypeVar("Spec", bound=ApiModel)
Manifest = dict[str, Any]

STDIN = "-"


def read_manifests(files: Sequence[str]) -> list[Manifest]:
    """All documents of our kinds in YAML or JSON files (`-` is standard input). Raises UserError."""
    manifests = []
    for file in files:
        try:
            documents = list(yaml.safe_load_all(sys.stdin.read() if file == STDIN else Path(file).read_text()))
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{file} cannot be read: {error}") from error
        except yaml.YAMLError as error:
            raise UserError(f"{file} is not YAML: {' '.join(str(error).split())}") from error
        manifests += [one for document in documents for one in _objects(document)]
    return [manifest for manifest in manifests if manifest.get("apiVersion") == API_VERSION]


def _objects(document: Any) -> Iterable[Manifest]:
    if not isinstance(document, dict):
        return []
    items = document.get("items")
    if document.get("kind") == "List" and isinstance(items, list):
        return [item for item in items if isinstance(item, dict)]
    return [document]


def name_of(manifest: Manifest) -> str:
    """metadata.name, empty when there is none."""
    metadata = manifest.get("metadata")
    return str(metadata.get("name") or "") if isinstance(metadata, dict) else ""


def spec_of(model: type[Spec], manifest: Manifest) -> Spec:
    """A manifest's spec. Raises UserError with every fault."""
    try:
        return model.model_validate(manifest.get("spec") or {})
    except ValidationError as error:
        raise UserError(
            f"{manifest.get('kind')} {name_of(manifest)}: the spec is not valid: {faults(error, 5)}"
        ) from error


def deployment(manifests: Sequence[Manifest], name: str | None) -> tuple[str, ModelDeploymentSpec]:
    """The one ModelDeployment, or that of the name: its name and spec. Raises UserError."""
    deployments = [manifest for manifest in manifests if manifest.get("kind") == "ModelDeployment"]
    chosen = [manifest for manifest in deployments if name is None or name_of(manifest) == name]
    known = ", ".join(name_of(manifest) for manifest in deployments) or "none"
    if not chosen:
        raise UserError(f"there is no ModelDeployment{f' {name!r}' if name else ''} in the files; there are: {known}")
    if len(chosen) > 1:
        raise UserError(f"there are {len(chosen)} ModelDeployments in the files: {known}", "say which with --name")
    return name_of(chosen[0]), spec_of(ModelDeploymentSpec, chosen[0])
