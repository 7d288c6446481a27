"""Environment variables that have to be set before MLflow or a numeric library is imported."""

import os

from steersman_server.settings import available_cpus


def set_defaults() -> None:
    """Set what MLflow and its dependencies read at import, where the pod's specification has not set it."""
    cpus = str(available_cpus())
    for name, value in {
        # Neither the server nor the fetch may talk to anything but the tracking server and the artifact store.
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "MLFLOW_CONFIGURE_LOGGING": "false",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        # MLflow's defaults, 7 retries of 120 s each, outlast any rollout's patience.
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
        "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
        # Numeric libraries start a thread for each CPU of the node, not of the container's quota.
        "OMP_NUM_THREADS": cpus,
        "OPENBLAS_NUM_THREADS": cpus,
    }.items():
        os.environ.setdefault(name, value)
