"""A registry that speaks the OCI distribution API: how to be let in, manifests and blobs.

https://github.com/opencontainers/distribution-spec/blob/main/spec.md
https://distribution.github.io/distribution/spec/auth/token
"""

import base64
import binascii
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode, urlsplit

import requests

from steersman_server.fetch_errors import FetchError, Reason
from steersman_server.stores import web
from steersman_server.stores.order import Budget

INDEXES = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")
_MANIFESTS = ("application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json")
_DOCKER_HUB = "registry-1.docker.io"

T = TypeVar("T")


class Registry:
    """One repository of a registry; use it as a context manager."""

    def __init__(self, host: str, repository: str) -> None:
        """`host` may have a port. OCI_PLAIN_HTTP=true in the environment: without encryption."""
        self._host = _DOCKER_HUB if host == "docker.io" else host
        self._repository = repository
        self._plain = os.environ.get("OCI_PLAIN_HTTP", "").lower() in {"true", "1"}
        self._base = f"{'http' if self._plain else 'https'}://{self._host}/v2/{repository}"
        self._session = requests.Session()
        self._authorization: dict[str, str] = {}

    def __enter__(self) -> "Registry":
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def manifest(self, reference: str) -> bytes:
        """The manifest, or index, of a tag or digest."""
        url = f"{self._base}/manifests/{reference}"
        accept = {"Accept": ", ".join(_MANIFESTS + INDEXES)}
        return self._authorized(lambda: web.get(self._session, url, accept | self._authorization))

    def blob(self, digest: str, path: Path, budget: Budget) -> web.Received:
        """Download a blob. Whoever the registry redirects to does not get the authorization (requests sees to it)."""
        url = f"{self._base}/blobs/{digest}"
        return self._authorized(
            lambda: web.download(self._session, url, path, budget, self._authorization, plain_http=self._plain)
        )

    def _authorized(self, ask: Callable[[], T]) -> T:
        """What `ask` returns, with a new authorization if the present one does not do: tokens last for minutes."""
        try:
            return ask()
        except requests.HTTPError as error:
            if error.response is None or error.response.status_code != 401:
                raise
            self._authorization = self._answer_to(error.response.headers.get("WWW-Authenticate", ""))
        return ask()

    def _answer_to(self, challenge: str) -> dict[str, str]:
        kind, _, rest = challenge.partition(" ")
        login = _login(self._host)
        if kind.lower() == "basic" and login:
            return {"Authorization": _basic(*login)}
        if kind.lower() != "bearer":
            raise FetchError(Reason.UNAUTHORIZED, "the registry asks for a login: give OCI_USERNAME and OCI_PASSWORD")
        asked = dict(re.findall(r'(\w+)="([^"]*)"', rest))
        realm = asked.get("realm", "")
        if urlsplit(realm).scheme != "https" and not self._plain:
            raise FetchError(Reason.CONFIGURATION, "the registry names no token server that uses https")
        query = {"scope": asked.get("scope") or f"repository:{self._repository}:pull"}
        if "service" in asked:
            query["service"] = asked["service"]
        headers = {"Authorization": _basic(*login)} if login else None
        answer = json.loads(web.get(self._session, f"{realm}?{urlencode(query)}", headers))
        return {"Authorization": f"Bearer {answer.get('token') or answer.get('access_token', '')}"}


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _login(host: str) -> tuple[str, str] | None:
    user, password = os.environ.get("OCI_USERNAME"), os.environ.get("OCI_PASSWORD")
    if user and password:
        return user, password
    path = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker") / "config.json"
    try:
        known: dict[str, Any] = json.loads(path.read_text()).get("auths", {})
        names = (host, f"https://{host}", *(("https://index.docker.io/v1/",) if host == _DOCKER_HUB else ()))
        entry: dict[str, str] = next((known[name] for name in names if name in known), {})
        user, _, password = base64.b64decode(entry.get("auth", "")).decode().partition(":")
    except (OSError, ValueError, AttributeError, binascii.Error):
        return None
    return (user, password) if user and password else None
