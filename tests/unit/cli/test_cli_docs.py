import os
import subprocess
import sys
from pathlib import Path

import steersman

ROOT = Path(steersman.__file__).parents[2]
WORDS = ["steersman.cli.main", "utils", "docs", "--name", "steersman", "--title", "The steersman command"]


def test_the_reference_is_what_the_command_says_of_itself() -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "operator")}
    made = subprocess.run(
        [sys.executable, "-m", "typer", *WORDS], capture_output=True, text=True, check=True, env=environment
    ).stdout
    written = (ROOT / "docs/reference/cli.md").read_text()
    again = f"PYTHONPATH=operator python -m typer {' '.join(WORDS[:-1])} '{WORDS[-1]}' --output docs/reference/cli.md"
    assert written.strip() == made.strip(), f"make it again: {again}"
