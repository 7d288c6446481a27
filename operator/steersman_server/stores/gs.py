"""``gs://bucket/path``: every object below the path, or one object, which is unpacked if it is an archive.

By Google's JSON API, which needs no library but google-auth, and that is there by MLflow. Environment: what Google's
libraries read for credentials (GOOGLE_APPLICATION_CREDENTIALS, a workload identity); without any, only public buckets can
be read. STORAGE_EMULATOR_HOST names a server that is asked instead, without credentials.
"""

import base64
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote, urlencode

import requests

from steersman_server import digest
from steersman_server.fetch_errors import FetchError, Reason
from steersman_server.stores import buckets, unpack, web
from steersman_server.stores.order import Budget, Order, inside

_SCOPE = "https://www.googleapis.com/auth/devstorage.read_only"


def download(order: Order) -> Path:
    """Download the objects; the MD5 that the store has of each is checked."""
    bucket, prefix = buckets.split(order.uri)
    emulator = os.environ.get("STORAGE_EMULATOR_HOST", "").rstrip("/")
    if emulator and "://" not in emulator:
        emulator = f"http://{emulator}"
    server = emulator or "https://storage.googleapis.com"
    with _session(anonymous=bool(emulator)) as session, _token_trouble():
        files: dict[str, dict[str, Any]] = {}
        for found in _objects(session, server, bucket, prefix):
            if (name := buckets.below(found["name"], prefix)) is not None:
                files[name] = found
                if len(files) > order.budget.max_files:
                    order.budget.files = len(files)
                    order.budget.add_file()
        if not files:
            raise FetchError(Reason.NOT_FOUND, f"there is no object below gs://{bucket}/{prefix}")
        if "" in files:  # an object of that very name
            file = order.destination.with_name("download")
            received = _receive(session, server, bucket, files[""], file, order.budget)
            digest.check(order.sha256, received.sha256, "the object")
            return unpack.deliver(file, PurePosixPath(prefix).name, order)
        for name, found in files.items():
            _receive(session, server, bucket, found, inside(order.destination, name), order.budget)
    if order.sha256:
        digest.check(order.sha256, digest.tree_digest(order.destination), "the objects")
    return order.destination


@contextmanager
def _token_trouble() -> Iterator[None]:
    from google.auth.exceptions import GoogleAuthError

    try:
        yield
    except GoogleAuthError as error:
        raise FetchError(Reason.UNAUTHORIZED, f"no access token can be had: {type(error).__name__}") from error


def _objects(session: requests.Session, server: str, bucket: str, prefix: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    page = ""
    while True:
        fields = "items(name,size,md5Hash,contentEncoding),nextPageToken"
        query = {"prefix": prefix, "fields": fields} | ({"pageToken": page} if page else {})
        listing = f"{server}/storage/v1/b/{quote(bucket, safe='')}/o?{urlencode(query)}"
        answer = json.loads(web.get(session, listing))
        found += answer.get("items") or []
        page = answer.get("nextPageToken") or ""
        if not page:
            return found


def _receive(
    session: requests.Session, server: str, bucket: str, found: dict[str, Any], file: Path, budget: Budget
) -> web.Received:
    name = quote(found["name"], safe="")
    url = f"{server}/download/storage/v1/b/{quote(bucket, safe='')}/o/{name}?alt=media"
    received = web.download(session, url, file, budget, plain_http=server.startswith("http://"))
    md5 = found.get("md5Hash")
    # What is stored compressed is unpacked by the server, and the MD5 is that of the compressed.
    if md5 and not found.get("contentEncoding") and base64.b64decode(md5).hex() != received.md5:
        raise FetchError(Reason.DIGEST, f"the MD5 of {found['name']} is not the one that the store has")
    return received


def _session(anonymous: bool) -> requests.Session:
    if anonymous:
        return requests.Session()
    import google.auth
    import google.auth.exceptions
    from google.auth.transport.requests import AuthorizedSession

    try:
        credentials, _ = google.auth.default(scopes=[_SCOPE])
    except google.auth.exceptions.DefaultCredentialsError:
        return requests.Session()
    session: requests.Session = AuthorizedSession(credentials)  # type: ignore[no-untyped-call]
    return session
