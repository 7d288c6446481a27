"""Runs other programs and turns their failures into explained errors."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from cluster.errors import ClusterError
from cluster.namespaces import bound_to_parent

Argument = str | Path


def run(
    command: Sequence[Argument],
    *,
    input: str | bytes | None = None,  # noqa: A002 - subprocess.run's own word
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float | None = None,
    error: type[ClusterError] = ClusterError,
    explain: str = "",
) -> str:
    """Run `command`, return what it printed; raise `error` with the end of its output when it fails.

    `env` is added to this process's environment, `timeout` is in seconds. `explain` says what it was for and what to
    do next.
    """
    data = input.encode() if isinstance(input, str) else input
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words,
            input=data,
            stdin=subprocess.DEVNULL if data is None else None,
            capture_output=True,
            env={**os.environ, **(env or {})},
            cwd=cwd,
            timeout=timeout,
            check=False,
        )
    except FileNotFoundError as missing:
        raise error(f"{explain or 'A program is missing'}: '{words[0]}' was not found.") from missing
    except subprocess.TimeoutExpired as late:
        raise error(f"{explain or 'A program hung'}: '{' '.join(words[:4])}' took longer than {timeout:g} s.") from late
    if done.returncode != 0:
        raise error(failure(words, done.returncode, done.stdout + b"\n" + done.stderr, explain))
    return done.stdout.decode(errors="replace")


def stream(
    command: Sequence[Argument],
    line: Callable[[str], object],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    log: Path | None = None,
    error: type[ClusterError] = ClusterError,
    explain: str = "",
) -> None:
    """Run `command` and hand each line of its output to `line`; the whole output also goes to the file `log`.

    The command ends with this process, even when this is killed.
    """
    words = [str(word) for word in command]
    bound = bound_to_parent(words) if shutil.which("setpriv") and shutil.which(words[0]) else words
    kept: list[str] = []
    try:
        process = subprocess.Popen(
            bound,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
            cwd=cwd,
            text=True,
            errors="replace",
        )
    except FileNotFoundError as missing:
        raise error(f"{explain or 'A program is missing'}: '{words[0]}' was not found.") from missing
    with process:
        assert process.stdout is not None
        try:
            for text in process.stdout:
                kept.append(text)
                line(text.rstrip("\n"))
        except BaseException:
            process.terminate()
            raise
    output = "".join(kept)
    if log is not None:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(output)
    if process.returncode != 0:
        where = f" Whole output: {log}." if log is not None else ""
        raise error(failure(words, process.returncode, output.encode(), explain + where))


def failure(words: Sequence[str], code: int, output: bytes, explain: str) -> str:
    """The message for a program that ended with `code`: the explanation, and the last lines it printed."""
    lines = [line for line in output.decode(errors="replace").splitlines() if line.strip()]
    shown = "\n".join(f"    {line[:300]}" for line in lines[-8:])
    head = explain or f"'{' '.join(words[:4])}' failed"
    return f"{head} (exit code {code})." + (f"\n{shown}" if shown else "")
