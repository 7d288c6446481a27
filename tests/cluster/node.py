"""Process 1 of a cluster's namespaces: makes the mounts and the network, starts the components, reaps what ends.

The keeper runs `main` with the state folder as its argument.
"""

from __future__ import annotations

import contextlib
import json
import os
import ssl
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from cluster.components import Component, node_components
from cluster.layout import API_PORT, NODE, NODE_ADDRESS, SERVICE_RANGE, State
from cluster.packages import SYSTEM_PATH
from cluster.seeds import mount_snapshots

BOUND = {
    "/var/lib/kubelet": "kubelet",
    "/var/lib/containerd": "containerd",
    "/var/lib/cni": "cni",
    "/var/log/pods": "pod-logs",
    "/var/log/containers": "container-logs",
}
"""Folders of the machine over which the cluster's own are mounted."""

MACHINE_WIDE_SETTINGS = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}
"""What the kubelet wants these to be: it finds the values in files mounted over them, so it writes nothing."""

RESTART_DELAY = 1.0
"""Seconds between the end of a component and its next start."""


def main() -> None:
    """Run the node until the kernel ends its namespaces."""
    state = State(Path(sys.argv[1]))
    plan = json.loads(state.plan.read_text())
    programs = {name: Path(path) for name, path in plan["programs"].items()}
    node = Node(state, node_components(state, programs), path=plan["path"])
    node.mount(Path(plan["seed"]) if plan["seed"] else None)
    node.set_up_network()
    node.run()


class Node:
    """The node's mounts, network and processes."""

    def __init__(self, state: State, components: list[Component], *, path: str) -> None:
        self._state = state
        self._components = components
        self._path = path
        self._began = time.monotonic()
        self._log = (state.logs / "node.log").open("a", buffering=1)
        self._running: dict[int, Component] = {}

    def say(self, text: str) -> None:
        """Write a line with the seconds since the start into node.log."""
        self._log.write(f"{time.monotonic() - self._began:7.2f} {text}\n")

    def mount(self, seed: Path | None) -> None:
        """Lay the cluster's own folders over the machine's."""
        # Shared among the node's own processes: the pods' mounts must reach the kubelet.
        _run("mount", "--make-rshared", "/")
        _run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
        Path("/run/netns").mkdir()
        if seed is not None:
            mount_snapshots(seed, self._state.containerd)
        for target, name in BOUND.items():
            source = self._state.data / name
            source.mkdir(parents=True, exist_ok=True)
            Path(target).mkdir(parents=True, exist_ok=True)
            _run("mount", "--rbind", str(source), target)
        settings = self._state.data / "settings"
        settings.mkdir()
        for name, value in MACHINE_WIDE_SETTINGS.items():
            file = settings / name.replace("/", "_")
            file.write_text(value + "\n")
            if Path("/proc/sys", name).exists():
                _run("mount", "--bind", str(file), f"/proc/sys/{name}")
        _run("hostname", NODE)
        self.say("mounts are made")

    def set_up_network(self) -> None:
        """Give the node its address and the services their route, all inside this network namespace."""
        _run("ip", "link", "set", "lo", "up")
        # A bridge without ports carries the node's address: many kernels have no dummy device. The services are
        # routed to it rather than to lo, so that those without endpoints refuse connections instead of swallowing.
        _run("ip", "link", "add", "node0", "type", "bridge")
        _run("ip", "addr", "add", f"{NODE_ADDRESS}/32", "dev", "node0")
        _run("ip", "link", "set", "node0", "up")
        _run("ip", "route", "add", SERVICE_RANGE, "dev", "node0", "src", NODE_ADDRESS)
        Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
        bridge_filter = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
        if bridge_filter.exists():
            bridge_filter.write_text("1")
        self.say("network is up")

    def run(self) -> None:
        """Start the components, and again what ends; never returns."""
        for component in self._components:
            if not component.needs_api:
                self.start(component)
        self._wait_for_api()
        for component in self._components:
            if component.needs_api:
                self.start(component)
        while True:
            try:
                process, status = os.wait()
            except ChildProcessError:
                time.sleep(RESTART_DELAY)
                continue
            ended = self._running.pop(process, None)
            if ended is not None:
                self.say(f"{ended.name} ended with {os.waitstatus_to_exitcode(status)}; it is started again")
                time.sleep(RESTART_DELAY)
                self.start(ended)

    def start(self, component: Component) -> None:
        """Start one component, its output appended to its log."""
        with (self._state.logs / f"{component.name}.log").open("ab") as log:
            process = subprocess.Popen(
                component.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={"PATH": self._path, "HOME": "/root", "TMPDIR": "/tmp"},
            )
        self._running[process.pid] = component
        self.say(f"{component.name} started as {process.pid}")

    def _wait_for_api(self) -> None:
        certificates = self._state.certificates
        context = ssl.create_default_context(cafile=str(certificates / "ca.crt"))
        context.load_cert_chain(str(certificates / "admin.crt"), str(certificates / "admin.key"))
        url = f"https://{NODE_ADDRESS}:{API_PORT}/readyz"
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        while True:
            with contextlib.suppress(OSError), opener.open(url, timeout=2):
                self.say("API server is ready")
                return
            time.sleep(0.05)


def _run(*command: str) -> None:
    subprocess.run(
        command,
        check=True,
        env={"PATH": os.environ.get("PATH", "") + ":" + SYSTEM_PATH},
    )
