"""Real Kubernetes clusters for trying, testing and measuring Steersman. See README.md beside this file.

with Cluster.up("e2e") as cluster:
    cluster.helm("install", "steersman", "helm/steersman", "--namespace=steersman-system", "--create-namespace")
    cluster.kubectl("apply", "-f", "examples/")
"""

from cluster.cluster import Cluster
from cluster.control_plane import ControlPlane
from cluster.errors import AlreadyRunning, BuildFailed, ClusterError, MissingRequirement, NotRunning, StartFailed
from cluster.images import MLFLOW_RUNTIME, OPERATOR, ImageSource
from cluster.parts import ALL_PARTS
from cluster.progress import Progress

__all__ = [
    "ALL_PARTS",
    "MLFLOW_RUNTIME",
    "OPERATOR",
    "AlreadyRunning",
    "BuildFailed",
    "Cluster",
    "ClusterError",
    "ControlPlane",
    "ImageSource",
    "MissingRequirement",
    "NotRunning",
    "Progress",
    "StartFailed",
]
