"""steersman simulate: what a rollout would see, before anything is deployed. Asks no cluster."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from steersman.api.analysis import AnalysisTemplateSpec, SequentialJudge, TemplateRef
from steersman.api.modeldeployment import ModelDeploymentSpec
from steersman.cli.choices import Format
from steersman.cli.errors import UserError
from steersman.cli.files import Manifest, deployment, name_of, read_manifests, spec_of
from steersman.cli.output import print_data, print_note, print_view
from steersman.core.analysis.budget import part
from steersman.core.foresight.forecast import Forecast, Judging, forecast
from steersman.core.foresight.timeline import Looks, timeline
from steersman.core.foresight.trials import Scenario, trials_for

SEED: Final = 1
"""The same question gets the same answer."""
_SHARE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(%?)")
_TEMPLATES = ("AnalysisTemplate", "ClusterAnalysisTemplate")


@dataclass(frozen=True)
class Asked:
    """What was asked on the command line."""

    files: Sequence[str]
    name: str | None
    per_second: float
    stable: float
    bad: Sequence[float]
    plot: Path | None = None


def simulate(asked: Asked, output: Format) -> int:
    """Play the rollout of a ModelDeployment's manifest, and print what comes of it; the exit code."""
    if asked.plot is not None:
        from steersman.cli.view import forecast_plot

        forecast_plot.check(asked.plot)
    found = _forecast(asked)
    if output in (Format.JSON, Format.YAML):
        print_data(found.as_data(), output)
    else:
        from steersman.cli.view.forecast import render_forecast

        print_view(render_forecast(found))
    if asked.plot is not None:
        forecast_plot.save(found, asked.plot)
        print_note(f"the plot is in {asked.plot}")
    return 0


def share(text: str, option: str) -> float:
    """A share of requests written as 0.2% or 0.002. Raises UserError."""
    match = _SHARE.fullmatch(text.strip())
    value = float(match[1]) / (100.0 if match[2] else 1.0) if match else -1.0
    if not 0.0 <= value < 1.0:
        raise UserError(f"{option}: {text!r} is not a share of requests", "write for example 0.2% or 0.002; below 100%")
    return value


def _forecast(asked: Asked) -> Forecast:
    if not 0.0 < asked.per_second <= 1e6:
        raise UserError(
            "--rps must be above 0 and at most 1,000,000", "requests a second, candidate and stable together"
        )
    manifests = read_manifests(asked.files)
    name, spec = deployment(manifests, asked.name)
    if spec.strategy.canary is None:
        raise UserError(
            f"{name} is rolled out blue-green: there is no time at which candidate and stable both get requests",
            "simulate a canary; a blue-green switch is judged against stable's past (docs/reference/rollouts.md)",
        )
    judging = _judging(spec, manifests)
    steps = spec.strategy.canary.plan
    try:
        course = timeline(steps, Looks(judging.interval, judging.judge.min_requests), asked.per_second)
    except ValueError as error:
        raise UserError(f"{name}: {error}", "give it a step with setWeight below 100") from error
    scenario = Scenario(course, asked.per_second, asked.stable, judging.interval, judging.alpha, judging.judge)
    return forecast(name, scenario, judging, asked.bad, trials_for(course, judging.interval), SEED)


def _judging(spec: ModelDeploymentSpec, manifests: Sequence[Manifest]) -> Judging:
    """How the background analysis judges failures: by its first sequential metric of failures or successes, or as the built-in templates do."""
    if not spec.analysis.templates:
        raise UserError(
            "spec.analysis names no template: nothing is judged, and every candidate is promoted",
            "name one, for example request-errors",
        )
    given = {name_of(manifest): manifest for manifest in manifests if manifest.get("kind") in _TEMPLATES}
    judges = _judges(spec, spec.analysis.templates, given)
    if not judges:
        raise UserError(
            "none of the templates has a sequential metric",
            "the other judges' answers depend on more than rates of failure",
        )
    playable = [judge for judge in judges if judge.judge.buckets is None]
    if not playable:
        raise UserError(
            "every sequential metric of the templates compares means (buckets), and only rates of failure can be played",
            "add a metric with failures or successes, for example the template request-errors",
        )
    canary = spec.strategy.canary
    own = [step.analysis.templates for step in (canary.plan if canary else ()) if step.analysis is not None]
    sharing = judges + [judge for templates in own for judge in _judges(spec, templates, given)]
    alphas = [part(each.judge.alpha, spec.analysis.alpha, len(sharing)) for each in sharing]
    first = playable[0]
    return Judging(
        metric=first.name,
        alpha=alphas[sharing.index(first)],
        alpha_of_all=sum(alphas),
        metrics=len(sharing),
        judge=first.judge,
        interval=first.interval,
        assumed=tuple(reference.name for reference in spec.analysis.templates if reference.name not in given),
    )


@dataclass(frozen=True)
class _Sequential:
    name: str
    judge: SequentialJudge
    interval: float


def _judges(
    spec: ModelDeploymentSpec, templates: Sequence[TemplateRef], given: Mapping[str, Manifest]
) -> list[_Sequential]:
    found = []
    for reference in templates:
        if reference.name not in given:
            assumed = SequentialJudge(requests="requests", failures="failures")
            found.append(_Sequential(reference.name, assumed, spec.analysis.interval))
            continue
        for metric in spec_of(AnalysisTemplateSpec, given[reference.name]).metrics:
            if metric.sequential is not None and not metric.dry_run:
                interval = metric.interval if metric.interval is not None else spec.analysis.interval
                found.append(_Sequential(f"{reference.name}/{metric.name}", metric.sequential, interval))
    return found
