"""A DAG run of a real Airflow 3: begun, asked for again, followed to either end, and cancelled."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from tests.component.adapters.airflow_server import Airflow, airflow

from steersman.adapters.pipelines.airflow import AirflowPipeline
from steersman.adapters.transport import Transport
from steersman.api.retraining_actions import RetrainingAction, Target
from steersman.core.retraining.model import Began, Order, Run, RunState
from steersman.core.retraining.work import settings_json
from steersman.ports import PipelineError, Secrets

pytestmark = [
    pytest.mark.skipif(sys.version_info >= (3, 14), reason="Airflow 3.1 supports no newer Python than 3.13"),
    pytest.mark.skipif(not os.environ.get("STEERSMAN_AIRFLOW"), reason="it takes minutes: make test-airflow"),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airflow]:
    with airflow(tmp_path_factory.mktemp("airflow")) as started:
        yield started


@pytest.fixture
async def pipeline() -> AsyncIterator[AirflowPipeline]:
    transport = Transport()
    yield AirflowPipeline(transport)
    await transport.close()


def secrets(password: str) -> Secrets:
    return Secrets("risk", {"airflow": {"username": b"ci", "password": password.encode()}})


def order(server: Airflow, key: str, reason: str = "drift", **changes: Any) -> Order:
    settings = {"url": server.url, "dag": "train_fraud", "credentials": {"secretName": "airflow"}} | changes
    action = RetrainingAction.model_validate({"airflow": settings})
    told = {"retraining_id": key, "reason": reason}
    return Order(key, Target.AIRFLOW, settings_json(action.settings), "risk", 0.0, told)


async def ended(pipeline: AirflowPipeline, asked: Order, login: Secrets) -> Run:
    for _ in range(300):
        run = await pipeline.state(asked, asked.key, login)
        if run.state != RunState.RUNNING:
            return run
        await asyncio.sleep(0.2)
    raise AssertionError("the DAG run does not end")


async def test_a_dag_run_from_its_beginning_to_its_end(server: Airflow, pipeline: AirflowPipeline) -> None:
    login = secrets(server.password)
    good, bad = order(server, "fraud-retrain-1-abcde"), order(server, "fraud-retrain-2-abcde", "fail")
    for _ in range(300):
        try:
            begun = await pipeline.start(good, login)
            break
        except PipelineError as error:
            # Its DAG processor has not read the file yet.
            assert "HTTP 404" in str(error) and error.began == Began.REFUSED
            await asyncio.sleep(0.2)
    else:
        raise AssertionError("Airflow does not find the DAG")
    assert (begun.state, begun.ref) == (RunState.RUNNING, good.key)
    # The same key again is the same run.
    assert (await pipeline.start(good, login)).ref == good.key
    await pipeline.start(bad, login)
    assert (await ended(pipeline, good, login)).state == RunState.SUCCEEDED
    failed = await ended(pipeline, bad, login)
    assert (failed.state, failed.message) == (RunState.FAILED, "the DAG run failed")
    cancelled = order(server, "fraud-retrain-3-abcde")
    await pipeline.start(cancelled, login)
    await pipeline.cancel(cancelled, cancelled.key, login)
    assert (await pipeline.state(cancelled, cancelled.key, login)).state == RunState.FAILED
    assert (await pipeline.state(good, "nothing", login)).state == RunState.GONE


async def test_wrong_credentials_and_a_dag_that_is_not_there(server: Airflow, pipeline: AirflowPipeline) -> None:
    with pytest.raises(PipelineError, match=r"refused access \(HTTP 401\)") as caught:
        await pipeline.start(order(server, "k"), secrets("wrong"))
    assert caught.value.access and caught.value.began == Began.REFUSED
    with pytest.raises(PipelineError, match=r"HTTP 404.*was not found|HTTP 404.*not found"):
        await pipeline.start(order(server, "k", dag="nothing"), secrets(server.password))
