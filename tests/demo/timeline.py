"""The decisions of a run in order: what the user did, and what the operator made of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from demo.observe import Observations, distinct_weights
from demo.scenario import Action


@dataclass(frozen=True)
class Decision:
    """One moment at which somebody decided something."""

    at: float
    """Seconds since the epoch."""
    by: str
    """`user` or `operator`."""
    kind: str
    """`deploy`, `release`, `strategy`, `weight`, `promoted`, `aborted`, `cancelled` or `superseded`."""
    version: str
    text: str
    reason: str = ""


@dataclass(frozen=True)
class Rollout:
    """A rollout that ended, from the ModelDeployment's history."""

    version: str
    strategy: str
    outcome: str
    reason: str
    message: str
    started_at: float
    decided_at: float
    """When its outcome was first seen in the status."""
    ended_at: float


def timestamp(text: str) -> float:
    """Seconds since the epoch of an RFC 3339 time."""
    return datetime.fromisoformat(text).timestamp()


def rollouts(seen: Observations) -> list[Rollout]:
    """All rollouts that ended, oldest first."""
    decided: dict[tuple[str, str], float] = {}
    ended: dict[tuple[str, str], Rollout] = {}
    for observation in seen.deployments:
        rollout = observation.status.get("rollout") or {}
        if rollout.get("outcome"):
            decided.setdefault((rollout["revision"], rollout["startedAt"]), observation.at)
        for entry in observation.status.get("history", []):
            key = entry["revision"], entry["startedAt"]
            ended_at = timestamp(entry["endedAt"])
            ended.setdefault(
                key,
                Rollout(
                    entry["version"],
                    entry["strategy"],
                    entry["outcome"],
                    entry["reason"],
                    entry["message"],
                    timestamp(entry["startedAt"]),
                    decided.get(key, ended_at),
                    ended_at,
                ),
            )
    return sorted(ended.values(), key=lambda rollout: rollout.ended_at)


def decisions(seen: Observations, actions: Sequence[Action]) -> list[Decision]:
    """Everything that was decided, in order."""
    found = [Decision(action.at, "user", action.kind, action.version, action.text) for action in actions]
    for route in distinct_weights(seen.routes):
        newest = max(route.weights, key=int, default="")
        split = ", ".join(f"v{version} {weight} %" for version, weight in sorted(route.weights.items()))
        found.append(Decision(route.at, "operator", "weight", newest, split or "no traffic"))
    for rollout in rollouts(seen):
        outcome = rollout.outcome.lower()
        reason = f"{rollout.reason}: {rollout.message}" if rollout.message else rollout.reason
        found.append(
            Decision(rollout.decided_at, "operator", outcome, rollout.version, f"v{rollout.version} {outcome}", reason)
        )
    return sorted(found, key=lambda decision: decision.at)
