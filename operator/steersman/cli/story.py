"""What is known of one version, put together: what the registry says, and every decision that the status remembers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from steersman.api.conditions import ConditionStatus, ConditionType
from steersman.api.gate_status import GateResult
from steersman.api.lineage import VersionLineage
from steersman.api.meta import format_timestamp
from steersman.api.modeldeployment import ModelDeployment
from steersman.api.status import Outcome
from steersman.api.write_back import TAG_PREFIX
from steersman.core.gates.facts import Dataset, Missing, RunFacts, Unknown, VersionFacts
from steersman.core.lineage import approval_keys, approvals, dvc_entries, git_commit

_OURS: Final = re.compile(rf"{re.escape(TAG_PREFIX)}(?P<where>.+)/(?P<field>outcome|reason|evidence|at)")


@dataclass(frozen=True)
class Happening:
    """Something that happened to a version."""

    at: float
    """Seconds since the epoch."""
    what: str


@dataclass(frozen=True)
class Story:
    """Everything that is known of one version."""

    deployment: str
    """namespace/name"""
    model: str
    version: str
    role: str
    """stable, candidate, quarantined or, of another, nothing."""
    trouble: str = ""
    """Why the registry's part is missing or not whole."""
    run_id: str = ""
    run: RunFacts = field(default_factory=RunFacts)
    source: str = ""
    git_commit: str = ""
    repository: str = ""
    datasets: tuple[Dataset, ...] = ()
    dvc: Mapping[str, str] = field(default_factory=dict)
    approvals: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    """Of the version, less approvals and what Steersman wrote."""
    elsewhere: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """What Steersman wrote of it, by the deployment's place."""
    gates: tuple[GateResult, ...] = ()
    timeline: tuple[Happening, ...] = ()

    def as_data(self) -> dict[str, Any]:
        """For programs."""
        return {
            "deployment": self.deployment,
            "model": self.model,
            "version": self.version,
            "role": self.role or None,
            "trouble": self.trouble or None,
            "runId": self.run_id or None,
            "runName": self.run.name or None,
            "user": self.run.user or None,
            "source": self.source or None,
            "gitCommit": self.git_commit or None,
            "repository": self.repository or None,
            "datasets": [
                {
                    "name": each.name,
                    "digest": each.digest,
                    "sourceType": each.source_type,
                    "source": each.source,
                    "context": each.context,
                }
                for each in self.datasets
            ],
            "dvc": dict(self.dvc),
            "parameters": dict(self.run.params),
            "metrics": dict(self.run.metrics),
            "approvals": dict(self.approvals),
            "tags": dict(self.tags),
            "writtenBack": {where: dict(said) for where, said in self.elsewhere.items()},
            "gates": [gate.to_wire() for gate in self.gates],
            "timeline": [{"at": format_timestamp(each.at), "what": each.what} for each in self.timeline],
        }


def story_of(md: ModelDeployment, version: str, facts: VersionFacts | Missing | Unknown) -> Story:
    """What is known of a version: of the registry now or, without it, of what the status remembers of it."""
    known: dict[str, Any] = _of_status(md, version)
    if isinstance(facts, VersionFacts):
        known = _of_registry(md, facts)
    else:
        known["trouble"] = facts.message
    gates = md.status.gates
    return Story(
        deployment=f"{md.metadata.get('namespace', '')}/{md.metadata.get('name', '')}",
        model=md.spec.model.title,
        version=version,
        role=_role(md, version),
        gates=tuple(gates.results) if gates is not None and gates.version == version else (),
        timeline=tuple(sorted(_timeline(md, version, facts), key=lambda each: each.at)),
        **known,
    )


def _of_registry(md: ModelDeployment, facts: VersionFacts) -> dict[str, Any]:
    run = facts.run if isinstance(facts.run, RunFacts) else RunFacts()
    approved = approvals(facts, approval_keys(md.spec.gates, md.spec.model.approval_tags))
    written: dict[str, dict[str, str]] = {}
    for key, value in facts.tags.items():
        if (ours := _OURS.fullmatch(key)) is not None:
            written.setdefault(ours["where"], {})[ours["field"]] = value
    return {
        "trouble": facts.run.message if isinstance(facts.run, Missing | Unknown) else "",
        "run_id": facts.run_id,
        "run": run,
        "source": facts.source,
        "git_commit": git_commit(facts),
        "repository": run.tags.get("mlflow.source.git.repoURL", ""),
        "datasets": run.datasets,
        "dvc": dvc_entries(facts),
        "approvals": approved,
        "tags": {k: v for k, v in facts.tags.items() if k not in approved and not _OURS.fullmatch(k)},
        "elsewhere": written,
    }


def _of_status(md: ModelDeployment, version: str) -> dict[str, Any]:
    lineage = md.status.lineage
    both: tuple[VersionLineage | None, ...] = (lineage.candidate, lineage.stable) if lineage is not None else ()
    there = next((entry for entry in both if entry is not None and entry.version == version), None)
    if there is None:
        return {}
    return {
        "run_id": there.run_id,
        "source": there.source,
        "git_commit": there.git_commit,
        "datasets": tuple(
            Dataset(each.name, each.digest, each.source_type, "", each.context) for each in there.datasets
        ),
        "dvc": there.dvc,
        "approvals": there.approvals,
    }


def _role(md: ModelDeployment, version: str) -> str:
    status = md.status
    roles = {"stable": status.stable, "candidate": status.candidate, "quarantined": status.quarantine}
    return next((role for role, there in roles.items() if there is not None and there.version == version), "")


def _timeline(md: ModelDeployment, version: str, facts: VersionFacts | Missing | Unknown) -> Iterator[Happening]:
    status = md.status
    if isinstance(facts, VersionFacts):
        run = facts.run if isinstance(facts.run, RunFacts) else RunFacts()
        by = f" by {run.user}" if run.user else ""
        if run.started_at is not None:
            yield Happening(run.started_at, f"run {run.name or facts.run_id} began{by}")
        if run.ended_at is not None:
            yield Happening(run.ended_at, f"run {run.name or facts.run_id} ended")
        if facts.created_at is not None:
            yield Happening(facts.created_at, f"registered as version {version}")
    if status.model is not None and status.model.version == version:
        yield Happening(status.model.resolved_at, f"named by {status.model.selector}")
    if status.gates is not None and status.gates.version == version:
        yield Happening(status.gates.since, f"gates: {status.gates.phase} ({len(status.gates.results)} in all)")
    for entry in status.history:
        if entry.version == version:
            if entry.outcome != Outcome.REFUSED:
                yield Happening(entry.started_at, f"rollout of {entry.revision} by {entry.strategy} began")
            why = f" ({entry.reason})" if entry.reason and entry.reason != str(entry.outcome) else ""
            worse = "; it got worse afterwards" if entry.regressed else ""
            yield Happening(entry.ended_at, f"{entry.outcome}{why}: {entry.message}{worse}")
    rollout = status.rollout
    if rollout is not None and rollout.version == version:
        yield Happening(
            rollout.started_at, f"rollout of {rollout.revision} by {rollout.strategy} began: it is under way"
        )
    if status.quarantine is not None and status.quarantine.version == version:
        yield Happening(
            status.quarantine.since, f"quarantined ({status.quarantine.reason}): {status.quarantine.message}"
        )
    if status.rollback is not None and status.rollback.version == version:
        yield Happening(
            status.rollback.since, f"brought back instead of {status.rollback.instead_of}: {status.rollback.message}"
        )
    yield from _retrainings(md, version)
    drifts = {ConditionType.DATA_DRIFT: "data drift", ConditionType.CONCEPT_DRIFT: "concept drift"}
    for condition in status.conditions if status.stable is not None and status.stable.version == version else ():
        if condition.type in drifts and condition.status == ConditionStatus.TRUE:
            yield Happening(condition.last_transition_time, f"{drifts[condition.type]} is seen: {condition.message}")
    if status.action is not None and status.model is not None and status.model.version == version:
        # The annotation has no user; the API server's audit log has.
        yield Happening(status.action.at, f"somebody said {status.action.action}: {status.action.result}")


def _retrainings(md: ModelDeployment, version: str) -> Iterator[Happening]:
    """Those that made the version, and those that were begun while it was stable."""
    status = md.status.retraining
    if status is None:
        return
    for entry in status.history:
        why = f"{entry.id} ({entry.trigger}: {entry.reason})"
        if entry.version == version:
            yield Happening(entry.started_at, f"retraining {why} began, which made it")
        elif entry.stable_version == version:
            yield Happening(entry.started_at, f"retraining {why} began")
            yield Happening(entry.ended_at, f"retraining {entry.id} {entry.outcome}: {entry.message}")
    run = status.current
    if run is not None and run.stable_version == version:
        yield Happening(run.started_at, f"retraining {run.id} ({run.trigger}: {run.reason}) began: it is under way")
