"""Where a version comes from, as a tree."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rich.text import Text
from rich.tree import Tree

from steersman.cli.story import Story
from steersman.cli.view.gates import gate_line
from steersman.cli.view.text import LONGEST_CELL, clean, human_duration, number

MOST = 50
"""Entries of a branch; -o json has all."""


def render_story(story: Story, now: float) -> Tree:
    """Run, code, data, parameters, metrics, approvals, gates, and the decisions in order."""
    role = f", {story.role}" if story.role else ""
    tree = Tree(Text(f"{clean(story.model)} version {clean(story.version)} of {clean(story.deployment)}{role}", "bold"))
    if story.trouble:
        tree.add(Text(f"! {clean(story.trouble)}", "yellow"))
    by = f" ({clean(story.run.name)})" if story.run.name else ""
    _line(tree, "run", f"{story.run_id}{by}" if story.run_id else "")
    _line(tree, "source", story.source)
    _line(tree, "git commit", story.git_commit + (f" of {story.repository}" if story.repository else ""))
    _branch(
        tree, "datasets", [_dataset(each.name, each.digest, each.source_type, each.context) for each in story.datasets]
    )
    _pairs(tree, "dvc", story.dvc)
    _pairs(tree, "parameters", story.run.params)
    _pairs(tree, "metrics", {name: number(value) for name, value in story.run.metrics.items()})
    _pairs(tree, "approvals", story.approvals)
    _pairs(tree, "tags", story.tags)
    _branch(tree, "gates", [gate_line(result) for result in story.gates])
    _branch(tree, "written back", [_written(where, said) for where, said in sorted(story.elsewhere.items())])
    branch = tree.add(Text("timeline", "cyan"))
    for happening in story.timeline:
        ago = f"{human_duration(now - happening.at)} ago"
        branch.add(Text.assemble((f"{ago:<10}", "dim"), clean(happening.what, 2 * LONGEST_CELL)))
    if not story.timeline:
        branch.add(Text("nothing that the status remembers", "dim"))
    return tree


def _dataset(name: str, digest: str, kind: str, context: str) -> str:
    parts = [name, f"digest {digest}" if digest else "", kind, context]
    return ", ".join(part for part in parts if part)


def _written(where: str, said: Mapping[str, str]) -> str:
    why = f" ({said['reason']})" if said.get("reason") else ""
    return f"{where}: {said.get('outcome', '?')}{why} at {said.get('at', '?')}"


def _line(tree: Tree, label: str, value: str) -> None:
    tree.add(Text.assemble((f"{label}: ", "cyan"), clean(value, LONGEST_CELL) if value else Text("not known", "dim")))


def _pairs(tree: Tree, label: str, entries: Mapping[str, str]) -> None:
    _branch(tree, label, [f"{key} = {value}" for key, value in sorted(entries.items())])


def _branch(tree: Tree, label: str, lines: Iterable[str | Text]) -> None:
    given = list(lines)
    if not given:
        return
    branch = tree.add(Text(label, "cyan"))
    for line in given[:MOST]:
        branch.add(line if isinstance(line, Text) else Text(clean(line, LONGEST_CELL)))
    if len(given) > MOST:
        branch.add(Text(f"and {len(given) - MOST} more: -o json", "dim"))
