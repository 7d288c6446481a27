"""Who serves: the revisions with their pods and their shares of the traffic, and what is sent apart from the shares."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from steersman.api.conditions import ConditionStatus, ConditionType
from steersman.api.modeldeployment import ModelDeployment
from steersman.api.status import RevisionStatus, StrategyName
from steersman.cli.view.step_words import matches
from steersman.cli.view.text import countdown, plain

BAR_WIDTH = 20


def weight_bar(weight: int, style: str, width: int = BAR_WIDTH) -> Text:
    """A share in percent as a bar; a share above zero shows at least one cell, one below 100 leaves one empty."""
    filled = round(weight * width / 100)
    if 0 < weight < 100:
        filled = min(max(filled, 1), width - 1)
    return Text.assemble(("█" * filled, style), ("░" * (width - filled), "dim"))


def render_traffic(md: ModelDeployment, now: float) -> RenderableType:
    """Stable, candidate, an experiment's baseline and retiring revisions; header routes, mirror and affinity in force."""
    status = md.status
    weights = {share.revision: share.weight for share in status.weights}
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    for role, revision, style in _serving(md):
        weight = weights.get(revision.name, 0)
        table.add_row(
            Text(role, style=style),
            plain(revision.name),
            _pods(revision),
            weight_bar(weight, style),
            Text(f"{weight:>3} %", style="bold"),
        )
    warm = status.watch.previous if status.watch is not None else ""
    for retiring in status.retiring:
        left = retiring.scale_down_at - now
        if retiring.revision == warm:
            role, when = "warm", f"kept for {countdown(left)}"
        else:
            role, when = "retiring", f"pods go in {countdown(left)}" if left > 0 else "pods go now"
        table.add_row(
            Text(role, style="dim"), plain(retiring.revision), Text(""), Text(when, style="dim"), Text("  0 %")
        )
    lines: list[RenderableType] = [table] if table.row_count else [Text("nothing serves yet", style="yellow")]
    apart = _apart(md)
    if apart is not None:
        lines.append(apart)
    if table.row_count and not _applied(md):
        lines.append(Text("the route does not carry these weights yet", style="yellow"))
    return Group(*lines)


def _serving(md: ModelDeployment) -> list[tuple[str, RevisionStatus, str]]:
    """Role, revision and colour of all that take part in the split."""
    status = md.status
    rollout = status.rollout
    blue_green = rollout is not None and rollout.strategy is StrategyName.BLUE_GREEN
    experiment = rollout.experiment if rollout is not None else None
    found = (
        ("active" if blue_green else "stable", status.stable, "green"),
        ("preview" if blue_green else "candidate", status.candidate, "cyan"),
        ("baseline", experiment.baseline if experiment is not None else None, "blue"),
    )
    return [(role, revision, style) for role, revision, style in found if revision is not None]


def _apart(md: ModelDeployment) -> RenderableType | None:
    """Requests that the candidate gets whatever the weights; None when there are none."""
    rollout, canary = md.status.rollout, md.spec.strategy.canary
    if rollout is None:
        return None
    facts = Table.grid(padding=(0, 2, 0, 0))
    facts.add_column(no_wrap=True, style="cyan")
    facts.add_column(overflow="fold")
    for route in rollout.header_routes:
        facts.add_row(plain(f"header route {route.name}"), plain(f"{matches(route.match)}: to the candidate"))
    if rollout.mirror:
        share = "every request" if rollout.mirror == 100 else f"{rollout.mirror} % of the requests"
        facts.add_row("mirror", f"the candidate gets a copy of {share}")
    affinity = canary.session_affinity if canary is not None else None
    if affinity is not None and 0 < md.status.candidate_weight < 100:
        facts.add_row("affinity", plain(f"clients stay with the candidate by the cookie {affinity.cookie_name}"))
    return facts if facts.row_count else None


def _pods(revision: RevisionStatus) -> Text:
    enough = revision.available_replicas >= revision.replicas
    return Text(f"{revision.available_replicas}/{revision.replicas} pods", style="" if enough else "yellow")


def _applied(md: ModelDeployment) -> bool:
    """Whether the routing object carries the intended weights, as far as the operator says."""
    return all(
        condition.status is ConditionStatus.TRUE
        for condition in md.status.conditions
        if condition.type is ConditionType.TRAFFIC_ROUTED
    )
