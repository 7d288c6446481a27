"""Artifact stores: where a model's files are, one module a scheme.

Each has a function ``download(order)`` that puts the files of `Order.uri` into `Order.destination`, checks `Order.sha256`
where one is given, and returns the directory that holds them. What is no scheme of ours is left to MLflow.
"""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import requests

from steersman_server.fetch_errors import FetchError, classify
from steersman_server.stores.order import Order

SCHEMES = {"s3": "s3", "gs": "gs", "https": "https", "http": "https", "pvc": "pvc", "oci": "oci"}
"""Scheme of a URI -> module of this package."""


def download(order: Order) -> Path:
    """Download what `order` names, by the store of its scheme.

    Raises FetchError, or whatever MLflow raises (see `steersman_server.fetch_errors.classify`).
    """
    scheme, separator, _ = order.uri.partition("://")
    # Imported when it is used: each brings a library of its own.
    known = SCHEMES.get(scheme.lower()) if separator else None
    store: Callable[[Order], Path] = import_module(f"{__name__}.{known or 'mlflow'}").download
    try:
        return store(order)
    except requests.RequestException as error:
        if known is None:
            raise
        # Its own text has the URL with the query, which may be a signature.
        raise FetchError(classify(error).reason, _said(error)) from error


def _said(error: requests.RequestException) -> str:
    if error.response is not None:
        return f"the server answers {error.response.status_code}"
    if isinstance(error, requests.exceptions.SSLError):
        return "no encrypted connection comes about: is the server's certificate known here (REQUESTS_CA_BUNDLE)?"
    return f"the server does not answer: {type(error).__name__}"
