"""Reads from a Dockerfile which files of its build context go into the image."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from cluster.errors import BuildFailed

IGNORED = {"__pycache__", ".git", ".mypy_cache", ".ruff_cache", ".pytest_cache"}


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """(name in capitals, argument) of each instruction, continued lines joined and comments left out."""
    joined = ""
    for line in text.splitlines():
        if line.lstrip().startswith("#"):
            continue
        if line.rstrip().endswith("\\"):
            joined += line.rstrip()[:-1] + " "
            continue
        whole = (joined + line).strip()
        joined = ""
        if whole:
            name, _, argument = whole.partition(" ")
            yield name.upper(), argument.strip()


def copied_paths(text: str) -> list[str]:
    """The sources of the COPY and ADD instructions that read the build context, in order, each once."""
    found: list[str] = []
    for name, argument in instructions(text):
        if name not in ("COPY", "ADD"):
            if name == "RUN":
                found += _bound_paths(argument)
            continue
        flags, rest = _flags(argument)
        if any(flag.startswith("--from=") for flag in flags):
            continue
        words = json.loads(rest) if rest.startswith("[") else shlex.split(rest)
        found += [word for word in words[:-1] if not word.startswith(("http://", "https://", "<<"))]
    return list(dict.fromkeys(found))


def _bound_paths(argument: str) -> list[str]:
    """Sources of RUN --mount=type=bind, which show files of the context to one command."""
    found = []
    for flag in _flags(argument)[0]:
        if not flag.startswith("--mount="):
            continue
        options = dict(part.partition("=")[::2] for part in flag.removeprefix("--mount=").split(","))
        if options.get("type", "bind") == "bind" and "from" not in options:
            found.append(options.get("source") or options.get("src") or ".")
    return found


def _flags(argument: str) -> tuple[list[str], str]:
    flags = []
    rest = argument
    while match := re.match(r"(--[a-z]+(?:=\S+)?)\s+", rest):
        flags.append(match[1])
        rest = rest[match.end() :]
    return flags, rest


def content_key(dockerfile: Path, context: Path, arguments: Mapping[str, str], parents: Iterable[str] = ()) -> str:
    """The content address of what the Dockerfile builds: it changes with anything that goes into the image."""
    text = dockerfile.read_text()
    digest = hashlib.sha256(text.encode())
    digest.update(json.dumps([sorted(arguments.items()), list(parents)]).encode())
    for source in copied_paths(text):
        files = list(_files(context, source))
        if not files:
            raise BuildFailed(f"{dockerfile} copies '{source}', which is not in {context}.")
        for file in files:
            mode = "x" if file.stat().st_mode & 0o100 else "-"
            digest.update(f"{file.relative_to(context)}\0{mode}\0{file.stat().st_size}\0".encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()[:24]


def _files(context: Path, source: str) -> Iterator[Path]:
    cleaned = source.lstrip("/") or "."
    if cleaned.startswith("./"):
        cleaned = cleaned[2:] or "."
    starts = [context] if cleaned == "." else sorted(context.glob(cleaned.rstrip("/")))
    for start in starts:
        for file in [start] if start.is_file() else sorted(start.rglob("*")):
            if file.is_file() and not IGNORED & set(file.relative_to(context).parts) and file.suffix != ".pyc":
                yield file
