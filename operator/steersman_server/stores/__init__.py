"""Artifact stores: where a model's files are, one module a scheme.

Each has a function ``download(order)`` that puts the files of `Order.uri` into `Order.destination`, checks `Order.sha256`
where one is given, and returns the directory that holds them. What is no scheme of ours is left to MLflow.
"""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from steersman_server.stores.order import Order

SCHEMES = {"s3": "s3", "gs": "gs", "https": "https", "http": "https", "pvc": "pvc", "oci": "oci"}
"""Scheme of a URI -> module of this package."""


def download(order: Order) -> Path:
    """Download what `order` names, by the store of its scheme.

    Raises FetchError, or whatever the store's library raises (see `steersman_server.fetch_errors.classify`).
    """
    scheme, separator, _ = order.uri.partition("://")
    # Imported when it is used: each brings a library of its own.
    module = import_module(f"{__name__}.{SCHEMES.get(scheme.lower(), 'mlflow') if separator else 'mlflow'}")
    store: Callable[[Order], Path] = module.download
    return store(order)
