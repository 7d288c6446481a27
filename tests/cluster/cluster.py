"""The cluster as tests, the demo and the benchmarks see it, whatever provides it."""

from __future__ import annotations

import os
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from cluster.archives import BuiltImage
from cluster.cache import REPOSITORY
from cluster.connection import Connection
from cluster.errors import NotRunning
from cluster.images import ImageSource
from cluster.parts import ALL_PARTS, GATEWAY, MLFLOW, PROMETHEUS, Part
from cluster.progress import Progress


class Cluster(Connection, ABC):
    """A running cluster. As a context manager it is taken down at the end of the block, unless it was up before.

    Made by Cluster.up; see there for the choices.
    """

    def __init__(
        self, name: str, kubeconfig: Path, kubectl: Path, helm: Path, *, parts: Iterable[str], context: str = ""
    ) -> None:
        super().__init__(kubeconfig, kubectl, helm, context)
        self.name = name
        self.parts = frozenset(parts)
        """The parts that the cluster carries."""
        self._ready: set[str] = set()
        self._owned = True

    provider: str
    """embedded, kind or existing."""

    @staticmethod
    def up(
        name: str = "steersman",
        *,
        provider: str = "auto",
        parts: Iterable[str] = ALL_PARTS,
        images: Sequence[ImageSource] | None = None,
        reuse: bool = False,
        tied: bool = True,
        scrape_interval: str = "5s",
        context: str = "",
        image_prefix: str = "",
        api_port: int = 0,
        progress: Progress | None = None,
    ) -> Cluster:
        """Start a cluster and return once it is ready (the MLflow server may still be loading: see mlflow_url).

        `provider`: auto, existing, kind or embedded; see cluster.providers. `parts`: of gateway, prometheus and
        mlflow. `images`: images of the project that are built and loaded too, by default the operator's and the
        MLflow runtime's. `reuse`: take a cluster of that name that is up, else that is an AlreadyRunning error.
        `tied`: the cluster ends with this process, however that ends. `context` and `image_prefix` are for the
        provider existing. Raises a ClusterError that says what is wrong and what to do.
        """
        from cluster import providers
        from cluster.images import MLFLOW_RUNTIME, OPERATOR
        from cluster.options import Options

        options = Options(
            name=name,
            parts=frozenset(parts),
            images=tuple(images) if images is not None else (OPERATOR, MLFLOW_RUNTIME),
            scrape_interval=scrape_interval,
            tied=tied,
            api_port=api_port,
            context=context,
            image_prefix=image_prefix,
        )
        return providers.up(options, provider=provider, reuse=reuse, progress=progress)

    @staticmethod
    def attach(name: str = "steersman", *, progress: Progress | None = None) -> Cluster:
        """A cluster that is up already. NotRunning when there is none of that name."""
        from cluster import providers

        return providers.attach(name, progress=progress)

    # ---------------------------------------------------------------- what providers differ in

    @abstractmethod
    def forward(self, namespace: str, service: str, port: int, *, listen: int = 0) -> str:
        """A URL, http://127.0.0.1:PORT, that carries to a Service's port until the cluster goes down.

        `listen` asks for a certain loopback port; MissingRequirement when it is taken.
        """

    @abstractmethod
    def load_image(self, image: BuiltImage | str) -> None:
        """Give the cluster's node an image that was built here, replacing an older one of that name."""

    def build_image(
        self,
        name: str,
        dockerfile: Path,
        *,
        context: Path = REPOSITORY,
        arguments: Mapping[str, str] | None = None,
        load: bool = True,
    ) -> str:
        """Build an image from a Dockerfile, load it into the cluster, and return the name for manifests.

        The Dockerfile gets the build argument BASE_IMAGE. What did not change is neither built nor loaded again.
        """
        return self.build_source(ImageSource(name, dockerfile, context, arguments or {}), load=load)

    @abstractmethod
    def build_source(self, source: ImageSource, *, load: bool = True) -> str:
        """The same for one of the project's own images, such as cluster.images.OPERATOR."""

    @abstractmethod
    def run_inside(
        self, command: Sequence[str | Path], *, namespaces: Sequence[str] = ("net",), timeout: float | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the node's namespaces (net, mount, pid, uts, ipc) and capture what it prints."""

    @abstractmethod
    def component_log(self, component: str) -> str:
        """The log of a component of the cluster, such as kube-apiserver or kubelet."""

    @abstractmethod
    def down(self) -> None:
        """Take the cluster down and wait until nothing of it is left. Harmless when it is down already."""

    def image(self, name: str) -> str:
        """The name under which the cluster's node finds an image of the project."""
        return name

    # ---------------------------------------------------------------- what all share

    @property
    def gateway_url(self) -> str:
        """A loopback URL of the Gateway `steersman`; routes are told apart by the Host header."""
        return self.part_url(GATEWAY)

    @property
    def prometheus_url(self) -> str:
        """A loopback URL of Prometheus; inside the cluster it is http://prometheus.monitoring.svc:9090."""
        return self.part_url(PROMETHEUS)

    @property
    def mlflow_url(self) -> str:
        """A loopback URL of the MLflow server, once that is ready; inside it is http://mlflow.mlflow.svc:5000."""
        return self.part_url(MLFLOW)

    def part_url(self, part: Part) -> str:
        """A loopback URL of a part, once that is ready."""
        if part.name not in self.parts:
            raise NotRunning(
                f"The cluster '{self.name}' was started without {part.name}; start it with parts that include it."
            )
        if part.name not in self._ready:
            self.await_part(part)
        return self.forward(part.namespace, part.service, part.port)

    def await_part(self, part: Part, timeout: float = 180.0) -> None:
        """Wait until a part's Deployments are available."""
        names = [f"deployment/{name}" for name in part.deployments]
        self.wait("condition=Available", *names, namespace=part.namespace, timeout=timeout)
        self._ready.add(part.name)

    def logs(self, namespace: str, selector: str, *, tail: int = -1) -> str:
        """What the pods with these labels (`app=envoy`) have printed, all containers, each line with its pod."""
        return self.kubectl(
            "logs", f"--namespace={namespace}", f"--selector={selector}", "--all-containers", "--prefix",
            f"--tail={tail}", "--ignore-errors",
        )  # fmt: skip

    def describe(self) -> str:
        """Where everything is reached, for people."""
        lines = [f"cluster     {self.name} ({self.provider})", f"kubeconfig  {self.kubeconfig}"]
        titles = {"gateway": "gateway   ", "prometheus": "prometheus", "mlflow": "mlflow    "}
        lines += [
            f"{titles[part.name]}  {self.forward(part.namespace, part.service, part.port)}"
            for part in (GATEWAY, PROMETHEUS, MLFLOW)
            if part.name in self.parts
        ]
        return "\n".join(lines)

    def shell(self) -> int:
        """Run the person's shell with KUBECONFIG and PATH set; its exit code."""
        shell = os.environ.get("SHELL", "/bin/sh")
        env = {**os.environ, **self.env, "STEERSMAN_CLUSTER": self.name}
        return subprocess.run([shell], env=env, check=False).returncode

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._owned:
            self.down()
