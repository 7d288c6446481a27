"""From the store, the poller and the answered queries to the snapshot that planning sees."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from steersman.api.analysis import AnalysisTemplateSpec
from steersman.api.conditions import Reason
from steersman.api.faults import faults
from steersman.api.meta import API_VERSION
from steersman.api.modeldeployment import ModelDeploymentSpec
from steersman.api.registry import ModelRegistrySpec
from steersman.api.runtime import ServingRuntimeSpec
from steersman.core.pod.template import RegistryAccess
from steersman.core.snapshot import Children, Problem, RegistryAnswer, Snapshot
from steersman.ports import KubeClient, Manifest, NotFound, VersionSelector
from steersman.shell.config import Config
from steersman.shell.desks import Desks
from steersman.shell.parsed import ParsedSpecs, Spec
from steersman.shell.queue import Key
from steersman.shell.registries import RESOLVING, RegistrySource
from steersman.shell.store import Store

_NO_REGISTRY = RegistrySource("", "", "")


class SnapshotBuilder:
    """Gathers everything that planning one ModelDeployment needs."""

    def __init__(
        self,
        config: Config,
        store: Store,
        client: KubeClient,
        desks: Desks,
        clock: Callable[[], float],
    ) -> None:
        """`clock` gives seconds since the epoch."""
        self._config = config
        self._store = store
        self._client = client
        self._desks = desks
        self._clock = clock
        self._specs = ParsedSpecs()

    async def build(self, manifest: Manifest, obstacle: Problem | None) -> Snapshot:
        """The snapshot as of now. Raises ApiError when the API server does not answer for something referred to."""
        key: Key = (manifest["metadata"]["namespace"], manifest["metadata"]["name"])
        now = round(self._clock(), 3)
        spec = self._specs.of(ModelDeploymentSpec, manifest)
        if isinstance(spec, ValidationError):
            # Planning says what is wrong; nothing that it refers to matters.
            nothing = Problem(Reason.INVALID_SPEC, "the spec is not valid")
            seen = Snapshot(manifest, spec, now, nothing, nothing, nothing, {}, self._children(key, manifest))
            return self._with_notifications(key, seen)
        source = _NO_REGISTRY if spec.model.uri is not None else await self._source(key[0], spec.model.registry)
        registry, answer = self._registry(key, spec, source)
        if isinstance(answer, Problem) and self._desks.poller.worth_waiting(key) is not None:
            # Nothing is planned before: what else the spec refers to is looked for then.
            return Snapshot(manifest, spec, now, registry, answer, answer, {}, self._children(key, manifest))
        # What a new spec refers to may just have been made in the namespace; what an old one does was asked for before.
        fresh = (manifest.get("status") or {}).get("observedGeneration") != manifest["metadata"].get("generation", 0)
        runtime = await self._runtime(key[0], spec.runtime.name, fresh)
        templates = await self._templates(key[0], spec, fresh)
        trouble = await self._desks.pods.trouble(manifest, now)
        adopted = await self._desks.adopted.of(key, spec)
        # From here on nothing is awaited until the plan is made: slots rely on it.
        seen = Snapshot(
            manifest=manifest,
            spec=spec,
            now=now,
            registry=registry,
            answer=answer,
            runtime=runtime,
            templates=templates,
            children=self._children(key, manifest, adopted),
            results=self._desks.measurements.results(key),
            obstacle=obstacle,
            trouble=trouble,
            answers={} if isinstance(source, Problem) else self._desks.questions.answers(key, source),
            written=self._desks.write_back.written(key),
            cluster=self._config.cluster_name,
            slot=self._desks.slots.problem(key, now),
            reports=self._desks.retraining.answers(key) if self._desks.retraining is not None else (),
        )
        return self._with_notifications(key, seen)

    def _with_notifications(self, key: Key, seen: Snapshot) -> Snapshot:
        if self._desks.notifier is None:
            return seen
        return replace(seen, told=self._desks.notifier.told, sent=self._desks.notifier.sent(key))

    def _children(self, key: Key, manifest: Manifest, adopted: Sequence[Manifest] = ()) -> Children:
        uid = manifest["metadata"]["uid"]
        return Children([child for child in self._store.owned_by(*key) if _is_owned(child, uid)], adopted)

    def _registry(
        self, key: Key, spec: ModelDeploymentSpec, source: RegistrySource | Problem
    ) -> tuple[RegistryAccess | Problem, RegistryAnswer | Problem]:
        if isinstance(source, Problem):
            self._desks.poller.drop(key)
            return source, RESOLVING
        if spec.model.name is None:  # given by uri: its version is the spec's, and nobody is asked
            self._desks.poller.drop(key)
            return RegistryAccess(""), RegistryAnswer(spec.model.version or "")
        tags = tuple(sorted((spec.model.tags or {}).items()))
        selector = VersionSelector(spec.model.name, spec.model.version, spec.model.alias, tags)
        return RegistryAccess(source.url, source.secret_name), self._desks.poller.answer(key, source, selector)

    async def _source(self, namespace: str, name: str | None) -> RegistrySource | Problem:
        if name is None:
            if self._config.default_registry_url is None:
                return Problem(
                    Reason.REGISTRY_NOT_FOUND, "spec.model.registry is not set and the operator has no default registry"
                )
            return RegistrySource("", "", self._config.default_registry_url)
        found = await self._read(ModelRegistrySpec, "ModelRegistry", namespace, name)
        if found is None:
            return Problem(Reason.REGISTRY_NOT_FOUND, f"there is no ModelRegistry {name!r} in namespace {namespace!r}")
        if isinstance(found, str):
            return Problem(Reason.REGISTRY_NOT_FOUND, f"ModelRegistry {name!r} is not valid: {found}")
        secret = found.mlflow.credentials.secret_name if found.mlflow.credentials else None
        return RegistrySource(namespace, name, found.mlflow.url.rstrip("/"), secret, found.poll_interval)

    async def _runtime(self, namespace: str, name: str, fresh: bool) -> ServingRuntimeSpec | Problem:
        found = await self._read_either(ServingRuntimeSpec, "ServingRuntime", namespace, name, fresh)
        if found is None:
            return Problem(Reason.RUNTIME_NOT_FOUND, f"there is no ServingRuntime or ClusterServingRuntime {name!r}")
        if isinstance(found, str):
            return Problem(Reason.RUNTIME_INVALID, f"serving runtime {name!r} is not valid: {found}")
        return found

    async def _templates(
        self, namespace: str, spec: ModelDeploymentSpec, fresh: bool
    ) -> Mapping[str, AnalysisTemplateSpec | Problem]:
        templates: dict[str, AnalysisTemplateSpec | Problem] = {}
        for name in sorted(spec.template_names):
            found = await self._read_either(AnalysisTemplateSpec, "AnalysisTemplate", namespace, name, fresh)
            if found is None:
                why = f"there is no AnalysisTemplate or ClusterAnalysisTemplate {name!r}"
                templates[name] = Problem(Reason.TEMPLATE_NOT_FOUND, why)
            elif isinstance(found, str):
                templates[name] = Problem(Reason.TEMPLATE_INVALID, f"analysis template {name!r} is not valid: {found}")
            else:
                templates[name] = found
        return templates

    async def _read_either(
        self, model: type[Spec], kind: str, namespace: str, name: str, fresh: bool
    ) -> Spec | str | None:
        wide = f"Cluster{kind}"
        shared = self._config.cluster_wide and self._store.get(wide, None, name) is not None
        if shared and not fresh and self._store.get(kind, namespace, name) is None:
            return await self._read(model, wide, None, name)
        found = await self._read(model, kind, namespace, name)
        if found is None and self._config.cluster_wide:
            return await self._read(model, wide, None, name)
        return found

    async def _read(self, model: type[Spec], kind: str, namespace: str | None, name: str) -> Spec | str | None:
        """The spec; None when the object does not exist; a text saying why it is not valid."""
        manifest = self._store.get(kind, namespace, name)
        if manifest is None:
            # The watch may be behind: what is missing costs a rollout, so it is asked for.
            try:
                manifest = await self._client.get(API_VERSION, kind, namespace, name)
            except NotFound:
                return None
            self._store.put(manifest)
        spec = self._specs.of(model, manifest)
        if isinstance(spec, ValidationError):
            return faults(spec)
        return spec


def _is_owned(child: dict[str, Any], uid: str) -> bool:
    return any(owner.get("uid") == uid for owner in child["metadata"].get("ownerReferences") or [])
