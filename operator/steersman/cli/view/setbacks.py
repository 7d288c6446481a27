"""What keeps the revision that the spec asks for from serving: a quarantine, a rollback. And the watch that may lead to both."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from steersman.api.conditions import Reason
from steersman.api.modeldeployment import ModelDeployment
from steersman.api.status import RollbackStatus
from steersman.cli.view.advice import advice
from steersman.cli.view.analysis import render_analysis
from steersman.cli.view.text import clean, countdown, plain


def quarantine_is_rolled_back(md: ModelDeployment) -> bool:
    """Whether the quarantine says only what the rollback says: after a regression both are about the same revision."""
    quarantine, rollback = md.status.quarantine, md.status.rollback
    return quarantine is not None and rollback is not None and quarantine.revision == rollback.instead_of


def render_quarantine(md: ModelDeployment) -> RenderableType | None:
    """The revision that is not tried again, why, and how to lift it; None without one."""
    quarantine = md.status.quarantine
    if quarantine is None or quarantine_is_rolled_back(md):
        return None
    body: list[RenderableType] = [
        Text.assemble(
            (f"version {clean(quarantine.version)}", "bold red"),
            f" ({clean(quarantine.revision)}): ",
            (clean(quarantine.reason), "bold"),
        )
    ]
    body += _message(md, quarantine.message)
    hint = _advice(quarantine.reason, md)
    if hint and "steersman retry" not in hint:
        body.append(Text(f"→ {hint}", style="cyan"))
    lifted = f"it is not tried again until {_other(md)} names another version, the spec changes"
    body.append(Text(f"→ {lifted}, or you say: {_retry(md)}", style="cyan"))
    return Group(*body)


def render_rollback(md: ModelDeployment) -> RenderableType | None:
    """What serves instead of what, why, and how to go forward again; None without a rollback."""
    rollback = md.status.rollback
    if rollback is None:
        return None
    body: list[RenderableType] = [
        Text.assemble(
            (f"version {clean(rollback.version)}", "bold green"),
            f" ({clean(rollback.revision)}) {_verb(md, rollback)} instead of ",
            (clean(rollback.instead_of), "bold red"),
            ": ",
            (clean(rollback.reason), "bold"),
        )
    ]
    body += _message(md, rollback.message)
    if quarantine_is_rolled_back(md):
        body.append(plain(f"{clean(rollback.instead_of)} is quarantined"))
    lasting = f"it stays so until {_other(md)} names another version or the spec changes"
    body.append(Text(f"→ {lasting}; to go forward again: {_retry(md)}", style="cyan"))
    return Group(*body)


def render_watch(md: ModelDeployment, now: float) -> RenderableType | None:
    """The watch after a promotion; None without one."""
    watch = md.status.watch
    return render_analysis(watch.analysis, now) if watch is not None else None


def watch_note(md: ModelDeployment, now: float) -> str:
    """How long it lasts, and who would come back."""
    watch = md.status.watch
    if watch is None:
        return ""
    return f"for another {countdown(watch.until - now)}; version {clean(watch.previous_version)} comes back if it gets worse"


def _message(md: ModelDeployment, message: str) -> list[Text]:
    """A message, unless the head has shown it as part of the status' own."""
    return [plain(message)] if clean(message) and message not in md.status.message else []


def _verb(md: ModelDeployment, rollback: RollbackStatus) -> str:
    stable = md.status.stable
    return "serves" if stable is not None and stable.name == rollback.revision else "is to serve"


def _other(md: ModelDeployment) -> str:
    selector = md.spec.model
    return "the alias" if selector.alias else "the tags" if selector.tags else "spec.model.version"


def _retry(md: ModelDeployment) -> str:
    return f"steersman retry {clean(md.metadata.get('name', ''))} -n {clean(md.metadata.get('namespace', ''))}"


def _advice(reason: str, md: ModelDeployment) -> str:
    return advice(Reason(reason), md) if reason in set(Reason) else ""
