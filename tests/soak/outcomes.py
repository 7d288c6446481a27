"""What became of one request, as far as its sender can tell."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

VERSION_HEADER = "x-steersman-model-version"
INJECTED_HEADER = "x-injected"
"""Set by the test's model server on a failure that its behaviour asked for; no proxy ever sets it."""


class Outcome(StrEnum):
    """The name of a request's end."""

    OK = "ok"
    """200 from a model, its body as expected."""
    MODEL = "model"
    """500 that the model made on purpose: the only failure that is not lost."""
    SERVER = "server"
    """Another 5xx of a model's server."""
    GATEWAY = "gateway"
    """5xx that no model sent: the gateway found nobody to answer."""
    REFUSED = "refused"
    """Any other status: no route matched, or nobody expects it."""
    CLOSED = "closed"
    """The connection was refused, reset or closed before the answer was complete."""
    TIMEOUT = "timeout"
    GARBLED = "garbled"
    """No HTTP/1.1 answer with a length, or a 200 that is not the named version's."""


LOST = frozenset(Outcome) - {Outcome.OK, Outcome.MODEL}
"""What must not happen."""


@dataclass(frozen=True)
class Response:
    """An answer: status, header fields in lower case, body."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def version(self) -> str:
        """Model version that answered; empty when no model did."""
        return self.headers.get(VERSION_HEADER, "")


def outcome_of(response: Response) -> Outcome:
    """Name an answer. The test's model server answers with its version as the body."""
    if response.status == 200:
        return Outcome.OK if response.version and response.body == response.version.encode() else Outcome.GARBLED
    if response.status < 500:
        return Outcome.REFUSED
    if not response.version:
        return Outcome.GATEWAY
    return Outcome.MODEL if response.status == 500 and INJECTED_HEADER in response.headers else Outcome.SERVER
