"""The chain as an Airflow DAG: a task that fails keeps the next from running, so a gate that fails never moves the alias.

Workers need the model's folder and its requirements (MODEL_FOLDER), and MLFLOW_TRACKING_URI. Started by a person, a schedule, or
Steersman's retraining through Airflow's API.
"""

import os
from typing import Any

import pendulum
from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import Context, Param, dag

MODEL = os.environ.get("MODEL_FOLDER", "/opt/tumours/model")


def step(name: str, command: str, **settings: Any) -> BashOperator:
    """One command in the folder of this DAG run, with the model's scripts at $MODEL."""
    folder = "${WORK_FOLDER:-/tmp/tumours}/{{ run_id | replace(':', '_') }}"
    words = f'mkdir -p "{folder}" && cd "{folder}" && {command}'
    return BashOperator(task_id=name, bash_command=words, env={"MODEL": MODEL}, append_env=True, **settings)


def notify(context: Context) -> None:
    """Your message to the team goes here, by the provider for Slack, e-mail or what you use."""
    print(f"tumours: {context['ti'].task_id} failed, and the alias stays where it is")


@dag(
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    params={"c": Param(0.5, type="number", exclusiveMinimum=0)},
    default_args={"on_failure_callback": notify},
    tags=["steersman"],
)
def tumours() -> None:
    """Fetch, validate, train, gate, promote; tell somebody when one of them fails."""
    fetch = step("fetch", "python $MODEL/dataset.py data.csv", retries=2)
    validate = step("validate", "python $MODEL/validate_data.py data.csv --report report.json")
    train = step("train", "python $MODEL/train.py data.csv --report report.json --c {{ params.c }}")
    gate = step(
        "gate",
        "steersman gate -f $MODEL/model.yaml --registry-url $MLFLOW_TRACKING_URI"
        " --version $(cat version.txt) --against champion",
    )
    promote = step("promote", "python $MODEL/promote.py tumours --version $(cat version.txt)")
    fetch >> validate >> train >> gate >> promote


tumours()
