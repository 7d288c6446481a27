"""The words in which retraining speaks with the shell: errands, which it runs in the background, and their answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from steersman.api.retraining_actions import Target


class RunState(StrEnum):
    """Where a pipeline's run stands, as its target says."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    GONE = "gone"
    """There is no such run any more."""


@dataclass(frozen=True)
class Run:
    """A pipeline's run."""

    state: RunState = RunState.RUNNING
    ref: str = ""
    """Its name in the target."""
    url: str = ""
    """Where a person sees it."""
    message: str = ""


@dataclass(frozen=True)
class Order:
    """What is to be run."""

    key: str
    """The idempotency key of the attempt."""
    target: Target
    settings: str
    """The action's settings as canonical JSON."""
    namespace: str
    """Of the Secrets that the settings name."""
    at: float
    """When the attempt began, seconds since the epoch."""
    parameters: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Begin:
    """Ask the target to begin."""

    order: Order
    number: int
    """Which request of the attempt it is."""
    fresh: bool = field(compare=False)
    """The intent was recorded in this very turn: nobody can have sent it before."""


@dataclass(frozen=True)
class Follow:
    """Ask how the run stands until there is something to say."""

    order: Order
    ref: str
    known: Run = field(compare=False)
    """What the status says of it: only what differs is told."""


@dataclass(frozen=True)
class Cancel:
    """Ask the target to end the run; nobody waits for the answer."""

    order: Order
    ref: str


@dataclass(frozen=True)
class Registry:
    """The ModelDeployment's registry and model."""

    url: str
    secret_name: str | None
    namespace: str
    model: str


@dataclass(frozen=True)
class AskNewest:
    """Ask for the newest version of the model."""

    registry: Registry
    at: float
    """The look's moment: equal ones are asked once."""


@dataclass(frozen=True)
class Look:
    """Look at a data source."""

    trigger: str
    kind: str
    """gitTag, http or modelTag."""
    settings: str
    """Canonical JSON."""
    namespace: str
    at: float
    registry: Registry | None = None


Errand = Begin | Follow | Cancel | AskNewest | Look


class Began(StrEnum):
    """What came of asking a target to begin."""

    YES = "yes"
    NOT_YET = "not yet"
    """It surely began nothing, and may be asked again."""
    REFUSED = "refused"
    """It will not."""
    UNKNOWN = "unknown"
    """It may have begun, and cannot be asked twice for the same run."""


@dataclass(frozen=True)
class Answer:
    """The answer to an errand."""

    errand: Errand
    began: Began | None = None
    """Of Begin."""
    run: Run | None = None
    """Of Begin and Follow."""
    value: str | None = None
    """Of AskNewest and Look: the version, or what the data source shows now; None when there is nothing."""
    error: str = ""
    """Why there is none."""
    again_after: float = 0.0
    """Of NOT_YET: seconds that the target asked to wait."""
