"""A control plane without a node: etcd and the API server, on loopback ports, up in seconds and without root.

It is for tests that need a real API server (validation, server-side apply, watches, resource versions) and no pods.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from cluster import binaries, certificates, components, kubeconfig
from cluster.binaries import Binaries
from cluster.cache import Cache
from cluster.connection import Connection
from cluster.errors import ClusterError
from cluster.keeper import Plan, keep_logs
from cluster.keeping import Kept, Start, wait_until
from cluster.namespaces import run_module
from cluster.packages import Package, ensure
from cluster.processes import write_commands
from cluster.progress import Progress

SERVICE_RANGE = "10.0.0.0/24"
_numbers = itertools.count(1)


class ControlPlane(Connection):
    """A running control plane. As a context manager it is taken down at the end of the block.

    It ends with the process that started it, however that ends.
    """

    def __init__(self, kept: Kept, built: Binaries, helm: bool) -> None:
        super().__init__(kept.state.kubeconfig, built.kubectl, built.helm if helm else None)
        self.name = kept.state.name
        self.url = f"https://127.0.0.1:{kept.api_port}"
        """The API server's URL."""
        self._kept = kept

    @classmethod
    def up(
        cls,
        name: str = "",
        *,
        controllers: bool = False,
        helm: bool = False,
        arguments: Sequence[str] = (),
        cache: Cache | None = None,
        progress: Progress | None = None,
    ) -> ControlPlane:
        """Start etcd and the API server, with RBAC and all default admission; the caller is cluster-admin.

        `controllers` adds the controller-manager (garbage collection, service accounts, namespace deletion), `helm`
        Helm; `arguments` are more flags for the API server. The default name is different for each call.
        """
        cache = cache or Cache.default()
        progress = progress or Progress()
        name = name or f"control-plane-{os.getpid()}-{next(_numbers)}"
        ensure([Package("util-linux", "setpriv")], progress)
        modules = [binaries.KUBERNETES, binaries.ETCD, *([binaries.HELM] if helm else [])]
        built = binaries.ensure(modules, cache, progress)
        start = Start(cache, name)
        try:
            kept = start.keep(_lay_out(start, built, controllers, arguments))
        finally:
            start.give_up()
        made = cls(kept, built, helm)
        try:
            wait_until(made._ready, "The API server", kept, start.failures, timeout=60)
        except BaseException as failed:
            if isinstance(failed, ClusterError):
                keep_logs(kept.state, start.failures)
            made.down()
            raise
        return made

    def _ready(self) -> bool:
        try:
            self.kubectl("get", "--raw=/readyz", timeout=5)
            # The namespaces are made in the background just after that.
            self.kubectl("get", "namespace", "default", "-o=name", timeout=5)
        except ClusterError:
            return False
        return True

    def component_log(self, component: str) -> str:
        """The log of etcd, kube-apiserver or kube-controller-manager."""
        return (self._kept.state.logs / f"{component}.log").read_text(errors="replace")

    def down(self) -> None:
        """Take it down and wait until nothing of it is left."""
        self._kept.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()


def free_ports(number: int) -> list[int]:
    """Loopback ports that nobody listens on at this moment."""
    with contextlib.ExitStack() as stack:
        found = []
        for _ in range(number):
            probe = stack.enter_context(socket.socket())
            probe.bind(("127.0.0.1", 0))
            found.append(int(probe.getsockname()[1]))
        return found


def _lay_out(start: Start, built: Binaries, controllers: bool, arguments: Sequence[str]) -> Plan:
    state = start.state
    made = certificates.issue_all(state.certificates, api_addresses=["10.0.0.1"])
    api, client, peer, manager = free_ports(4)
    server = f"https://127.0.0.1:{api}"
    kubeconfig.write(state.kubeconfig, made, "admin", server, context=f"steersman-{state.name}")
    own = kubeconfig.write(
        state.component_kubeconfig("controller-manager"), made, "controller-manager", server, context=state.name
    )
    etcd_url = f"http://127.0.0.1:{client}"
    programs = [
        components.etcd(built["etcd"], state.data / "etcd", etcd_url, f"http://127.0.0.1:{peer}"),
        components.api_server(
            built["kube-apiserver"],
            state.certificates,
            etcd_url=etcd_url,
            bind="127.0.0.1",
            port=api,
            advertise="127.0.0.1",
            service_range=SERVICE_RANGE,
            with_node=False,
        ),
    ]
    commands = {component.name: list(component.command) for component in programs}
    commands["kube-apiserver"] += arguments
    if controllers:
        manager_program = components.controller_manager(
            built["kube-controller-manager"], state.certificates, own, port=manager
        )
        commands[manager_program.name] = list(manager_program.command)
    else:
        # Without controllers nobody makes service accounts, and nothing here runs pods that would need them.
        commands["kube-apiserver"].append("--disable-admission-plugins=ServiceAccount")
    write_commands(state, commands)
    return Plan(
        command=run_module("processes"),
        isolated=False,
        programs={},
        path="",
        failures=str(start.failures),
        target=("127.0.0.1", api),
        tied_to=os.getpid(),
    )
