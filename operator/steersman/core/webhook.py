"""MLflow's webhook deliveries: whether one is what it says it is, and which model it is about.

What is signed, and how: https://mlflow.org/docs/latest/ml/webhooks/ (the conventions of https://www.standardwebhooks.com).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

SIGNATURE: Final = "X-MLflow-Signature"
TIMESTAMP: Final = "X-MLflow-Timestamp"
DELIVERY_ID: Final = "X-MLflow-Delivery-Id"

TOLERANCE: Final = 300.0
"""Seconds that a delivery's time may be off ours, in either direction."""
MAX_BODY: Final = 256 * 1024
"""Bytes; MLflow sends a few hundred, and a version's tags and description with them."""
MAX_MODEL: Final = 256
"""Characters of a registered model's name."""

_ID: Final = re.compile(r"[\x21-\x7e]{1,128}")
_SECONDS: Final = re.compile(r"[0-9]{1,12}")
_VERSION: Final = "v1"
_DIGEST: Final = 44
"""Characters of a SHA-256 in base64."""
_ABOUT_MODELS: Final = frozenset({"registered_model", "model_version", "model_version_tag", "model_version_alias"})


class Result(StrEnum):
    """What became of a delivery."""

    ACCEPTED = "accepted"
    """It wakes whoever follows the model."""
    FORWARDED = "forwarded"
    """The leader accepted it."""
    IGNORED = "ignored"
    """Of something that no ModelDeployment follows, such as a prompt."""
    UNSIGNED = "unsigned"
    """A header is missing or is none of MLflow's."""
    UNKNOWN = "unknown"
    """No such registry, or it takes no webhooks."""
    WRONG_SIGNATURE = "wrong-signature"
    STALE = "stale"
    """Its time is too far off ours."""
    REPLAYED = "replayed"
    """A delivery of this id was accepted before."""
    TOO_LARGE = "too-large"
    TOO_MANY = "too-many"
    MALFORMED = "malformed"
    """Signed rightly, but not as MLflow writes deliveries."""
    NOT_NOW = "not-now"
    """The secret could not be read: MLflow sends it again."""
    NO_LEADER = "no-leader"
    """This replica does not lead, and none that does could be reached: MLflow sends it again."""


@dataclass(frozen=True)
class Envelope:
    """What the headers of a delivery say; nothing of it is true before the signature is verified."""

    delivery: str
    """Its id."""
    timestamp: str
    """Seconds since the epoch, as they were signed."""
    signatures: tuple[bytes, ...]

    @property
    def at(self) -> float:
        """Seconds since the epoch."""
        return float(self.timestamp)


def read_envelope(headers: Mapping[str, str]) -> Envelope | None:
    """The envelope of a request, None when it is no delivery of MLflow's that is signed. `headers` knows no case."""
    delivery, timestamp = headers.get(DELIVERY_ID, ""), headers.get(TIMESTAMP, "")
    if not _ID.fullmatch(delivery) or not _SECONDS.fullmatch(timestamp):
        return None
    # A sender that changes its secret may sign with both (Standard Webhooks): a few signatures with blanks between them.
    signatures = tuple(
        digest for part in headers.get(SIGNATURE, "")[:1024].split(" ")[:4] if (digest := _digest(part)) is not None
    )
    return Envelope(delivery, timestamp, signatures) if signatures else None


def _digest(signature: str) -> bytes | None:
    version, _, encoded = signature.partition(",")
    if version != _VERSION or len(encoded) != _DIGEST:
        return None
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return None


def is_timely(envelope: Envelope, now: float) -> bool:
    """Whether a delivery was sent about now."""
    return abs(now - envelope.at) <= TOLERANCE


def is_signed(envelope: Envelope, body: bytes, secrets: Sequence[bytes]) -> bool:
    """Whether somebody who knows one of the secrets signed this. Takes as long for a wrong signature as for a right one."""
    signed = f"{envelope.delivery}.{envelope.timestamp}.".encode("ascii") + body
    found = False
    for secret in secrets:
        wanted = hmac.new(secret, signed, hashlib.sha256).digest()
        for digest in envelope.signatures:
            found |= hmac.compare_digest(wanted, digest)
    return found


@dataclass(frozen=True)
class News:
    """What a delivery is about."""

    model: str | None
    """Registered model; None when it is about no model."""


def read_news(body: bytes) -> News | None:
    """What a verified delivery is about; None when it is not as MLflow writes them."""
    try:
        document = json.loads(body)
        entity, data = document["entity"], document["data"]
        if entity not in _ABOUT_MODELS:
            return News(None)
        name = data["name"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return News(name) if isinstance(name, str) and 0 < len(name) <= MAX_MODEL else None


class Replays:
    """Ids of deliveries that were accepted, for as long as they could be sent again and be taken for new."""

    def __init__(self, most: int = 10_000) -> None:
        """`most` ids are remembered for each registry: whoever knows its secret cannot fill the memory."""
        self._most = most
        self._seen: dict[tuple[str, str], dict[str, float]] = {}

    def refusal(self, registry: tuple[str, str], envelope: Envelope, now: float) -> Result | None:
        """Why a delivery is not to be accepted, if it is not."""
        seen = self._seen.get(registry, {})
        for delivery in [delivery for delivery, until in seen.items() if until < now]:
            del seen[delivery]
        if envelope.delivery in seen:
            return Result.REPLAYED
        return Result.TOO_MANY if len(seen) >= self._most else None

    def accepted(self, registry: tuple[str, str], envelope: Envelope) -> None:
        """Remember a delivery."""
        self._seen.setdefault(registry, {})[envelope.delivery] = envelope.at + TOLERANCE

    def forget(self, registry: tuple[str, str], envelope: Envelope) -> None:
        """It was not accepted after all."""
        self._seen.get(registry, {}).pop(envelope.delivery, None)
