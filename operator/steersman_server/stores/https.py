"""``https://host/path``: a file, or an archive that is unpacked. ``http://`` only together with a digest.

Environment: MODEL_HTTP_TOKEN, sent as a bearer token, never without encryption nor to another host after a redirect.
"""

import os
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

import requests

from steersman_server import digest
from steersman_server.fetch_errors import FetchError, Reason
from steersman_server.stores import unpack, web
from steersman_server.stores.order import Order


def download(order: Order) -> Path:
    """Download the file, check it, and unpack it if its name says that it is an archive."""
    url = urlsplit(order.uri)
    name = PurePosixPath(unquote(url.path)).name
    if not url.hostname or not name:
        raise FetchError(Reason.CONFIGURATION, "the URL has to name a host and a file")
    encrypted = url.scheme.lower() == "https"
    if not encrypted and not order.sha256:
        raise FetchError(Reason.CONFIGURATION, "http:// is not encrypted: use https://, or give the model's SHA-256")
    token = os.environ.get("MODEL_HTTP_TOKEN", "")
    file = order.destination.with_name("download")
    with requests.Session() as session:
        headers = {"Authorization": f"Bearer {token}"} if token and encrypted else None
        received = web.download(session, order.uri, file, order.budget, headers, plain_http=bool(order.sha256))
    digest.check(order.sha256, received.sha256, "the file")
    return unpack.deliver(file, name, order)
