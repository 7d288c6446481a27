"""Notifications: who is told of what happens to a ModelDeployment, and in which words."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import AfterValidator, Field, WithJsonSchema

from steersman.api.conditions import Reason
from steersman.api.duration import Interval
from steersman.api.meta import DNS_LABEL, KEYED_BY_NAME, ApiModel
from steersman.api.metric_access import SecretKey

NOTABLE: Final = (
    Reason.ROLLOUT_STARTED,
    Reason.WEIGHT_SET,
    Reason.EXPERIMENT_STARTED,
    Reason.EXPERIMENT_ENDED,
    Reason.PAUSED,
    Reason.RESUMED,
    Reason.AWAITING_PROMOTION,
    Reason.PROMOTED,
    Reason.ROLLOUT_ABORTED,
    Reason.ROLLOUT_CANCELLED,
    Reason.ROLLOUT_SUPERSEDED,
    Reason.ROLLED_BACK,
    Reason.ROLLBACK_REQUESTED,
    Reason.WATCH_STARTED,
    Reason.WATCH_ENDED,
    Reason.REGRESSION,
    Reason.QUARANTINED,
    Reason.RETRIED,
    Reason.ACTION_IGNORED,
    Reason.ANALYSIS_FAILED,
    Reason.ANALYSIS_INCONCLUSIVE,
    Reason.ANALYSIS_ERROR,
    Reason.INCONCLUSIVE_LIMIT_EXCEEDED,
    Reason.PROGRESS_DEADLINE_EXCEEDED,
    Reason.CANDIDATE_UNAVAILABLE,
    Reason.ABORTED_BY_USER,
    Reason.UNSCHEDULABLE,
    Reason.QUOTA_EXCEEDED,
    Reason.PODS_FAILING,
    Reason.ROUTE_NOT_ACCEPTED,
    Reason.GATES_PASSED,
    Reason.GATE_FAILED,
    Reason.GATE_ERROR,
    Reason.DRIFT_DETECTED,
    Reason.DRIFT_ENDED,
    Reason.RETRAINING_STARTED,
    Reason.RETRAINING_SUCCEEDED,
    Reason.RETRAINING_FAILED,
    Reason.RETRAINING_CANCELLED,
    Reason.RETRAINING_SKIPPED,
    Reason.RETRAINING_INVALID,
    Reason.RESOLVED,
    Reason.REGISTRY_UNREACHABLE,
    Reason.REGISTRY_UNAUTHORIZED,
    Reason.REGISTRY_ERROR,
    Reason.CREDENTIALS_NOT_FOUND,
    Reason.MODEL_NOT_FOUND,
    Reason.VERSION_NOT_FOUND,
    Reason.ALIAS_NOT_FOUND,
    Reason.NO_MATCHING_VERSION,
    Reason.INVALID_SPEC,
    Reason.RUNTIME_NOT_FOUND,
    Reason.RUNTIME_INVALID,
    Reason.POD_SECURITY_VIOLATION,
    Reason.TEMPLATE_NOT_FOUND,
    Reason.TEMPLATE_INVALID,
    Reason.REGISTRY_NOT_FOUND,
    Reason.NAME_CONFLICT,
    Reason.UNSUPPORTED,
)
"""Reasons of the events that somebody can be told of: those that planning gives."""

DEFAULT: Final = (
    Reason.ROLLOUT_STARTED,
    Reason.AWAITING_PROMOTION,
    Reason.PAUSED,
    Reason.PROMOTED,
    Reason.ROLLOUT_ABORTED,
    Reason.ROLLED_BACK,
    Reason.REGRESSION,
    Reason.ANALYSIS_INCONCLUSIVE,
    Reason.ANALYSIS_ERROR,
    Reason.INCONCLUSIVE_LIMIT_EXCEEDED,
    Reason.GATE_FAILED,
    Reason.DRIFT_DETECTED,
    Reason.RETRAINING_FAILED,
)
"""What a target hears of that names no reasons: beginning and end of each rollout, what waits for a person, a version that its gates refuse, drift, and a
retraining that failed."""

PLACEHOLDERS: Final = (
    "namespace",
    "deployment",
    "reason",
    "message",
    "severity",
    "time",
    "model",
    "revision",
    "cluster",
)
"""What the text of a notification may hold as `{{name}}`."""
TEXT_PATTERN: Final = rf"^([^{{]|\{{[^{{]|\{{\{{ ?({'|'.join(PLACEHOLDERS)}) ?\}}\}})*\{{?$"
"""Any text in which two braces begin a placeholder that is known."""

TITLE: Final = "{{deployment}}: {{reason}}"
BODY: Final = "{{message}}\n\n{{namespace}}/{{deployment}} ({{model}}), {{time}}"


def _is_notable(reason: Reason) -> Reason:
    if reason not in NOTABLE:
        raise ValueError(f"{reason} is not the reason of an event that can be told of")
    return reason


Notable = Annotated[
    Reason,
    AfterValidator(_is_notable),
    WithJsonSchema({"type": "string", "enum": [reason.value for reason in NOTABLE]}),
]
"""The reason of an event, as `kubectl describe` shows it."""
Text = Annotated[str, Field(pattern=TEXT_PATTERN)]


class NotificationRate(ApiModel):
    """How much a target gets. What is more than that is told in one message when the time has come."""

    burst: Annotated[int, Field(ge=1, le=100)] = 10
    """Messages that may be sent at once."""
    interval: Interval = 60.0
    """Time after which one more may be sent."""


class NotificationContent(ApiModel):
    """What a target hears of, in which words, and how often."""

    name: Annotated[str, Field(pattern=DNS_LABEL, max_length=63)]
    """What events and metrics call this target; its address is shown nowhere."""
    events: Annotated[list[Notable], Field(min_length=1, max_length=64)] = list(DEFAULT)
    """Reasons of the events to be told of; default: RolloutStarted, AwaitingPromotion, Paused, Promoted, RolloutAborted, RolledBack,
    RegressionAfterPromotion, AnalysisInconclusive, AnalysisError, InconclusiveLimitExceeded, GateFailed, DriftDetected, RetrainingFailed."""
    title: Annotated[Text, Field(max_length=200)] = TITLE
    """Placeholders: {{namespace}}, {{deployment}}, {{reason}}, {{message}}, {{severity}}, {{time}}, {{model}}, {{revision}}, {{cluster}}."""
    body: Annotated[Text, Field(max_length=2000)] = BODY
    """The same placeholders; plain text."""
    rate: NotificationRate = NotificationRate()


class Notification(NotificationContent):
    """Somebody who is told of what happens to this ModelDeployment."""

    url: SecretKey
    """The key of a Secret of the ModelDeployment's namespace that holds the target's apprise URL, such as slack://… or mailtos://….
    Which services are allowed is the operator's setting."""


Notifications = Annotated[list[Notification], Field(max_length=10, json_schema_extra=KEYED_BY_NAME)]


class SharedNotification(NotificationContent):
    """Somebody who is told of what happens to every ModelDeployment; a setting of the operator."""

    key: Annotated[str, Field(pattern=r"^[-._a-zA-Z0-9]+$", max_length=253)]
    """The key of the operator's notification Secret that holds the target's apprise URL."""
