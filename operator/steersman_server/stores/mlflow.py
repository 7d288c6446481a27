"""``models:/``, ``runs:/``, ``mlflow-artifacts:/``, a path, and whatever else MLflow's client downloads."""

from pathlib import Path

from steersman_server import digest
from steersman_server.stores.order import Order


def download(order: Order) -> Path:
    """Download by MLflow's client. Its size is only known afterwards."""
    from mlflow.artifacts import download_artifacts

    found = Path(download_artifacts(artifact_uri=order.uri, dst_path=str(order.destination)))
    directory = found if found.is_dir() else found.parent
    for path in directory.rglob("*"):
        order.budget.add_file()
        order.budget.add_bytes(path.stat().st_size if path.is_file() else 0)
    if order.sha256:
        digest.check(order.sha256, digest.tree_digest(directory), "the model's files")
    return directory
