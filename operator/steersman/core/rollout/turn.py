"""The working state of one planning turn: the status as it becomes, and what happens beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from math import isfinite
from typing import Any

from steersman.api.conditions import ConditionType, Reason
from steersman.api.modeldeployment import ModelDeploymentSpec
from steersman.api.status import (
    AnalysisStage,
    ModelDeploymentStatus,
    RevisionStatus,
    RevisionWeight,
    RolloutPhase,
    RolloutStatus,
)
from steersman.api.steps import Step
from steersman.core.analysis.model import BoundMetric, MetricQuery
from steersman.core.capacity import base_replicas
from steersman.core.capacity.pull import pulling
from steersman.core.gates.questions import Question
from steersman.core.snapshot import EventIntent, Manifest, Problem, Snapshot
from steersman.core.traffic import Affinity, HeaderRoute, Mirror, TrafficIntent, TrafficProvider, TrafficState


class Turn:
    """One turn. Mutable, but only within a single call of plan()."""

    def __init__(
        self, snapshot: Snapshot, spec: ModelDeploymentSpec, status: ModelDeploymentStatus, provider: TrafficProvider
    ) -> None:
        self.snapshot = snapshot
        self.spec = spec
        self.before = status
        self.status = status
        self.provider = provider
        self.metrics: Mapping[AnalysisStage, tuple[BoundMetric, ...]] = {}
        self.step_metrics: Mapping[int, tuple[BoundMetric, ...]] = {}
        """Metrics of analysis and experiment steps, by the step's index."""
        self.events: list[EventIntent] = []
        self.wake_times: list[float] = []
        self.questions: list[Question] = []
        """What is asked of the registry, and of pods."""
        self.queries: list[MetricQuery] = []
        """Queries besides those of analyses."""
        self.waiting_for = ""
        """What the rollout waits for, for conditions and messages."""
        self.waiting_reason = Reason.ROLLOUT_PROGRESSING
        self.problem: Problem | None = None
        """Why the spec is not accepted."""
        self.unresolved: Problem | None = None
        """Why the registry names no version."""
        self._read: tuple[TrafficIntent, TrafficState] | None = None

    @property
    def now(self) -> float:
        """Seconds since the epoch."""
        return self.snapshot.now

    @property
    def name(self) -> str:
        """Name of the ModelDeployment."""
        return str(self.snapshot.manifest["metadata"]["name"])

    @property
    def namespace(self) -> str:
        """Namespace of the ModelDeployment."""
        return str(self.snapshot.manifest["metadata"]["namespace"])

    @property
    def generation(self) -> int:
        """metadata.generation."""
        return int(self.snapshot.manifest["metadata"].get("generation", 0))

    @cached_property
    def steps(self) -> Sequence[Step]:
        """The canary's steps; none for blue-green."""
        return self.spec.strategy.canary.plan if self.spec.strategy.canary else ()

    @cached_property
    def base(self) -> int:
        """Pods that a revision with all traffic has."""
        stable = self.before.stable
        return base_replicas(self.spec, self.snapshot.children.get("Deployment", stable.name) if stable else None)

    @property
    def rollout(self) -> RolloutStatus:
        """The rollout under way. Only call when there is one."""
        if self.status.rollout is None:
            raise ValueError("no rollout is under way")
        return self.status.rollout

    @property
    def under_way(self) -> RolloutStatus | None:
        """The rollout that goes forward; None also while one is being ended."""
        rollout = self.status.rollout
        return rollout if rollout is not None and rollout.phase != RolloutPhase.ABORTING else None

    @property
    def paused(self) -> bool:
        """Held by the spec or by hand; a rollback is not held."""
        return (self.spec.paused or self.status.paused) and self.status.rollback is None

    @property
    def was_paused(self) -> bool:
        """Whether the last turn ended paused."""
        return any(c.type == ConditionType.PROGRESSING and c.reason == Reason.PAUSED for c in self.before.conditions)

    def set(self, **changes: Any) -> None:
        """Change fields of the status."""
        self.status = self.status.model_copy(update=changes)

    def set_rollout(self, **changes: Any) -> None:
        """Change fields of the rollout."""
        self.set(rollout=self.rollout.model_copy(update=changes))

    def enter(self, phase: RolloutPhase, **changes: Any) -> None:
        """Begin a phase or step of the rollout now: deadlines and pauses count from here."""
        self.set_rollout(phase=phase, step_started_at=self.now, gate_open=False, **changes)

    def event(self, reason: Reason, message: str, *, warning: bool = False) -> None:
        """Record an event once the status is written."""
        self.events.append(EventIntent(reason, message, warning))

    def wake(self, at: float) -> None:
        """Look again at this time although nothing changed."""
        if isfinite(at):
            self.wake_times.append(at)

    def wait(self, what: str, reason: Reason = Reason.ROLLOUT_PROGRESSING) -> None:
        """Note what the rollout waits for."""
        self.waiting_for = what
        self.waiting_reason = reason

    @property
    def candidate_weight(self) -> int:
        """Intended weight of the candidate, percent."""
        if self.status.rollout is None:
            return 0
        return next((w.weight for w in self.status.weights if w.revision == self.rollout.revision), 0)

    @property
    def stable_weight(self) -> int:
        """Intended weight of stable, percent."""
        stable = self.status.stable
        return next((w.weight for w in self.status.weights if stable is not None and w.revision == stable.name), 0)

    @property
    def baseline_weight(self) -> int:
        """Intended weight of an experiment's baseline, percent."""
        experiment = self.rollout.experiment
        return next(
            (
                w.weight
                for w in self.status.weights
                if experiment is not None and w.revision == experiment.baseline.name
            ),
            0,
        )

    def set_weight(self, weight: int, baseline: int = 0) -> None:
        """Intend a weight for the candidate and an experiment's baseline; stable has the rest."""
        weights = {self.rollout.revision: weight}
        if self.status.stable is not None:
            weights = {self.status.stable.name: 100 - weight - baseline, **weights}
        if self.rollout.experiment is not None:
            weights[self.rollout.experiment.baseline.name] = baseline
        self.set(weights=[RevisionWeight(revision=revision, weight=percent) for revision, percent in weights.items()])

    def available(self, revision: str) -> int:
        """Available pods of a revision."""
        return self.snapshot.children.available(revision)

    def intent(self) -> TrafficIntent:
        """The split as recorded in status, with retiring revisions at 0."""
        weights = [(w.revision, w.weight) for w in self.status.weights]
        rollout = self.status.rollout
        idle = [] if rollout is None else [rollout.revision]
        if rollout is not None and rollout.experiment is not None:
            idle.append(rollout.experiment.baseline.name)
        idle += [retiring.revision for retiring in self.status.retiring]
        known = {revision for revision, _ in weights}
        weights += [(revision, 0) for revision in dict.fromkeys(idle) if weights and revision not in known]
        return TrafficIntent(
            namespace=self.namespace,
            deployment=self.name,
            traffic=self.spec.traffic,
            weights=tuple(weights),
            header_routes=self._header_routes(),
            mirror=Mirror(rollout.revision, rollout.mirror) if rollout is not None and rollout.mirror else None,
            affinity=self._affinity(),
            adopted=self._adopted(),
        )

    def _header_routes(self) -> tuple[HeaderRoute, ...]:
        rollout = self.status.rollout
        if rollout is None:
            return ()
        return tuple(HeaderRoute(route.name, tuple(route.match), rollout.revision) for route in rollout.header_routes)

    def _affinity(self) -> Affinity | None:
        settings = self.spec.strategy.canary.session_affinity if self.spec.strategy.canary else None
        if settings is None or not 0 < self.candidate_weight < 100:
            return None
        return Affinity(self.rollout.revision, settings)

    def _adopted(self) -> Manifest | None:
        gateway = self.spec.traffic.gateway_api
        if gateway is None or gateway.adopt is None:
            return None
        return self.snapshot.children.adopted(gateway.kind, gateway.adopt.name)

    def route_state(self) -> TrafficState:
        """Whether the intended split is in force; the objects are read once for each intent of the turn."""
        intent = self.intent()
        if self._read is None or self._read[0] != intent:
            self._read = intent, self.provider.read(intent, self.snapshot.children)
        return self._read[1]

    def routed(self) -> bool:
        """Whether the intended weights are in force; notes what is waited for otherwise."""
        state = self.route_state()
        if not state.settled:
            self.wait(state.message, Reason.ROUTE_NOT_ACCEPTED if state.rejected else Reason.WEIGHTS_PENDING)
        return state.settled

    def enough_pods(self, wanted: int) -> bool:
        """Whether the candidate has this many available pods; notes what is waited for otherwise."""
        have = self.available(self.rollout.revision)
        if have < wanted:
            message = f"{have} of {wanted} pods of {self.rollout.revision} are available"
            trouble = self.snapshot.trouble
            held_back = pulling(self.spec, self.status, self.snapshot.children, self.now)
            if held_back is not None:
                self.wait(held_back, Reason.PRE_PULLING)
            elif trouble is None:
                self.wait(message)
            else:
                self.wait(f"{message}: {trouble.message}", trouble.reason)
        return have >= wanted

    def revision_status(self, name: str, version: str, replicas: int) -> RevisionStatus:
        """Status entry of a revision with its pods as observed."""
        return RevisionStatus(name=name, version=version, replicas=replicas, available_replicas=self.available(name))


Consideration = str | Callable[[], str]
"""What an action would come to: why it makes no sense now, or what carries it out and says what came of it."""
