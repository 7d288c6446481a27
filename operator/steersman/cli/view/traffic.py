"""Who serves: the revisions with their pods and their shares of the traffic."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from steersman.api.conditions import ConditionStatus, ConditionType
from steersman.api.modeldeployment import ModelDeployment
from steersman.api.status import RevisionStatus, StrategyName
from steersman.cli.view.text import clean, countdown, plain

BAR_WIDTH = 20


def weight_bar(weight: int, style: str, width: int = BAR_WIDTH) -> Text:
    """A share in percent as a bar; a share above zero shows at least one cell, one below 100 leaves one empty."""
    filled = round(weight * width / 100)
    if 0 < weight < 100:
        filled = min(max(filled, 1), width - 1)
    return Text.assemble(("█" * filled, style), ("░" * (width - filled), "dim"))


def render_traffic(md: ModelDeployment, now: float) -> RenderableType:
    """Stable, candidate and retiring revisions."""
    status = md.status
    weights = {share.revision: share.weight for share in status.weights}
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    blue_green = status.rollout is not None and status.rollout.strategy is StrategyName.BLUE_GREEN
    for role, revision, style in (
        ("active" if blue_green else "stable", status.stable, "green"),
        ("preview" if blue_green else "candidate", status.candidate, "cyan"),
    ):
        if revision is None:
            continue
        weight = weights.get(revision.name, 0)
        table.add_row(
            Text(role, style=style),
            plain(revision.name),
            _pods(revision),
            weight_bar(weight, style),
            Text(f"{weight:>3} %", style="bold"),
        )
    for retiring in status.retiring:
        left = retiring.scale_down_at - now
        when = f"pods go in {countdown(left)}" if left > 0 else "pods go now"
        table.add_row(
            Text("retiring", style="dim"), plain(retiring.revision), Text(""), Text(when, style="dim"), Text("  0 %")
        )
    lines: list[RenderableType] = [table] if table.row_count else [Text("nothing serves yet", style="yellow")]
    if table.row_count and not _applied(md):
        lines.append(Text("the route does not carry these weights yet", style="yellow"))
    return Group(*lines)


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


def route(md: ModelDeployment) -> str:
    """How requests come in, in words."""
    gateway = md.spec.traffic.gateway_api
    name = clean(md.metadata.get("name", ""))
    if gateway is None:
        return f"Service {name}"
    parents = ", ".join(
        "/".join(part for part in (clean(parent.namespace or ""), clean(parent.name)) if part)
        for parent in gateway.parent_refs
    )
    hosts = ", ".join(clean(host) for host in gateway.hostnames)
    return f"HTTPRoute {name} on Gateway {parents}" + (f" for {hosts}" if hosts else "")
