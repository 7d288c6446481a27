"""How commands reach a registry: as MLflow's own client does, by the environment."""

from __future__ import annotations

import os

from steersman.api.conditions import Reason
from steersman.ports import RegistryCredentials, RegistryError

_USER, _PASSWORD, _TOKEN = "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN"


def credentials_of_environment() -> RegistryCredentials | None:
    """As MLflow's own client takes them from the environment."""
    given = RegistryCredentials(os.environ.get(_USER), os.environ.get(_PASSWORD), os.environ.get(_TOKEN))
    return given if given.token or (given.username and given.password) else None


def hint(error: RegistryError) -> str:
    """What a user can do about trouble with a registry; empty when nothing is known."""
    hints = {
        Reason.REGISTRY_UNAUTHORIZED: f"set {_USER} and {_PASSWORD}, or {_TOKEN}, in the environment",
        Reason.REGISTRY_UNREACHABLE: "see that this machine reaches it; another address: --registry-url",
    }
    return hints.get(error.reason, "")
