"""Pure rendering: from parsed objects and a moment to rich renderables. Knows no client and no clock."""

from steersman.cli.view.events import EventLine, parse_events
from steersman.cli.view.status import render_status

__all__ = ["EventLine", "parse_events", "render_status"]
