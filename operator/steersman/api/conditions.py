"""Condition types and the reasons they and the events give. Each reason is documented in docs/reference/conditions.md."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from steersman.api.meta import ApiModel, Timestamp


class ConditionType(StrEnum):
    """What a condition of a ModelDeployment or ModelRegistry is about."""

    READY = "Ready"
    """The revision that the spec asks for is stable, available and receives all traffic."""
    AVAILABLE = "Available"
    """The stable revision has the pods that its share of traffic needs."""
    PROGRESSING = "Progressing"
    """A rollout is under way and advances."""
    ACCEPTED = "Accepted"
    """The spec and everything that it refers to is valid."""
    MODEL_RESOLVED = "ModelResolved"
    """The registry has answered which model version the spec means."""
    GATES_PASSED = "GatesPassed"
    """The version meets spec.gates; only there while the spec has some."""
    ANALYSIS_PASSING = "AnalysisPassing"
    """The analysis of the current rollout passes; Unknown while there is no evidence."""
    TRAFFIC_ROUTED = "TrafficRouted"
    """The routing object carries the intended weights and its controller accepted them."""
    REACHABLE = "Reachable"
    """A ModelRegistry's server answers."""
    RECONCILING = "Reconciling"
    """Only there while True, as kstatus has it: a rollout is under way, or the spec was not looked at yet."""
    STALLED = "Stalled"
    """Only there while True, as kstatus has it: what the spec asks for is not served and will not be without a change."""
    DATA_DRIFT = "DataDrift"
    """What the model gets or predicts is distributed otherwise than in its reference. Only with spec.drift; no part of Ready."""
    CONCEPT_DRIFT = "ConceptDrift"
    """The model is wrong more often than it was. Only with spec.drift; no part of Ready."""


class Reason(StrEnum):
    """CamelCase reasons of conditions and events."""

    # Accepted
    ACCEPTED = "Accepted"
    INVALID_SPEC = "InvalidSpec"
    RUNTIME_NOT_FOUND = "RuntimeNotFound"
    RUNTIME_INVALID = "RuntimeInvalid"
    POD_SECURITY_VIOLATION = "PodSecurityViolation"
    TEMPLATE_NOT_FOUND = "AnalysisTemplateNotFound"
    TEMPLATE_INVALID = "AnalysisTemplateInvalid"
    REGISTRY_NOT_FOUND = "RegistryNotFound"
    NAME_CONFLICT = "NameConflict"
    UNSUPPORTED = "UnsupportedByProvider"
    APPLY_FAILED = "ApplyFailed"
    NOTIFICATION_FAILED = "NotificationFailed"
    # ModelResolved
    RESOLVED = "Resolved"
    RESOLVING = "Resolving"
    REGISTRY_UNREACHABLE = "RegistryUnreachable"
    REGISTRY_UNAUTHORIZED = "RegistryUnauthorized"
    REGISTRY_ERROR = "RegistryError"
    CREDENTIALS_NOT_FOUND = "CredentialsNotFound"
    MODEL_NOT_FOUND = "ModelNotFound"
    VERSION_NOT_FOUND = "VersionNotFound"
    ALIAS_NOT_FOUND = "AliasNotFound"
    NO_MATCHING_VERSION = "NoMatchingVersion"
    # Progressing and events of a rollout
    ROLLOUT_STARTED = "RolloutStarted"
    ROLLOUT_PROGRESSING = "RolloutProgressing"
    WEIGHT_SET = "WeightSet"
    HEADER_ROUTE_SET = "HeaderRouteSet"
    MIRROR_SET = "MirrorSet"
    SCALE_SET = "ScaleSet"
    EXPERIMENT_STARTED = "ExperimentStarted"
    EXPERIMENT_ENDED = "ExperimentEnded"
    ROLLOUT_LIMIT_REACHED = "RolloutLimitReached"
    PRE_PULLING = "PrePulling"
    QUOTA_EXCEEDED = "QuotaExceeded"
    UNSCHEDULABLE = "Unschedulable"
    PODS_FAILING = "PodsFailing"
    PAUSED = "Paused"
    RESUMED = "Resumed"
    AWAITING_PROMOTION = "AwaitingPromotion"
    AWAITING_ANALYSIS = "AwaitingAnalysis"
    PROMOTED = "Promoted"
    ROLLOUT_COMPLETE = "RolloutComplete"
    ROLLOUT_ABORTED = "RolloutAborted"
    ROLLOUT_CANCELLED = "RolloutCancelled"
    ROLLOUT_SUPERSEDED = "RolloutSuperseded"
    ROLLED_BACK = "RolledBack"
    ROLLBACK_REQUESTED = "RollbackRequested"
    WATCH_STARTED = "WatchStarted"
    WATCH_ENDED = "WatchEnded"
    REGRESSION = "RegressionAfterPromotion"
    PROGRESS_DEADLINE_EXCEEDED = "ProgressDeadlineExceeded"
    CANDIDATE_UNAVAILABLE = "CandidateUnavailable"
    QUARANTINED = "Quarantined"
    SCALED_DOWN = "ScaledDown"
    # Events of what is written to the registry
    WRITE_BACK_FAILED = "WriteBackFailed"
    # Actions
    ABORTED_BY_USER = "AbortedByUser"
    RETRIED = "Retried"
    ACTION_IGNORED = "ActionIgnored"
    # GatesPassed
    GATES_PASSED = "GatesPassed"
    AWAITING_GATES = "AwaitingGates"
    GATE_FAILED = "GateFailed"
    GATE_ERROR = "GateError"
    # AnalysisPassing
    ANALYSIS_PASSING = "AnalysisPassing"
    ANALYSIS_FAILED = "AnalysisFailed"
    ANALYSIS_INCONCLUSIVE = "AnalysisInconclusive"
    ANALYSIS_ERROR = "AnalysisError"
    NO_ANALYSIS = "NoAnalysis"
    INCONCLUSIVE_LIMIT_EXCEEDED = "InconclusiveLimitExceeded"
    # Available
    MINIMUM_REPLICAS_AVAILABLE = "MinimumReplicasAvailable"
    MINIMUM_REPLICAS_UNAVAILABLE = "MinimumReplicasUnavailable"
    # TrafficRouted
    WEIGHTS_APPLIED = "WeightsApplied"
    WEIGHTS_PENDING = "WeightsPending"
    ROUTE_NOT_ACCEPTED = "RouteNotAccepted"
    NO_STABLE_REVISION = "NoStableRevision"
    # DataDrift and ConceptDrift
    DRIFT_DETECTED = "DriftDetected"
    DRIFT_ENDED = "DriftEnded"
    NO_DRIFT = "NoDrift"
    NOT_ENOUGH_DATA = "NotEnoughData"
    NO_REFERENCE = "NoReference"
    DRIFT_UNKNOWN = "DriftUnknown"
    # Reachable
    REACHABLE = "Reachable"


REGISTRY_TROUBLE = frozenset(
    {Reason.REGISTRY_UNREACHABLE, Reason.REGISTRY_UNAUTHORIZED, Reason.REGISTRY_ERROR, Reason.CREDENTIALS_NOT_FOUND}
)
"""Trouble with a registry itself, not with the version that was asked for."""


class ConditionStatus(StrEnum):
    """Tri-state of a condition."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Condition(ApiModel):
    """A metav1.Condition."""

    type: ConditionType
    status: ConditionStatus
    reason: Reason
    message: str = ""
    last_transition_time: Timestamp
    observed_generation: int = 0


def next_condition(
    before: Sequence[Condition],
    kind: ConditionType,
    status: ConditionStatus,
    reason: Reason,
    message: str,
    *,
    generation: int,
    now: float,
) -> Condition:
    """A condition as it follows on those before: the transition time moves only when the status changes."""
    old = next((condition for condition in before if condition.type == kind), None)
    return Condition(
        type=kind,
        status=status,
        reason=reason,
        message=message,
        last_transition_time=old.last_transition_time if old is not None and old.status == status else now,
        observed_generation=generation,
    )
