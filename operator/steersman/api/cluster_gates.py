"""Gates that need the cluster: a Job of the user's, and requests to the candidate's pods before they get traffic."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from steersman.api.meta import ApiModel
from steersman.api.metric_access import Timeout
from steersman.api.metric_providers import JobProvider

ARTIFACT_PATH = r"^[^/\\.\s][^/\\\s]*(/[^/\\.\s][^/\\\s]*)*$"
"""A path inside a version's artifact that stays inside it."""


class JobGate(JobProvider):
    """A Job of the user's succeeds: its containers exit with 0. It starts when every gate on the registry passes.

    Placeholders: `{{model}}`, `{{version}}`, `{{runId}}`, `{{candidate}}`, `{{stable}}`, `{{deployment}}`, `{{namespace}}`. Each container gets
    MODEL_NAME, MODEL_VERSION, MODEL_URI, MLFLOW_TRACKING_URI and the registry's credentials in its environment.
    """


class GoldenGate(ApiModel):
    """Golden requests: samples stored with the version are sent to the candidate's pods, and to stable's, before any traffic.

    Answers that differ by more than the tolerance are disagreements.
    """

    samples: Annotated[str, Field(pattern=ARTIFACT_PATH, max_length=1024)] = "serving_input_example.json"
    """Path inside the version's artifact: JSON, a body for the server, or a list of at most 100 of them, or of objects with `request` and
    `expected` (the answer). MLflow writes the default itself for a model with an input example. At most 1 MiB."""
    path: Annotated[str, Field(pattern=r"^/[!-~]*$", max_length=512)] = "/invocations"
    """Of the server's URL."""
    tolerance: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """How far two numbers may lie apart and still agree; labels and everything else must be equal."""
    relative: bool = False
    """The tolerance is a share of stable's number: 0.01 is 1 %."""
    max_disagreement: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of the predictions that may disagree: 0.02 is 2 %."""
    timeout: Timeout = 5.0
    """For each answer."""
