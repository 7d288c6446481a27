"""The rules that always hold, checked at every single write that the operator makes in the small world."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from steersman.api.conditions import Reason
from steersman.api.gate_status import GatePhase
from steersman.api.meta import LABEL_DEPLOYMENT, LABEL_MANAGED_BY, LABEL_REVISION
from steersman.api.notification_status import MAX_PENDING
from steersman.api.status import MeasurementPhase, ModelDeploymentStatus, Outcome, RolloutPhase
from steersman.core.snapshot import Plan

if TYPE_CHECKING:
    from unit.core.world import World

Manifest = dict[str, Any]


def backends(route: Manifest | None) -> dict[str, int]:
    """Weights of the rule for requests that no header route takes: the last one."""
    refs = route["spec"]["rules"][-1]["backendRefs"] if route else []
    return {ref["name"]: ref["weight"] for ref in refs}


class Promises:
    """Collects what was broken; each entry says what, and when."""

    def __init__(self, world: World) -> None:
        self.broken: list[str] = []
        self._world = world
        self._last_weight: dict[str, float] = {}
        """Operator's time at which a revision last had weight."""

    def _breach(self, what: str) -> None:
        self.broken.append(f"at {self._world.now:.0f}: {what}")

    # ---- rules 3, 4, 5, 6: what a decision may be
    def decided(self, before: ModelDeploymentStatus, plan: Plan) -> None:
        after = plan.status
        if after.weights and sum(w.weight for w in after.weights) != 100:
            self._breach(f"intended weights {after.weights}")
        was, now = before.rollout, after.rollout
        if was is not None and now is not None and was.started_at != now.started_at:
            weight = backends(self._world.children.get(("HTTPRoute", "fraud"))).get(was.revision, 0)
            if weight and was.revision not in (now.revision, after.stable.name if after.stable else ""):
                self._breach(f"{now.revision} began while {was.revision} had {weight} %")
        self._evidence_before_weight(before, after)
        self._quarantine(before, after)
        self._gates_before_pods(before, after)
        self._told(before, plan)
        for entry in after.history[:1]:
            if entry.reason in (Reason.REGISTRY_UNREACHABLE, Reason.REGISTRY_UNAUTHORIZED):
                self._breach("a registry that is down ended a rollout")

    def _told(self, before: ModelDeploymentStatus, plan: Plan) -> None:
        """What somebody wants to hear of is written down with the decision, and stays until it was sent."""
        after, world = plan.status.notifications, self._world
        kept = {each.id for each in after}
        if len(kept) != len(after) or len(after) > MAX_PENDING:
            self._breach(f"{len(after)} notifications with {len(kept)} ids")
        fresh = sum(event.reason in world.told for event in plan.events)
        unsent = [each for each in before.notifications if each.id not in world.sent]
        if sum(1 + each.left_out for each in after) != fresh + sum(1 + each.left_out for each in unsent):
            self._breach(f"{fresh} events and {len(unsent)} unsent notifications became {len(after)}")

    def _evidence_before_weight(self, before: ModelDeploymentStatus, after: ModelDeploymentStatus) -> None:
        was, now = before.rollout, after.rollout
        if was is None or now is None or was.revision != now.revision or now.phase == RolloutPhase.ABORTING:
            return
        opened = now.gate_open and not was.gate_open
        raised = after.candidate_weight > before.candidate_weight and not was.gate_open and now.experiment is None
        analysis = now.analysis
        asked = was.promote_requested or was.fast or now.fast or (after.action != before.action)
        if not (opened or raised) or asked or analysis is None or before.candidate_weight == 0:
            return
        if was.analysis is None or was.analysis.stage != analysis.stage or was.experiment is not None:
            return
        for metric in analysis.metrics:
            if metric.phase != MeasurementPhase.PASS:
                self._breach(f"went on from {before.candidate_weight} % although {metric.name} was {metric.phase}")

    def _gates_before_pods(self, before: ModelDeploymentStatus, after: ModelDeploymentStatus) -> None:
        rollout, was, asked = after.rollout, before.rollout, self._world.manifest["spec"].get("gates") or []
        if rollout is None or not asked or (rollout.fast and after.stable is not None):
            return
        begins = was is None or was.started_at != rollout.started_at
        gates = after.gates
        if begins and (gates is None or gates.revision != rollout.revision or gates.phase != GatePhase.PASS):
            self._breach(f"{rollout.revision} begins although its gates are {gates.phase if gates else 'not judged'}")
        if gates is None or gates.revision != rollout.revision or not after.candidate_weight or before.candidate_weight:
            return
        phases = {result.name: result.phase for result in gates.results}
        if set(phases.values()) != {GatePhase.PASS} and set(phases) == {gate["name"] for gate in asked}:
            self._breach(f"{rollout.revision} gets traffic although its gates are {phases}")

    def _quarantine(self, before: ModelDeploymentStatus, after: ModelDeploymentStatus) -> None:
        ended = after.history[:1] if len(after.history) > len(before.history) else []
        for entry in ended:
            if entry.outcome != Outcome.ABORTED:
                continue
            again = after.rollout is not None and after.rollout.revision == entry.revision
            if again and after.action == before.action:
                self._breach(f"{entry.revision} was aborted and is tried again at once")

    # ---- rules 1, 2, 7, 9: what a written object may be
    def applied(self, old: Manifest | None, new: Manifest) -> None:
        self._owned(new)
        if new["kind"] == "HTTPRoute":
            self._route(old, new)
        elif new["kind"] == "Service" and LABEL_REVISION in new["metadata"]["labels"]:
            if old is not None and old["spec"]["selector"] != new["spec"]["selector"]:
                self._breach(f"the selector of {new['metadata']['name']} changed")
        elif new["kind"] == "Deployment":
            self._scaled(old, new)

    def deleted(self, old: Manifest | None) -> None:
        if (
            old is None
            or old["kind"] not in ("Deployment", "Service")
            or LABEL_REVISION not in old["metadata"]["labels"]
        ):
            return
        name = old["metadata"]["name"]
        if backends(self._world.children.get(("HTTPRoute", "fraud"))).get(name):
            self._breach(f"{old['kind']} {name} is deleted while it has traffic")
        last = self._last_weight.get(name)
        if last is not None and self._world.now - last < self._world.shortest_delay - 0.01:
            self._breach(f"{old['kind']} {name} is deleted {self._world.now - last:.0f} s after its last weight")

    def _owned(self, new: Manifest) -> None:
        labels = new["metadata"].get("labels", {})
        owners = [owner["uid"] for owner in new["metadata"].get("ownerReferences", [])]
        if owners != ["u1"] or labels.get(LABEL_MANAGED_BY) != "steersman" or labels.get(LABEL_DEPLOYMENT) != "fraud":
            self._breach(f"{new['kind']} {new['metadata']['name']} is not marked as ours")

    def _route(self, old: Manifest | None, new: Manifest) -> None:
        before, after = backends(old), backends(new)
        if sum(after.values()) != 100 or not set(after.values()) <= self._world.planned_weights:
            self._breach(f"the route carries {after}")
        for rule in new["spec"]["rules"]:
            for ref in rule["backendRefs"]:
                if ("Service", ref["name"]) not in self._world.children:
                    self._breach(f"the route names {ref['name']}, whose Service is not there")
        for revision, weight in after.items():
            if before.get(revision) or weight:
                self._last_weight[revision] = self._world.now
            if weight > before.get(revision, 0):
                self._enough_pods(revision, weight)

    def _enough_pods(self, revision: str, weight: int) -> None:
        status, spec = self._world.status, self._world.manifest["spec"]
        deployment = self._world.children.get(("Deployment", revision), {})
        have = deployment.get("status", {}).get("availableReplicas", 0)
        needed = max(1, math.ceil(spec["replicas"] * weight / 100))
        if status.stable is not None and status.stable.name == revision:
            rollout = status.rollout
            if rollout is None or not self._world.gives_way:
                return  # never scaled down, so there is nothing to wait for
            late = self._world.now >= rollout.step_started_at + 600 or self._world.gone(rollout.revision)
            if have < needed and not late:
                self._breach(f"stable got {weight} % with {have} of {needed} pods")
        elif have < needed:
            self._breach(f"{revision} got {weight} % with {have} of {needed} pods")

    def _scaled(self, old: Manifest | None, new: Manifest) -> None:
        status, name = self._world.status, new["metadata"]["name"]
        weight = backends(self._world.children.get(("HTTPRoute", "fraud"))).get(name, 0)
        if status.stable is None or status.stable.name != name or not weight:
            return
        share = math.ceil(self._world.manifest["spec"]["replicas"] * weight / 100)
        pods = new["spec"]["replicas"]
        if pods < share and (old is None or pods < old["spec"]["replicas"]):
            self._breach(f"stable is scaled down to {pods} pods with {weight} % of the traffic")
