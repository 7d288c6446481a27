"""Where output goes: consoles for people, JSON and YAML for programs, errors on stderr."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from steersman.cli.choices import Format

if TYPE_CHECKING:
    from rich.console import Console

PIPE_WIDTH = 120
"""Columns of views that are laid out over the width, when there is no terminal to ask."""
UNBOUNDED = 100_000
"""Columns of tables: nothing is wrapped nor cut off."""
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_END = re.compile(rf"(?:\s|{_COLOUR.pattern})+$")
"""Blanks that pad a line to the right, and colours among them."""


def console(*, table: bool = False) -> Console:
    """Standard output. A table gets all the width that it wants, as kubectl's do: each object is one line."""
    from rich.console import Console

    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a terminal in an old encoding shows ? for a marker
    width = UNBOUNDED if table else None if sys.stdout.isatty() else PIPE_WIDTH
    return Console(highlight=False, emoji=False, width=width)


def print_view(renderable: Any, *, table: bool = False) -> None:
    """Something rendered, to standard output, without the blanks that pad it to the right."""
    out = console(table=table)
    with out.capture() as captured:
        out.print(renderable)
    for line in captured.get().splitlines():
        print(_END.sub(lambda end: "".join(_COLOUR.findall(end.group())), line))


def print_error(message: str, hint: str = "") -> None:
    """One line on stderr, and what to do on the next."""
    from rich.console import Console
    from rich.text import Text

    from steersman.cli.view.text import clean

    err = Console(stderr=True, highlight=False, emoji=False, soft_wrap=True)
    err.print(Text.assemble(("Error: ", "bold red"), clean(message)))
    if hint:
        err.print(Text(f"  → {clean(hint)}", style="cyan"))


def print_note(message: str) -> None:
    """A remark on stderr, out of the way of the output."""
    from steersman.cli.view.text import clean

    print(clean(message), file=sys.stderr)


def print_data(data: Any, form: Format) -> None:
    """JSON or YAML with everything outside printable ASCII escaped, so that no value can reach the terminal raw."""
    if form is Format.JSON:
        print(json.dumps(data, indent=2))
        return
    import yaml

    print(yaml.safe_dump(data, sort_keys=False, default_flow_style=False), end="")


def as_list(manifests: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A v1 List, as kubectl prints several objects."""
    return {"apiVersion": "v1", "kind": "List", "items": [bare(manifest) for manifest in manifests]}


def bare(manifest: dict[str, Any]) -> dict[str, Any]:
    """A manifest without the book-keeping of field managers."""
    metadata = {key: value for key, value in manifest.get("metadata", {}).items() if key != "managedFields"}
    return {**manifest, "metadata": metadata}
