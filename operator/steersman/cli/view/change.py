"""One line per change, for logs and pipes."""

from __future__ import annotations

from steersman.api.meta import format_timestamp
from steersman.api.modeldeployment import ModelDeployment
from steersman.api.status import AnalysisStatus, MeasurementPhase, RolloutStatus
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
    if status.rollout is not None:
        parts += _rollout(status.rollout)
    if status.watch is not None:
        parts += [f"watching={clean(status.watch.revision)}", *_troubled(status.watch.analysis)]
    if status.rollback is not None:
        parts.append(f"rollback={clean(status.rollback.version)} instead-of={clean(status.rollback.instead_of)}")
    if status.quarantine is not None:
        parts.append(f"quarantined={clean(status.quarantine.version)}")
    if clean(status.message):
        parts.append(f"- {clean(status.message)}")
    return " ".join(parts)


def _rollout(rollout: RolloutStatus) -> list[str]:
    parts = [f"rollout={rollout.phase.value}"]
    if rollout.fast:
        parts.append("fast")
    if rollout.header_routes:
        parts.append("header-routes=" + ",".join(clean(route.name) for route in rollout.header_routes))
    if rollout.mirror:
        parts.append(f"mirror={rollout.mirror}%")
    if rollout.experiment is not None:
        parts.append(f"baseline={clean(rollout.experiment.baseline.name)}")
    return [*parts, *_troubled(rollout.step_analysis), *_troubled(rollout.analysis)]


def _troubled(analysis: AnalysisStatus | None) -> list[str]:
    """The metrics whose latest look did not pass."""
    return [
        f"{clean(metric.name)}={metric.phase.value}"
        for metric in (analysis.metrics if analysis is not None else ())
        if metric.phase is not MeasurementPhase.PASS
    ]


def change_line(md: ModelDeployment, now: float) -> str:
    """The summary with time and name in front."""
    return f"{format_timestamp(now)} {identity(md)} {summary(md)}"


def identity(md: ModelDeployment) -> str:
    """namespace/name."""
    return f"{clean(md.metadata.get('namespace', ''))}/{clean(md.metadata.get('name', ''))}"
