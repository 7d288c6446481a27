"""steersman gate: what it prints, its exit codes, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from steersman.api.conditions import Reason
from steersman.cli.commands import gate as command
from steersman.cli.main import main
from steersman.core.gates import Missing, ModelFile, Needs, RunFacts, VersionFacts
from steersman.ports import ModelVersion, RegistryCredentials, RegistryError, VersionSelector

API = "steersman.dev/v1alpha1"
ACCURATE = {"name": "accuracy", "metric": {"name": "accuracy", "min": 0.9}}
NO_WORSE = {"name": "no-worse", "notWorse": {"metric": "accuracy", "higherIsBetter": True}}
FILE = {"name": "file", "digest": {"path": "model.pkl", "sha256": "ab" * 32}}
REGISTRY = {
    "apiVersion": API,
    "kind": "ModelRegistry",
    "metadata": {"name": "mlflow"},
    "spec": {"mlflow": {"url": "http://mlflow.example"}},
}


class FakeRegistry:
    """Versions with their accuracy; stands in for MLflowRegistry."""

    def __init__(self) -> None:
        self.accuracy: dict[str, float] = {"1": 0.95, "2": 0.93}
        self.asked: list[tuple[str, RegistryCredentials | None]] = []
        self.trouble: RegistryError | None = None
        self.trouble_with_facts: RegistryError | None = None
        self.needs: list[Needs] = []
        self.closed = False

    def __call__(self, **_: Any) -> FakeRegistry:
        return self

    async def close(self) -> None:
        self.closed = True

    async def resolve(
        self, url: str, credentials: RegistryCredentials | None, selector: VersionSelector
    ) -> ModelVersion:
        self.asked.append((url, credentials))
        if self.trouble is not None:
            raise self.trouble
        return ModelVersion(selector.model, selector.version or {"champion": "2", "old": "1"}[str(selector.alias)])

    async def facts(
        self, url: str, credentials: RegistryCredentials | None, model: str, version: str, needs: Needs
    ) -> VersionFacts:
        if self.trouble_with_facts is not None:
            raise self.trouble_with_facts
        self.needs.append(needs)
        run = RunFacts({"accuracy": self.accuracy[version]}, {}, {"by": "\x1b[2Jann\u202e"})
        return VersionFacts(model, version, 1.7e9, run=run, model_file=ModelFile(signature=Missing("none")))


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeRegistry]:
    fake = FakeRegistry()
    monkeypatch.setattr(command, "MLflowRegistry", fake)
    for name in ("USERNAME", "PASSWORD", "TOKEN"):
        monkeypatch.delenv(f"MLFLOW_TRACKING_{name}", raising=False)
    yield fake
    assert fake.closed or not fake.asked


def deployment(*gates: Any, **model: Any) -> dict[str, Any]:
    source = {"registry": "mlflow", "name": "fraud", "alias": "champion"} | model
    spec = {"model": source, "gates": list(gates)}
    return {"apiVersion": API, "kind": "ModelDeployment", "metadata": {"name": "fraud"}, "spec": spec}


def run(capsys: pytest.CaptureFixture[str], folder: Path, *words: str, given: list[Any]) -> tuple[int, str, str]:
    file = folder / "md.yaml"
    file.write_text(yaml.safe_dump_all(given))
    code = main(["gate", "-f", str(file), *words])
    out, err = capsys.readouterr()
    return code, out, err


Capture = pytest.CaptureFixture[str]


def test_a_table_for_people(capsys: Capture, tmp_path: Path, registry: FakeRegistry) -> None:
    given = [deployment(ACCURATE, NO_WORSE, FILE), REGISTRY]
    code, out, err = run(capsys, tmp_path, "--against", "old", given=given)
    assert (code, err) == (1, "")
    lines = out.splitlines()
    assert lines[0] == "fraud version 2, against version 1"
    assert lines[2].split() == ["GATE", "RESULT", "EXPECTED", "FOUND", "WHY"]
    assert lines[3].split("  ")[0] == "accuracy" and "✓ Pass" in lines[3] and "accuracy at least 0.9" in lines[3]
    assert "✗ Fail" in lines[4] and "accuracy at least 0.95 (stable's 0.95, tolerance 0)" in lines[4]
    assert "! Error" in lines[5] and "the file was not read" in lines[5]
    assert lines[-1] == "3 gates: 1 passes, 1 fails, 1 could not be judged"
    assert registry.asked[0] == ("http://mlflow.example", None)
    assert registry.needs == [Needs(run=True, digests=frozenset({"model.pkl"})), Needs(run=True)]


@pytest.mark.parametrize(
    ("gates", "words", "expected", "phase"),
    [
        ([ACCURATE, NO_WORSE], (), 0, "Pass"),
        ([ACCURATE], ("--version", "1"), 0, "Pass"),
        ([NO_WORSE], ("--against", "1"), 1, "Fail"),
        ([NO_WORSE], ("--against", "2", "--version", "old"), 0, "Pass"),
        ([ACCURATE, FILE], (), 2, "Error"),
        ([NO_WORSE, FILE], ("--against", "1"), 1, "Fail"),
    ],
)
def test_the_exit_code_tells_how_it_came_out(
    capsys: Capture,
    tmp_path: Path,
    registry: FakeRegistry,
    gates: list[Any],
    words: tuple[str, ...],
    expected: int,
    phase: str,
) -> None:
    code, out, _ = run(capsys, tmp_path, *words, "-o", "json", given=[deployment(*gates), REGISTRY])
    data = json.loads(out)
    assert (code, data["phase"], data["model"]) == (expected, phase, "fraud")
    assert [each["name"] for each in data["gates"]] == [each["name"] for each in gates]
    assert {"name", "phase", "expected", "found", "message"} == set(data["gates"][0])


def test_a_model_given_by_uri_has_no_registry_to_ask(capsys: Capture, tmp_path: Path, registry: FakeRegistry) -> None:
    given = deployment({"name": "tests", "job": {"spec": {"template": {}}}})
    given["spec"]["model"] = {"uri": "s3://models/fraud", "version": "3"}
    code, out, err = run(capsys, tmp_path, given=[given])
    assert code != 0 and out == ""
    assert "its model is given by uri: there is no registry to ask" in err
    assert registry.asked == []


def test_a_registry_that_does_not_answer_is_never_a_pass(
    capsys: Capture, tmp_path: Path, registry: FakeRegistry
) -> None:
    given = [deployment(ACCURATE), REGISTRY]
    registry.trouble_with_facts = RegistryError(Reason.REGISTRY_UNREACHABLE, "no answer within 30 s")
    code, out, _ = run(capsys, tmp_path, given=given)
    assert code == 2 and "no answer within 30 s" in out
    registry.trouble = RegistryError(Reason.REGISTRY_UNAUTHORIZED, "refused access (HTTP 401)")
    code, out, err = run(capsys, tmp_path, given=given)
    assert (code, out) == (2, "") and "refused access" in err and "MLFLOW_TRACKING_TOKEN" in err


def test_credentials_and_url(
    capsys: Capture, tmp_path: Path, registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "t0ken")
    code, out, err = run(capsys, tmp_path, "--registry-url", "http://other", given=[deployment(ACCURATE)])
    assert code == 0 and registry.asked == [("http://other", RegistryCredentials(token="t0ken"))]
    assert "t0ken" not in out + err


def test_what_others_wrote_cannot_reach_the_terminal_raw(
    capsys: Capture, tmp_path: Path, registry: FakeRegistry
) -> None:
    tag = {"name": "by", "tag": {"name": "by", "value": "\x1b]0;x\x07[red]"}}
    code, out, _ = run(capsys, tmp_path, given=[deployment(tag), REGISTRY])
    assert code == 1 and "\x1b" not in out and "\u202e" not in out and "[red]" in out


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "there is no ModelDeployment in the files"),
        ([deployment(), REGISTRY], "fraud: spec.gates is empty: there is nothing to judge"),
        ([deployment(ACCURATE)], "there is no ModelRegistry 'mlflow' in the files"),
        ([deployment(ACCURATE, registry=None)], "spec.model names no registry"),
        ([deployment({"name": "x"}), REGISTRY], "gates.0: Value error, a gate is exactly one of"),
        ([deployment(ACCURATE), {**REGISTRY, "spec": {}}], "ModelRegistry mlflow: the spec is not valid"),
        ([deployment(ACCURATE), deployment(ACCURATE)], "say which with --name"),
    ],
)
def test_what_cannot_be_judged_is_told_and_exits_with_2(
    capsys: Capture, tmp_path: Path, registry: FakeRegistry, given: list[Any], said: str
) -> None:
    code, out, err = run(capsys, tmp_path, given=given)
    assert (code, out) == (2, "") and said in " ".join(err.split()) and "Traceback" not in err
