"""A check of declarative Jenkinsfiles, run by the Python that has the parser: Groovy's grammar, and a structure by rules of our own.

python jenkinsfile.py FILE...    # prints as JSON what is wrong with each, or else its stages and their shell steps

Jenkins' own validator is a plugin that runs in Jenkins only. The rules here are those of its syntax reference, as far as the example
needs them: which sections and directives may stand where, and which ones must.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PIPELINE = {"agent", "environment", "libraries", "options", "parameters", "post", "stages", "tools", "triggers"}
STAGE = {"agent", "environment", "input", "options", "post", "steps", "tools", "when"}
"""A stage with steps; the example has no nested or parallel ones."""
POST = {
    "aborted",
    "always",
    "changed",
    "cleanup",
    "failure",
    "fixed",
    "regression",
    "success",
    "unstable",
    "unsuccessful",
}
STEPS = {"dir", "echo", "sh", "withCredentials"}
"""Those that the example needs; each is of Jenkins or of a plugin that it recommends."""


@dataclass
class Statement:
    """`name 'word' { inside }`."""

    name: str = ""
    words: list[str] = field(default_factory=list)
    inside: list[Statement] = field(default_factory=list)


def statements(tree: Any) -> Iterator[Statement]:
    """Those of a file or block, without those of blocks below."""
    for child in getattr(tree, "children", []):
        if getattr(child, "data", "") in ("script_statement", "block_statement"):
            found = Statement()
            _fill(found, child)
            yield found
        else:
            yield from statements(child)


def _fill(found: Statement, tree: Any) -> None:
    for child in tree.children:
        if getattr(child, "data", "") == "closure":
            found.inside += statements(child)
        elif hasattr(child, "children"):
            _fill(found, child)
        else:
            kind, text = str(child.value[0]), child.value[2]
            if not found.name and text.strip():
                found.name = text
            elif "String" in kind:
                found.words.append(text)


def problems(top: list[Statement]) -> Iterator[str]:
    """What is wrong; nothing when nothing is."""
    if [each.name for each in top] != ["pipeline"]:
        yield "the file is not one pipeline block"
        return
    sections = {each.name: each for each in top[0].inside}
    yield from (f"pipeline has no section {name}" for name in sections.keys() - PIPELINE)
    yield from (f"pipeline needs {name}" for name in ("agent", "stages") if name not in sections)
    for stage in sections["stages"].inside if "stages" in sections else []:
        yield from _of_stage(stage)
    for condition in sections["post"].inside if "post" in sections else []:
        if condition.name not in POST:
            yield f"post knows no {condition.name}"
        yield from _of_steps(condition.inside)


def _of_stage(stage: Statement) -> Iterator[str]:
    if stage.name != "stage" or not stage.words:
        yield f"{stage.name} is no stage with a name"
        return
    directives = {each.name: each for each in stage.inside}
    yield from (f"a stage has no {name}" for name in directives.keys() - STAGE)
    if not directives.get("steps", Statement()).inside:
        yield "a stage needs steps"
    else:
        yield from _of_steps(directives["steps"].inside)


def _of_steps(steps: list[Statement]) -> Iterator[str]:
    for step in steps:
        if step.name not in STEPS:
            yield f"there is no step {step.name}"
        elif not step.inside and not step.words:
            yield f"the step {step.name} says nothing"
        yield from _of_steps(step.inside)


def shells(steps: list[Statement]) -> Iterator[str]:
    """What the shell steps run, in their order."""
    for step in steps:
        if step.name == "sh":
            yield "".join(step.words)[1:-1]
        yield from shells(step.inside)


def looked_at(path: Path) -> dict[str, Any]:
    """What is wrong with a file and, when nothing is, its stages and what they run."""
    from groovy_parser.parser import parse_groovy_content

    try:
        top = [*statements(parse_groovy_content(path.read_text()))]
    except Exception as error:
        return {"problems": [f"not Groovy: {error}"]}
    if found := [*problems(top)]:
        return {"problems": found}
    stages = next(each for each in top[0].inside if each.name == "stages").inside
    return {"problems": [], "stages": [["".join(stage.words)[1:-1], [*shells(stage.inside)]] for stage in stages]}


if __name__ == "__main__":
    print(json.dumps([looked_at(Path(name)) for name in sys.argv[1:]]))
