"""Everything of the kit around one control plane."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from cluster.connection import Connection
from simulation import definitions, objects
from simulation.connection import Api
from simulation.credentials import Account
from simulation.gateway import Gateway
from simulation.metric_server import MetricServer
from simulation.model_deployments import ModelDeployments, Status
from simulation.operator_process import OperatorProcess
from simulation.pods import Pods
from simulation.registry_server import RegistryServer
from steersman.api.meta import API_VERSION
from steersman.ports import Manifest


class Scene:
    """Pods, Gateway, registry and metric server of one control plane. Enter it by `Scene.on`."""

    def __init__(
        self,
        control_plane: Connection,
        folder: Path,
        api: Api,
        account: Account,
        pods: Pods,
        gateway: Gateway,
        registry: RegistryServer,
        metrics: MetricServer,
        deployments: ModelDeployments,
    ) -> None:
        self.control_plane = control_plane
        self.folder = folder
        """Where kubeconfigs and logs are written."""
        self.api = api
        self.account = account
        self.pods = pods
        self.gateway = gateway
        self.registry = registry
        self.metrics = metrics
        self.deployments = deployments
        self._operators: list[OperatorProcess] = []

    @classmethod
    @contextlib.asynccontextmanager
    async def on(cls, control_plane: Connection, folder: Path, *, install: bool = True) -> AsyncIterator[Scene]:
        """Set it up on a control plane without controllers, and clear it away at the end with every operator that it started.

        `install` applies the CRDs and the simulated runtime first; one scene per control plane at a time.
        """
        if install:
            await asyncio.to_thread(definitions.install, control_plane)
            await asyncio.to_thread(control_plane.apply, [objects.runtime()])
        account = await asyncio.to_thread(Account.create, control_plane)
        async with (
            await Api.connect(control_plane.kubeconfig) as api,
            RegistryServer() as registry,
            MetricServer() as metrics,
            Pods(api) as pods,
            Gateway(api) as gateway,
            ModelDeployments(api) as deployments,
        ):
            scene = cls(control_plane, folder, api, account, pods, gateway, registry, metrics, deployments)
            try:
                yield scene
            finally:
                for operator in scene._operators:
                    operator.kill()

    def operator(self, name: str = "steersman-0", *, server: str | None = None, **settings: Any) -> OperatorProcess:
        """An operator for this scene, not yet started; `server` is the URL of a proxy before the API server, `settings` are
        OperatorProcess' own.
        """
        kubeconfig = self.account.write_kubeconfig(self.folder / f"{name}.kubeconfig", server)
        made = OperatorProcess(
            kubeconfig,
            self.folder / f"{name}.log",
            name=name,
            prometheus_url=self.metrics.url,
            **{"registry_url": self.registry.url, **settings},
        )
        self._operators.append(made)
        return made

    async def namespace(self, name: str, *, poll_interval: str = "1s") -> None:
        """A namespace with the simulated ModelRegistry in it."""
        await self.api.client.apply(objects.namespace(name))
        await self.api.client.apply(objects.registry(name, self.registry.url, poll_interval=poll_interval))

    async def change(self, namespace: str, name: str, spec: dict[str, Any]) -> Manifest:
        """Merge into a ModelDeployment's spec, as a user would."""
        return await self.api.client.merge_patch(
            API_VERSION, "ModelDeployment", namespace, name, {"spec": spec}, manager="user"
        )

    def status(self, namespace: str, name: str) -> Status:
        """A ModelDeployment's status as last seen; empty when there is none yet."""
        return self.deployments.status(namespace, name)

    async def until(self, namespace: str, name: str, holds: Callable[[Status], bool], within: float = 60.0) -> Status:
        """Wait until a ModelDeployment's status is such, and return it; TimeoutError otherwise."""
        await self.deployments.until([(namespace, name)], holds, within)
        return self.status(namespace, name)
