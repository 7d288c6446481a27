"""Names that the parts of the loop share."""

from __future__ import annotations

from pathlib import Path

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "loop"
MODEL_NAME = "tumours"
DEPLOYMENT = "tumours"
TRAINER_IMAGE = "steersman/loop-trainer:dev"
HOST = "tumours.example.com"
CALIBRATION = 1.25
"""Of the new instrument: every length looks a quarter longer to it."""
VERSION_HEADER = "x-steersman-model-version"
REVISION_HEADER = "x-steersman-revision"
COLOURS = {"1": "#8c96a8", "2": "#0072b2", "3": "#009e73"}
"""By model version (Okabe and Ito)."""
