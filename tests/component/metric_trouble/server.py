"""A real Prometheus that scrapes pods every second, and can be stopped, started again, and robbed of its data."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterable
from pathlib import Path

from tests.component.adapters.processes import free_port
from tests.component.metric_trouble.pods import NAMESPACE, Pod

SLOW = "slow-"
"""Pods whose names begin so are scraped every 5 s and may take 4 s to answer."""


class Prometheus:
    """One server and its folder."""

    def __init__(self, binary: Path | str, directory: Path, pods_address: str) -> None:
        self._binary = binary
        self._directory = directory
        self._pods_address = pods_address
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"http://127.0.0.1:{self._port}"
        jobs = [self._job("models", "1s", "1s"), self._job("slow", "5s", "4s")]
        # JSON is YAML.
        (directory / "prometheus.yml").write_text(json.dumps({"scrape_configs": jobs}))

    def _job(self, name: str, interval: str, timeout: str) -> dict[str, object]:
        return {
            "job_name": name,
            "scrape_interval": interval,
            "scrape_timeout": timeout,
            "file_sd_configs": [{"files": [f"{self._directory}/{name}.json"], "refresh_interval": "1s"}],
        }

    def scrape(self, pods: Iterable[Pod]) -> None:
        """These and no others, with the labels that a PodMonitor gives."""
        groups: dict[str, list[dict[str, object]]] = {"models": [], "slow": []}
        for pod in pods:
            labels = {
                "__metrics_path__": f"/{pod.name}",
                "pod": pod.name,
                "namespace": NAMESPACE,
                "steersman_dev_revision": pod.revision,
            }
            job = "slow" if pod.name.startswith(SLOW) else "models"
            groups[job].append({"targets": [self._pods_address], "labels": labels})
        for job, targets in groups.items():
            fresh = self._directory / f"{job}.new"
            fresh.write_text(json.dumps(targets))
            fresh.rename(self._directory / f"{job}.json")

    def start(self) -> None:
        """Until it is ready."""
        command = [
            self._binary,
            f"--config.file={self._directory}/prometheus.yml",
            f"--storage.tsdb.path={self._directory}/data",
            f"--web.listen-address=127.0.0.1:{self._port}",
            "--scrape.discovery-reload-interval=500ms",
        ]
        with (self._directory / "log").open("ab") as output:
            self._process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
        end = time.monotonic() + 60
        while not self._ready():
            if self._process.poll() is not None or time.monotonic() > end:
                raise RuntimeError((self._directory / "log").read_text()[-3000:])
            time.sleep(0.1)

    def stop(self, *, lose_data: bool = False) -> None:
        """As a pod that is killed without a word; its volume is kept or gone."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        if lose_data:
            shutil.rmtree(self._directory / "data")

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=1) as response:
                return bool(response.status == 200)
        except (urllib.error.URLError, OSError):
            return False
