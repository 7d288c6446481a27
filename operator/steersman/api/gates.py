"""Gates: what a version must meet before it gets any traffic."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from pydantic import AfterValidator, ConfigDict, Field, JsonValue, model_validator

from steersman.api.cluster_gates import ARTIFACT_PATH, GoldenGate, JobGate
from steersman.api.duration import Duration
from steersman.api.meta import DNS_LABEL, KEYED_BY_NAME, ApiModel

MAX_GATES: Final = 32
"""Gates of one ModelDeployment."""

Number = Annotated[float, Field(allow_inf_nan=False)]
Key = Annotated[str, Field(min_length=1, max_length=250)]
"""Name of a metric, parameter or tag; MLflow takes no longer ones."""
Choices = Annotated[list[Annotated[str, Field(min_length=1, max_length=256)]], Field(min_length=1, max_length=32)]

_BOUNDS_NEEDED = "needs min, max or both"
_BOUNDS_CROSS = "min must not be above max"
_BOUND_RULES: list[JsonValue] = [
    {"rule": "has(self.min) || has(self.max)", "message": _BOUNDS_NEEDED},
    {"rule": "!has(self.min) || !has(self.max) || self.min <= self.max", "message": _BOUNDS_CROSS},
]


def _rules(*rules: JsonValue) -> ConfigDict:
    return ConfigDict(json_schema_extra={"x-kubernetes-validations": [*rules]})


def _specifier(value: str) -> str:
    try:
        SpecifierSet(value)
    except InvalidSpecifier:
        raise ValueError(f"{value!r} is not a version specifier (PEP 440): write for example >=1.5,<2") from None
    return value


Specifier = Annotated[
    str, Field(pattern=r"^[-A-Za-z0-9_.*+!=<>~, ]+$", min_length=1, max_length=200), AfterValidator(_specifier)
]
"""Versions as PEP 440 names them, e.g. `>=1.5,<2`; pre-releases only where it names one."""


class MetricGate(ApiModel):
    """A metric of the version's run lies within bounds, which belong to it."""

    model_config = _rules(*_BOUND_RULES)

    name: Key
    """The metric as it was logged, e.g. `accuracy`. The run's latest value counts; of a checkpoint (MLflow 3: logged with a step) its own."""
    min: Number | None = None
    max: Number | None = None

    @model_validator(mode="after")
    def _bounds(self) -> MetricGate:
        if self.min is None and self.max is None:
            raise ValueError(_BOUNDS_NEEDED)
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(_BOUNDS_CROSS)
        return self


class NotWorseGate(ApiModel):
    """A metric of the version's run is no worse than that of the version now stable; passes while there is no stable."""

    metric: Key
    higher_is_better: bool
    """True for an accuracy, false for a loss. It has no default, for a wrong one would let worse models pass."""
    tolerance: Annotated[Number, Field(ge=0)] = 0.0
    """How much worse still passes, in the metric's own unit."""
    relative: bool = False
    """The tolerance is a share of stable's value: 0.02 is 2 %."""


class GapGate(ApiModel):
    """Overfitting: two metrics of the version's run do not lie far apart, in whichever direction."""

    train: Key
    """The metric on training data, e.g. `training_accuracy`."""
    test: Key
    """The same metric on data that the training did not see."""
    max: Annotated[Number, Field(ge=0)]
    """The largest difference that passes, in the metric's own unit."""


_RANGE_OR_CHOICE = "give min, max or both, or oneOf"


class ParameterGate(ApiModel):
    """A parameter of the version's run lies within bounds, which belong to it, or is one of several values."""

    model_config = _rules(
        {"rule": "has(self.oneOf) != (has(self.min) || has(self.max))", "message": _RANGE_OR_CHOICE},
        _BOUND_RULES[1],
    )

    name: Key
    min: Number | None = None
    """Bounds need a parameter that reads as a number."""
    max: Number | None = None
    one_of: Choices | None = None
    """Compared as text, as MLflow keeps parameters."""

    @model_validator(mode="after")
    def _one(self) -> ParameterGate:
        if (self.one_of is not None) == (self.min is not None or self.max is not None):
            raise ValueError(_RANGE_OR_CHOICE)
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(_BOUNDS_CROSS)
        return self


_VALUE_OR_PATTERN = "give at most one of value and pattern"


class TagGate(ApiModel):
    """The version carries a tag, such as who approved it; if it does not, its run's tag of that name counts."""

    model_config = _rules({"rule": "!(has(self.value) && has(self.pattern))", "message": _VALUE_OR_PATTERN})

    name: Key
    value: Annotated[str | None, Field(max_length=5000)] = None
    """The exact value. Without value and pattern, any that is not empty."""
    pattern: Annotated[str | None, Field(min_length=1, max_length=256)] = None
    """A shell pattern for the whole value: `*` any text, `?` one character, `[ab]` one of these. Case matters."""

    @model_validator(mode="after")
    def _one(self) -> TagGate:
        if self.value is not None and self.pattern is not None:
            raise ValueError(_VALUE_OR_PATTERN)
        return self


class Reference(StrEnum):
    """What a version is compared with."""

    STABLE = "Stable"
    """The version that serves now."""


class SignatureGate(ApiModel):
    """Requests that stable answers suit this version too, and the answers suit their readers; passes while there is no stable."""

    compatible_with: Reference = Reference.STABLE
    outputs: bool = True
    """Compare outputs too: none of stable's may be gone or have another type."""


class InputExampleGate(ApiModel):
    """The version was logged with an input example."""


_ONE_DIGEST = "give exactly one of sha256 and tag"


class DigestGate(ApiModel):
    """A file of the version's artifact is the one that was meant: its SHA-256 is as expected. At most 1 GiB is read."""

    model_config = _rules({"rule": "has(self.sha256) != has(self.tag)", "message": _ONE_DIGEST})

    path: Annotated[str, Field(pattern=ARTIFACT_PATH, max_length=1024)]
    """Path of the file inside the artifact, e.g. `model.pkl`."""
    sha256: Annotated[str | None, Field(pattern=r"^[0-9a-f]{64}$")] = None
    tag: Annotated[str | None, Field(min_length=1, max_length=250)] = None
    """The tag of the version that holds the digest; never one of the run."""

    @model_validator(mode="after")
    def _one(self) -> DigestGate:
        if (self.sha256 is None) == (self.tag is None):
            raise ValueError(_ONE_DIGEST)
        return self


class FlavorGate(ApiModel):
    """The version has a flavor that the runtime can load."""

    one_of: Choices
    """Names as the MLmodel file has them, e.g. `sklearn`, `xgboost`, `python_function`."""


class PythonGate(ApiModel):
    """The version was made with a Python that the runtime can serve it with."""

    versions: Specifier
    """E.g. `>=3.11,<3.13`."""


class DependencyGate(ApiModel):
    """The version's requirements.txt pins a package to a version that the runtime has."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9]([-A-Za-z0-9._]*[A-Za-z0-9])?$", max_length=128)]
    """Of the package, in whichever of the spellings that PyPI takes for the same."""
    specifier: Specifier
    """E.g. `>=1.5,<2`."""


class AgeGate(ApiModel):
    """The version was registered not long ago."""

    max: Duration
    """E.g. `720h` for 30 days."""


_KINDS: Final = {
    "metric": "metric",
    "not_worse": "notWorse",
    "gap": "gap",
    "parameter": "parameter",
    "tag": "tag",
    "signature": "signature",
    "input_example": "inputExample",
    "digest": "digest",
    "flavor": "flavor",
    "python": "python",
    "dependency": "dependency",
    "age": "age",
    "job": "job",
    "golden": "golden",
}
GATE_KINDS: Final = tuple(_KINDS.values())
"""The kinds as they are written."""
_ONE_KIND = f"a gate is exactly one of {', '.join(GATE_KINDS)}"


class Gate(ApiModel):
    """One thing that a version must meet: a name and exactly one kind."""

    model_config = _rules(
        {
            "rule": " + ".join(f"(has(self.{kind}) ? 1 : 0)" for kind in GATE_KINDS) + " == 1",
            "message": _ONE_KIND,
        }
    )

    name: Annotated[str, Field(pattern=DNS_LABEL, max_length=63)]
    """Under which its result is shown."""
    metric: MetricGate | None = None
    not_worse: NotWorseGate | None = None
    gap: GapGate | None = None
    parameter: ParameterGate | None = None
    tag: TagGate | None = None
    signature: SignatureGate | None = None
    input_example: InputExampleGate | None = None
    digest: DigestGate | None = None
    flavor: FlavorGate | None = None
    python: PythonGate | None = None
    dependency: DependencyGate | None = None
    age: AgeGate | None = None
    job: JobGate | None = None
    golden: GoldenGate | None = None

    @model_validator(mode="after")
    def _one(self) -> Gate:
        if sum(getattr(self, field) is not None for field in _KINDS) != 1:
            raise ValueError(_ONE_KIND)
        return self


def _distinct(gates: list[Gate]) -> list[Gate]:
    names = [gate.name for gate in gates]
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"there are two gates named {twice!r}")
    return gates


Gates = Annotated[list[Gate], Field(max_length=MAX_GATES, json_schema_extra=KEYED_BY_NAME), AfterValidator(_distinct)]
"""Gates with distinct names."""
