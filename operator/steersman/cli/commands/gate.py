"""steersman gate: the gates of a manifest, judged in a pipeline. Asks the registry, and no cluster."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from steersman.adapters.registries.mlflow import MLflowRegistry
from steersman.api.gate_status import GatePhase, GateResult
from steersman.api.gates import Gate
from steersman.api.modeldeployment import ModelSource
from steersman.api.registry import ModelRegistrySpec
from steersman.cli.choices import Format
from steersman.cli.errors import UserError
from steersman.cli.files import Manifest, deployment, name_of, read_manifests, spec_of
from steersman.cli.output import print_data, print_view
from steersman.cli.registry_access import credentials_of_environment, hint
from steersman.core.gates import Missing, Unknown, VersionFacts, judge, needs_of
from steersman.core.gates.facts import compared
from steersman.ports import ModelRegistryClient, RegistryCredentials, RegistryError, VersionSelector

FAILED: Final = 1
"""Exit code when a gate fails."""
NOT_JUDGED: Final = 2
"""Exit code when none fails and something could not be judged: a manifest, a registry, a gate."""
_VERSION = re.compile(r"[1-9][0-9]{0,9}")


@dataclass(frozen=True)
class Asked:
    """What was asked on the command line."""

    files: Sequence[str]
    name: str | None = None
    registry_url: str | None = None
    version: str | None = None
    """Judge this version or alias, not the one that the manifest names."""
    against: str | None = None
    """The version or alias that counts as stable."""


@dataclass(frozen=True)
class Judged:
    """What came of the gates of one version."""

    name: str
    """Of the ModelDeployment."""
    model: str
    version: str
    against: str | None
    results: tuple[GateResult, ...]

    @property
    def phase(self) -> GatePhase:
        """The worst of the results; what only the cluster can judge is left to it."""
        phases = {result.phase for result in self.results}
        return next((each for each in (GatePhase.FAIL, GatePhase.ERROR) if each in phases), GatePhase.PASS)

    def as_data(self) -> dict[str, Any]:
        """For programs."""
        return {
            "name": self.name,
            "model": self.model,
            "version": self.version,
            "against": self.against,
            "phase": self.phase.value,
            "gates": [result.to_wire() for result in self.results],
        }


def gate(asked: Asked, output: Format) -> int:
    """Judge the gates of a ModelDeployment's manifest, and print what comes of it; the exit code."""
    try:
        found = asyncio.run(_judge(asked))
    except UserError as error:
        error.exit_code = NOT_JUDGED
        raise
    if output in (Format.JSON, Format.YAML):
        print_data(found.as_data(), output)
    else:
        from steersman.cli.view.gates import render_gates

        for part in render_gates(found.model, found.version, found.against, found.results):
            print_view(part, table=True)
    return {GatePhase.PASS: 0, GatePhase.FAIL: FAILED, GatePhase.ERROR: NOT_JUDGED}[found.phase]


async def _judge(asked: Asked) -> Judged:
    manifests = read_manifests(asked.files)
    name, spec = deployment(manifests, asked.name)
    model, gates = spec.model, spec.gates
    if not gates:
        raise UserError(
            f"{name}: spec.gates is empty: there is nothing to judge", "see what there is: docs/reference/gates.md"
        )
    if model.name is None:
        raise UserError(
            f"{name}: its model is given by uri: there is no registry to ask", "its gates run on the cluster"
        )
    url = _registry_url(asked, model, manifests)
    credentials = credentials_of_environment()
    registry = MLflowRegistry(timeout=30.0)
    try:
        selector = _selector(model.name, asked.version) if asked.version else _meant(model.name, model)
        version = await _resolved(registry, url, credentials, selector)
        candidate = await _facts(registry, url, credentials, model.name, version, gates)
        against, stable = None, None
        if asked.against:
            against = await _resolved(registry, url, credentials, _selector(model.name, asked.against))
            stable = await _facts(registry, url, credentials, model.name, against, compared(gates))
    finally:
        await registry.close()
    return Judged(name, model.name, version, against, judge(gates, candidate, stable, time.time()))


def _registry_url(asked: Asked, model: ModelSource, manifests: Sequence[Manifest]) -> str:
    """From the command line, or else of the ModelRegistry that the manifest names."""
    if asked.registry_url:
        return asked.registry_url
    hint = "say where it is with --registry-url, or give its ModelRegistry with another -f"
    if model.registry is None:
        raise UserError("spec.model names no registry, and the operator's own is not known here", hint)
    for manifest in manifests:
        if manifest.get("kind") == "ModelRegistry" and name_of(manifest) == model.registry:
            return spec_of(ModelRegistrySpec, manifest).mlflow.url
    raise UserError(f"there is no ModelRegistry {model.registry!r} in the files", hint)


def _meant(name: str, model: ModelSource) -> VersionSelector:
    tags = tuple(sorted((model.tags or {}).items()))
    return VersionSelector(name, version=model.version, alias=model.alias, tags=tags)


def _selector(model: str, text: str) -> VersionSelector:
    """A version when it is a number, and else an alias."""
    if _VERSION.fullmatch(text):
        return VersionSelector(model, version=text)
    return VersionSelector(model, alias=text)


async def _resolved(
    registry: ModelRegistryClient, url: str, credentials: RegistryCredentials | None, selector: VersionSelector
) -> str:
    try:
        return (await registry.resolve(url, credentials, selector)).version
    except RegistryError as error:
        raise UserError(str(error), hint(error)) from error


async def _facts(
    registry: ModelRegistryClient,
    url: str,
    credentials: RegistryCredentials | None,
    model: str,
    version: str,
    gates: Sequence[Gate],
) -> VersionFacts | Missing | Unknown:
    """What the gates need; trouble on the way is a result of each gate, not of the command."""
    try:
        return await registry.facts(url, credentials, model, version, needs_of(gates))
    except RegistryError as error:
        return Unknown(str(error))
