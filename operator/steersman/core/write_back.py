"""What is to be written to the registry: a function of the history, of what is stable, and of what is written already.

So nothing is lost when the registry is down or the process dies, and saying something twice changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from steersman.api.conditions import Reason
from steersman.api.meta import format_timestamp
from steersman.api.status import HistoryEntry, Outcome
from steersman.api.write_back import TAG_PREFIX, WriteBackStatus, WrittenOutcome
from steersman.core.revision import Revision
from steersman.core.rollout.stored import is_of_registry, known
from steersman.core.rollout.turn import Turn
from steersman.core.snapshot import Problem
from steersman.core.writes import AliasWrite, RegistryWrite, TagWrite

REGRESSED: Final = "Regressed"
"""Outcome of a version that was promoted and got worse then."""
EVIDENCE_LIMIT: Final = 500
"""Characters of a tag's value; MLflow takes ten times as many."""
METRICS_SHOWN: Final = 5


@dataclass(frozen=True)
class _Told:
    """What came of a version, as its tags are to say it."""

    version: str
    outcome: str
    reason: str
    evidence: str
    at: float

    @property
    def record(self) -> WrittenOutcome:
        return WrittenOutcome(version=self.version, outcome=self.outcome, at=self.at)


def write_back(turn: Turn, desired: Revision | None) -> tuple[RegistryWrite, ...]:
    """Take over what was written, and say what is still to be."""
    wanted, registry = turn.spec.model.write_back, turn.snapshot.registry
    if wanted is None:
        turn.set(write_back=None)
        return ()
    if isinstance(registry, Problem):
        return ()
    status = _with_results(turn, _known(turn, registry.url, desired))
    writes: list[RegistryWrite] = []
    if wanted.tags:
        before = {each.version: each for each in status.tags}
        told = _told(turn, status)
        kept = [before[each.version] for each in told if each.version in before]
        status = status.model_copy(update={"tags": kept})
        writes += [_tags(turn, registry.url, each) for each in told if before.get(each.version) != each.record]
    stable, alias = _stable_version(turn, desired), wanted.promoted_alias
    if alias is not None and stable is not None and (status.alias, status.alias_version) != (alias, stable):
        writes.append(AliasWrite(registry.url, status.model, stable, alias))
    update = {"pending": len(writes)} | ({} if writes else {"message": ""})
    turn.set(write_back=status.model_copy(update=update))
    return tuple(writes)


def _known(turn: Turn, url: str, desired: Revision | None) -> WriteBackStatus:
    """What is written of this model in this registry; of another nothing is. Says which of the history's revisions are of it."""
    status, model = turn.status.write_back, turn.spec.model.name
    if status is None or (status.registry, status.model) != (url, model):
        status = WriteBackStatus(registry=url, model=model)
    names = dict.fromkeys(entry.revision for entry in turn.status.history)
    # A revision that gates refused has no snapshot: once the spec asks for another, it is known from here.
    ours = [n for n in names if n in status.revisions or is_of_registry(turn, known(turn, n, desired))]
    return status.model_copy(update={"revisions": ours})


def _with_results(turn: Turn, status: WriteBackStatus) -> WriteBackStatus:
    """The status with what was done since."""
    tags, update = {each.version: each for each in status.tags}, dict[str, object]()
    for write, trouble in turn.snapshot.written.items():
        if (write.registry, write.model) != (status.registry, status.model):
            continue
        if trouble is not None:
            update["message"] = trouble
        elif isinstance(write, AliasWrite):
            update |= {"alias": write.alias, "alias_version": write.version}
        else:
            tags[write.version] = WrittenOutcome(version=write.version, outcome=write.outcome, at=write.at)
    if (message := update.get("message")) and message != status.message:
        turn.event(Reason.WRITE_BACK_FAILED, f"the registry was not written to, and will be: {message}", warning=True)
    return status.model_copy(update={**update, "tags": list(tags.values())})


def _told(turn: Turn, status: WriteBackStatus) -> tuple[_Told, ...]:
    """What came of each version: the latest of its rollouts that the history holds.

    Of the version that serves it is its promotion: what failed since was not the version, but other settings of its pods.
    """
    stable = turn.status.stable
    entries = [entry for entry in turn.status.history if entry.revision in status.revisions]
    serving = [e for e in entries if stable is not None and e.revision == stable.name and e.outcome == Outcome.PROMOTED]
    found: dict[str, _Told] = {}
    for entry in (*serving[:1], *entries):
        if entry.version not in found:
            found[entry.version] = _of(turn, entry)
    return tuple(found.values())


def _stable_version(turn: Turn, desired: Revision | None) -> str | None:
    stable = turn.status.stable
    if stable is None or not is_of_registry(turn, known(turn, stable.name, desired)):
        return None
    return stable.version


def _of(turn: Turn, entry: HistoryEntry) -> _Told:
    outcome, reason, evidence = str(entry.outcome), entry.reason, entry.message
    if entry.outcome == Outcome.PROMOTED:
        reason = ""
        evidence = _measured(turn, entry) or entry.message
        if entry.regressed:
            quarantine = turn.status.quarantine
            outcome, reason = REGRESSED, str(Reason.REGRESSION)
            if quarantine is not None and quarantine.revision == entry.revision:
                evidence = quarantine.message
    return _Told(entry.version, outcome, reason, evidence[:EVIDENCE_LIMIT], entry.ended_at)


def _measured(turn: Turn, entry: HistoryEntry) -> str:
    """What the analysis of a rollout saw, while it is the last one."""
    analysis = turn.status.last_analysis
    if analysis is None or not entry.started_at <= analysis.started_at <= entry.ended_at:
        return ""
    shown = [f"{metric.name} {metric.phase}: {metric.message}" for metric in analysis.metrics[:METRICS_SHOWN]]
    more = len(analysis.metrics) - len(shown)
    return "; ".join([*shown, *([f"and {more} more"] if more > 0 else [])])


def _tags(turn: Turn, registry: str, told: _Told) -> TagWrite:
    where = "/".join(part for part in (turn.snapshot.cluster, turn.namespace, turn.name) if part)
    # Last the outcome: who reads it finds the rest.
    values = {
        "reason": told.reason,
        "evidence": told.evidence,
        "at": format_timestamp(told.at),
        "outcome": told.outcome,
    }
    return TagWrite(
        registry,
        turn.spec.model.title,
        told.version,
        told.outcome,
        told.at,
        tuple((f"{TAG_PREFIX}{where}/{field}", value) for field, value in values.items()),
    )
