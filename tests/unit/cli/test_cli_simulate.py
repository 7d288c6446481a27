"""steersman simulate: the manifests that it takes, what it says, and what it refuses."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from steersman.cli.main import main

EXAMPLES = Path(__file__).parents[3] / "examples"
MEANS = {"requests": "d_count", "buckets": "d_bucket", "highest": 2}
ASKED = ("--rps", "40", "--error-rate", "0.2%")


@pytest.fixture(autouse=True)
def few_rollouts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("steersman.cli.commands.simulate.trials_for", lambda timeline, interval: 100)


def deployment(name: str = "fraud", **spec: Any) -> dict[str, Any]:
    given = {
        "model": {"name": "fraud", "alias": "champion"},
        "traffic": {"gatewayAPI": {"parentRefs": [{"name": "gateway"}]}},
        "strategy": {"canary": {"steps": [{"setWeight": 20}, {"pause": {"duration": "1m"}}]}},
        "analysis": {"templates": [{"name": "errors"}]},
    }
    return {
        "apiVersion": "steersman.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": name},
        "spec": given | spec,
    }


def template(**metric: Any) -> dict[str, Any]:
    metrics = [{"name": "errors", **(metric or {"sequential": {"requests": "r", "failures": "f"}})}]
    return {
        "apiVersion": "steersman.dev/v1alpha1",
        "kind": "AnalysisTemplate",
        "metadata": {"name": "errors"},
        "spec": {"metrics": metrics},
    }


def written(folder: Path, *manifests: Any) -> str:
    file = folder / "manifests.yaml"
    file.write_text(yaml.safe_dump_all(manifests))
    return str(file)


def simulate(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["simulate", *arguments])
    out, err = capsys.readouterr()
    return code, out, err


def test_the_example_is_told_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = simulate(capsys, "-f", str(EXAMPLES / "canary.yaml"), *ASKED)
    assert (code, err) == (0, "")
    assert "fraud: 10 % for 1m → 25 % for 1m → 50 % for 2m → 100 %" in out
    assert "of 9600 requests until then the candidate answers 3240" in out
    assert "as often as stable: false alarms, at most 0.5 %" in out
    assert "2 sequential metrics share a bound of false alarms of 1 %" in out
    assert "95 % of the rollouts find a candidate that fails" in out
    assert "taken for the sequential judge with its defaults: request-errors, latency" in out
    rows = {line.split("  ")[0]: line for line in out.splitlines()}
    assert " 100 %" in rows["50 %"] and " 100 %" in rows["5 %"]


def test_means_are_left_out_but_take_their_part_of_alpha(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    both = template()
    both["spec"]["metrics"].insert(0, {"name": "durations", "sequential": MEANS})
    code, out, _ = simulate(capsys, "-f", written(tmp_path, deployment(), both), *ASKED, "-o", "json")
    data = json.loads(out)
    assert (code, data["metric"], data["falseAlarms"]["bound"]) == (0, "errors/errors", 0.005)


def test_data_and_the_metrics_own_settings(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    judge = {"requests": "r", "failures": "f", "alpha": 0.05, "minRequests": 900}
    analysis = {"templates": [{"name": "errors"}], "alpha": 0.05}
    file = written(tmp_path, deployment(analysis=analysis), template(sequential=judge, interval="5s"))
    code, out, _ = simulate(capsys, "-f", file, *ASKED, "--bad", "3%", "--bad", "0.5", "-o", "json")
    data = json.loads(out)
    assert code == 0 and data["metric"] == "errors/errors" and data["assumedTemplates"] == []
    assert data["falseAlarms"]["bound"] == 0.05
    assert [each["rate"] for each in data["candidates"]] == [0.002, 0.03, 0.5]
    assert data["seconds"] == 117.0, "900 requests at 8 a second take 112.5 s; the look at 115 s is answered after 2 s"
    assert yaml.safe_load(simulate(capsys, "-f", file, *ASKED, "-o", "yaml")[1])["name"] == "fraud"


def test_one_of_several_from_standard_input(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    items = {"apiVersion": "v1", "kind": "List", "items": [deployment("fraud"), deployment("churn")]}
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(items)))
    code, out, _ = simulate(capsys, "-f", "-", "--name", "churn", *ASKED)
    assert code == 0 and out.startswith("churn: 20 % for 1m")


@pytest.mark.parametrize(("name", "begin"), [("plot.png", b"\x89PNG\r\n"), ("plot.svg", b"<?xml")])
def test_a_plot_is_a_picture(capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str, begin: bytes) -> None:
    file = written(tmp_path, deployment("a$b"), template())
    code, _, err = simulate(capsys, "-f", file, *ASKED, "--plot", str(tmp_path / name))
    assert code == 0 and name in err
    assert (tmp_path / name).read_bytes().startswith(begin) and (tmp_path / name).stat().st_size > 5000


def test_a_pause_without_a_duration_is_said(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    steps = [{"setWeight": 20}, {"pause": {}}, {"setWeight": 50}]
    file = written(tmp_path, deployment(strategy={"canary": {"steps": steps}}), template())
    assert "1 pause(s) without a duration wait for promote" in simulate(capsys, "-f", file, *ASKED)[1]


def test_names_cannot_reach_the_terminal_raw(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    hostile = "\x1b[2Jfraud\u202e"
    file = written(tmp_path, deployment(hostile, analysis={"templates": [{"name": "errors"}]}))
    code, out, _ = simulate(capsys, "-f", file, *ASKED)
    assert code == 0 and "\x1b" not in out and "\u202e" not in out


REFUSED: list[tuple[str, list[Any], tuple[str, ...], str]] = [
    ("nothing there", [], ASKED, "there is no ModelDeployment in the files; there are: none"),
    ("other kinds", [template()], ASKED, "there is no ModelDeployment"),
    ("not ours", [{"apiVersion": "v1", "kind": "ModelDeployment"}], ASKED, "there is no ModelDeployment"),
    ("no objects", ["text", ["list"], None, {"kind": "List", "items": "x"}], ASKED, "there is no ModelDeployment"),
    ("two", [deployment("a"), deployment("b")], ASKED, "say which with --name"),
    (
        "another name",
        [deployment("a")],
        ("--name", "b", *ASKED),
        "there is no ModelDeployment 'b' in the files; there are: a",
    ),
    ("blue-green", [deployment(strategy={"blueGreen": {}})], ASKED, "fraud is rolled out blue-green"),
    (
        "no weight",
        [deployment(strategy={"canary": {"steps": [{"setWeight": 100}]}})],
        ASKED,
        "no step gives the candidate",
    ),
    ("no template", [deployment(analysis={})], ASKED, "nothing is judged"),
    ("not valid", [deployment(replicas=-1)], ASKED, "ModelDeployment fraud: the spec is not valid: replicas"),
    (
        "template not valid",
        [deployment(), template(sequential={})],
        ASKED,
        "AnalysisTemplate errors: the spec is not valid",
    ),
    (
        "threshold",
        [deployment(), template(threshold={"query": "up", "min": 1})],
        ASKED,
        "none of the templates has a sequential",
    ),
    (
        "means",
        [deployment(), template(sequential=MEANS)],
        ASKED,
        "compares means (buckets), and only rates of failure can be played",
    ),
    ("no rate", [deployment()], ("--rps", "40", "--error-rate", "many"), "--error-rate: 'many' is not a share"),
    ("all fail", [deployment()], ("--rps", "40", "--error-rate", "100%"), "--error-rate: '100%' is not a share"),
    ("bad", [deployment()], (*ASKED, "--bad", "-1"), "--bad: '-1' is not a share"),
    ("no requests", [deployment()], ("--rps", "0", "--error-rate", "1%"), "--rps must be above 0"),
    ("not a number", [deployment()], ("--rps", "nan", "--error-rate", "1%"), "--rps must be above 0"),
    ("no picture", [deployment()], (*ASKED, "--plot", "plot.gif"), "plot.gif does not end with .png or .svg"),
    ("no folder", [deployment()], (*ASKED, "--plot", "/nowhere/at/all/plot.png"), "cannot be written"),
]


@pytest.mark.parametrize(
    ("manifests", "arguments", "said"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
def test_what_makes_no_sense_is_refused_with_a_reason(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, manifests: list[Any], arguments: tuple[str, ...], said: str
) -> None:
    code, _, err = simulate(capsys, "-f", written(tmp_path, *manifests), *arguments)
    assert code == 1 and said in " ".join(err.split()) and "Traceback" not in err


def test_files_that_cannot_be_read(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert "cannot be read" in simulate(capsys, "-f", str(tmp_path / "none.yaml"), *ASKED)[2]
    (tmp_path / "broken.yaml").write_text("a: [")
    assert "is not YAML" in simulate(capsys, "-f", str(tmp_path / "broken.yaml"), *ASKED)[2]
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    assert "cannot be read" in simulate(capsys, "-f", str(tmp_path / "binary.yaml"), *ASKED)[2]


def test_without_matplotlib_the_plot_says_what_to_install(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    file = written(tmp_path, deployment(), template())
    code, _, err = simulate(capsys, "-f", file, *ASKED, "--plot", str(tmp_path / "plot.png"))
    assert code == 1 and "pip install 'steersman[plot]'" in err
