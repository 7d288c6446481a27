"""Canary steps in a few words."""

from __future__ import annotations

from collections.abc import Sequence

from steersman.api.analysis import TemplateRef
from steersman.api.routing import HeaderMatch, RequestMatch
from steersman.api.steps import Experiment, SetCanaryScale, SetHeaderRoute, SetMirrorRoute, Step
from steersman.cli.view.text import human_duration


def step_label(step: Step) -> str:
    """What a step does, as in `set weight 10 %`."""
    if step.set_weight is not None:
        return f"set weight {step.set_weight} %"
    if step.analysis is not None:
        return "analyse" + templates(step.analysis.templates)
    if step.set_header_route is not None:
        return _header_route(step.set_header_route)
    if step.set_mirror_route is not None:
        return _mirror(step.set_mirror_route)
    if step.set_canary_scale is not None:
        return _scale(step.set_canary_scale)
    if step.experiment is not None:
        return _experiment(step.experiment)
    if step.pause is None or step.pause.duration is None:
        return "pause until promoted"
    return f"pause {human_duration(step.pause.duration)}"


def templates(refs: Sequence[TemplateRef]) -> str:
    """` (request-errors, latency)`."""
    return f" ({', '.join(ref.name for ref in refs)})"


def matches(wanted: Sequence[RequestMatch]) -> str:
    """Which requests are meant: `x-group = beta or cookie plan = gold`."""
    return " or ".join(_match(match) for match in wanted)


def _match(match: RequestMatch) -> str:
    cookies = [f"cookie {cookie.name} = {cookie.value}" for cookie in match.cookies]
    return " and ".join([*map(_header, match.headers), *cookies])


def _header(header: HeaderMatch) -> str:
    if header.exact is not None:
        return f"{header.name} = {header.exact}"
    if header.prefix is not None:
        return f"{header.name} = {header.prefix}…"
    return f"{header.name} ~ {header.regex}"


def _header_route(route: SetHeaderRoute) -> str:
    if not route.match:
        return f"end header route {route.name}"
    return f"header route {route.name}: {matches(route.match)}"


def _mirror(mirror: SetMirrorRoute) -> str:
    if mirror.percentage == 0:
        return "end the mirror"
    return "mirror " + ("every request" if mirror.percentage == 100 else f"{mirror.percentage} % of the requests")


def _scale(scale: SetCanaryScale) -> str:
    if scale.replicas is not None:
        return f"scale to {scale.replicas} pod{'s' if scale.replicas > 1 else ''}"
    return f"scale as for {scale.weight} %" if scale.weight is not None else "scale by weight again"


def _experiment(experiment: Experiment) -> str:
    lasting = f" for {human_duration(experiment.duration)}" if experiment.duration is not None else ""
    judged = templates(experiment.analysis.templates) if experiment.analysis is not None else ""
    return f"experiment at {experiment.weight} % each{lasting}{judged}"
