"""The four CI systems: their files are valid, and what they run keeps a version that the gates refuse from the alias."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.component.pipelines.workshop import EXAMPLES, TOLD, Workshop

from cluster.binaries import ACTIONLINT, ensure
from cluster.cache import Cache
from cluster.progress import Progress

GITHUB = EXAMPLES / "github" / ".github" / "workflows" / "model.yml"
GITLAB = EXAMPLES / "gitlab" / ".gitlab-ci.yml"
CIRCLECI = EXAMPLES / "circleci" / ".circleci" / "config.yml"
JENKINS = EXAMPLES / "jenkins" / "Jenkinsfile"
SCHEMAS = {
    "vendor.github-workflows": (GITHUB, "runs-on", "runs-an"),
    "vendor.gitlab-ci": (GITLAB, "stage: gate", "stage: {name: gate}"),
    "vendor.circle-ci": (CIRCLECI, "executor: python", "docker: python"),
}
"""The schema that the vendor or schemastore.org publishes, the file, and a mistake in it."""


@pytest.mark.parametrize("schema", SCHEMAS)
def test_it_is_valid_by_its_published_schema(serving: Workshop, tmp_path: Path, schema: str) -> None:
    path, right, wrong = SCHEMAS[schema]
    command = ["check-jsonschema", "--builtin-schema", schema]
    command += ["--data-transform", "gitlab-ci"] if path is GITLAB else []
    serving.run(*command, path)
    mistaken = tmp_path / "mistaken.yml"
    mistaken.write_text(path.read_text().replace(right, wrong))
    serving.run(*command, mistaken, fails=True)


def test_actionlint_finds_nothing(tmp_path: Path) -> None:
    """It also checks expressions, the order of jobs, and the inputs of well-known actions."""
    actionlint = ensure([ACTIONLINT], Cache.default(), Progress())["actionlint"]
    words = [actionlint, "-no-color", "-shellcheck=", "-pyflakes="]
    done = subprocess.run([*words, GITHUB], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    mistaken = tmp_path / "model.yml"
    mistaken.write_text(GITHUB.read_text().replace("needs: test\n", "needs: tests\n").replace("inputs.c ", "inputs.d "))
    done = subprocess.run([*words, mistaken], capture_output=True, text=True, check=False)
    assert "tests" in done.stdout and '"d"' in done.stdout


SMALL = """\
pipeline {
    agent any
    stages {
        stage('test') {
            when { branch 'main' }
            steps { sh 'make' }
        }
    }
    post { failure { echo 'failed' } }
}
"""
"""The parser takes its time over a large file."""
MISTAKES = [
    ("any", "any", ""),
    ("} }\n}\n", "} }\n", "not Groovy"),
    ("    stages {", "    steps {", "pipeline has no section steps"),
    ("sh 'make'", "shell 'make'", "there is no step shell"),
    ("failure {", "failed {", "post knows no failed"),
]


@pytest.fixture(scope="module")
def jenkins_stages(serving: Workshop, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, list[str]]]:
    """Stage by stage, what its shell steps run: Groovy by a parser, declarative by rules of our own, which find mistakes."""
    files, folder = [JENKINS], tmp_path_factory.mktemp("jenkins")
    for number, (right, wrong, _) in enumerate(MISTAKES):
        assert right in SMALL
        files.append(folder / f"Jenkinsfile-{number}")
        files[-1].write_text(SMALL.replace(right, wrong))
    done = serving.run("python", Path(__file__).with_name("jenkinsfile.py"), *files)
    good, *others = json.loads(done.stdout)
    assert good["problems"] == []
    for (_, wrong, expected), found in zip(MISTAKES, others, strict=True):
        said = "; ".join(found["problems"])
        assert expected in said and bool(expected) == bool(said), (wrong, expected, said)
    return [(name, scripts) for name, scripts in good["stages"]]


def test_the_jenkinsfile(jenkins_stages: list[tuple[str, list[str]]]) -> None:
    assert [name for name, _ in jenkins_stages] == ["test", "train", "gate", "promote"]


def github() -> list[str]:
    """Steps of one job: one that fails ends it, as long as none says otherwise."""
    job = read(GITHUB)["jobs"]["release"]
    steps = [step for step in job["steps"] if "run" in step]
    assert not any(key in step for step in steps for key in ("if", "continue-on-error"))
    assert steps[0]["run"] == "pip install -r requirements.txt"
    return [step["run"] for step in steps[1:]]


def gitlab() -> list[str]:
    """Jobs of stages: one that fails ends the pipeline, as long as no later one says otherwise."""
    jobs = read(GITLAB)
    order = [name for stage in jobs["stages"] for name, job in jobs.items() if in_stage(job, stage)]
    assert order == ["test", "train", "gate", "promote", "notify"]
    assert not any(key in jobs[name] for name in order[:-1] for key in ("needs", "when", "allow_failure", "rules"))
    return ["\n".join(jobs[name]["script"]) for name in order[1:-1]]


def in_stage(job: Any, stage: str) -> bool:
    """Whether it is a job of the stage."""
    return isinstance(job, dict) and job.get("stage") == stage


def circleci() -> list[str]:
    """Steps of one job, as GitHub's."""
    runs = [step["run"] for step in read(CIRCLECI)["jobs"]["release"]["steps"] if isinstance(step, dict)]
    assert not any("when" in run for run in runs)
    return [run["command"] for run in runs]


def read(path: Path) -> dict[str, Any]:
    """A YAML file."""
    return yaml.safe_load(path.read_text())


def test_all_four_run_the_same(jenkins_stages: list[tuple[str, list[str]]]) -> None:
    """Training, gate and promotion are three steps of each, in this order, with the same commands."""
    of_jenkins = ["\n".join(scripts) for name, scripts in jenkins_stages if name != "test"]
    expected = [script.strip() for script in github()]
    assert len(expected) == 3
    for other in (of_jenkins, gitlab(), circleci()):
        assert [script.strip() for script in other] == expected


def test_retraining_can_start_them() -> None:
    """GitHub and CircleCI refuse what is not declared; a run is found by its name where its number got lost."""
    # YAML 1.1 reads the key `on` as true.
    assert read(GITHUB)[True]["workflow_dispatch"]["inputs"].keys() == {*TOLD, "c"}
    assert "inputs.retraining_id" in read(GITHUB)["run-name"]
    assert read(CIRCLECI)["parameters"].keys() == {*TOLD, "c"}
    assert "$retraining_id" in read(GITLAB)["workflow"]["name"]
    assert "string(name: 'retraining_id'" in JENKINS.read_text()


def test_what_they_run(serving: Workshop, workshop: Workshop) -> None:
    """From the data to the alias; and a version that the gates refuse ends it before the alias."""
    train, gate, promote = github()
    for script in (train, gate, promote):
        workshop.shell(script, C="0.7")
    promoted = workshop.champion()
    assert promoted == workshop.versions()[-1] and workshop.run_of(promoted)["params"]["C"] == "0.7"
    workshop.write("version.txt", (serving.model / "refused.txt").read_text())
    said = workshop.shell("\n".join([gate, promote]), fails=True)
    assert "regularised" in said and workshop.champion() == promoted
