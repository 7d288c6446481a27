"""Turns what a run wrote down into loop-report.json, .png and .html. `python -m loop.outputs DATA` does it again."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from demo.page import embeddable, page_environment
from loop.figure import draw
from loop.names import CALIBRATION
from loop.report import as_data, build_report
from loop.scenario import Observations
from loop.users import read_requests


def write_outputs(data: Path, output: Path) -> dict[str, Any]:
    """Write the report's three files and return the report."""
    facts = json.loads((data / "run.json").read_text())
    requests = read_requests(data / "requests.jsonl")
    report = as_data(build_report(requests, Observations.load(data / "observations.json"), facts["rate"]))
    (output / "loop-report.json").write_text(json.dumps(report, indent=2, allow_nan=False) + "\n")
    picture = data / "picture.svg"
    draw(report, requests, picture, output / "loop-report.png")
    here = Path(__file__).parent
    environment = page_environment(here, here.parent / "demo")
    label = "Share of right answers, drift and traffic over time, with every decision marked"
    page = environment.get_template("page.html.jinja").render(
        report=report, picture=embeddable(picture.read_text(), label), calibration=CALIBRATION
    )
    (output / "loop-report.html").write_text(page)
    return report


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the report of an earlier run again."""
    parser = argparse.ArgumentParser(prog="python -m loop.outputs", description="Write a run's report again.")
    parser.add_argument("data", type=Path, help="the run's loop-report.data")
    parser.add_argument("--output", type=Path, default=Path(), help="folder for the report (default: here)")
    options = parser.parse_args(arguments)
    write_outputs(options.data, options.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
