"""The real operator as a process of its own, on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import aiohttp

from cluster.control_plane import free_ports
from cluster.namespaces import bound_to_parent

REPOSITORY = Path(__file__).resolve().parents[2]
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


class OperatorFailed(RuntimeError):  # noqa: N818
    """The process ended or did not get ready; the message ends with its log."""


class OperatorProcess:
    """`python -m steersman.shell` with a kubeconfig. It dies with the process that started it.

    Start, kill and start again as often as wanted: ports and log stay the same. Several may run side by side; give
    each its own `name`.
    """

    def __init__(
        self,
        kubeconfig: Path,
        log: Path,
        *,
        name: str = "steersman-0",
        registry_url: str = "",
        prometheus_url: str = "",
        environment: Mapping[str, str] | None = None,
        interpreter: tuple[str, ...] = (),
    ) -> None:
        """`log` is appended to. `registry_url` and `prometheus_url` are the operator's defaults, `environment` more variables
        (see steersman.shell.config); `interpreter` is put between python and -m, for a profiler.
        """
        health, metrics = free_ports(2)
        self.name = name
        self.log = log
        self.metrics_url = f"http://127.0.0.1:{metrics}"
        """Where /metrics and /readyz are."""
        self.health_url = f"http://127.0.0.1:{health}"
        """Where /healthz is."""
        self._command = [sys.executable, *interpreter, "-m", "steersman.shell"]
        self._environment = {
            "KUBECONFIG": str(kubeconfig),
            "PYTHONPATH": str(REPOSITORY / "operator"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "STEERSMAN_POD_NAME": name,
            "STEERSMAN_HEALTH_PORT": str(health),
            "STEERSMAN_METRICS_PORT": str(metrics),
            "STEERSMAN_DEFAULT_REGISTRY_URL": registry_url,
            "STEERSMAN_PROMETHEUS_URL": prometheus_url,
            "STEERSMAN_LOG_FORMAT": "text",
            **(environment or {}),
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Process id. OperatorFailed when it was never started."""
        if self._process is None:
            raise OperatorFailed(f"{self.name} was not started")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """How it ended; negative is a signal's number. None while it runs."""
        return self._process.poll() if self._process is not None else None

    def start(self) -> None:
        """Start the process and return at once; see `ready` and `leading`."""
        if self.running:
            raise OperatorFailed(f"{self.name} runs already")
        inherited = {
            key: value for key, value in os.environ.items() if not key.startswith(("KUBERNETES_", "STEERSMAN_"))
        }
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                bound_to_parent(self._command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**inherited, **self._environment},
                start_new_session=True,
            )

    async def ready(self, within: float = 60.0) -> None:
        """Wait until everything is listed. Raises OperatorFailed."""
        await self._until("/readyz", "ok", within)

    async def leading(self, within: float = 60.0) -> None:
        """Wait until it is the leader. Raises OperatorFailed."""
        await self._until("/metrics", "\nsteersman_leader 1.0\n", within)

    async def metrics(self) -> str:
        """What /metrics says."""
        async with aiohttp.ClientSession() as session, session.get(f"{self.metrics_url}/metrics") as response:
            return await response.text()

    async def _until(self, path: str, wanted: str, within: float) -> None:
        end = time.monotonic() + within
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
            while True:
                if not self.running:
                    raise OperatorFailed(f"{self.name} ended with {self.exit_code}:\n{self.log_tail()}")
                try:
                    async with session.get(self.metrics_url + path) as response:
                        if response.status == 200 and wanted in await response.text():
                            return
                except (aiohttp.ClientError, TimeoutError, OSError):
                    pass
                if time.monotonic() > end:
                    raise OperatorFailed(f"{self.name}: no {wanted.strip()!r} at {path}:\n{self.log_tail()}")
                await asyncio.sleep(0.05)

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone. Nothing when it does not run."""
        if self._process is not None:
            # A paused process dies of it too.
            self._process.kill()
            self._process.wait()

    async def stop(self, within: float = 30.0) -> int:
        """SIGTERM, as a kubelet does; kill when it takes longer. Returns the exit code."""
        process = self._process
        if process is None:
            return 0
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(process.wait, within)
        self.kill()
        return process.wait()

    def pause(self) -> None:
        """SIGSTOP: it stands still, as on a machine that hangs."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        os.kill(self.pid, signal.SIGCONT)

    def cpu_seconds(self) -> float:
        """CPU time used so far, user and system, in steps of 10 ms."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def rss(self) -> int:
        """Resident memory in bytes."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * PAGE

    def peak_rss(self) -> int:
        """Greatest resident memory in bytes since the start or `forget_peak`."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        raise OperatorFailed(f"{self.name} has no peak")

    def forget_peak(self) -> None:
        """Have `peak_rss` begin anew."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def log_text(self) -> str:
        """Everything that it said."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def log_tail(self, characters: int = 3000) -> str:
        """The end of it."""
        return self.log_text()[-characters:]
