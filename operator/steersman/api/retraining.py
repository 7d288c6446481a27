"""Retraining: what asks for a new version of the model, and which pipeline trains it."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, ConfigDict, Field, JsonValue, WithJsonSchema, model_validator

from steersman.api.analysis import Argument
from steersman.api.duration import PATTERN as DURATION_PATTERN
from steersman.api.duration import Duration, Interval
from steersman.api.meta import DNS_LABEL, DNS_SUBDOMAIN, KEYED_BY_NAME, ApiModel
from steersman.api.metric_access import ProviderSettings, SecretRef, Tls
from steersman.api.retraining_actions import RetrainingAction, WebAddress

MAX_TRIGGERS: Final = 10
PARAMETER_NAME: Final = r"^[A-Za-z_][A-Za-z0-9_]{0,62}$"


def _exactly_one(*names: str) -> tuple[ConfigDict, str]:
    message = f"give exactly one of {', '.join(names[:-1])} and {names[-1]}"
    given = ", ".join(f"has(self.{name})" for name in names)
    rules: list[JsonValue] = [{"rule": f"[{given}].exists_one(given, given)", "message": message}]
    return ConfigDict(json_schema_extra={"x-kubernetes-validations": rules}), message


def _cron(value: str) -> str:
    if len(value.split()) != 5:
        raise ValueError(f"{value!r} has not the five fields of a cron expression: write for example 0 3 * * MON")
    try:
        next(CronSim(value, datetime(2026, 1, 1, tzinfo=UTC)))
    except CronSimError as error:
        raise ValueError(f"{value!r} is not a cron expression: {error}") from None
    except StopIteration:
        raise ValueError(f"{value!r} names no moment of the next 50 years") from None
    return value


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{value!r} is not a time zone: write for example Europe/Berlin") from None
    return value


class ScheduleTrigger(ApiModel):
    """By the clock."""

    cron: Annotated[str, Field(min_length=9, max_length=128), AfterValidator(_cron)]
    """Five fields as in Debian's cron: minute, hour, day of the month, month, day of the week."""
    time_zone: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_+/-]*$", max_length=64), AfterValidator(_zone)] = (
        "Etc/UTC"
    )
    """Of the IANA database. Where a clock is put forward, a moment that is left out comes right after; where it is put back, a moment comes once."""
    starting_deadline: Annotated[Duration, Field(ge=1.0)] = 3600.0
    """How late a moment may be met, because the operator was down or something else had to wait for. After that it is skipped. Of several
    moments that were missed only the last counts."""


class GitTag(ProviderSettings):
    """Tags of a git repository, such as those that `dvc` users put on a data set, over HTTP."""

    url: WebAddress
    """The repository as one would clone it, e.g. https://git.example.com/data/fraud.git."""
    pattern: Annotated[str, Field(min_length=1, max_length=128)]
    """A shell's pattern (`*`, `?`, `[ab]`) for the name without refs/tags/. Of the tags that match the highest counts, with numbers in names
    compared as numbers: a higher one, or the same one moved, is new data."""
    credentials: SecretRef | None = None
    """A Secret with the keys `username` and `password`, or `token`."""
    tls: Tls | None = None


class HttpResource(ProviderSettings):
    """A resource whose content changes with the data, such as a .dvc file in a repository."""

    url: WebAddress
    credentials: SecretRef | None = None
    """A Secret with the keys `username` and `password`, or `token`."""
    tls: Tls | None = None


class ModelTag(ApiModel):
    """A tag of the registered model in the ModelDeployment's registry."""

    key: Annotated[str, Field(min_length=1, max_length=250)]
    """Another value is new data. It may not go away: no value is no news."""


_GROWTH, _GROWTH_NEEDED = _exactly_one("by", "percent")


class MetricRef(ApiModel):
    """A threshold metric of an analysis template, asked for {{stable}} (and {{candidate}} is the same)."""

    template: Annotated[str, Field(pattern=DNS_SUBDOMAIN, max_length=253)]
    """An AnalysisTemplate of the namespace, or else a ClusterAnalysisTemplate."""
    metric: Annotated[str, Field(pattern=DNS_LABEL, max_length=63)]
    """A metric of it whose judge is `threshold`."""
    args: Annotated[list[Argument], Field(max_length=32, json_schema_extra=KEYED_BY_NAME)] = []


class Growth(MetricRef):
    """A number such as a count of rows, that grew since the last training; the metric's bounds do not matter."""

    model_config = _GROWTH

    by: Annotated[float | None, Field(gt=0)] = None
    """In the metric's unit."""
    percent: Annotated[float | None, Field(gt=0, le=100_000)] = None

    @model_validator(mode="after")
    def _one(self) -> Growth:
        if (self.by is None) == (self.percent is None):
            raise ValueError(_GROWTH_NEEDED)
        return self


_DATA, _DATA_NEEDED = _exactly_one("gitTag", "http", "modelTag", "growth")


class DataTrigger(ApiModel):
    """New data. What is there when the trigger is made known is the beginning, and no news."""

    model_config = _DATA

    git_tag: GitTag | None = None
    http: HttpResource | None = None
    model_tag: ModelTag | None = None
    growth: Growth | None = None
    interval: Interval = 300.0
    """Time between looks; at least 1s."""

    @model_validator(mode="after")
    def _one(self) -> DataTrigger:
        if sum(each is not None for each in (self.git_tag, self.http, self.model_tag, self.growth)) != 1:
            raise ValueError(_DATA_NEEDED)
        return self


class MetricTrigger(MetricRef):
    """Quality: a metric that lies outside its threshold's bounds. No data is no reason to train."""

    looks: Annotated[int, Field(ge=1, le=100)] = 3
    """So many looks one after another must find it outside."""
    interval: Interval = 300.0
    """Time between looks; at least 1s."""
    repeat_after: Duration | None = None
    """While it stays outside, train again after this. Default: only once it was inside, or another version is stable."""


class DriftTrigger(ApiModel):
    """Drift, as the ModelDeployment's own conditions tell."""

    conditions: Annotated[list[Literal["DataDrift", "ConceptDrift"]], Field(min_length=1, max_length=2)] = [
        "DataDrift",
        "ConceptDrift",
    ]
    """Any of them being True is drift."""
    for_: Annotated[Duration, Field(alias="for")] = 0.0
    """How long it must have been True."""
    repeat_after: Duration | None = None
    """While it stays, train again after this. Default: only once it was gone, or another version is stable."""


_TRIGGER, _TRIGGER_NEEDED = _exactly_one("schedule", "data", "metric", "drift")


class Trigger(ApiModel):
    """Something that asks for a retraining."""

    model_config = _TRIGGER

    name: Annotated[str, Field(pattern=DNS_LABEL, max_length=40)]
    schedule: ScheduleTrigger | None = None
    data: DataTrigger | None = None
    metric: MetricTrigger | None = None
    drift: DriftTrigger | None = None

    @model_validator(mode="after")
    def _one(self) -> Trigger:
        if sum(each is not None for each in (self.schedule, self.data, self.metric, self.drift)) != 1:
            raise ValueError(_TRIGGER_NEEDED)
        if self.name == "manual":
            raise ValueError("the name manual is taken: it stands for retrainings that a person asked for")
        return self

    @property
    def measured(self) -> MetricRef | None:
        """The metric that it looks at, if it does."""
        return self.metric if self.metric is not None else self.data.growth if self.data is not None else None

    @property
    def interval(self) -> float:
        """Whole seconds between looks."""
        looking = self.data if self.data is not None else self.metric
        return float(max(1, math.ceil(looking.interval))) if looking is not None else 1.0


class DuringRollout(StrEnum):
    """What a trigger does while a rollout is under way."""

    WAIT = "Wait"
    START = "Start"


class Retries(ApiModel):
    """What follows a pipeline that failed."""

    limit: Annotated[int, Field(ge=0, le=9)] = 2
    """So many further attempts."""
    delay: Annotated[Duration, Field(ge=1.0)] = 60.0
    """Before the first of them; it doubles with each, up to 1h."""


Timeout = Annotated[
    Duration,
    Field(ge=10.0, le=30 * 86400.0),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": DURATION_PATTERN,
            "maxLength": 32,
            "x-kubernetes-validations": [
                {
                    "rule": "duration(self) >= duration('10s') && duration(self) <= duration('720h')",
                    "message": "must be 10s to 720h",
                }
            ],
        }
    ),
]
"""A Duration of 10s to 30 days."""


class Retraining(ApiModel):
    """When and how a new version of the model is trained. One retraining is under way at a time."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": f"!has(self.parameters) || self.parameters.all(name, name.matches('{PARAMETER_NAME}'))",
                    "message": "names of parameters have letters, digits and _ only",
                }
            ]
        }
    )

    triggers: Annotated[list[Trigger], Field(max_length=MAX_TRIGGERS, json_schema_extra=KEYED_BY_NAME)] = []
    """Any of them is enough. Without triggers only a person asks: `steersman retrain`."""
    action: RetrainingAction
    parameters: Annotated[dict[str, Annotated[str, Field(max_length=1024)]], Field(max_length=32)] = {}
    """Further parameters of the pipeline. Placeholders: {{retrainingId}}, {{deployment}}, {{namespace}}, {{model}}, {{stableVersion}}, {{trigger}},
    {{reason}}. A parameter of a standard name replaces it; one with an empty value is left out."""
    cooldown: Duration = 3600.0
    """Time from the end of a retraining to the next one; not for those that a person asks for."""
    timeout: Timeout = 86400.0
    """How long one attempt may take, its waits included. Then it is cancelled where the target can, and has failed."""
    retries: Retries = Retries()
    registration: Duration = 600.0
    """How long after a success the registry is asked for a new version of the model."""
    during_rollout: DuringRollout = DuringRollout.WAIT
    """Wait: a trigger waits until no rollout is under way."""
    suspend: bool = False
    """Let no trigger begin anything; a person still can. What is under way goes on."""

    @model_validator(mode="after")
    def _distinct(self) -> Retraining:
        names = [trigger.name for trigger in self.triggers]
        if len(set(names)) != len(names):
            raise ValueError("the names of the triggers must differ")
        return self

    @property
    def template_names(self) -> frozenset[str]:
        """Names of every analysis template that a trigger refers to."""
        measured = (trigger.measured for trigger in self.triggers)
        return frozenset(each.template for each in measured if each is not None)
