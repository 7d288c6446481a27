"""A copy of examples/pipelines to run tools in, against a real registry."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
EXAMPLES = REPOSITORY / "examples" / "pipelines"
COMMIT = "0123abcd" * 5
TOLD = {"retraining_id", "deployment", "namespace", "model", "stable_version", "trigger", "reason"}
"""What retraining tells a pipeline; some systems refuse parameters that are not declared."""
QUIET = {
    "DVC_NO_ANALYTICS": "true",
    "GX_ANALYTICS_ENABLED": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "SCARF_ANALYTICS": "false",
}
"""Nothing is told to anybody."""


@dataclass
class Workshop:
    """The folder, and the environment that commands run in."""

    folder: Path
    url: str
    """Of the MLflow server."""
    environment: Mapping[str, str]

    @property
    def model(self) -> Path:
        """The shared code."""
        return self.folder / "model"

    def run(
        self, *words: str | Path, within: str = ".", fails: bool = False, **more: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in a folder of the copy, with more environment; it must succeed, or `fails`."""
        done = subprocess.run(
            [*map(str, words)],
            cwd=self.folder / within,
            env={**self.environment, **more},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert (done.returncode != 0) == fails, f"{words} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def shell(self, script: str, *, within: str = "model", fails: bool = False, **more: str) -> str:
        """Run a script as CI systems do: it ends at the first command that fails."""
        done = self.run("bash", "-eo", "pipefail", "-c", script, within=within, fails=fails, **more)
        return done.stdout + done.stderr

    def write(self, name: str, text: str) -> None:
        """Make a file in the model's folder."""
        (self.model / name).write_text(text)

    def versions(self) -> list[str]:
        """The registered versions, oldest first."""
        found = self.ask("model-versions/search?filter=name%3D%27tumours%27&max_results=1000")
        return sorted((each["version"] for each in found.get("model_versions", [])), key=int)

    def champion(self) -> str:
        """The version that the alias names."""
        return str(self.ask("registered-models/alias?name=tumours&alias=champion")["model_version"]["version"])

    def serve(self, version: str) -> None:
        """Let the alias name a version, by nobody's leave."""
        self.ask("registered-models/alias", {"name": "tumours", "alias": "champion", "version": version})

    def run_of(self, version: str) -> dict[str, dict[str, str]]:
        """Parameters, metrics and tags of the run that made a version."""
        found = self.ask(f"model-versions/get?name=tumours&version={version}")["model_version"]
        data = self.ask(f"runs/get?run_id={found['run_id']}")["run"]["data"]
        return {
            kind: {each["key"]: each["value"] for each in data.get(kind, [])} for kind in ("params", "metrics", "tags")
        }

    def runs(self, words: str) -> list[dict]:
        """The runs that a filter finds."""
        body = {"experiment_ids": [self.experiment()], "filter": words, "max_results": 1000}
        return self.ask("runs/search", body).get("runs", [])

    def experiment(self) -> str:
        """The experiment of the examples."""
        return self.ask("experiments/get-by-name?experiment_name=tumours")["experiment"]["experiment_id"]

    def ask(self, path: str, body: dict | None = None) -> dict:
        """What the registry says."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"{self.url}/api/2.0/mlflow/{path}", data, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)


def copied(folder: Path, url: str, tools: Path) -> Workshop:
    """A copy of the examples in `folder`; `python` and the tools are those of the environment `tools`."""
    shutil.copytree(EXAMPLES, folder / "pipelines", ignore=shutil.ignore_patterns("__pycache__"))
    programs = folder / "programs"
    programs.mkdir()
    # The command as it is here, under the name that it has when it is installed.
    command = programs / "steersman"
    command.write_text(
        f'#!/bin/sh\nPYTHONPATH={REPOSITORY / "operator"} exec {sys.executable} -m steersman.cli.main "$@"\n'
    )
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "MLFLOW_", "GIT"))}
    environment = {
        **kept,
        **QUIET,
        "PATH": os.pathsep.join([str(programs), str(tools / "bin"), os.environ["PATH"]]),
        "HOME": str(folder),
        "PYTHONDONTWRITEBYTECODE": "1",
        # The table is small: threads would only wait for one another.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MLFLOW_TRACKING_URI": url,
        "GIT_COMMIT": COMMIT,
    }
    for name in ("GITHUB_SHA", "CI_COMMIT_SHA", "CIRCLE_SHA1"):
        environment.pop(name, None)
    return Workshop(folder / "pipelines", url, environment)


def environment_of(lock: str, config: pytest.Config) -> Path:
    """The Python environment of requirements/pipelines/<lock>.lock, installed when it is missing, which is shown."""
    capture = config.pluginmanager.getplugin("capturemanager")
    command = [REPOSITORY / ".ci" / "environment", f"pipelines/{lock}"]
    with capture.global_and_fixture_disabled():
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 0, f"the environment of requirements/pipelines/{lock}.lock could not be made: see above"
    return Path(done.stdout.strip())
