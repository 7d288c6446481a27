"""steersman lineage: what it prints, where it asks, and what it does when the registry does not answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from steersman.api.conditions import Reason
from steersman.api.modeldeployment import ModelDeployment
from steersman.cli.commands import lineage as command
from steersman.cli.story import story_of
from steersman.core.gates import Needs, RunFacts, VersionFacts
from steersman.core.gates.facts import Dataset, Unknown
from steersman.ports import RegistryCredentials, RegistryError
from unit.cli.conftest import Run
from unit.cli.in_memory import InMemoryClient
from unit.cli.samples import NOW, ago, condition, healthy

URL = "http://mlflow.example"
MODEL = {"model": {"name": "fraud-classifier", "alias": "champion", "registry": "mlflow", "approvalTags": ["ticket"]}}
REGISTRY = {"kind": "ModelRegistry", "metadata": {"name": "mlflow"}, "spec": {"mlflow": {"url": URL}}}
WHERE = "steersman.dev/eu/risk/fraud"


class FakeRegistry:
    """Stands in for MLflowRegistry."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, RegistryCredentials | None]] = []
        self.trouble: RegistryError | None = None
        self.closed = False

    def __call__(self, **_: Any) -> FakeRegistry:
        return self

    async def close(self) -> None:
        self.closed = True

    async def facts(
        self, url: str, credentials: RegistryCredentials | None, model: str, version: str, needs: Needs
    ) -> VersionFacts:
        assert needs == Needs(run=True) and model == "fraud-classifier"
        self.asked.append((url, version, credentials))
        if self.trouble is not None:
            raise self.trouble
        tags = {"mlflow.source.git.commit": "4f2a9c1d", "mlflow.source.git.repoURL": "https://git.example/fraud"}
        run = RunFacts(
            metrics={"accuracy": 0.93456},
            params={"depth": "8", "dvc.rev": "c0ffee"},
            tags=tags,
            datasets=(Dataset("transactions", "ab12cd", "s3", '{"uri": "s3://b/t"}', "training"),),
            name="bold-owl",
            user="ann\x1b[2J",
            started_at=NOW - 90_000,
            ended_at=NOW - 89_000,
        )
        own = {
            "approved_by": "bob",
            "ticket": "T-7",
            "team": "risk",
            f"{WHERE}/outcome": "Promoted",
            f"{WHERE}/at": ago(3600),
        }
        return VersionFacts(model, version, NOW - 88_000, tags=own, run=run, run_id="4f0c2e9ad1", source="models:/m-01")


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeRegistry]:
    fake = FakeRegistry()
    monkeypatch.setattr(command, "MLflowRegistry", fake)
    for name in ("USERNAME", "PASSWORD", "TOKEN", "URI"):
        monkeypatch.delenv(f"MLFLOW_TRACKING_{name}", raising=False)
    yield fake
    assert fake.closed or not fake.asked


def client(**changes: Any) -> InMemoryClient:
    made = InMemoryClient(healthy(**({"spec": MODEL} | changes)))
    made.registries["mlflow"] = REGISTRY
    return made


def test_a_tree_for_people(run: Run, registry: FakeRegistry) -> None:
    result = run(client(), "lineage", "fraud")
    assert (result.code, result.err) == (0, "")
    lines = [line.strip("│├└─ ") for line in result.out.splitlines()]
    assert lines[0] == "fraud-classifier version 7 of risk/fraud, stable"
    for line in (
        "run: 4f0c2e9ad1 (bold-owl)",
        "source: models:/m-01",
        "git commit: 4f2a9c1d of https://git.example/fraud",
        "transactions, digest ab12cd, s3, training",
        "dvc.rev = c0ffee",
        "depth = 8",
        "accuracy = 0.935",
        "approved_by = bob",
        "ticket = T-7",
        "team = risk",
    ):
        assert line in lines
    assert any(line.startswith("eu/risk/fraud: Promoted at ") for line in lines)
    timeline = lines[lines.index("timeline") + 1 :]
    words = ["run bold-owl began by ann", "run bold-owl ended", "registered as version 7"]
    words += ["rollout of fraud-v7-1a2b3c4d by canary began", "named by alias champion", "Promoted: fraud-v7"]
    assert len(timeline) == len(words)
    for line, word in zip(timeline, words, strict=True):
        assert word in line and " ago " in line
    assert "\x1b" not in result.out
    assert registry.asked == [(URL, "7", None)]


def test_data_for_programs(run: Run, registry: FakeRegistry) -> None:
    (story,) = json.loads(run(client(), "lineage", "fraud", "-o", "json").out)
    assert story["gitCommit"] == "4f2a9c1d" and story["role"] == "stable" and story["user"].startswith("ann")
    assert story["parameters"] == {"depth": "8", "dvc.rev": "c0ffee"} and story["metrics"] == {"accuracy": 0.93456}
    assert story["approvals"] == {"ticket": "T-7", "approved_by": "bob"} and story["tags"] == {"team": "risk"}
    assert story["datasets"][0]["source"] == '{"uri": "s3://b/t"}' and story["dvc"] == {"dvc.rev": "c0ffee"}
    assert story["writtenBack"] == {"eu/risk/fraud": {"outcome": "Promoted", "at": ago(3600)}}
    assert [each["at"] for each in story["timeline"]] == sorted(each["at"] for each in story["timeline"])


def test_candidate_and_stable_or_the_one_that_is_asked_for(run: Run, registry: FakeRegistry) -> None:
    candidate = {"name": "fraud-v8-0a0b0c0d", "version": "8", "replicas": 1, "availableReplicas": 1}
    both = client(status={"candidate": candidate})
    run(both, "lineage", "fraud")
    assert [version for _, version, _ in registry.asked] == ["8", "7"]
    registry.asked.clear()
    result = run(both, "lineage", "fraud", "--version", "6", "--registry-url", "http://other")
    assert registry.asked == [("http://other", "6", None)] and "initial" in result.out


def test_credentials_and_address_of_the_environment(
    run: Run, registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "t-1")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://of-the-environment")
    run(InMemoryClient(healthy()), "lineage", "fraud")
    assert registry.asked == [("http://of-the-environment", "7", RegistryCredentials(token="t-1"))]


def test_drift_of_the_version_that_serves(run: Run, registry: FakeRegistry) -> None:
    drift = condition("DataDrift", "True", "DriftDetected", "amount: PSI 0.31")
    drifted = client(status={"conditions": [drift]})
    assert "data drift is seen: amount: PSI 0.31" in run(drifted, "lineage", "fraud").out
    assert "drift" not in run(drifted, "lineage", "fraud", "--version", "6").out


REMEMBERED = {
    "lineage": {
        "stable": {
            "version": "7",
            "model": "fraud-classifier",
            "runId": "4f0c2e9ad1",
            "gitCommit": "feedbeef",
            "datasets": [{"name": "transactions", "digest": "ab12cd"}],
            "approvals": {"approved_by": "bob"},
            "readAt": ago(3600),
        }
    }
}


def test_without_the_registry_what_the_status_remembers(run: Run, registry: FakeRegistry) -> None:
    registry.trouble = RegistryError(Reason.REGISTRY_UNAUTHORIZED, "the registry refused access (HTTP 401)")
    result = run(client(status=REMEMBERED), "lineage", "fraud")
    assert result.code == 1 and "MLFLOW_TRACKING_TOKEN" in result.err and "refused access" in result.out
    assert "feedbeef" in result.out and "approved_by = bob" in result.out and "Promoted: fraud-v7" in result.out


def test_without_an_address_it_says_how_to_give_one(run: Run, registry: FakeRegistry) -> None:
    result = run(InMemoryClient(healthy(status=REMEMBERED)), "lineage", "fraud")
    assert result.code == 0 and "--registry-url" in result.out and "feedbeef" in result.out
    gone = client()
    gone.registries.clear()
    result = run(gone, "lineage", "fraud")
    assert result.code == 0 and "ModelRegistry mlflow cannot be read" in result.err
    assert registry.asked == []


def test_nothing_to_tell_of(run: Run, registry: FakeRegistry) -> None:
    nothing = client(status={"stable": None, "candidate": None})
    result = run(nothing, "lineage", "fraud")
    assert result.code == 1 and "--version" in result.err
    assert run(client(), "lineage", "nobody").code == 1


def test_retrainings_stand_where_they_belong() -> None:
    manifest = healthy()
    entry = {
        "id": "fraud-retrain-1-abcde",
        "trigger": "drift",
        "reason": "DataDrift",
        "target": "job",
        "outcome": "Succeeded",
        "message": "version 8 was registered",
        "startedAt": ago(300),
        "endedAt": ago(200),
        "stableVersion": "7",
        "version": "8",
    }
    running = {"id": "fraud-retrain-2-abcde", "trigger": "manual", "reason": "by hand", "target": "job"}
    running |= {"startedAt": ago(20), "attemptAt": ago(20), "stableVersion": "8"}
    manifest["status"]["retraining"] = {"history": [entry], "current": running}
    md = ModelDeployment.model_validate(manifest)
    told = {version: [each.what for each in story_of(md, version, Unknown("")).timeline] for version in ("7", "8")}
    assert "retraining fraud-retrain-1-abcde Succeeded: version 8 was registered" in told["7"]
    assert "retraining fraud-retrain-1-abcde (drift: DataDrift) began, which made it" in told["8"]
    assert "retraining fraud-retrain-2-abcde (manual: by hand) began: it is under way" in told["8"]
