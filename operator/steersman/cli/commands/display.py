"""The two ways to show a watch: a live screen for people, lines for logs."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from steersman.api.meta import format_timestamp
from steersman.cli.commands.watch import Display, Scene
from steersman.cli.output import console
from steersman.cli.view.change import change_line, identity, summary
from steersman.cli.view.status import render_status
from steersman.cli.view.table import render_table
from steersman.cli.view.text import clean, plain


@contextlib.contextmanager
def choose_display(all_namespaces: bool) -> Iterator[Display]:
    """A live screen on a terminal, lines anywhere else."""
    out = console()
    if not out.is_terminal:
        yield Lines()
        return
    screen = Screen(out, all_namespaces)
    try:
        with screen.live:
            yield screen
    finally:
        screen.leave()


class Lines:
    """One line per change."""

    def __init__(self) -> None:
        self._last: dict[str, str] = {}
        self._trouble = ""

    def show(self, scene: Scene, now: float) -> None:
        """Print what differs from the last time."""
        for md in scene.deleted:
            self._last.pop(identity(md), None)
            print(f"{format_timestamp(now)} {identity(md)} deleted", flush=True)
        for md in scene.models.values():
            line = summary(md)
            if self._last.get(identity(md)) != line:
                self._last[identity(md)] = line
                print(change_line(md, now), flush=True)
        if scene.trouble and scene.trouble != self._trouble:
            print(f"{format_timestamp(now)} note: {clean(scene.trouble)}", flush=True)
        self._trouble = scene.trouble


class Screen:
    """The whole terminal, redrawn in place; what was shown last stays in the scrollback afterwards."""

    def __init__(self, out: Console, all_namespaces: bool) -> None:
        self._out = out
        self._all_namespaces = all_namespaces
        self._last: RenderableType | None = None
        self.live = Live(console=out, screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)

    def show(self, scene: Scene, now: float) -> None:
        """Redraw."""
        self._last = self._body(scene, now)
        clock = time.strftime("%H:%M:%S", time.localtime(now))
        head = Text(f"{clock}  Ctrl-C ends", style="dim", no_wrap=True, overflow="ellipsis")
        if scene.trouble:
            head.append(f"  {clean(scene.trouble)}", style="yellow")
        self.live.update(Group(head, self._last), refresh=True)

    def leave(self) -> None:
        """Print the last scene to the normal screen."""
        if self._last is not None:
            self._out.print(self._last)

    def _body(self, scene: Scene, now: float) -> RenderableType:
        if scene.name:
            md = scene.only
            if md is not None:
                return render_status(md, now, scene.events)
            return plain(f"{scene.name} is not there (any more)", style="yellow")
        if not scene.models:
            return Text("No ModelDeployments yet.", style="dim")
        models = [scene.models[key] for key in sorted(scene.models)]
        return render_table(models, now, namespaces=self._all_namespaces)
