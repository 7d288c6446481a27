"""Status of a ModelDeployment: the operator's whole memory. Intent is written here before it is acted on."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from steersman.api.conditions import Condition
from steersman.api.drift_status import DriftStatus
from steersman.api.gate_status import GatesStatus
from steersman.api.judgement_status import ComparisonStatus, MannWhitneyStatus, ScoreStatus
from steersman.api.lineage import LineageStatus
from steersman.api.meta import KEYED_BY_TYPE, ApiModel, Timestamp
from steersman.api.notification_status import Pending
from steersman.api.retraining_status import RetrainingStatus
from steersman.api.steps import MAX_STEPS, SetCanaryScale, SetHeaderRoute
from steersman.api.write_back import WriteBackStatus


class Phase(StrEnum):
    """The one word for where a ModelDeployment stands."""

    PENDING = "Pending"
    """Nothing serves yet and nothing is being started: see the conditions."""
    INITIALIZING = "Initializing"
    """The first revision is starting."""
    PROGRESSING = "Progressing"
    """A rollout advances."""
    PAUSED = "Paused"
    """A rollout waits for a person."""
    ROLLING_BACK = "RollingBack"
    """Traffic is on its way back to stable."""
    HEALTHY = "Healthy"
    """The revision that the spec asks for serves all traffic."""
    DEGRADED = "Degraded"
    """Stable serves, but the revision that the spec asks for does not: it failed, or cannot be known."""


class StrategyName(StrEnum):
    """How a rollout moves traffic."""

    INITIAL = "initial"
    """The first revision: no stable to compare with, so no steps."""
    CANARY = "canary"
    BLUE_GREEN = "blueGreen"


class RolloutPhase(StrEnum):
    """Where a rollout stands."""

    STARTING = "Starting"
    """The candidate's first pods start."""
    STEPPING = "Stepping"
    """Canary: the current step is carried out."""
    PRE_PROMOTION = "PrePromotion"
    """Blue-green: analysis of the preview, then the wait for promotion."""
    PROMOTING = "Promoting"
    """The candidate is scaled up fully and receives all traffic."""
    POST_PROMOTION = "PostPromotion"
    """Blue-green: analysis after the switch."""
    ABORTING = "Aborting"
    """Traffic returns to stable."""


class Outcome(StrEnum):
    """How a rollout ended."""

    PROMOTED = "Promoted"
    ABORTED = "Aborted"
    """Analysis, deadline or a person ended it; the revision is quarantined."""
    REFUSED = "Refused"
    """Gates did not let it begin."""
    SUPERSEDED = "Superseded"
    """A newer revision took its place."""
    CANCELLED = "Cancelled"
    """The spec went back to stable, or what it asked for vanished."""


class MeasurementPhase(StrEnum):
    """Result of one measurement."""

    PASS = "Pass"  # noqa: S105
    FAIL = "Fail"
    INCONCLUSIVE = "Inconclusive"
    """No data, not a number, or too few samples."""
    ERROR = "Error"
    """The query itself failed."""


class AnalysisStage(StrEnum):
    """Which analysis of a rollout this is."""

    BACKGROUND = "background"
    PRE_PROMOTION = "prePromotion"
    POST_PROMOTION = "postPromotion"
    STEP = "step"
    """Of an analysis step."""
    EXPERIMENT = "experiment"
    """Of an experiment step: the candidate against the baseline."""
    WATCH = "watch"
    """After a promotion."""


class Measurement(ApiModel):
    """One look at one metric."""

    at: Timestamp
    phase: MeasurementPhase
    value: float | None = None
    """Threshold: the measured value. Comparison: the ratio, or the difference. mannWhitney: the effect size. Sequential: the evidence
    (mixture likelihood ratio) so far."""
    message: str = ""


class SpreadStatus(ApiModel):
    """Stable's failures, or means, in successive intervals: squares / level estimates how many one cause brings (without the greatest squares)."""

    squares: float = 0.0
    """Half the squared differences of successive counts or means, summed."""
    level: float = 0.0
    """Means of two successive counts, or of the variances that the means would have if observations were independent, summed."""
    greatest: list[float] = []
    """The two greatest of the squares."""
    number: int = 0
    """How many differences."""
    latest: float | None = None
    """The latest count or mean."""
    latest_variance: float | None = None
    """Of the latest mean, if observations were independent."""


class MeansStatus(ApiModel):
    """What a sequential judge of means (of `buckets`) has seen, in the histogram's unit. Every observation counts as its bucket's bound."""

    candidate_sum: float = 0
    """Of the candidate's observations; candidateRequests says how many."""
    stable_sum: float = 0
    recent_sum: float = 0
    """Of both sides' observations; those of each earlier look weigh half as much. Their mean is the next look's centre."""
    recent_requests: float = 0
    """How many those are."""
    reference_bounds: list[float] = []
    """Bounds of stable's buckets before a blue-green switch, ascending; the last is `highest`."""
    reference_counts: list[float] = []
    """Observations up to each of these bounds."""


class SequentialStatus(ApiModel):
    """Everything the sequential judge needs to go on after a restart, and to redo its decision by hand."""

    log_likelihood_ratios: list[float] = []
    """Natural logarithm per odds ratio of the mixture, summed over all looks."""
    greatest_looks: list[list[float]] = []
    """The greatest positive ones of single looks, the least first, for each odds ratio by itself: one more than `outliers`."""
    unsettled: list[float] = []
    """The positive ones of looks soon after a new weight, summed."""
    burst: float = 1.0
    """How many failures (of means: observations) count as one now."""
    spread: SpreadStatus | None = None
    """What that is estimated from; None while stable's past was not looked at."""
    evidence: float = 1.0
    """The decisive likelihood ratio of the mixture: without the worst looks' excess, without those soon after a new weight, and before the
    candidate's latest failures are confirmed, whichever is least. The rollout is aborted when it exceeds 1/alpha (after a switch
    2/alpha). Capped at 1e12."""
    alpha: float | None = None
    """The part of the rollout's bound of false alarms (spec.analysis.alpha) that this metric may spend."""
    detectable: float | None = None
    """The smallest share of failures at which four of five candidates would have been found by now, with this one's requests so far. Absent
    when not even one that fails always would."""
    candidate_requests: float = 0
    candidate_failures: float = 0
    stable_requests: float = 0
    stable_failures: float = 0
    requests_since_weight: float = 0
    """Candidate's requests since the last weight change."""
    reference_requests: float | None = None
    """Stable's requests before a blue-green switch, the baseline when stable has no traffic of its own."""
    reference_failures: float | None = None
    means: MeansStatus | None = None
    """Set when means are judged; then no failures are counted, and logLikelihoodRatios has one number per bet."""


class MetricStatus(ApiModel):
    """Where one metric stands."""

    name: str
    """<template>/<metric>"""
    phase: MeasurementPhase = MeasurementPhase.INCONCLUSIVE
    """Of the latest look."""
    message: str = ""
    first_look_at: Timestamp | None = None
    """Start of the evidence: counts begin here."""
    last_look_at: Timestamp | None = None
    """Evaluation time of the latest look that was answered."""
    last_attempt_at: Timestamp | None = None
    """Evaluation time of the latest look, answered or not."""
    last_conclusive_at: Timestamp | None = None
    """Evaluation time of the latest Pass or Fail."""
    passes: int = 0
    failures: int = 0
    inconclusive: int = 0
    errors: int = 0
    sequential: SequentialStatus | None = None
    comparison: ComparisonStatus | None = None
    mann_whitney: MannWhitneyStatus | None = None
    measurements: list[Measurement] = []
    """The latest ten."""


class AnalysisStatus(ApiModel):
    """An analysis under way or the last one of a rollout."""

    stage: AnalysisStage = AnalysisStage.BACKGROUND
    started_at: Timestamp
    metrics: list[MetricStatus] = []
    scores: list[ScoreStatus] = []
    """Of the templates with a scoring."""
    inconclusive_since: Timestamp | None = None
    """Since when the rollout is held for lack of evidence."""


class ResolvedModel(ApiModel):
    """The pinned model version that the spec means."""

    registry: str = ""
    name: str
    selector: str
    """How the spec chose it: `version 7`, `alias champion`, `tags a=b`, or the uri."""
    version: str
    model_id: str | None = None
    """MLflow's logged model id, when the version has one."""
    run_id: str | None = None
    resolved_at: Timestamp


class RevisionStatus(ApiModel):
    """An immutable snapshot of model version and pod template, and its pods."""

    name: str
    version: str
    replicas: int = 0
    """Pods intended."""
    available_replicas: int = 0
    """Pods that are ready: model loaded, smoke request passed."""


class RevisionWeight(ApiModel):
    """Share of traffic intended for a revision, in percent."""

    revision: str
    weight: Annotated[int, Field(ge=0, le=100)]


class RetiringRevision(ApiModel):
    """A revision without traffic that keeps its pods for the scale-down delay."""

    revision: str
    version: str
    replicas: int
    scale_down_at: Timestamp


class ExperimentStatus(ApiModel):
    """An experiment step under way."""

    baseline: RevisionStatus
    """The fresh copy of stable."""
    weight_before: int
    """The candidate's weight before the experiment, and after it."""
    running_since: Timestamp | None = None
    """When the route was seen to carry the experiment's weights."""
    over: bool = False
    """The weights are on their way back."""


class RolloutStatus(ApiModel):
    """The rollout under way."""

    revision: str
    version: str
    strategy: StrategyName
    phase: RolloutPhase
    started_at: Timestamp
    generation: int = 0
    """metadata.generation that the rollout was started for."""
    step: int = 0
    """Index of the current canary step; equal to the number of steps when all are done."""
    step_started_at: Timestamp
    """When the current step (or phase) began; deadlines and pauses count from here."""
    weight_reached_at: Timestamp | None = None
    """When the route was last seen to carry a new weight; None while a weight is being set."""
    gate_open: bool = False
    """The analysis allowed the next weight; the candidate is being scaled for it."""
    held: bool = False
    """An inconclusive analysis passed its limit and the rollout waits for a person."""
    promote_requested: bool = False
    """Somebody said promote while the rollout waited."""
    fast: bool = False
    """No steps and no analysis: promote-full, or the way back to a revision that was stable not long ago."""
    header_routes: Annotated[list[SetHeaderRoute], Field(max_length=MAX_STEPS)] = []
    """Header routes to the candidate in force."""
    mirror: int = 0
    """Percent of the requests that the candidate gets copies of."""
    canary_scale: SetCanaryScale | None = None
    """Pods set apart from the weight."""
    experiment: ExperimentStatus | None = None
    step_analysis: AnalysisStatus | None = None
    """The analysis of the current step."""
    outcome: Outcome | None = None
    """Set once the rollout is being ended."""
    reason: str = ""
    message: str = ""
    analysis: AnalysisStatus | None = None


class Quarantine(ApiModel):
    """A revision that failed: not tried again until the spec changes, the registry names another version, or somebody says retry."""

    revision: str
    version: str
    generation: int
    reason: str
    message: str
    since: Timestamp


class RollbackStatus(ApiModel):
    """The revision that serves instead of the one that the spec asks for, until the spec or the version that it means changes."""

    revision: str
    version: str
    instead_of: str
    """Revision that the spec asked for."""
    generation: int
    """metadata.generation then."""
    reason: str
    message: str
    since: Timestamp


class WatchStatus(ApiModel):
    """The watch after a promotion."""

    revision: str
    """The promoted revision."""
    previous: str
    """The revision that is kept warm to come back."""
    previous_version: str
    until: Timestamp
    analysis: AnalysisStatus


class HistoryEntry(ApiModel):
    """A rollout that ended."""

    revision: str
    version: str
    strategy: StrategyName
    outcome: Outcome
    reason: str
    message: str
    started_at: Timestamp
    ended_at: Timestamp
    regressed: bool = False
    """It got worse after its promotion: it does not come back without steps."""


class ActionStatus(ApiModel):
    """The last manual action and what came of it."""

    action: str
    at: Timestamp
    result: str
    cleared: bool = False
    """Whether the annotation was seen to be gone, so that the same word counts anew."""


class ModelDeploymentStatus(ApiModel):
    """What was observed and what is intended."""

    observed_generation: int = 0
    phase: Phase = Phase.PENDING
    message: str = ""
    model: ResolvedModel | None = None
    stable: RevisionStatus | None = None
    candidate: RevisionStatus | None = None
    weights: list[RevisionWeight] = []
    """Intended weights; they always sum to 100 once a revision serves."""
    candidate_weight: int = 0
    step: str = ""
    """Current step as `2/4`; empty outside a canary."""
    ready: str = ""
    """Available and wanted pods of the stable revision as `2/3`."""
    rollout: RolloutStatus | None = None
    gates: GatesStatus | None = None
    last_analysis: AnalysisStatus | None = None
    """The analysis of the last rollout that ended."""
    retiring: list[RetiringRevision] = []
    rollback: RollbackStatus | None = None
    watch: WatchStatus | None = None
    quarantine: Quarantine | None = None
    drift: DriftStatus | None = None
    paused: bool = False
    """Paused by hand; spec.paused is the declarative form."""
    action: ActionStatus | None = None
    actions: list[str] = []
    """Manual actions that make sense now: what the annotation steersman.dev/action may say."""
    history: list[HistoryEntry] = []
    """The latest ten rollouts, newest first."""
    write_back: WriteBackStatus | None = None
    lineage: LineageStatus | None = None
    notifications: Pending = []
    """What somebody wants to be told of and was not told yet."""
    retraining: RetrainingStatus | None = None
    conditions: Annotated[list[Condition], Field(json_schema_extra=KEYED_BY_TYPE)] = []
