"""The shared code: validation, training, the model's own tests, the gates, the message."""

from __future__ import annotations

import http.server
import json
import threading

import pytest
from tests.component.pipelines.workshop import COMMIT, Workshop

BROKEN = """
import pandas
table = pandas.read_csv("data.csv")
table.drop(columns="mean_area").to_csv("narrow.csv", index=False)
table.loc[3, "mean_radius"], table.loc[5, "mean_area"] = -1, None
pandas.concat([table, table.tail(1)]).assign(malignant=1).to_csv("broken.csv", index=False)
"""
PANDAS = ["1 rows are there twice", "missing in mean_area", "below 0 in mean_radius", "100% are malignant"]
GX = [
    "expect_compound_columns_to_be_unique of the table: 2",
    "expect_column_values_to_not_be_null mean_area: 1",
    "expect_column_values_to_be_between mean_radius: 1",
    "expect_column_mean_to_be_between malignant: 1.0",
]


LOOK = """
import json, sys, pandas, {script}
print(json.dumps([{script}.problems(pandas.read_csv(name)) for name in ("broken.csv", "narrow.csv")]))
"""


@pytest.mark.parametrize(("script", "expected"), [("validate_data", PANDAS), ("validate_data_gx", GX)])
def test_validation(serving: Workshop, script: str, expected: list[str]) -> None:
    """Good data gets the report that train.py wants, whichever tool looked; bad data is told what is wrong with it."""
    serving.run("python", "-c", BROKEN, within="model")
    serving.shell(f"python {script}.py data.csv --report again.json")
    again = json.loads((serving.model / "again.json").read_text())
    assert again == json.loads((serving.model / "report.json").read_text()) and again["rows"] == 569
    broken, narrow = json.loads(serving.run("python", "-c", LOOK.format(script=script), within="model").stdout)
    assert len(broken) == len(expected) and all(any(each in line for line in broken) for each in expected), broken
    assert narrow == ["columns are missing: mean_area"]


def test_bad_data_gets_no_report(serving: Workshop) -> None:
    """Not even where an older one lies."""
    (serving.model / "old.json").write_text((serving.model / "report.json").read_text())
    (serving.model / "bad.csv").write_text("mean_radius,malignant\n1,0\n")
    said = serving.shell("python validate_data.py bad.csv --report old.json", fails=True)
    assert said.startswith("bad.csv: columns are missing: ") and not (serving.model / "old.json").exists()


def test_a_version_says_where_it_comes_from(serving: Workshop) -> None:
    run = serving.run_of("1")
    assert run["tags"]["mlflow.source.git.commit"] == COMMIT and run["tags"]["data"] == "validated"
    assert run["params"] == {"C": "0.5", "seed": "7"}
    assert {"accuracy", "recall", "training_accuracy", "log_loss"} <= run["metrics"].keys()


def test_only_the_data_that_was_validated_is_called_so(serving: Workshop) -> None:
    """A report of another file is no report."""
    (serving.model / "other.csv").write_text((serving.model / "data.csv").read_text() + "\n")
    look = "import sys, json, train, pathlib as p; f = p.Path; print(json.dumps([train.tags(f(n), f('report.json')) for n in "
    done = serving.run("python", "-c", look + "('data.csv', 'other.csv')]))", within="model")
    validated, other = json.loads(done.stdout)
    assert validated["data"] == "validated" and "data" not in other
    assert validated["data.sha256"] != other["data.sha256"]


def test_the_gates_judge(serving: Workshop) -> None:
    assert set(gates(serving, "1").values()) == {"Pass"}
    judged = gates(serving, "2")
    assert {name for name, phase in judged.items() if phase != "Pass"} >= {"regularised"}


def gates(workshop: Workshop, version: str) -> dict[str, str]:
    """Name to result."""
    command = (
        f"steersman gate -f model.yaml --registry-url {workshop.url} --version {version} --against 1 -o json || true"
    )
    done = workshop.run("bash", "-c", command, within="model")
    return {each["name"]: each["phase"] for each in json.loads(done.stdout)["gates"]}


def test_the_model_passes_its_own_tests(serving: Workshop) -> None:
    assert "7 passed" in serving.shell("python -m pytest tests", MODEL_URI="models:/tumours/1")


def test_a_worse_model_does_not(serving: Workshop) -> None:
    """Labels that mean nothing: what the tests say of such a model."""
    spoiled = """
import sys, pytest, train
right = train.train
train.train = lambda table: right(table.assign(malignant=table.malignant.sample(frac=1, random_state=1).to_numpy()))
sys.exit(pytest.main(["tests", "-q", "-rf", "-p", "no:cacheprovider"]))
"""
    said = serving.run("python", "-c", spoiled, within="model", fails=True).stdout
    failed = "\n".join(line for line in said.splitlines() if line.startswith("FAILED"))
    for name in ("right_about_rows", "beats_always", "direction"):
        assert name in failed, said


def test_the_message(serving: Workshop) -> None:
    """It reaches the webhook, and the webhook's address is not printed."""
    got: list[bytes] = []

    class Webhook(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    server = http.server.HTTPServer(("127.0.0.1", 0), Webhook)
    threading.Thread(target=server.handle_request, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/hooks/a-secret"
    assert serving.shell("python notify.py https://ci.example.com/run/17", NOTIFY_URL=url) == ""
    server.server_close()
    assert "failed" in json.loads(got[0])["text"] and "run/17" in json.loads(got[0])["text"]
