"""The kinds that the operator watches."""

from __future__ import annotations

from dataclasses import dataclass

from steersman.api.meta import GROUP, LABEL_MANAGED_BY, VERSION
from steersman.core.retraining.objects import LABEL_PURPOSE, PURPOSE
from steersman.ports import Manifest


@dataclass(frozen=True)
class WatchedKind:
    """A kind and where the API server keeps it."""

    group: str
    version: str
    plural: str
    kind: str
    owned: bool = False
    """Made by the operator: only objects with its label are watched."""
    cluster_scoped: bool = False
    status_matters: bool = True
    """Whether planning looks at its status. Some controllers write one every few seconds."""

    purpose: str = ""
    """Only objects with this label of purpose are watched: others of the kind are looked after by who made them."""

    @property
    def labels(self) -> dict[str, str]:
        """What the watched objects are selected by; empty for all."""
        ours = {LABEL_MANAGED_BY: "steersman"} if self.owned else {}
        return ours | ({LABEL_PURPOSE: self.purpose} if self.purpose else {})

    @property
    def api_version(self) -> str:
        """group/version, or version in the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def complete(self, manifest: Manifest) -> Manifest:
        """The manifest with apiVersion and kind, which the items of a list come without."""
        return {"apiVersion": self.api_version, "kind": self.kind, **manifest}


MODEL_DEPLOYMENT = WatchedKind(GROUP, VERSION, "modeldeployments", "ModelDeployment")
CONFIGURATION = (
    WatchedKind(GROUP, VERSION, "modelregistries", "ModelRegistry", status_matters=False),
    WatchedKind(GROUP, VERSION, "servingruntimes", "ServingRuntime"),
    WatchedKind(GROUP, VERSION, "clusterservingruntimes", "ClusterServingRuntime", cluster_scoped=True),
    WatchedKind(GROUP, VERSION, "analysistemplates", "AnalysisTemplate"),
    WatchedKind(GROUP, VERSION, "clusteranalysistemplates", "ClusterAnalysisTemplate", cluster_scoped=True),
)
OWNED = (
    WatchedKind("apps", "v1", "deployments", "Deployment", owned=True),
    WatchedKind("apps", "v1", "controllerrevisions", "ControllerRevision", owned=True),
    WatchedKind("apps", "v1", "daemonsets", "DaemonSet", owned=True),
    WatchedKind(
        "autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", owned=True, status_matters=False
    ),
    WatchedKind("keda.sh", "v1alpha1", "scaledobjects", "ScaledObject", owned=True, status_matters=False),
    WatchedKind("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", owned=True, status_matters=False),
    WatchedKind("", "v1", "services", "Service", owned=True),
    WatchedKind("batch", "v1", "jobs", "Job", owned=True, purpose=PURPOSE),
    # Of traffic providers; most of them are not installed in any one cluster.
    WatchedKind("gateway.networking.k8s.io", "v1", "httproutes", "HTTPRoute", owned=True),
    WatchedKind("gateway.networking.k8s.io", "v1", "grpcroutes", "GRPCRoute", owned=True),
    WatchedKind("networking.istio.io", "v1", "virtualservices", "VirtualService", owned=True),
    WatchedKind("networking.istio.io", "v1", "destinationrules", "DestinationRule", owned=True),
    WatchedKind("networking.k8s.io", "v1", "ingresses", "Ingress", owned=True, status_matters=False),
    WatchedKind("traefik.io", "v1alpha1", "traefikservices", "TraefikService", owned=True),
    WatchedKind("traefik.io", "v1alpha1", "ingressroutes", "IngressRoute", owned=True),
    WatchedKind("projectcontour.io", "v1", "httpproxies", "HTTPProxy", owned=True),
    WatchedKind("apisix.apache.org", "v2", "apisixroutes", "ApisixRoute", owned=True),
)

WORKFLOW = WatchedKind("argoproj.io", "v1alpha1", "workflows", "Workflow", owned=True, purpose=PURPOSE)
"""Watched only where the configuration allows it: the chart then grants it."""


def watched(cluster_wide: bool, argo_workflows: bool = False) -> tuple[WatchedKind, ...]:
    """All kinds; in namespaced mode without the cluster-scoped ones."""
    kinds = (MODEL_DEPLOYMENT, *CONFIGURATION, *OWNED, *([WORKFLOW] if argo_workflows else []))
    return tuple(kind for kind in kinds if cluster_wide or not kind.cluster_scoped)
