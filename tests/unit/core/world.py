"""A small world around the pure core: an API server, Deployments, a gateway, a registry and metrics, all in memory.

Whatever plan() wants is carried out the way a cluster would: status first, then objects; pods and routes follow later.
"""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from steersman.adapters.traffic import provider_for
from steersman.api.analysis import AnalysisTemplateSpec
from steersman.api.conditions import Reason
from steersman.api.meta import ANNOTATION_ACTION
from steersman.api.modeldeployment import ModelDeploymentSpec
from steersman.api.runtime import ServingRuntimeSpec
from steersman.api.status import ModelDeploymentStatus
from steersman.api.strategy import Canary, Strategy
from steersman.core.analysis.model import MetricQuery, Part, QueryResult, Sample
from steersman.core.gates.facts import Missing, Unknown, VersionFacts
from steersman.core.gates.golden import Exchange, Exchanges
from steersman.core.gates.questions import Answer, FactsQuestion, LineageQuestion, Question
from steersman.core.plan import plan
from steersman.core.pod.template import RegistryAccess
from steersman.core.snapshot import Children, EventIntent, Plan, Problem, RegistryAnswer, Snapshot
from steersman.core.writes import RegistryWrite, TagWrite
from unit.core.promises import Promises, backends

RUNTIME = ServingRuntimeSpec(
    template={
        "spec": {
            "initContainers": [{"name": "fetch", "image": "fetch"}],
            "containers": [
                {
                    "name": "model",
                    "image": "serve",
                    "ports": [{"name": "http", "containerPort": 8080}],
                    "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}},
                }
            ],
        }
    }
)

ERRORS = AnalysisTemplateSpec.model_validate(
    {
        "metrics": [
            {"name": "errors", "sequential": {"requests": "requests_total", "failures": 'requests_total{code="500"}'}}
        ]
    }
)


def gateway_spec(**changes: Any) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "model": {"name": "fraud", "alias": "champion"},
        "replicas": 4,
        "traffic": {"gatewayAPI": {"parentRefs": [{"name": "gateway"}]}},
        "strategy": {
            "canary": {
                "steps": [
                    {"setWeight": 10},
                    {"pause": {"duration": "60s"}},
                    {"setWeight": 50},
                    {"pause": {"duration": "60s"}},
                ]
            }
        },
        "analysis": {"templates": [{"name": "errors"}]},
    }
    return spec | changes


class World:
    def __init__(self, spec: dict[str, Any] | None = None) -> None:
        self.now = 1_000_000.0
        self.manifest: dict[str, Any] = {
            "apiVersion": "steersman.dev/v1alpha1",
            "kind": "ModelDeployment",
            "metadata": {"name": "fraud", "namespace": "risk", "uid": "u1", "generation": 1},
            "spec": spec or gateway_spec(),
        }
        self.wanted_spec = _copy(self.manifest["spec"])
        self.answer: RegistryAnswer | Problem = RegistryAnswer("1")
        self.runtime: ServingRuntimeSpec | Problem = RUNTIME
        self.registry: RegistryAccess | Problem = RegistryAccess("http://mlflow:5000", "mlflow-credentials")
        self.templates: dict[str, AnalysisTemplateSpec | Problem] = {"errors": ERRORS}
        self.children: dict[tuple[str, str], dict[str, Any]] = {}
        self.events: list[EventIntent] = []
        self.weights_seen: list[tuple[int, ...]] = []
        self.slot: Problem | None = None
        self.trouble: Problem | None = None
        self.told: frozenset[Reason] = frozenset()
        """Reasons of events that the operator's own targets hear of."""
        self.sent: frozenset[str] = frozenset()
        self.delivers = True
        """Whether notifications are delivered."""
        self.images_come: bool | None = None
        """Whether images get onto all nodes; None leaves the pulls as they are."""
        self.pods_start = True
        """Whether new pods become available."""
        self.pods_start_slowly: int | None = None
        """Pods that each Deployment gains at a time at the most."""
        self.broken: set[str] = set()
        """Revisions whose pods never become available."""
        self.gateway_works = True
        self.trainings_end: str | None = None
        """How Jobs of retrainings end, Complete or Failed; None while they go on."""
        self.prometheus_works = True
        self.failing: dict[str, float] = {}
        """Share of failed requests by revision's version."""
        self.requests_per_second = 40.0
        self.matching_percent = 5
        self.shifted = 0.0
        """Share of the rows that fall into the last of ten bins of the model's one feature, beside its tenth."""
        self.rows_per_window: float | None = 3000.0
        """Rows that the profile's counters tell of; None when no reference profile is there."""
        self.detector_fired = 0.0
        self.feedback = 100.0
        """Share of the requests that header routes take."""
        self.facts: dict[str, VersionFacts | Missing | Unknown] = {}
        """What the registry knows of versions; of others nothing but that they are there."""
        self.golden: dict[str, Exchanges | Missing | Unknown] = {}
        """What came of the golden requests to versions; else they agree."""
        self.jobs: dict[str, float | str | None] = {}
        """What came of the Jobs of gates, by the gate's name: a value, an error, or None while they run."""
        self.asked: list[MetricQuery] = []
        """Every query for a Job."""
        self.questions: tuple[Question, ...] = ()
        self.pending: list[MetricQuery] = []
        self.last: Plan | None = None
        self.promises = Promises(self)
        self.planned_weights = planned_weights(self.manifest["spec"])
        """Every weight that some spec so far names."""
        self.shortest_delay = scale_down_delay(self.manifest["spec"])
        self._uids = itertools.count(100)
        self._answered: list[QueryResult] = []
        self._told: dict[Question, Answer] = {}
        self.registry_writable = True
        """Whether the registry takes writes."""
        self.tags: dict[str, dict[str, str]] = {}
        """Of versions, as they were written to the registry."""
        self.aliases: dict[str, str] = {}
        self.written: list[RegistryWrite] = []
        """Everything that was written, in order."""
        self._writes: tuple[RegistryWrite, ...] = ()
        self._results: dict[RegistryWrite, str | None] = {}

    # ---- what a test reads
    @property
    def status(self) -> ModelDeploymentStatus:
        return ModelDeploymentStatus.model_validate(self.manifest.get("status") or {})

    def condition(self, kind: str) -> tuple[str, str]:
        return next((str(c.status), str(c.reason)) for c in self.status.conditions if c.type == kind)

    def reasons(self) -> list[Reason]:
        return [event.reason for event in self.events]

    def route(self) -> dict[str, Any]:
        return self.children[("HTTPRoute", "fraud")]

    def route_weights(self) -> dict[str, int]:
        route = self.children.get(("HTTPRoute", "fraud"))
        return backends(route) if route is not None else {}

    def replicas(self, revision: str) -> int:
        return int(self.children["Deployment", revision]["spec"]["replicas"])

    @property
    def candidate(self) -> str:
        assert self.status.candidate is not None
        return self.status.candidate.name

    @property
    def stable(self) -> str:
        assert self.status.stable is not None
        return self.status.stable.name

    # ---- what happens
    def change_spec(self, spec: dict[str, Any]) -> None:
        self.manifest["spec"] = spec
        self.wanted_spec = _copy(spec)
        with contextlib.suppress(ValidationError):  # a spec that is refused plans nothing
            self.planned_weights |= planned_weights(spec)
            self.shortest_delay = min(self.shortest_delay, scale_down_delay(spec))
        self.manifest["metadata"]["generation"] += 1

    @property
    def gives_way(self) -> bool:
        """Whether stable may have been scaled down for the candidate."""
        canary = self.manifest["spec"]["strategy"].get("canary", {})
        return bool(canary.get("dynamicStableScale") or canary.get("maxSurge"))

    def gone(self, revision: str) -> bool:
        """Whether no pod of a revision is available."""
        deployment = self.children.get(("Deployment", revision), {})
        return not deployment.get("status", {}).get("availableReplicas", 0)

    def act(self, action: str) -> None:
        self.manifest["metadata"].setdefault("annotations", {})[ANNOTATION_ACTION] = action

    def _given(self) -> RegistryAnswer | None:
        """The version of a model that the spec gives by uri: no registry is asked."""
        model = self.manifest["spec"]["model"]
        return RegistryAnswer(model["version"]) if "uri" in model else None

    def snapshot(self) -> Snapshot:
        given = self._given()
        return Snapshot(
            manifest=_copy(self.manifest),
            spec=_spec(self.manifest),
            now=round(self.now, 3),
            registry=self.registry if given is None else RegistryAccess(""),
            answer=self.answer if given is None else given,
            runtime=self.runtime,
            templates=self.templates,
            children=Children(_copy(list(self.children.values()))),
            results=tuple(self._answered),
            answers=dict(self._told),
            written=dict(self._results),
            cluster="eu",
            slot=self.slot,
            trouble=self.trouble,
            told=self.told,
            sent=self.sent,
        )

    def plan_only(self) -> Plan:
        return plan(self.snapshot(), provider_for)

    def reconcile(self, crash_after: int | None = None) -> Plan:
        """Plan and carry out; a crash leaves everything after so many writes undone."""
        decided = plan(self.snapshot(), provider_for)
        self.last = decided
        self.promises.decided(self.status, decided)
        writes = itertools.count(1)

        def crashed() -> bool:
            return crash_after is not None and next(writes) > crash_after

        if decided.status != self.status:
            if crashed():
                return decided
            self.manifest["status"] = decided.status.to_wire()
            self._answered = []
        self._results = {}
        self.events += decided.events
        for wanted in decided.apply:
            if crashed():
                return decided
            self._apply(_copy(wanted))
        for ref in decided.delete:
            if crashed():
                return decided
            self.promises.deleted(self.children.get((ref.kind, ref.name)))
            self.children.pop((ref.kind, ref.name), None)
        if decided.clear_action:
            if crashed():
                return decided
            self.manifest["metadata"]["annotations"].pop(ANNOTATION_ACTION, None)
        self.pending = list(decided.queries)
        self.questions = decided.questions
        self._writes = decided.writes
        return decided

    def _apply(self, wanted: dict[str, Any]) -> None:
        key = (wanted["kind"], wanted["metadata"]["name"])
        old = self.children.get(key)
        generation = (old or {"metadata": {}})["metadata"].get("generation", 0)
        if old is None or old.get("spec") != wanted.get("spec"):
            generation += 1
        wanted["metadata"]["generation"] = generation
        wanted["metadata"]["uid"] = old["metadata"]["uid"] if old else f"u{next(self._uids)}"
        wanted["status"] = (old or {}).get("status", {})
        self.promises.applied(old, wanted)
        self.children[key] = wanted
        if key[0] == "HTTPRoute":
            self.weights_seen.append(tuple(self.route_weights().values()))

    def settle(self) -> None:
        """Pods start and stop, the gateway accepts, Prometheus answers."""
        for (kind, name), child in self.children.items():
            if kind == "Deployment":
                wanted = child["spec"]["replicas"]
                healthy = self.pods_start and name not in self.broken
                had = child.get("status", {}).get("availableReplicas", 0)
                if self.pods_start_slowly is not None:
                    wanted = min(wanted, had + self.pods_start_slowly)
                child["status"] = {"replicas": wanted, "availableReplicas": wanted if healthy else 0}
            elif kind == "DaemonSet" and self.images_come is not None:
                nodes = {"desiredNumberScheduled": 3, "numberReady": 3 if self.images_come else 1}
                child["status"] = {"observedGeneration": child["metadata"]["generation"], **nodes}
            elif kind == "Job" and not child.get("status") and self.trainings_end is not None:
                child["status"] = {"conditions": [{"type": self.trainings_end, "status": "True"}]}
            elif kind == "HTTPRoute" and self.gateway_works:
                generation = child["metadata"]["generation"]
                conditions = [
                    {"type": t, "status": "True", "observedGeneration": generation}
                    for t in ("Accepted", "ResolvedRefs")
                ]
                child["status"] = {"parents": [{"parentRef": {"name": "gateway"}, "conditions": conditions}]}
        self._answered = [found for query in self.pending if (found := self._answer(query)) is not None]
        self.pending = []
        self._told = {question: self._told_of(question) for question in self.questions}
        self._results |= {write: self._write(write) for write in self._writes}
        self._writes = ()
        if self.delivers:
            self.sent = frozenset(each.id for each in self.status.notifications)

    def _write(self, write: RegistryWrite) -> str | None:
        if not self.registry_writable:
            return "the registry is read-only"
        self.written.append(write)
        if isinstance(write, TagWrite):
            self.tags.setdefault(write.version, {}).update(write.tags)
        else:
            self.aliases[write.alias] = write.version
        return None

    def _told_of(self, question: Question) -> Answer:
        if isinstance(question, FactsQuestion | LineageQuestion):
            return self.facts.get(question.version) or VersionFacts(question.model, question.version)
        return self.golden.get(question.version) or Exchanges((Exchange({"predictions": [1]}, {"predictions": [1]}),))

    def _answer_job(self, query: MetricQuery) -> QueryResult | None:
        self.asked.append(query)
        found = self.jobs.get(query.metric.removeprefix("gates/"), 1.0)
        if found is None:
            return None
        if isinstance(found, str):
            return QueryResult(query, error=found)
        return QueryResult(query, (Sample({"job": f"fraud-{query.at:.0f}"}, found),))

    def _answer(self, query: MetricQuery) -> QueryResult | None:
        if query.source.provider == "job":
            return self._answer_job(query)
        if not self.prometheus_works:
            return QueryResult(query, error="connection refused")
        if query.metric == "drift":
            return QueryResult(query, tuple(self._profile() if query.part == Part.DISTRIBUTIONS else self._detectors()))
        samples = []
        weights = {w.revision: w.weight for w in self.status.weights}
        if query.reference and self.status.watch is not None:
            weights = {self.status.watch.previous: 100}
        elif query.reference and self.status.stable is not None:
            weights = {self.status.stable.name: 100}
        rollout = self.status.rollout
        if rollout is not None and not query.reference:
            extra = rollout.mirror + (self.matching_percent if rollout.header_routes else 0)
            weights[rollout.revision] = weights.get(rollout.revision, 0) + extra
        for revision, weight in weights.items():
            requests = self.requests_per_second * 15 * weight / 100
            version = revision.split("-v")[1].split("-")[0]
            value = requests if query.part == Part.REQUESTS else requests * self.failing.get(version, 0.0)
            samples.append(Sample({"namespace": "risk", "steersman_dev_revision": revision}, value))
        return QueryResult(query, tuple(samples))

    def _profile(self) -> Iterator[Sample]:
        if self.rows_per_window is None:
            return
        column = {"column": "amount", "role": "feature"}
        yield Sample({**column, "part": "rows"}, 5000.0)
        for bound in [*(str(number) for number in range(1, 10)), "+Inf"]:
            share = 0.1 * (1 - self.shifted) + (self.shifted if bound == "+Inf" else 0.0)
            labels = {**column, "kind": "numeric", "bin": bound}
            yield Sample({**labels, "part": "reference"}, 0.1)
            yield Sample({**labels, "part": "observed"}, share * self.rows_per_window)

    def _detectors(self) -> Iterator[Sample]:
        yield Sample({"detector": "adwin"}, self.detector_fired)
        yield Sample({"detector": "page_hinkley"}, 0.0)
        yield Sample({"part": "feedback"}, self.feedback)

    def run(self, seconds: float, step: float = 5.0) -> None:
        """Let time pass; the operator looks whenever something changes or it asked to."""
        end = self.now + seconds
        while self.now < end:
            for _ in range(10):
                before = (
                    self.manifest.get("status"),
                    {key: _copy(child) for key, child in self.children.items()},
                    list(self._answered),
                    dict(self._told),
                    dict(self._results),
                )
                self.reconcile()
                self.settle()
                now = (self.manifest.get("status"), self.children, self._answered, self._told, self._results)
                if before == now:
                    break
            self.now = min(end, self.now + step)


def _spec(manifest: dict[str, Any]) -> ModelDeploymentSpec | ValidationError:
    try:
        return ModelDeploymentSpec.model_validate(manifest["spec"])
    except ValidationError as error:
        return error


def planned_weights(spec: dict[str, Any]) -> set[int]:
    """Every weight that a backend may have by this spec's plan."""
    canary = spec["strategy"].get("canary")
    weights = {0, 100}
    if canary is None:
        return weights
    for step in Canary.model_validate(canary).plan:
        if step.set_weight is not None:
            weights |= {step.set_weight, 100 - step.set_weight}
        if step.experiment is not None:
            weights |= {step.experiment.weight, 100 - 2 * step.experiment.weight}
    return weights


def scale_down_delay(spec: dict[str, Any]) -> float:
    """Seconds."""
    return Strategy.model_validate(spec["strategy"]).scale_down_delay


def _copy(value: Any) -> Any:
    return json.loads(json.dumps(value))
