"""How many pods: what stands in the spec, or what an autoscaler has made of it."""

from __future__ import annotations

from steersman.api.modeldeployment import ModelDeploymentSpec
from steersman.core.snapshot import Manifest


def base_replicas(spec: ModelDeploymentSpec, stable_deployment: Manifest | None) -> int:
    """Pods that all of the traffic needs: spec.replicas or, with autoscaling, as many as stable's Deployment is scaled to now.

    With autoscaling never outside minReplicas to maxReplicas, and minReplicas while there is no stable. Shares of a candidate are
    shares of this number. Ask when a rollout begins and keep the answer for as long as it lasts, for stable's autoscaler
    takes pods away as its share of the traffic falls. It is not the floor of a stable that is alone: that is minReplicas.
    """
    scaling = spec.autoscaling
    if scaling is None:
        return spec.replicas
    observed = ((stable_deployment or {}).get("spec") or {}).get("replicas", 0)
    return min(scaling.max_replicas, max(scaling.min_replicas, observed))
