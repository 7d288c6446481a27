"""The tutorial: its commands are those that there are, and its files are where it says."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest
import typer.main
import yaml

from steersman.api.modeldeployment import ModelDeploymentSpec
from steersman.cli.main import app

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs/tutorials/loop.md").read_text()
BLOCKS = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = [line.split("#")[0].strip() for block in BLOCKS for line in block.replace("\\\n", " ").splitlines()]


@pytest.mark.parametrize("command", sorted({c for c in COMMANDS if c.startswith("steersman ")}))
def test_every_command_of_steersman_is_one(command: str) -> None:
    word = shlex.split(command)[1]
    assert word in typer.main.get_command(app).commands  # type: ignore[attr-defined]


@pytest.mark.parametrize("command", sorted({c for c in COMMANDS if c.startswith("make ")}))
def test_every_target_of_make_is_one(command: str) -> None:
    assert re.search(rf"^{shlex.split(command)[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("block", BLOCKS)
def test_every_block_is_what_a_shell_can_read(block: str) -> None:
    assert subprocess.run(["bash", "-n"], input=block, text=True, capture_output=True, check=False).stderr == ""


def test_the_files_of_the_example_are_there_and_mean_what_it_says() -> None:
    for name in ("measurements.py", "train.py", "registry.yaml", "model.yaml", "Dockerfile"):
        assert (ROOT / "examples/loop" / name).is_file()
    manifest = yaml.safe_load((ROOT / "examples/loop/model.yaml").read_text())
    spec = ModelDeploymentSpec.model_validate(manifest["spec"])
    assert spec.drift is not None and spec.drift.window == 60.0
    assert spec.retraining is not None and [trigger.name for trigger in spec.retraining.triggers] == ["drift"]
    assert {gate.name for gate in spec.gates} >= {"accuracy", "no-worse", "signature", "same-answers"}
    weights = [step.set_weight for step in spec.strategy.canary.plan if step.set_weight]  # type: ignore[union-attr]
    assert weights == [20, 50]


def test_rubbish_has_swapped_labels() -> None:
    (line,) = [c for c in COMMANDS if c.startswith("awk ")]
    program = line.split(" measurements.csv")[0]
    table = "a,malignant\n1,0\n2,0\n3,1\n4,1\n"
    done = subprocess.run(["bash", "-c", program], input=table, text=True, capture_output=True, check=True)
    assert done.stdout == "a,malignant\n1,0\n2,1\n3,1\n4,0\n"
