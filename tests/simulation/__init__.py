"""What stands around the operator when there is only an API server: pods, a Gateway, a model registry, a metric server.

A control plane (`cluster.control_plane.ControlPlane.up(controllers=False)`) stores what the operator writes, and nothing acts
on it. This kit acts: it makes Deployments available, accepts routes, answers as MLflow and as Prometheus do, and runs the real
operator process against it all. It costs little, so that measurements beside it are the operator's, and it says who it is
(`USER_AGENT`), so that its own requests can be told apart in an audit log.
"""

from simulation.connection import USER_AGENT, Api
from simulation.credentials import Account
from simulation.gateway import Gateway, Sight
from simulation.metric_server import MetricServer
from simulation.model_deployments import ModelDeployments, at_rest, healthy
from simulation.operator_process import OperatorProcess
from simulation.pods import Pods
from simulation.registry_server import RegistryServer
from simulation.scene import Scene

__all__ = [
    "USER_AGENT",
    "Account",
    "Api",
    "Gateway",
    "MetricServer",
    "ModelDeployments",
    "OperatorProcess",
    "Pods",
    "RegistryServer",
    "Scene",
    "Sight",
    "at_rest",
    "healthy",
]
