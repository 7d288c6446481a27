"""ModelDeployment: which model to serve, and how a new version of it may reach the users."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import ConfigDict, Field, JsonValue, model_validator

from steersman.api.analysis import Argument, TemplateRef
from steersman.api.capacity import AntiAffinity, Autoscaling, DisruptionBudget, WarmUp
from steersman.api.drift import Drift
from steersman.api.duration import Duration, Interval
from steersman.api.gates import Gates, Key
from steersman.api.meta import DNS_SUBDOMAIN, KEYED_BY_NAME, ApiModel
from steersman.api.notifications import Notifications
from steersman.api.retraining import Retraining
from steersman.api.runtime import FreeForm, RuntimeRef
from steersman.api.status import ModelDeploymentStatus
from steersman.api.steps import StageAnalysis
from steersman.api.strategy import Canary, Strategy
from steersman.api.traffic import Traffic, providers_with
from steersman.api.traffic_providers import Feature, ServiceTraffic
from steersman.api.write_back import TAG_PREFIX, WriteBack

VERSION_PATTERN = r"^[1-9][0-9]{0,9}$"
MODEL_NAME_PATTERN = r"^[^/:[:cntrl:]]+$"
"""MLflow refuses slashes and colons too."""
ALIAS_PATTERN = r"^[-_A-Za-z0-9]+$"


_FOLLOWS_ITSELF = "writeBack.promotedAlias must be another alias than the one that is followed"
_CHOOSES_BY_OURS = f"with writeBack, tags must not choose by tags that begin with {TAG_PREFIX}: Steersman writes them"
URI_PATTERN = (
    r"^((s3|gs)://[^\s?#@/]+(/[^\s?#@]*)?|https?://[^\s?#@/]+/[^\s?#@]+|pvc://[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[^\s?#@]+|"
    r"oci://[^\s?#@/]+/[^\s?#@]+(@sha256:[0-9a-f]{64})?)$"
)
"""Without user information and query: a spec is no place for credentials."""

_NAME_OR_URI = "give either name, of a registered model, or uri"
_ONE_SELECTOR = "give exactly one of version, alias and tags"
_OF_URI = "a uri goes with a version, which names its revisions, and without a registry and writeBack"
_DIGEST_OF_URI = "sha256 goes with uri: for a registered model there is the gate digest"
_PLAIN_HTTP = "http:// is not encrypted: use https://, or give sha256"
_GATES_OF_URI = "of a model given by uri no registry knows anything: its gates can only be jobs"


class ModelSource(ApiModel):
    """A registered model and which of its versions is meant, or where a model's files are."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "(has(self.version) ? 1 : 0) + (has(self.alias) ? 1 : 0) + (has(self.tags) ? 1 : 0) == 1",
                    "message": _ONE_SELECTOR,
                },
                {
                    "rule": "!has(self.writeBack) || !has(self.writeBack.promotedAlias) || !has(self.alias) || "
                    "self.writeBack.promotedAlias != self.alias",
                    "message": _FOLLOWS_ITSELF,
                },
                {
                    "rule": f"!has(self.writeBack) || !has(self.tags) || !self.tags.exists(k, k.startsWith('{TAG_PREFIX}'))",
                    "message": _CHOOSES_BY_OURS,
                },
                {"rule": "has(self.name) != has(self.uri)", "message": _NAME_OR_URI},
                {
                    "rule": "!has(self.uri) || (has(self.version) && !has(self.registry) && !has(self.writeBack))",
                    "message": _OF_URI,
                },
                {"rule": "!has(self.sha256) || has(self.uri)", "message": _DIGEST_OF_URI},
                {
                    "rule": "!has(self.uri) || !self.uri.startsWith('http://') || has(self.sha256)",
                    "message": _PLAIN_HTTP,
                },
            ]
        }
    )

    registry: Annotated[str | None, Field(pattern=DNS_SUBDOMAIN, max_length=253)] = None
    """A ModelRegistry of the same namespace; default: the operator's own registry setting."""
    name: Annotated[str | None, Field(pattern=MODEL_NAME_PATTERN, max_length=256)] = None
    """Name of the registered model."""
    uri: Annotated[str | None, Field(pattern=URI_PATTERN, max_length=1024)] = None
    """Instead of registry and name: the model's files, as `s3://`, `gs://`, `https://`, `pvc://<claim>/<path>` or `oci://`, which
    must not change under a version. The runtime fetches them (MODEL_URI); no registry is asked. The model's name is this object's."""
    sha256: Annotated[str | None, Field(pattern=r"^[0-9a-f]{64}$")] = None
    """What the files at the uri must have (MODEL_SHA256): the SHA-256 of the one file or of the artifact's manifest, or of the list of
    files that `python -m steersman_server.digest` makes of a folder."""
    version: Annotated[str | None, Field(pattern=VERSION_PATTERN)] = None
    """A fixed version. With uri it is yours to count."""
    alias: Annotated[str | None, Field(pattern=ALIAS_PATTERN, max_length=255)] = None
    """A registry alias such as champion; when it moves, the version that it names is rolled out."""
    tags: Annotated[dict[str, str] | None, Field(min_length=1, max_length=16)] = None
    """The newest version that carries all of these tags."""
    write_back: WriteBack | None = None
    approval_tags: Annotated[list[Key], Field(max_length=8)] = []
    """Tags of a version that say who or what approved it, for its lineage; those that gates ask for and approved_by are always among them."""

    @model_validator(mode="after")
    def _one_selector(self) -> ModelSource:
        if sum(selector is not None for selector in (self.version, self.alias, self.tags)) != 1:
            raise ValueError(_ONE_SELECTOR)
        if (self.name is None) == (self.uri is None):
            raise ValueError(_NAME_OR_URI)
        if self.uri is not None and (self.version is None or self.registry is not None or self.write_back is not None):
            raise ValueError(_OF_URI)
        if self.sha256 is not None and self.uri is None:
            raise ValueError(_DIGEST_OF_URI)
        if self.uri is not None and self.uri.startswith("http://") and self.sha256 is None:
            raise ValueError(_PLAIN_HTTP)
        return self

    @model_validator(mode="after")
    def _no_circle(self) -> ModelSource:
        if self.write_back is None:
            return self
        if self.alias is not None and self.write_back.promoted_alias == self.alias:
            raise ValueError(_FOLLOWS_ITSELF)
        if any(key.startswith(TAG_PREFIX) for key in self.tags or {}):
            raise ValueError(_CHOOSES_BY_OURS)
        return self

    @property
    def title(self) -> str:
        """The model in a word: its name, or its uri."""
        return self.name or self.uri or ""


class InconclusiveAction(StrEnum):
    """What follows when an analysis stays inconclusive for too long."""

    PAUSE = "Pause"
    ABORT = "Abort"


class Inconclusive(ApiModel):
    """The limit on holding a step for lack of evidence (no data, too few requests, a metric server that is down)."""

    after: Duration = 600.0
    """How long a step is held before the action is taken."""
    action: InconclusiveAction = InconclusiveAction.PAUSE
    """Pause: wait for somebody to say promote or abort. Abort: back to stable."""


class Analysis(ApiModel):
    """What is measured in the background from the candidate's first request to its promotion."""

    templates: Annotated[list[TemplateRef], Field(max_length=10, json_schema_extra=KEYED_BY_NAME)] = []
    args: Annotated[list[Argument], Field(max_length=32, json_schema_extra=KEYED_BY_NAME)] = []
    interval: Interval = 15.0
    """Time between measurements; at least 1s."""
    alpha: Annotated[float, Field(gt=0, le=0.5)] = 0.01
    """Upper bound of the probability that a candidate as good as stable is aborted during a whole rollout: the sequential metrics of
    all its analyses share it equally. The watch after a promotion has as much again."""
    inconclusive: Inconclusive = Inconclusive()


class RollbackWindow(ApiModel):
    """Which earlier revisions are known well enough to come back without steps."""

    revisions: Annotated[int, Field(ge=0, le=10)]
    """So many of the revisions that were stable last; a rollout to one of them skips steps and analyses."""


class Watch(ApiModel):
    """After promotion: the old revision is kept warm, and a regression brings it straight back."""

    duration: Duration
    """How long spec.analysis goes on after a promotion, with the old revision's pods still there."""


def _feature_rules() -> list[JsonValue]:
    """CEL rules for what a traffic provider cannot do; steersman.core.rollout.validity says the same with more detail."""
    steps = "has(self.strategy) && has(self.strategy.canary) && has(self.strategy.canary.steps) && self.strategy.canary.steps.exists(s, {})"
    uses = {
        Feature.HEADER_ROUTES: steps.format("has(s.setHeaderRoute)"),
        Feature.MIRROR: steps.format("has(s.setMirrorRoute)"),
        Feature.THREE_WAY: steps.format("has(s.experiment)"),
        Feature.AFFINITY: "has(self.strategy) && has(self.strategy.canary) && has(self.strategy.canary.sessionAffinity)",
    }
    rules: list[JsonValue] = []
    for feature, used in uses.items():
        able = providers_with(feature)
        offered = " || ".join(f"has(self.traffic.{name})" for name in able)
        rules.append(
            {
                "rule": f"!({used}) || (has(self.traffic) && ({offered}))",
                "message": f"{feature} need one of the traffic providers {', '.join(able)}",
            }
        )
    return rules


_CANARY = "has(self.strategy) && has(self.strategy.canary)"
_FIXED_SIZE = "dynamicStableScale and maxSurge need a fixed number of replicas: leave autoscaling out"
_SHARE_OF_PODS = "a canary of traffic.service splits by numbers of pods: with autoscaling use a gateway, or blueGreen"
_SIZE_RULES: list[JsonValue] = [
    {
        "rule": f"!has(self.autoscaling) || !({_CANARY} && (has(self.strategy.canary.maxSurge) || "
        "(has(self.strategy.canary.dynamicStableScale) && self.strategy.canary.dynamicStableScale)))",
        "message": _FIXED_SIZE,
    },
    {
        "rule": "!has(self.autoscaling) || (has(self.strategy) && has(self.strategy.blueGreen)) || "
        "(has(self.traffic) && !has(self.traffic.service))",
        "message": _SHARE_OF_PODS,
    },
]

_GATES_RULE: JsonValue = {
    "rule": "!has(self.model.uri) || !has(self.gates) || self.gates.all(gate, has(gate.job))",
    "message": _GATES_OF_URI,
}


class ModelDeploymentSpec(ApiModel):
    """The desired state; Steersman never writes it."""

    model_config = ConfigDict(
        json_schema_extra={"x-kubernetes-validations": [*_feature_rules(), *_SIZE_RULES, _GATES_RULE]}
    )

    model: ModelSource
    runtime: RuntimeRef = RuntimeRef()
    replicas: Annotated[int, Field(ge=1, le=1000)] = 1
    """Pods of the stable revision; not used with autoscaling."""
    autoscaling: Autoscaling | None = None
    pod_disruption_budget: DisruptionBudget | None = None
    revision_anti_affinity: AntiAffinity | None = None
    """Keep pods of different revisions on different nodes, so that a candidate does not slow stable down. A change is a new revision."""
    warm_up: WarmUp = WarmUp()
    pod_template: FreeForm = {}
    """Strategic-merge overlay on the runtime's pod template."""
    traffic: Traffic = Traffic(service=ServiceTraffic())
    strategy: Strategy = Strategy(canary=Canary())
    gates: Gates = []
    """What a version must meet before it gets any traffic. `steersman gate` judges those on the registry in a pipeline too."""
    analysis: Analysis = Analysis()
    progress_deadline: Duration = 600.0
    """How long the candidate's pods, or the route, may take before the rollout is aborted."""
    rollback_window: RollbackWindow = RollbackWindow(revisions=0)
    watch: Watch | None = None
    drift: Drift | None = None
    notifications: Notifications = []
    """Who is told of what happens, beside those whom the operator tells of every ModelDeployment."""
    retraining: Retraining | None = None
    """When and how a new version of the model is trained. It never touches the traffic."""
    paused: bool = False
    """Hold the rollout where it is; analysis goes on and may still abort."""

    @model_validator(mode="after")
    def _fixed_size(self) -> ModelDeploymentSpec:
        canary = self.strategy.canary
        if self.autoscaling is not None and canary is not None and (canary.dynamic_stable_scale or canary.max_surge):
            raise ValueError(_FIXED_SIZE)
        if self.autoscaling is not None and canary is not None and self.traffic.service is not None:
            raise ValueError(_SHARE_OF_PODS)
        return self

    @model_validator(mode="after")
    def _gates_without_registry(self) -> ModelDeploymentSpec:
        if self.model.uri is not None and any(gate.job is None for gate in self.gates):
            raise ValueError(_GATES_OF_URI)
        return self

    @property
    def template_names(self) -> frozenset[str]:
        """Names of every analysis template that is referred to."""
        stages: list[StageAnalysis | None] = []
        if self.strategy.blue_green is not None:
            stages += [
                self.strategy.blue_green.pre_promotion_analysis,
                self.strategy.blue_green.post_promotion_analysis,
            ]
        for step in self.strategy.canary.plan if self.strategy.canary is not None else ():
            stages += [step.analysis, step.experiment.analysis if step.experiment is not None else None]
        refs = [*self.analysis.templates, *(ref for stage in stages if stage is not None for ref in stage.templates)]
        names = frozenset(ref.name for ref in refs)
        return names | self.retraining.template_names if self.retraining is not None else names


NAME_PATTERN = r"^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$"
"""So that `<name>-v<version>-<hash>` is a valid Service name."""


class ModelDeployment(ApiModel):
    """A model in production."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": f"self.metadata.name.matches('{NAME_PATTERN}')",
                    "message": "the name must be at most 40 lower-case letters, digits and dashes, and start with a letter",
                }
            ]
        }
    )

    metadata: dict[str, Any]
    spec: ModelDeploymentSpec
    status: ModelDeploymentStatus = ModelDeploymentStatus()
