"""What one user asked of the API server, from its audit log."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

READS = frozenset({"get", "list"})
WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})


@dataclass(frozen=True)
class Request:
    """A request that was answered."""

    verb: str
    """get, list, watch, create, update, patch (an apply is a patch) or delete."""
    resource: str
    """Plural with the subresource, such as modeldeployments/status; `discovery` for a request about kinds."""
    code: int
    at: str
    """When the answer was complete, RFC 3339."""
    user_agent: str = ""

    @property
    def is_upkeep(self) -> bool:
        """The leader election, and the watches."""
        return self.resource == "leases" or self.verb == "watch"

    @property
    def is_event(self) -> bool:
        """A Kubernetes Event written."""
        return self.resource == "events" and self.verb in WRITES

    @property
    def is_read(self) -> bool:
        """A get or list, except of the Lease; a watch is not a read."""
        return self.verb in READS and not self.is_upkeep

    @property
    def is_write(self) -> bool:
        """Anything that changes an object, except the Lease and Events."""
        return self.verb in WRITES and not self.is_upkeep and not self.is_event


class AuditLog:
    """The audit log of a control plane, for one user only: what the kit itself does is not written down."""

    def __init__(self, folder: Path, user: str) -> None:
        self.path = folder / "audit.log"
        self._policy = folder / "audit-policy.yaml"
        policy = {
            "apiVersion": "audit.k8s.io/v1",
            "kind": "Policy",
            "omitStages": ["RequestReceived", "ResponseStarted"],
            "rules": [{"level": "Metadata", "users": [user]}, {"level": "None"}],
        }
        # JSON is YAML.
        self._policy.write_text(json.dumps(policy))

    @property
    def arguments(self) -> list[str]:
        """Flags of the API server."""
        return [
            f"--audit-policy-file={self._policy}",
            f"--audit-log-path={self.path}",
            "--audit-log-format=json",
            "--audit-log-maxsize=2000",
        ]

    def mark(self) -> int:
        """A place in the log: its present end."""
        return self.path.stat().st_size if self.path.exists() else 0

    def since(self, mark: int) -> list[Request]:
        """The requests that were answered after a mark."""
        with self.path.open("rb") as log:
            log.seek(mark)
            return parse(line for line in log.read().decode().splitlines(keepends=True) if line.endswith("\n"))


def parse(lines: Iterable[str]) -> list[Request]:
    """The requests of audit events, those that were answered."""
    found = []
    for line in lines:
        event = json.loads(line)
        if event["stage"] != "ResponseComplete":
            continue
        about = event.get("objectRef") or {}
        names = [about[part] for part in ("resource", "subresource") if about.get(part)]
        found.append(
            Request(
                verb=event["verb"],
                resource="/".join(names) or "discovery",
                code=int((event.get("responseStatus") or {}).get("code", 0)),
                at=event["stageTimestamp"],
                user_agent=event.get("userAgent", ""),
            )
        )
    return found


def by_verb_and_kind(requests: Iterable[Request]) -> Counter[tuple[str, str]]:
    """How often each (verb, resource) occurs, upkeep left out."""
    return Counter((request.verb, request.resource) for request in requests if not request.is_upkeep)
