"""Turns what a run wrote down into demo-report.json, .png and .html. `python -m demo.outputs DATA` does it again."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from demo.check import check
from demo.figure import draw
from demo.names import BAD_VERSION
from demo.observe import Observations
from demo.page import render_page
from demo.records import read_records
from demo.report import Run, build_report
from demo.scenario import Action
from steersman.api.analysis import SequentialJudge

EXAMPLES = 8


def load_run(data: Path) -> Run:
    """A run from the files in its folder."""
    facts = json.loads((data / "run.json").read_text())
    return Run(
        read_records(data / "requests.jsonl"),
        Observations.load(data / "observations.json"),
        [Action(**action) for action in facts["actions"]],
        facts["models"],
        SequentialJudge.model_validate(facts["judge"]),
        facts["rate"],
        facts["phases"],
    )


def write_outputs(data: Path, output: Path) -> dict[str, Any]:
    """Write the report's three files and return the report."""
    run = load_run(data)
    report = build_report(run)
    promises = check(report)
    report["promises"] = [asdict(promise) for promise in promises]
    report["passed"] = all(promise.kept for promise in promises)
    (output / "demo-report.json").write_text(json.dumps(report, indent=2, allow_nan=False) + "\n")
    picture = data / "picture.svg"
    draw(report, run.records, picture, output / "demo-report.png")
    page = render_page(report, promises, picture.read_text(), _examples(run))
    (output / "demo-report.html").write_text(page)
    return report


def _examples(run: Run) -> list[list[float]]:
    """Some of the pictures that the bad version raises on."""
    from demo.data import digits

    rows: list[int] = next((model["failing_rows"] for model in run.models if model["version"] == BAD_VERSION), [])
    pictures: list[list[float]] = digits().held_out_pictures[rows[:EXAMPLES]].tolist()
    return pictures


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the report of an earlier run again."""
    parser = argparse.ArgumentParser(prog="python -m demo.outputs", description="Write a run's report again.")
    parser.add_argument("data", type=Path, help="the run's demo-report.data")
    parser.add_argument("--output", type=Path, default=Path(), help="folder for the report (default: here)")
    options = parser.parse_args(arguments)
    write_outputs(options.data, options.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
