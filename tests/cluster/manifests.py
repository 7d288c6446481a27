"""Reads the manifests of the cluster's parts and fills in what differs from cluster to cluster."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from string import Template
from typing import Any

import yaml

from cluster.cache import KIT

Manifest = dict[str, Any]

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read(name: str, **values: str) -> list[Manifest]:
    """The objects of manifests/NAME.yaml with `${...}` filled in. KeyError when a value is missing."""
    text = (KIT / "manifests" / f"{name}.yaml").read_text()
    return load(Template(text).substitute(values))


def load(text: str) -> list[Manifest]:
    """The objects of a YAML text."""
    return [found for found in yaml.load_all(text, Loader=_LOADER) if found]


def load_files(files: Iterable[Path]) -> list[Manifest]:
    """The objects of several YAML files."""
    return [found for file in files for found in load(file.read_text())]


def as_list(objects: Sequence[Manifest]) -> str:
    """One JSON text that kubectl reads as all of them."""
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
