"""The chain as Luigi tasks: each is done when its file is there, and a task that fails keeps the next from starting.

cd luigi && PYTHONPATH=. luigi --module pipeline Promote --work-folder work --c 0.5 --local-scheduler
"""

import os
import subprocess
import sys
from pathlib import Path

import luigi

MODEL = Path(__file__).resolve().parent.parent / "model"


class Step(luigi.Task):
    """One command; its output appears only when the command has succeeded."""

    work_folder = luigi.Parameter(description="where the files of this run are kept: a new folder, a new run")
    c = luigi.FloatParameter(default=0.5, description="inverse strength of the regularisation")
    makes = ""

    def output(self) -> luigi.LocalTarget:
        """The file that says that the step is done."""
        return luigi.LocalTarget(self.path(self.makes))

    def path(self, name: str) -> str:
        """A file of this run."""
        return str(Path(self.work_folder, name))

    def script(self, name: str, *words: str) -> None:
        """Run one of the model's scripts."""
        self.command(sys.executable, str(MODEL / name), *words)

    def command(self, *words: str) -> None:
        """Run a command; one that fails fails the task."""
        self.output().makedirs()
        subprocess.run(words, check=True)


class Fetch(Step):
    """The data."""

    makes = "data.csv"

    def run(self) -> None:
        """Write the file under another name first, so that half of it never counts as done."""
        with self.output().temporary_path() as path:
            self.script("dataset.py", path)


class Validate(Step):
    """The report that the data is fit for training."""

    makes = "report.json"

    def requires(self) -> luigi.Task:
        """The data."""
        return self.clone(Fetch)

    def run(self) -> None:
        """The script writes the report only when nothing is wrong."""
        self.script("validate_data.py", self.input().path, "--report", self.output().path)


class Train(Step):
    """A new version in the registry."""

    makes = "version.txt"

    def requires(self) -> luigi.Task:
        """Data that was validated."""
        return self.clone(Validate)

    def run(self) -> None:
        """Train and register."""
        words = ["--report", self.input().path, "--c", str(self.c), "--version-file", self.output().path]
        self.script("train.py", self.path("data.csv"), *words)


class Gate(Step):
    """The version meets the gates."""

    makes = "passed.txt"

    def requires(self) -> luigi.Task:
        """A version."""
        return self.clone(Train)

    def run(self) -> None:
        """Judge it against the one that serves."""
        version = Path(self.input().path).read_text().strip()
        registry = ["--registry-url", os.environ["MLFLOW_TRACKING_URI"]]
        wanted = ["--version", version, "--against", "champion"]
        self.command("steersman", "gate", "-f", str(MODEL / "model.yaml"), *registry, *wanted)
        with self.output().open("w") as passed:
            passed.write(version)


class Promote(Step):
    """The alias names the version; from here on Steersman rolls it out."""

    makes = "promoted.txt"

    def requires(self) -> luigi.Task:
        """A version that passed."""
        return self.clone(Gate)

    def run(self) -> None:
        """Move the alias."""
        version = Path(self.input().path).read_text().strip()
        self.script("promote.py", "tumours", "--version", version)
        with self.output().open("w") as promoted:
            promoted.write(version)
