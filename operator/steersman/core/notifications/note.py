"""One thing to tell, and the words for it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from steersman.api.conditions import Reason
from steersman.api.notification_status import PendingNotification
from steersman.api.notifications import PLACEHOLDERS, NotificationContent

LINES: Final = 20
"""Most events that a summary lists; the others are counted."""
_PLACEHOLDER = re.compile(rf"\{{\{{ ?({'|'.join(PLACEHOLDERS)}) ?\}}\}}")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_SUCCESSES: Final = frozenset({Reason.PROMOTED, Reason.WATCH_ENDED})


@dataclass(frozen=True)
class Note:
    """An event of a ModelDeployment, as a target hears of it."""

    ids: tuple[str, ...]
    """In the status; a repeat that is told with it brings its own."""
    namespace: str
    deployment: str
    model: str
    revision: str
    reason: str
    message: str
    severity: str
    """info, success or warning."""
    at: float
    """Seconds since the epoch."""
    times: int = 1
    """How often it happened, when it is told once for all."""

    @property
    def same(self) -> tuple[str, ...]:
        """Notes with equal ones are repeats of each other."""
        return self.namespace, self.deployment, self.reason, self.message


@dataclass(frozen=True)
class Words:
    """A message as it is sent: plain text."""

    title: str
    body: str
    severity: str


def notes(manifest: Mapping[str, Any], pending: Sequence[PendingNotification]) -> Iterator[Note]:
    """What a ModelDeployment has to tell."""
    metadata, spec = manifest["metadata"], manifest.get("spec") or {}
    model = str((spec.get("model") or {}).get("name", ""))
    for each in pending:
        message = each.message
        if each.left_out:
            message += f" ({each.left_out} earlier notifications had to be left out)"
        severity = "warning" if each.warning else "success" if each.reason in _SUCCESSES else "info"
        yield Note(
            (each.id,),
            metadata["namespace"],
            metadata["name"],
            model,
            each.revision,
            each.reason,
            message,
            severity,
            each.at,
        )


def words(note: Note, target: NotificationContent, cluster: str) -> Words:
    """A note in a target's own words. Every value is put in as it is, and never looked at for placeholders again."""
    values = {
        "namespace": note.namespace,
        "deployment": note.deployment,
        "reason": note.reason,
        "message": _counted(note),
        "severity": note.severity,
        "time": _moment(note.at),
        "model": note.model,
        "revision": note.revision,
        "cluster": cluster,
    }

    def filled(text: str) -> str:
        return _CONTROL.sub(" ", _PLACEHOLDER.sub(lambda match: values[match[1]], text))

    # A title is a header somewhere: of an e-mail, say.
    return Words(" ".join(filled(target.title).split()), filled(target.body).strip(), note.severity)


def summary(batch: Sequence[Note], counted: Sequence[Note], cluster: str) -> Words:
    """Many notes in one message; those of `counted` only as a number."""
    more = sum(note.times for note in counted)
    count = sum(note.times for note in batch) + more
    listed = [
        f"{_moment(note.at)} {note.namespace}/{note.deployment} {note.reason}: {_counted(note)}"
        for note in batch[:LINES]
    ]
    unlisted = more + sum(note.times for note in batch[LINES:])
    if unlisted:
        listed.append(f"and {unlisted} more")
    severity = "warning" if any(note.severity == "warning" for note in batch) else "info"
    where = f" in {cluster}" if cluster else ""
    return Words(f"{count} more events{where}", _CONTROL.sub(" ", "\n".join(listed)), severity)


def _counted(note: Note) -> str:
    return note.message if note.times == 1 else f"{note.message} ({note.times} times)"


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
