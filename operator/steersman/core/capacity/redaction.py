"""Keeping secrets out of what a container's own words, and the image puller's, bring into a status."""

from __future__ import annotations

import re
from collections.abc import Sequence

from steersman.core.snapshot import Manifest

HIDDEN = "***"
_SECRET_NAME = re.compile(r"password|passwd|secret|token|credential|key|auth|dsn|connection", re.IGNORECASE)
_SHORTEST = 4
"""Shorter values are left alone: they would take ordinary words with them."""
_USER_INFO = re.compile(r"(?<=://)[^/\s@]+@")
_QUERY = re.compile(r"(\bhttps?://[^\s?\"']+)\?[^\s\"']*")
_BEARER = re.compile(r"\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE)
_ASSIGNED = re.compile(
    r"(?i)\b([\w-]*(?:password|passwd|secret|token|credential|api[_-]?key)[\w-]*)(\s*=\s*|[\"']?:\s*[\"']?)([^\s,;\"']+)"
)


def secrets_of(pod: Manifest) -> tuple[str, ...]:
    """Values of the pod's environment variables that are secret by their name. (Those from Secrets are not in a pod's manifest.)"""
    spec = pod.get("spec") or {}
    containers = [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]
    variables = [variable for container in containers for variable in container.get("env") or []]
    return tuple(
        str(variable["value"])
        for variable in variables
        if _SECRET_NAME.search(variable.get("name", "")) and len(str(variable.get("value", ""))) >= _SHORTEST
    )


def without_secrets(text: str, secrets: Sequence[str] = ()) -> str:
    """The text without these values, users in URLs, queries of URLs, authorization headers and assignments to secret names."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    text = _USER_INFO.sub(f"{HIDDEN}@", text)
    text = _QUERY.sub(rf"\1?{HIDDEN}", text)
    text = _BEARER.sub(rf"\1 {HIDDEN}", text)
    return _ASSIGNED.sub(_hide_assigned, text)


def _hide_assigned(found: re.Match[str]) -> str:
    name, sign, value = found.groups()
    # After a colon it may be prose: "failed to fetch the token: unexpected status".
    prose = "=" not in sign and (len(value) < 8 or value.isalpha())
    return found.group(0) if prose else f"{name}{sign}{HIDDEN}"
