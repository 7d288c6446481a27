"""The full view of one ModelDeployment, shared by `status`, `watch` and whoever else wants to show a rollout."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from steersman.api.gate_status import GatePhase
from steersman.api.modeldeployment import ModelDeployment
from steersman.api.status import Outcome, Quarantine, RollbackStatus, RolloutPhase, RolloutStatus, StrategyName
from steersman.cli.view.analysis import STAGE_NAMES, render_analysis
from steersman.cli.view.conditions import render_conditions
from steersman.cli.view.events import EventLine, render_events
from steersman.cli.view.gates import gates_table
from steersman.cli.view.health import PHASE_STYLES, observed
from steersman.cli.view.history import OUTCOME_STYLES
from steersman.cli.view.retraining import render_retraining
from steersman.cli.view.route import route
from steersman.cli.view.setbacks import render_quarantine, render_rollback, render_watch, watch_note
from steersman.cli.view.steps import StepState, step_lines
from steersman.cli.view.text import clean, human_duration, plain
from steersman.cli.view.traffic import render_traffic

STRATEGY_NAMES = {
    StrategyName.INITIAL: "First rollout",
    StrategyName.CANARY: "Canary",
    StrategyName.BLUE_GREEN: "Blue-green",
}
_STEP_STYLES = {
    StepState.DONE: "green",
    StepState.CURRENT: "bold cyan",
    StepState.NEXT: "dim",
    StepState.LEFT_OUT: "dim",
    StepState.FAILED: "magenta",
}


RECENT = 3600.0
"""Seconds for which the last manual action is shown."""


def render_status(md: ModelDeployment, now: float, events: Sequence[EventLine] = ()) -> RenderableType:
    """Everything that is known about a ModelDeployment. `now` in seconds since the epoch, events newest first."""
    conditions = render_conditions(md, now)
    watch, rollback, quarantine = render_watch(md, now), render_rollback(md), render_quarantine(md)
    training = render_retraining(md, now)
    sections = (
        _head(md, now),
        _section("Traffic", render_traffic(md, now)),
        _rollout(md, now),
        _section("Rollback", rollback, _since(now, md.status.rollback)) if rollback is not None else None,
        _section("Quarantine", quarantine, _since(now, md.status.quarantine)) if quarantine is not None else None,
        _section("Needs attention", conditions) if conditions is not None else None,
        _gates(md, now),
        _section("Watch", watch, watch_note(md, now)) if watch is not None else None,
        *_analyses(md, now),
        _last_rollout(md, now),
        _section("Retraining", training) if training is not None else None,
        _section("Events", render_events(events, now)) if events else None,
    )
    return Group(*(section for section in sections if section is not None))


def _section(title: str, body: RenderableType, note: str = "") -> RenderableType:
    head = Text.assemble((title, "bold"), (f"  {note}" if note else "", "dim"))
    return Group(Text(""), head, Padding(body, (0, 0, 0, 2)))


def _head(md: ModelDeployment, now: float) -> RenderableType:
    status = md.status
    style = PHASE_STYLES[status.phase]
    title = Text.assemble(
        (clean(md.metadata.get("name", "")), "bold"),
        ("  in ", "dim"),
        clean(md.metadata.get("namespace", "")),
        "  ",
        (f"● {status.phase.value}", style),
    )
    if status.step:
        title.append(f"  step {clean(status.step)}")
    lines: list[RenderableType] = [title]
    if clean(status.message):
        lines.append(plain(status.message))
    if status.observed_generation <= 0:
        lines.append(
            Text(
                "The operator has not looked at it yet. Does it run? kubectl get pods -A -l app.kubernetes.io/name=steersman",
                style="yellow",
            )
        )
    elif not observed(md):
        lines.append(
            Text(
                f"The operator has not seen the latest spec yet (generation {md.metadata.get('generation')}, "
                f"it acts on {status.observed_generation}).",
                style="yellow",
            )
        )
    lines.append(Text(""))
    lines.append(_model(md, now))
    return Group(*lines)


def _model(md: ModelDeployment, now: float) -> RenderableType:
    wanted, resolved = md.spec.model, md.status.model
    facts = Table.grid(padding=(0, 2, 0, 0))
    facts.add_column(style="bold", no_wrap=True)
    facts.add_column(overflow="fold")
    registry = clean(
        resolved.registry if resolved and resolved.registry else wanted.registry or "the operator's default"
    )
    selector = (
        f"version {wanted.version}"
        if wanted.version
        else f"alias {wanted.alias}"
        if wanted.alias
        else "tags " + ", ".join(f"{key}={value}" for key, value in (wanted.tags or {}).items())
    )
    if wanted.uri is not None:
        facts.add_row("Model", plain(f"version {wanted.version} from {wanted.uri}"))
        facts.add_row("Route", route(md))
        return facts
    if resolved is None:
        facts.add_row("Model", plain(f"{wanted.name}, {selector}: not resolved yet"))
        facts.add_row("Registry", registry)
        facts.add_row("Route", route(md))
        return facts
    how = "pinned in the spec" if wanted.version else f"by {clean(resolved.selector)}"
    age = human_duration(now - resolved.resolved_at)
    version = (f" version {clean(resolved.version)}", "bold")
    facts.add_row("Model", Text.assemble(clean(resolved.name), version, f", {how}, resolved {age} ago"))
    origin = [registry]
    if resolved.model_id:
        origin.append(f"model id {clean(resolved.model_id)}")
    if resolved.run_id:
        origin.append(f"run {clean(resolved.run_id)}")
    facts.add_row("Registry", Text(", ".join(origin)))
    facts.add_row("Route", route(md))
    action = md.status.action
    if action is not None and now - action.at < RECENT:
        what = f"{action.action}, {human_duration(now - action.at)} ago: {action.result}"
        facts.add_row("Action", plain(what))
    return facts


def _rollout(md: ModelDeployment, now: float) -> RenderableType | None:
    rollout = md.status.rollout
    if rollout is None:
        return None
    steps = Table.grid(padding=(0, 1, 0, 0))
    steps.add_column(no_wrap=True)
    steps.add_column(overflow="fold")
    for line in step_lines(md, now):
        style = _STEP_STYLES[line.state]
        words = Text(clean(line.label), style=style)
        if clean(line.detail):
            words = Text.assemble(words, "  ", plain(line.detail))
        steps.add_row(Text(line.state.value, style=style), words)
    return _section("Rollout", steps, f"{_kind_of(md, rollout)}, for {human_duration(now - rollout.started_at)}")


def _kind_of(md: ModelDeployment, rollout: RolloutStatus) -> str:
    version, rollback = clean(rollout.version), md.status.rollback
    if rollback is not None and rollback.revision == rollout.revision:
        return f"Rollback to version {version}, without steps"
    kind = f"{STRATEGY_NAMES[rollout.strategy]} to version {version}"
    if not rollout.fast or rollout.strategy is StrategyName.INITIAL:
        return kind
    return kind + (", without steps" if rollout.step == 0 else ", without the remaining steps")


def _last_rollout(md: ModelDeployment, now: float) -> RenderableType | None:
    if md.status.rollout is not None or not md.status.history:
        return None
    last = md.status.history[0]
    outcome = Text.assemble(
        f"version {clean(last.version)} ",
        (last.outcome.value.lower(), OUTCOME_STYLES[last.outcome]),
        f" {human_duration(now - last.ended_at)} ago, took {human_duration(last.ended_at - last.started_at)}",
    )
    body: list[RenderableType] = [outcome]
    told = [what.message for what in (md.status.quarantine, md.status.rollback) if what is not None]
    if clean(last.message) and last.message not in told and last.message not in md.status.message:
        body.append(plain(last.message, style="dim"))
    return _section("Last rollout", Group(*body))


def _analyses(md: ModelDeployment, now: float) -> list[RenderableType]:
    """The rollout's own and its current step's; of a rollout that failed, the one that decided."""
    rollout, status = md.status.rollout, md.status
    if rollout is None:
        ended = next((entry for entry in status.history if entry.outcome is not Outcome.REFUSED), None)
        failed = status.quarantine is not None or (ended is not None and ended.outcome is not Outcome.PROMOTED)
        if status.last_analysis is None or not failed:
            return []
        return [_section("Analysis", render_analysis(status.last_analysis, now), "of the last rollout")]
    if rollout.analysis is None and rollout.step_analysis is None:
        names = [template.name for template in md.spec.analysis.templates]
        soon = rollout.phase is RolloutPhase.STARTING and rollout.strategy is not StrategyName.INITIAL
        if not names or not soon or rollout.fast:
            return []
        return [_section("Analysis", Text("starts with the first request", style="dim"), clean(", ".join(names)))]
    return [
        _section("Analysis", render_analysis(analysis, now), STAGE_NAMES[analysis.stage])
        for analysis in (rollout.step_analysis, rollout.analysis)
        if analysis is not None
    ]


def _gates(md: ModelDeployment, now: float) -> RenderableType | None:
    """While they decide something: before and in a rollout, and after a refusal."""
    gates = md.status.gates
    if gates is None or not md.spec.gates:
        return None
    if gates.phase is GatePhase.PASS and md.status.rollout is None:
        return None
    note = f"of version {clean(gates.version)}, for {human_duration(now - gates.since)}"
    return _section("Gates", gates_table(gates.results, wraps=True), note)


def _since(now: float, what: Quarantine | RollbackStatus | None) -> str:
    return f"for {human_duration(now - what.since)}" if what is not None else ""
