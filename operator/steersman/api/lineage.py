"""Where the versions come from that serve: what a glance at the status is to tell. `steersman lineage` tells the rest."""

from __future__ import annotations

from steersman.api.meta import ApiModel, Timestamp


class DatasetLineage(ApiModel):
    """A dataset that the version's run was given."""

    name: str
    digest: str
    source_type: str = ""
    """Where it is, in a word, e.g. `s3`, `local` or `dvc`."""
    context: str = ""
    """What it was for, e.g. `training`."""


class VersionLineage(ApiModel):
    """Where one version comes from, as the registry knew when it was read."""

    version: str
    model: str
    run_id: str = ""
    source: str = ""
    """Where its artifact is."""
    git_commit: str = ""
    """Of the code that the run ran: the tag mlflow.source.git.commit."""
    datasets: list[DatasetLineage] = []
    """At most eight."""
    dvc: dict[str, str] = {}
    """Tags and parameters whose names begin with `dvc`, at most eight."""
    approvals: dict[str, str] = {}
    """The tags that say who or what approved it, at most eight."""
    read_at: Timestamp
    """When the registry was asked: once when the revision begins, and once more when it is promoted."""
    message: str = ""
    """What could not be read, and why."""


class LineageStatus(ApiModel):
    """Where the versions come from that serve."""

    stable: VersionLineage | None = None
    candidate: VersionLineage | None = None
