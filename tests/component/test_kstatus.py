"""kstatus' own library on ModelDeployments in every state: what Flux, and everything else that waits by it, sees.

Flux vendors the library as github.com/fluxcd/cli-utils; the rules, pkg/kstatus/status, are the same to the letter.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cluster.binaries import KSTATUS, ensure
from cluster.cache import Cache
from cluster.progress import Progress
from unit.gitops.scenarios import IN_PROGRESS, SCENARIOS

Answer = dict[str, str]


@pytest.fixture(scope="session")
def kstatus() -> Path:
    """The program of tests/cluster/tools/kstatus, built when the cache is cold."""
    return ensure([KSTATUS], Cache.default(), Progress())["kstatus"]


def ask(kstatus: Path, *manifests: dict[str, Any]) -> list[Answer]:
    """Status and message of each object."""
    done = subprocess.run(
        [kstatus], input="\n".join(map(json.dumps, manifests)), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def answers(kstatus: Path) -> dict[str, Answer]:
    found = ask(kstatus, *(scenario.manifest() for scenario in SCENARIOS.values()))
    return dict(zip(SCENARIOS, found, strict=True))


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_library_sees_what_is_promised(answers: dict[str, Answer], name: str) -> None:
    assert answers[name]["status"] == SCENARIOS[name].kstatus


def test_only_three_statuses_are_ever_seen(answers: dict[str, Answer]) -> None:
    assert {answer["status"] for answer in answers.values()} == {"Current", "InProgress", "Failed"}


def test_the_messages_are_the_conditions_own(answers: dict[str, Answer]) -> None:
    assert answers["the model is missing"]["message"] == "trouble: ModelNotFound"
    assert answers["the candidate has a weight"]["message"] == "Pausing for 1m at 10 %"
    assert answers["a canary waits for promote"]["message"] == "Waiting for promote at 10 %"
    assert "latest observed generation is -1" in answers["not seen by the operator"]["message"]


def test_one_that_is_being_deleted_is_terminating(kstatus: Path) -> None:
    found = SCENARIOS["healthy"].manifest()
    found["metadata"]["deletionTimestamp"] = "2026-01-02T03:04:05Z"
    assert ask(kstatus, found)[0]["status"] == "Terminating"


def test_without_the_default_in_the_crd_a_new_object_would_pass_for_done(kstatus: Path) -> None:
    found = SCENARIOS["not seen by the operator"].manifest()
    assert ask(kstatus, found)[0]["status"] == IN_PROGRESS
    del found["status"]
    assert ask(kstatus, found)[0]["status"] == "Current"
