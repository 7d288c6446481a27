"""Names of everything that a ModelDeployment owns."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def canonical_json(value: Any) -> str:
    """Our own stable serialisation, so that a library's change of format never changes a revision's name."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def content_hash(value: Any) -> str:
    """Eight hex digits of the SHA-256 of the canonical JSON."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:8]


def revision_name(deployment: str, version: str, content: Any) -> str:
    """`<deployment>-v<version>-<hash of the content>`; at most 63 characters for names the API accepts."""
    return f"{deployment}-v{version}-{content_hash(content)}"


def preview_name(deployment: str) -> str:
    """Service that reaches a blue-green candidate before it is promoted."""
    return f"{deployment}-preview"
