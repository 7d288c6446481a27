"""What a registry knows of a version, in parts: each is there, is missing, or could not be read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from steersman.api.gates import Gate
from steersman.core.gates.signature import Signature


@dataclass(frozen=True)
class Missing:
    """The registry answered that it has none of this: a gate that needs it fails."""

    message: str


@dataclass(frozen=True)
class Unknown:
    """It could not be read, or was not asked for: a gate that needs it is in error, and never passes."""

    message: str


NOT_READ = Unknown("it was not read")


@dataclass(frozen=True)
class Dataset:
    """A dataset that a run was given, as mlflow.log_input says it."""

    name: str
    digest: str
    source_type: str = ""
    """E.g. `local`, `s3`, `hugging_face`, or `dvc` of a source of one's own."""
    source: str = ""
    """Where it is, as JSON or text."""
    context: str = ""
    """What it was for, e.g. `training`."""


@dataclass(frozen=True)
class RunFacts:
    """The run that made a version."""

    metrics: Mapping[str, float] = field(default_factory=dict)
    """The latest value of each, by the run or else by the model itself; of a checkpoint by itself or else by the run."""
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    datasets: tuple[Dataset, ...] = ()
    name: str = ""
    user: str = ""
    """Who ran it, as MLflow was told."""
    started_at: float | None = None
    """Seconds since the epoch, as the next."""
    ended_at: float | None = None


@dataclass(frozen=True)
class ModelFile:
    """What a version's MLmodel file says."""

    flavors: tuple[str, ...] = ()
    signature: Signature | Missing | Unknown = Missing("the version has no signature")
    has_input_example: bool = False


@dataclass(frozen=True)
class VersionFacts:
    """A version of a registered model."""

    model: str
    version: str
    created_at: float | None = None
    """Seconds since the epoch."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Of the version itself."""
    run_id: str = ""
    source: str = ""
    """Where the version's artifact is, as it was registered."""
    run: RunFacts | Missing | Unknown = NOT_READ
    model_file: ModelFile | Missing | Unknown = NOT_READ
    python_version: str | Missing | Unknown = NOT_READ
    """The Python that the model was logged with, e.g. 3.11.7."""
    requirements: tuple[str, ...] | Missing | Unknown = NOT_READ
    """Lines of requirements.txt."""
    digests: Mapping[str, str | Missing | Unknown] = field(default_factory=dict)
    """SHA-256 in hexadecimal by the file's path."""


@dataclass(frozen=True)
class Needs:
    """The parts that are worth reading; tags and age of the version come with any."""

    run: bool = False
    model_file: bool = False
    python: bool = False
    requirements: bool = False
    digests: frozenset[str] = frozenset()
    """Paths of files."""


def needs_of(gates: Iterable[Gate]) -> Needs:
    """What must be read of a version to judge the gates."""
    given = list(gates)
    return Needs(
        run=any(gate.metric or gate.not_worse or gate.gap or gate.parameter or gate.tag for gate in given),
        model_file=any(gate.signature or gate.input_example or gate.flavor for gate in given),
        python=any(gate.python for gate in given),
        requirements=any(gate.dependency for gate in given),
        digests=frozenset(gate.digest.path for gate in given if gate.digest is not None),
    )


def compared(gates: Iterable[Gate]) -> list[Gate]:
    """The gates that compare a version with the one now stable: only for these is anything of stable needed."""
    return [gate for gate in gates if gate.not_worse is not None or gate.signature is not None]
