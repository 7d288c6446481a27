"""One line per change, for logs and pipes."""

from __future__ import annotations

from steersman.api.meta import format_timestamp
from steersman.api.modeldeployment import ModelDeployment
from steersman.api.status import MeasurementPhase
from steersman.cli.view.health import observed
from steersman.cli.view.text import clean


def summary(md: ModelDeployment) -> str:
    """What a reader of a log wants to know of one state; two states with the same summary are no change."""
    status = md.status
    parts = [status.phase.value]
    if not observed(md):
        parts.append("spec=unseen")
    if status.stable is not None:
        parts.append(f"stable={clean(status.stable.version)}")
    if status.candidate is not None:
        parts.append(f"candidate={clean(status.candidate.version)} weight={status.candidate_weight}%")
    if status.step:
        parts.append(f"step={clean(status.step)}")
    if status.ready:
        parts.append(f"ready={clean(status.ready)}")
    rollout = status.rollout
    if rollout is not None:
        parts.append(f"rollout={rollout.phase.value}")
        if rollout.analysis is not None:
            parts += [
                f"{clean(metric.name)}={metric.phase.value}"
                for metric in rollout.analysis.metrics
                if metric.phase is not MeasurementPhase.PASS
            ]
    if status.quarantine is not None:
        parts.append(f"quarantined={clean(status.quarantine.version)}")
    if clean(status.message):
        parts.append(f"- {clean(status.message)}")
    return " ".join(parts)


def change_line(md: ModelDeployment, now: float) -> str:
    """The summary with time and name in front."""
    return f"{format_timestamp(now)} {identity(md)} {summary(md)}"


def identity(md: ModelDeployment) -> str:
    """namespace/name."""
    return f"{clean(md.metadata.get('namespace', ''))}/{clean(md.metadata.get('name', ''))}"
