"""What gates need of a version, read from servers that behave and that do not; the real server is in the component tests."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import yaml
from aiohttp import web

from steersman.adapters.registries import mlflow_facts
from steersman.adapters.registries.mlflow import MLflowRegistry
from steersman.api.conditions import Reason
from steersman.core.gates import Missing, ModelFile, Needs, RunFacts, Unknown
from steersman.core.gates.facts import Dataset
from steersman.core.gates.signature import Field, Scalar, Signature
from steersman.ports import RegistryCredentials, RegistryError

Serve = Callable[[Callable[[web.Request], Awaitable[web.StreamResponse]]], Awaitable[str]]
GONE = {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no"}
EVERYTHING = Needs(run=True, model_file=True, python=True, requirements=True, digests=frozenset({"model.pkl"}))
MLMODEL = {
    "flavors": {"python_function": {"python_version": "3.11.7"}, "sklearn": {}},
    "signature": {"inputs": '[{"type": "double", "name": "a", "required": true}]', "outputs": None, "params": None},
    "saved_input_example_info": {"artifact_path": "input_example.json"},
}


class Server:
    """One version, with files; what is in `broken` answers so instead, by path or file name."""

    def __init__(self) -> None:
        self.entry: dict[str, Any] = {
            "name": "fraud",
            "version": "3",
            "run_id": "r1",
            "source": "models:/m-1",
            "creation_timestamp": 1767225600000,
            "tags": [{"key": "by", "value": "ann"}],
        }
        self.run: dict[str, Any] = {
            "metrics": [
                {"key": "accuracy", "value": 0.9, "step": 2},
                {"key": "accuracy", "value": 0.1, "step": 1},
                {"key": "loss", "value": "NaN"},
            ],
            "params": [{"key": "C", "value": "1"}],
            "tags": [{"key": "data", "value": "validated"}],
        }
        self.logged: dict[str, Any] = {
            "metrics": [{"key": "auc", "value": 0.8}],
            "params": [{"key": "D", "value": "2"}],
        }
        self.files: dict[str, bytes] = {
            "MLmodel": yaml.safe_dump(MLMODEL).encode(),
            "requirements.txt": b"mlflow==3.1\nnumpy==2.2",
            "python_env.yaml": b"python: 3.12.1\n",
            "model.pkl": b"weights",
        }
        self.outputs: dict[str, Any] = {}
        self.inputs: Any = {}
        self.info: Any = {}
        self.broken: dict[str, tuple[int, bytes]] = {}
        self.asked: list[str] = []
        self.headers: list[str | None] = []

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        path = request.path.removeprefix("/api/2.0/mlflow/")
        file = request.query.get("path", "")
        self.asked.append(file or path)
        self.headers.append(request.headers.get("Authorization"))
        for name in (file, path):
            if name in self.broken:
                status, body = self.broken[name]
                return web.Response(status=status, body=body)
        if path == "/model-versions/get-artifact":
            assert (request.query["name"], request.query["version"]) == ("fraud", "3")
            if file in self.files:
                return web.Response(body=self.files[file], content_type="application/octet-stream")
            return web.json_response(GONE, status=404)
        answers = {
            "model-versions/get": {"model_version": self.entry},
            "runs/get": {"run": {"data": self.run, "outputs": self.outputs, "inputs": self.inputs, "info": self.info}},
            "logged-models/m-1": {"model": {"data": self.logged}},
        }
        return web.json_response(answers.get(path, GONE), status=200 if path in answers else 404)


@pytest.fixture
async def client() -> AsyncIterator[MLflowRegistry]:
    registry = MLflowRegistry(timeout=0.5, max_bytes=20_000)
    yield registry
    await registry.close()


async def test_a_version_with_everything(serve: Serve, client: MLflowRegistry) -> None:
    server = Server()
    facts = await client.facts(await serve(server), RegistryCredentials(token="t0ken"), "fraud", "3", EVERYTHING)
    assert (facts.model, facts.version, facts.created_at, facts.tags) == ("fraud", "3", 1767225600.0, {"by": "ann"})
    assert isinstance(facts.run, RunFacts)
    loss = facts.run.metrics["loss"]  # type: ignore[index]
    assert dict(facts.run.metrics) == {"accuracy": 0.9, "loss": loss, "auc": 0.8} and loss != loss
    assert (facts.run.params, facts.run.tags) == ({"C": "1", "D": "2"}, {"data": "validated"})
    signature = Signature(inputs=(Field("a", Scalar("double")),))
    assert facts.model_file == ModelFile(("python_function", "sklearn"), signature, True)
    assert facts.python_version == "3.11.7"
    assert facts.requirements == ("mlflow==3.1", "numpy==2.2")
    assert facts.digests == {"model.pkl": hashlib.sha256(b"weights").hexdigest()}
    assert "python_env.yaml" not in server.asked, "the MLmodel file has said it"
    assert set(server.headers) == {"Bearer t0ken"}


@pytest.mark.parametrize(("step", "accuracy"), [(0, 0.9), (None, 0.9), (3, 0.7), ("3", 0.7)])
async def test_only_a_checkpoints_own_metrics_go_before_its_runs(
    serve: Serve, client: MLflowRegistry, step: Any, accuracy: float
) -> None:
    server = Server()
    server.logged["metrics"] = [{"key": "accuracy", "value": 0.7}]
    server.outputs = {"model_outputs": [{"model_id": "m-0", "step": 9}, {"model_id": "m-1", "step": step}]}
    facts = await client.facts(await serve(server), None, "fraud", "3", Needs(run=True))
    assert isinstance(facts.run, RunFacts) and facts.run.metrics["accuracy"] == accuracy


async def test_datasets_and_who_ran_it(serve: Serve, client: MLflowRegistry) -> None:
    server = Server()
    dataset = {"name": "train", "digest": "ab12", "source_type": "s3", "source": '{"uri": "s3://b/t"}', "schema": "x"}
    server.inputs = {
        "dataset_inputs": [
            {"dataset": dataset, "tags": [{"key": "mlflow.data.context", "value": "training"}]},
            {"dataset": {"name": "odd\n\x1b[2J" + "x" * 1000}},
        ]
    }
    server.info = {"run_name": "bold-owl", "user_id": "ann", "start_time": 1767225600000, "end_time": "soon"}
    facts = await client.facts(await serve(server), None, "fraud", "3", Needs(run=True))
    assert isinstance(facts.run, RunFacts) and (facts.run_id, facts.source) == ("r1", "models:/m-1")
    assert facts.run.datasets[0] == Dataset("train", "ab12", "s3", '{"uri": "s3://b/t"}', "training")
    assert "\x1b" not in facts.run.datasets[1].name and len(facts.run.datasets[1].name) <= 500
    run = facts.run
    assert (run.name, run.user, run.started_at, run.ended_at) == ("bold-owl", "ann", 1767225600.0, None)


@pytest.mark.parametrize("odd", [None, [], "x", {"dataset_inputs": {}}, {"dataset_inputs": [None, 1, {"dataset": []}]}])
async def test_odd_inputs_and_infos_are_no_trouble(serve: Serve, client: MLflowRegistry, odd: Any) -> None:
    server = Server()
    server.inputs = server.info = odd
    facts = await client.facts(await serve(server), None, "fraud", "3", Needs(run=True))
    assert isinstance(facts.run, RunFacts) and facts.run.metrics["accuracy"] == 0.9
    assert all(each == Dataset("", "") for each in facts.run.datasets)


async def test_only_what_is_needed_is_asked_for(serve: Serve, client: MLflowRegistry) -> None:
    server = Server()
    facts = await client.facts(await serve(server), None, "fraud", "3", Needs())
    assert server.asked == ["model-versions/get"]
    assert all(isinstance(part, Unknown) for part in (facts.run, facts.model_file, facts.requirements))


async def test_what_is_not_there_is_missing(serve: Serve, client: MLflowRegistry) -> None:
    server = Server()
    server.files.clear()
    server.entry |= {"source": "s3://x", "run_id": "", "creation_timestamp": "soon", "tags": "odd"}
    facts = await client.facts(await serve(server), None, "fraud", "3", EVERYTHING)
    assert facts.run == Missing("the registry names no run for the version")
    assert facts.model_file == Missing("the version's artifact has no file MLmodel")
    assert facts.requirements == Missing("the version's artifact has no file requirements.txt")
    assert facts.python_version == Missing("the version's artifact has no file python_env.yaml")
    assert facts.digests == {"model.pkl": Missing("the version's artifact has no file model.pkl")}
    assert (facts.created_at, facts.tags) == (None, {})


async def test_a_deleted_run_is_missing(serve: Serve, client: MLflowRegistry) -> None:
    server = Server()
    server.entry["source"] = ""
    server.broken["runs/get"] = (404, json.dumps(GONE).encode())
    facts = await client.facts(await serve(server), None, "fraud", "3", Needs(run=True))
    assert isinstance(facts.run, Missing) and "'r1'" in facts.run.message


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503, 302, 400])
async def test_trouble_with_one_part_makes_that_part_unknown(serve: Serve, client: MLflowRegistry, status: int) -> None:
    server = Server()
    server.broken = dict.fromkeys(("MLmodel", "requirements.txt", "model.pkl", "runs/get"), (status, b"t0ken?"))
    facts = await client.facts(await serve(server), RegistryCredentials(token="t0ken"), "fraud", "3", EVERYTHING)
    for part in (facts.run, facts.model_file, facts.python_version, facts.requirements, facts.digests["model.pkl"]):
        # python_env.yaml answers, and has a version of its own.
        assert isinstance(part, Unknown) or part == "3.12.1"
        assert "t0ken" not in str(part)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"a: [",
        b"\xff\xfe\x00",
        b"!!python/object/apply:os.system [id]",
        b"a: 9999-99-99",
        b"[" * 5000,
        b"x: " + b"9" * 10_000,
        b"? {a: b}\n: c",
    ],
)
async def test_an_mlmodel_that_is_none(serve: Serve, client: MLflowRegistry, body: bytes) -> None:
    server = Server()
    server.files["MLmodel"] = body
    facts = await client.facts(await serve(server), None, "fraud", "3", Needs(model_file=True))
    if isinstance(facts.model_file, ModelFile):
        assert facts.model_file.flavors == () and not facts.model_file.has_input_example
    else:
        assert isinstance(facts.model_file, Unknown)


@pytest.mark.parametrize("signature", ["text", {"inputs": "{"}, {"inputs": '[{"type": 1}]'}])
async def test_a_signature_that_is_none_is_unknown(serve: Serve, client: MLflowRegistry, signature: Any) -> None:
    server = Server()
    server.files["MLmodel"] = yaml.safe_dump({**MLMODEL, "signature": signature}).encode()
    facts = await client.facts(await serve(server), None, "fraud", "3", Needs(model_file=True))
    assert isinstance(facts.model_file, ModelFile) and isinstance(facts.model_file.signature, Unknown)


async def test_python_env_is_read_where_the_mlmodel_says_nothing(serve: Serve, client: MLflowRegistry) -> None:
    server = Server()
    server.files["MLmodel"] = b"flavors: {sklearn: {}}"
    url, needs = await serve(server), Needs(python=True)
    assert (await client.facts(url, None, "fraud", "3", needs)).python_version == "3.12.1"
    server.files["python_env.yaml"] = b"dependencies: []"
    assert isinstance((await client.facts(url, None, "fraud", "3", needs)).python_version, Missing)


async def test_files_that_are_too_large_or_too_slow_are_unknown(
    serve: Serve, client: MLflowRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server()
    server.files["requirements.txt"] = b"a" * (mlflow_facts.MAX_FILE + 1)
    server.files["model.pkl"] = b"b" * 1001
    monkeypatch.setattr(mlflow_facts, "MAX_HASHED", 1000)
    needs = Needs(requirements=True, digests=frozenset({"model.pkl"}))
    facts = await client.facts(await serve(server), None, "fraud", "3", needs)
    assert "larger than" in str(facts.requirements) and "larger than 1000 bytes" in str(facts.digests["model.pkl"])
    for body in (b"\xff", b"a\n" * 3000):
        server.files["requirements.txt"] = body
        facts = await client.facts(await serve(server), None, "fraud", "3", Needs(requirements=True))
        assert isinstance(facts.requirements, Unknown)

    async def slow(request: web.Request) -> web.StreamResponse:
        if "path" in request.query:
            await asyncio.sleep(2)
        return await server(request)

    facts = await client.facts(await serve(slow), None, "fraud", "3", Needs(requirements=True))
    assert "no answer within 0.5 s" in str(facts.requirements)


async def test_a_version_that_cannot_be_read_is_an_error(serve: Serve, client: MLflowRegistry) -> None:
    server = Server()
    server.broken["model-versions/get"] = (503, b"")
    with pytest.raises(RegistryError) as refused:
        await client.facts(await serve(server), None, "fraud", "3", EVERYTHING)
    assert refused.value.reason == Reason.REGISTRY_UNREACHABLE
    with pytest.raises(RegistryError, match="unusable registry URL"):
        await client.facts("ftp://x", None, "fraud", "3", EVERYTHING)
