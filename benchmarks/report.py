"""The figures as text and in docs/benchmarks.md."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from pathlib import Path

from benchmarks.results import Figure, Result
from cluster.binaries import KUBERNETES_VERSION

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "benchmarks.md"
ENGINE, JUDGES = "bench-engine", "bench-judges"
"""Names of the parts of the document that are written."""


def markdown(results: Sequence[Result]) -> str:
    """Every part with its table."""
    parts = [machine()]
    for result in results:
        parts += [f"### {result.title}", result.how, _table(result.figures)]
        if result.details:
            parts.append("\n".join(result.details))
    return "\n\n".join(parts)


def machine() -> str:
    """What it was measured on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine()
    )
    return (
        f"Measured with Python {platform.python_version()} and Kubernetes {KUBERNETES_VERSION} on {os.cpu_count()} cores "
        f"({model}), which the operator, the API server, etcd and the benchmark share."
    )


def _table(figures: Sequence[Figure]) -> str:
    lines = ["| | Steersman | Target | | Argo Rollouts 1.10.2 | Flagger 1.44 |", "|---|---:|---:|---|---:|---:|"]
    for figure in figures:
        limit = f"≤ {figure.limit:g}" if figure.limit is not None else ""
        value = f"{number(figure.value)} {figure.unit}".strip()
        lines.append(f"| {figure.what} | {value} | {limit} | {figure.verdict} | {figure.argo} | {figure.flagger} |")
    return "\n".join(lines)


def number(value: float) -> str:
    """Three figures are as many as mean anything."""
    if value == int(value):
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3g}"


def write(text: str, document: Path = DOCUMENT, part: str = ENGINE) -> None:
    """Put it between the markers of a part of docs/benchmarks.md."""
    opening, closing = f"<!-- begin {part} -->", f"<!-- end {part} -->"
    before, begin, rest = document.read_text().partition(opening)
    _, end, after = rest.partition(closing)
    if not begin or not end:
        raise ValueError(f"{document} lacks the markers {opening} and {closing}")
    document.write_text(f"{before}{opening}\n\n{text}\n\n{closing}{after}")
