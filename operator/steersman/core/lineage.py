"""Where versions come from: what is read of the registry once for each, and what of it is kept in the status."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from steersman.api.gates import Gate
from steersman.api.lineage import DatasetLineage, LineageStatus, VersionLineage
from steersman.api.status import Outcome, RevisionStatus
from steersman.core.gates.facts import Missing, RunFacts, Unknown, VersionFacts
from steersman.core.gates.questions import LineageQuestion
from steersman.core.revision import Revision
from steersman.core.rollout.stored import is_of_registry, known
from steersman.core.rollout.turn import Turn

MOST: Final = 8
"""Datasets, approvals and DVC entries that the status holds of a version."""
LONGEST: Final = 200
"""Characters of each value."""
APPROVED_BY: Final = "approved_by"
"""The tag that says who approved a version when nothing else does."""
GIT_COMMIT: Final = "mlflow.source.git.commit"


def follow_lineage(turn: Turn, desired: Revision | None) -> None:
    """Keep status.lineage at what stable and candidate are now; ask for what is not known."""
    before = turn.status.lineage or LineageStatus()
    stable, candidate = turn.status.stable, turn.status.candidate
    found = LineageStatus(
        stable=_of(turn, before, stable, _promoted_at(turn, stable), desired) if stable is not None else None,
        candidate=_of(turn, before, candidate, 0.0, desired) if candidate is not None else None,
    )
    turn.set(lineage=found if found != LineageStatus() else None)


def _of(
    turn: Turn, before: LineageStatus, revision: RevisionStatus, since: float, desired: Revision | None
) -> VersionLineage | None:
    """What is known of a revision's version; asks when that is nothing, not all, or from before its promotion."""
    runs = known(turn, revision.name, desired)
    model = runs.model if runs is not None else turn.spec.model.name
    if turn.spec.model.name is None or model is None:
        # A model that is given by its uri comes from no registry.
        return None
    both = (entry for entry in (before.candidate, before.stable) if entry is not None)
    there = next((entry for entry in both if (entry.model, entry.version) == (model, revision.version)), None)
    if (there is not None and not there.message and there.read_at >= since) or not is_of_registry(turn, runs):
        return there
    question = LineageQuestion(model, revision.version, since)
    turn.questions.append(question)
    answer = turn.snapshot.answers.get(question)
    if isinstance(answer, VersionFacts):
        keys = approval_keys(turn.spec.gates, turn.spec.model.approval_tags)
        entry = lineage_of(answer, keys, turn.now)
    elif isinstance(answer, Missing | Unknown):
        entry = VersionLineage(version=revision.version, model=model, read_at=turn.now, message=answer.message[:500])
    else:
        return there
    if there is not None and entry.message and (entry.message == there.message or not there.message):
        # Nothing new, or less than what is known.
        return there
    return entry


def _promoted_at(turn: Turn, stable: RevisionStatus | None) -> float:
    """When stable was promoted last: approvals are often given just before."""
    for entry in turn.status.history:
        if stable is not None and entry.revision == stable.name and entry.outcome == Outcome.PROMOTED:
            return entry.ended_at
    return 0.0


def approval_keys(gates: Iterable[Gate], others: Iterable[str]) -> tuple[str, ...]:
    """The tags that say who or what approved a version: those that gates ask for, those that the spec names, and approved_by."""
    asked = [gate.tag.name for gate in gates if gate.tag is not None]
    return tuple(dict.fromkeys([*asked, *others, APPROVED_BY]))


def approvals(facts: VersionFacts, keys: Iterable[str]) -> dict[str, str]:
    """Those of the tags that the version has or, without, its run."""
    tags = {**(facts.run.tags if isinstance(facts.run, RunFacts) else {}), **facts.tags}
    return {key: tags[key] for key in keys if key in tags}


def dvc_entries(facts: VersionFacts) -> dict[str, str]:
    """What says which state of the data DVC had: tags and parameters whose names begin with `dvc`."""
    run = facts.run if isinstance(facts.run, RunFacts) else RunFacts()
    every = {**run.params, **run.tags, **facts.tags}
    return {key: value for key, value in sorted(every.items()) if key.lower().startswith("dvc")}


def git_commit(facts: VersionFacts) -> str:
    """Of the code that the run ran; empty when nobody said."""
    run = facts.run if isinstance(facts.run, RunFacts) else RunFacts()
    return run.tags.get(GIT_COMMIT) or facts.tags.get(GIT_COMMIT, "")


def lineage_of(facts: VersionFacts, keys: Iterable[str], now: float) -> VersionLineage:
    """What the status holds of a version."""
    run = facts.run if isinstance(facts.run, RunFacts) else RunFacts()
    return VersionLineage(
        version=facts.version,
        model=facts.model,
        run_id=facts.run_id[:LONGEST],
        source=facts.source[:LONGEST],
        git_commit=git_commit(facts)[:LONGEST],
        datasets=[
            DatasetLineage(
                name=each.name[:LONGEST],
                digest=each.digest[:LONGEST],
                source_type=each.source_type[:LONGEST],
                context=each.context[:LONGEST],
            )
            for each in run.datasets[:MOST]
        ],
        dvc=_few(dvc_entries(facts)),
        approvals=_few(approvals(facts, keys)),
        read_at=now,
        message=facts.run.message[:500] if isinstance(facts.run, Unknown) else "",
    )


def _few(entries: Mapping[str, str]) -> dict[str, str]:
    return {key[:LONGEST]: value[:LONGEST] for key, value in list(entries.items())[:MOST]}
