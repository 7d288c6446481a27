"""The generated API reference."""

import re
import runpy
from pathlib import Path

import pytest

from steersman.api.crds import KINDS

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def generator():
    return runpy.run_path(str(REPOSITORY / "docs" / "reference" / "generate.py"))


def test_the_page_in_the_repository_is_what_the_models_say(generator):
    assert generator["main"](["--check"]) == 0


def test_every_kind_has_its_section(generator):
    headings = re.findall(r"^## (.+)$", generator["api_page"](), re.MULTILINE)
    assert headings == [kind.kind for kind in KINDS]


def test_rows_show_path_type_default_and_limits(generator):
    rows = {line.split(" | ")[0].strip("| *`"): line for line in generator["api_page"]().splitlines() if "`" in line}
    assert "| duration | `30s` |" in rows["spec.strategy.canary.scaleDownDelay"]
    assert "At least 1, at most 100." in rows["spec.strategy.canary.steps[].setWeight"]
    assert "Weights must rise from step to step." in rows["spec.strategy.canary.steps"]
    assert rows["spec.model"].startswith("| **`spec.model`**")
    assert rows["spec.paused"].startswith("| `spec.paused`")


def test_cells_never_break_the_table(generator):
    for line in generator["api_page"]().splitlines():
        if line.startswith("|"):
            assert len(re.findall(r"(?<!\\)\|", line)) == 5, line
