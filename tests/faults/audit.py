"""What the API server itself has on record about who wrote what and when: its audit log."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from faults.requestinfo import WRITES


@dataclass(frozen=True)
class Write:
    """A write that reached the API server."""

    at: float
    """When it arrived, seconds since the epoch."""
    by: str
    """The User-Agent; that of a proxied request ends with the proxy's name."""
    verb: str
    resource: str
    """With the subresource, such as `modeldeployments/status`."""
    name: str
    code: int
    """The answer."""


class AuditLog:
    """Give `arguments` to the API server; then `writes` reads the log."""

    def __init__(self, folder: Path) -> None:
        """The policy and the log are files in `folder`."""
        self._log = folder / "audit.log"
        policy = folder / "audit-policy.json"
        content = {
            "apiVersion": "audit.k8s.io/v1",
            "kind": "Policy",
            "omitStages": ["RequestReceived"],
            "rules": [{"level": "Metadata", "verbs": sorted(WRITES)}, {"level": "None"}],
        }
        policy.write_text(json.dumps(content))
        # Blocking: what was answered is in the log.
        self.arguments = [
            f"--audit-policy-file={policy}",
            f"--audit-log-path={self._log}",
            "--audit-log-mode=blocking",
        ]

    def writes(self, by: str, since: float = 0.0) -> list[Write]:
        """Writes that came through the proxy of this name and arrived after a moment, in order of arrival."""
        lines = self._log.read_text().splitlines(keepends=True)
        found = [_write(json.loads(line)) for line in lines if line.endswith("\n")]
        return sorted(
            (write for write in found if write.by.endswith(f" by {by}") and write.at > since),
            key=lambda write: write.at,
        )

    def work(self, by: str, since: float = 0.0) -> list[Write]:
        """As `writes`, without the Lease: what only a leader may do."""
        return [write for write in self.writes(by, since) if write.resource != "leases"]


def _write(event: dict[str, object]) -> Write:
    about = event.get("objectRef") or {}
    answer = event.get("responseStatus") or {}
    assert isinstance(about, dict)
    assert isinstance(answer, dict)
    resource = about.get("resource", "")
    if about.get("subresource"):
        resource += f"/{about['subresource']}"
    return Write(
        at=datetime.fromisoformat(str(event["requestReceivedTimestamp"])).timestamp(),
        by=str(event.get("userAgent", "")),
        verb=str(event["verb"]),
        resource=resource,
        name=about.get("name", ""),
        code=answer.get("code", 0),
    )
