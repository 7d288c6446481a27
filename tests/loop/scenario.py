"""The story of the loop: what the clinic does, and what must come of it before it goes on. Acts through kubectl as people do."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import requests
import yaml

from cluster import Cluster
from cluster.errors import ClusterError
from demo.installation import environment
from loop.names import CALIBRATION, DEPLOYMENT, EXAMPLE, HOST, MODEL_NAME, TRAINER_IMAGE
from steersman.core.pod.security import secure

CONDITIONS = ("DataDrift", "GatesPassed", "Ready")
Manifest = dict[str, Any]


class LoopError(Exception):
    """The story did not go on; the message shows how things stood."""


@dataclass
class Observations:
    """What was seen of the ModelDeployment, oldest first."""

    states: list[dict[str, Any]] = field(default_factory=list)
    """`at`, and the status."""
    events: list[dict[str, Any]] = field(default_factory=list)
    """`at`, `reason`, `message`, `warning`."""
    acts: list[dict[str, Any]] = field(default_factory=list)
    """What people did: `at`, `text`."""

    def save(self, path: Path) -> None:
        """As JSON."""
        path.write_text(json.dumps(asdict(self)))

    @staticmethod
    def load(path: Path) -> Observations:
        """What `save` wrote."""
        return Observations(**json.loads(path.read_text()))

    def first(self, reason: str, after: float = 0.0) -> float | None:
        """When an event of the reason was first there, at or after a moment."""
        return min((e["at"] for e in self.events if e["reason"] == reason and e["at"] >= after), default=None)


def condition(status: Manifest, kind: str) -> tuple[str, str]:
    """Status and reason."""
    found = next((each for each in status.get("conditions", []) if each["type"] == kind), {})
    return found.get("status", ""), found.get("reason", "")


class Loop:
    """Acts and waits, within one namespace."""

    def __init__(self, cluster: Cluster, namespace: str, say: Callable[[str], None], seen: Observations) -> None:
        self.cluster, self.namespace, self._say, self.seen = cluster, namespace, say, seen
        self._stop = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)

    # ---- acts
    def prepare(self) -> None:
        """The registry, the labelled measurements of the old instrument, and version 1, trained by the retraining's own Job."""
        self._forget_model()
        registry = self._example("registry.yaml")
        self._apply(registry, self._measurements(1.0))
        (deployment,) = self._example("model.yaml")
        template = deployment["spec"]["retraining"]["action"]["job"]["template"]
        job = {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": "first-training"},
            "spec": template["spec"],
        }
        job["spec"]["template"]["spec"]["restartPolicy"] = "Never"
        # As the operator does it: the namespace enforces the restricted Pod Security Standard.
        job["spec"]["template"] = secure(job["spec"]["template"])
        self._act("version 1 is trained on the old instrument's measurements")
        self._apply([job])
        self._kubectl("wait", "--for=condition=complete", "job/first-training", "--timeout=180s")
        self._apply([deployment])
        self._watcher.start()

    def replace_instrument(self) -> None:
        """From now on every length looks longer; labelled measurements of the new instrument are there to train on."""
        self._act("the clinic has a new instrument: every length looks a quarter longer to it")
        self._apply(self._measurements(CALIBRATION))

    def until(self, what: str, seconds: float, reached: Callable[[Manifest], Any]) -> Any:
        """Wait until the status fits; what the check gave. Raises LoopError."""
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            status = self.seen.states[-1]["status"] if self.seen.states else {}
            if found := reached(status):
                self._say(f"{what}: after {time.monotonic() - began:.0f} s")
                return found
            time.sleep(0.3)
        raise LoopError(f"Waited {seconds:.0f} s in vain until {what}.\n{self.explain()}")

    def until_served(self, version: str, seconds: float) -> None:
        """Wait until the version serves everybody and the gateway brings requests to it."""
        self.until(f"version {version} serves all traffic", seconds, lambda status: healthy(status, version))
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                answer = requests.get(f"{self.cluster.gateway_url}/ping", headers={"Host": HOST}, timeout=5)
                if answer.ok:
                    return
            except requests.RequestException:
                pass
            time.sleep(0.3)
        raise LoopError(f"The gateway brings no request to version {version}.\n{self.explain()}")

    def finish(self) -> None:
        """Stop watching."""
        self._stop.set()
        if self._watcher.is_alive():
            self._watcher.join()

    # ---- reading
    def explain(self) -> str:
        """How things stand."""
        parts = []
        for arguments in (
            ["get", "modeldeployment,jobs,pods", "-o", "wide"],
            ["get", "modeldeployment", DEPLOYMENT, "-o", "yaml"],
            ["get", "events", "--sort-by=.lastTimestamp"],
            ["logs", "-l", "job-name", "--tail=30", "--prefix"],
            ["-n", "steersman-system", "logs", "-l", "app.kubernetes.io/name=steersman", "--tail=40"],
        ):
            try:
                parts.append(self._kubectl(*arguments)[-6000:])
            except ClusterError as error:
                parts.append(str(error))
        return "\n".join(parts)

    def _watch(self) -> None:
        known: set[tuple[str, str]] = set()
        while not self._stop.wait(0.5):
            try:
                about = f"--field-selector=involvedObject.kind=ModelDeployment,involvedObject.name={DEPLOYMENT}"
                events = json.loads(self._kubectl("get", "events", about, "-o", "json"))["items"]
                found = json.loads(self._kubectl("get", "modeldeployment", DEPLOYMENT, "-o", "json"))
            except (ClusterError, ValueError):
                continue
            now = time.time()
            for event in events:
                key = event["reason"], event.get("message", "")
                if key not in known:
                    known.add(key)
                    warning = event.get("type") == "Warning"
                    entry = {"at": now, "reason": key[0], "message": key[1], "warning": warning}
                    self.seen.events.append(entry)
            status = found.get("status", {})
            if not self.seen.states or self.seen.states[-1]["status"] != status:
                self.seen.states.append({"at": now, "status": status})

    # ---- writing
    def _forget_model(self) -> None:
        """What an earlier run on this cluster registered, so that versions count from 1."""
        url = f"{self.cluster.mlflow_url}/api/2.0/mlflow/registered-models/delete"
        answer = requests.delete(url, json={"name": MODEL_NAME}, timeout=20)
        if not answer.ok and "RESOURCE_DOES_NOT_EXIST" not in answer.text:
            raise LoopError(f"MLflow did not forget the model {MODEL_NAME}: {answer.text[:300]}")

    def _act(self, text: str) -> None:
        self.seen.acts.append({"at": time.time(), "text": text})
        self._say(text)

    def _example(self, name: str) -> list[Manifest]:
        """As it stands there, with the image that was built here."""
        text = (
            (EXAMPLE / name).read_text().replace("example.com/tumours-trainer:1.0", self.cluster.image(TRAINER_IMAGE))
        )
        return list(yaml.safe_load_all(text))

    def _measurements(self, calibration: float) -> list[Manifest]:
        command = [sys.executable, str(EXAMPLE / "measurements.py"), "--calibration", str(calibration)]
        table = subprocess.run(command, check=True, capture_output=True, text=True, env=environment()).stdout
        metadata = {"name": "measurements"}
        return [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"measurements.csv": table}}]

    def _apply(self, *lists: list[Manifest]) -> None:
        for manifest in (each for one in lists for each in one):
            # Server-side: the table is too long for kubectl's annotation.
            self._kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", input=json.dumps(manifest))

    def _kubectl(self, *arguments: str, input: str | None = None) -> str:  # noqa: A002
        return self.cluster.kubectl("-n", self.namespace, *arguments, input=input)


def healthy(status: Manifest, version: str) -> bool:
    """The version serves all traffic and nothing is under way."""
    stable = (status.get("stable") or {}).get("version")
    return status.get("phase") == "Healthy" and stable == version and not status.get("rollout")


@contextmanager
def users(url: str, rate: float, output: Path) -> Any:
    """The users' process; gives a function that tells it `begin` or `shift`. It ends with the block, all requests written down."""
    process = subprocess.Popen(
        [sys.executable, "-m", "loop.users", "--url", url, "--rate", str(rate), "--output", str(output)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
        start_new_session=True,  # Ctrl-C is for this process, which then ends the users
    )
    assert process.stdin is not None and process.stdout is not None

    def tell(word: str) -> None:
        assert process.stdin is not None
        process.stdin.write(f"{word}\n")
        process.stdin.flush()

    try:
        if process.stdout.readline() != "ready\n":
            raise LoopError("The users did not get ready.")
        yield tell
        said, _ = process.communicate(timeout=60)
        if process.returncode or not said.startswith("sent "):
            raise LoopError(f"The users ended with {process.returncode}: {said}")
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def play(loop: Loop, rate: float, steady_seconds: float, output: Path) -> None:
    """The whole story. Raises LoopError."""
    loop.prepare()
    loop.until_served("1", 180)
    with users(loop.cluster.gateway_url, rate, output) as tell:
        tell("begin")
        loop.until("drift is looked for", 240, lambda status: condition(status, "DataDrift") == ("False", "NoDrift"))
        time.sleep(steady_seconds)
        loop.replace_instrument()
        tell("shift")
        loop.until("drift is seen", 300, lambda status: condition(status, "DataDrift")[0] == "True")
        loop.until(
            "version 2 is being rolled out", 300, lambda status: (status.get("candidate") or {}).get("version") == "2"
        )
        loop.until("version 2 serves all traffic", 300, lambda status: healthy(status, "2"))
        loop.until("the drift is over", 300, lambda status: condition(status, "DataDrift") == ("False", "NoDrift"))
        time.sleep(steady_seconds)
