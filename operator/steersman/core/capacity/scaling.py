"""How many pods: what stands in the spec, or what an autoscaler has made of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from steersman.api.capacity import Autoscaling
from steersman.api.meta import format_timestamp
from steersman.api.modeldeployment import ModelDeploymentSpec
from steersman.core.snapshot import Children, Manifest

ANNOTATION_SCALED_AT = "steersman.dev/scaled-at"
"""On a Deployment that has more pods than intended since its autoscaler went: when pods were last taken away."""

REVISION_VARIABLE = "$(REVISION)"
AUTOSCALERS = ("HorizontalPodAutoscaler", "ScaledObject")
STEP_DOWN_SECONDS = 15.0
"""Between two reductions of what an autoscaler left."""
STEP_DOWN_DIVISOR = 10
"""A tenth of the pods at a time, at least one."""


def base_replicas(spec: ModelDeploymentSpec, stable_deployment: Manifest | None) -> int:
    """Pods that all of the traffic needs: spec.replicas or, with autoscaling, as many as stable's Deployment is scaled to now.

    With autoscaling never outside minReplicas to maxReplicas, and minReplicas while there is no stable. Shares of a candidate are
    shares of this number. Ask when a rollout begins and keep the answer for as long as it lasts, for stable's autoscaler
    takes pods away as its share of the traffic falls. It is not the floor of a stable that is alone: that is minReplicas.
    """
    scaling = spec.autoscaling
    if scaling is None:
        return spec.replicas
    return min(scaling.max_replicas, max(scaling.min_replicas, _replicas(stable_deployment) or 0))


@dataclass(frozen=True)
class Size:
    """The pods that a Deployment is to have now."""

    replicas: int
    scaled_at: float | None = None
    """Set while there are more than intended, because an autoscaler left them: when pods were last taken away."""
    again_at: float | None = None
    """When to take the next away."""

    @property
    def annotations(self) -> dict[str, str]:
        """What the Deployment has to carry so that the reduction goes on after a restart."""
        return {} if self.scaled_at is None else {ANNOTATION_SCALED_AT: format_timestamp(self.scaled_at)}


def size(spec: ModelDeploymentSpec, revision: str, intended: int, children: Children, now: float) -> Size:
    """The size of a revision's Deployment, for the intended number of pods (with autoscaling: the floor).

    With autoscaling the number belongs to the autoscaler: what it is now, unless that is outside the bounds. The field is
    rendered all the same, for server-side apply would reset an omitted one to 1. Without autoscaling it is what is
    intended, but what an autoscaler that was switched off left goes a few pods at a time: nothing is known of the load that
    it answered.
    """
    seen = children.get("Deployment", revision)
    observed = _replicas(seen)
    if intended == 0 or observed is None:
        return Size(_bounded(spec.autoscaling, intended))
    if spec.autoscaling is not None:
        return Size(_bounded(spec.autoscaling, max(intended, observed)))
    since = _scaled_at(seen)
    if observed <= intended or (since is None and not _is_autoscaled(revision, children)):
        return Size(intended)
    since = now if since is None else since
    if now >= since + STEP_DOWN_SECONDS:
        observed, since = observed - max(1, observed // STEP_DOWN_DIVISOR), now
    return Size(observed, since, since + STEP_DOWN_SECONDS) if observed > intended else Size(intended)


def autoscaler(spec: ModelDeploymentSpec, revision: str, floor: int, children: Children) -> Manifest | None:
    """The revision's HorizontalPodAutoscaler or ScaledObject; None without autoscaling, and while one of the other kind is there.

    (KEDA refuses a ScaledObject for what a HorizontalPodAutoscaler scales.)
    """
    scaling = spec.autoscaling
    if scaling is None or floor == 0:
        return None
    kind, other = AUTOSCALERS if scaling.keda is None else reversed(AUTOSCALERS)
    if children.get(other, revision) is not None:
        return None
    lowest = _bounded(scaling, floor)
    if scaling.keda is not None:
        settings = {"pollingInterval": scaling.keda.polling_interval, "cooldownPeriod": scaling.keda.cooldown_period}
        return {
            "apiVersion": "keda.sh/v1alpha1",
            "kind": kind,
            "metadata": {"name": revision},
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": revision},
                "minReplicaCount": lowest,
                "maxReplicaCount": scaling.max_replicas,
                "triggers": _of_revision(scaling.keda.triggers, revision),
                **{name: value for name, value in settings.items() if value is not None},
            },
        }
    optional: dict[str, Any] = {"metrics": _of_revision(scaling.metrics, revision), "behavior": scaling.behavior}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": kind,
        "metadata": {"name": revision},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": revision},
            "minReplicas": lowest,
            "maxReplicas": scaling.max_replicas,
            **{name: value for name, value in optional.items() if value},
        },
    }


def _of_revision(value: Any, revision: str) -> Any:
    """The value with the revision's name in place of REVISION_VARIABLE, so that a query can be about this revision's load alone."""
    if isinstance(value, str):
        return value.replace(REVISION_VARIABLE, revision)
    if isinstance(value, list):
        return [_of_revision(item, revision) for item in value]
    if isinstance(value, dict):
        return {key: _of_revision(item, revision) for key, item in value.items()}
    return value


def _bounded(scaling: Autoscaling | None, replicas: int) -> int:
    return replicas if scaling is None else min(replicas, scaling.max_replicas)


def _is_autoscaled(revision: str, children: Children) -> bool:
    return any(children.get(kind, revision) is not None for kind in AUTOSCALERS)


def _replicas(deployment: Manifest | None) -> int | None:
    replicas = ((deployment or {}).get("spec") or {}).get("replicas")
    return None if replicas is None else int(replicas)


def _scaled_at(deployment: Manifest | None) -> float | None:
    text = (((deployment or {}).get("metadata") or {}).get("annotations") or {}).get(ANNOTATION_SCALED_AT)
    try:
        return None if text is None else datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
    except ValueError:
        # Somebody else wrote it: as if the time were over.
        return 0.0
