"""get, status, explain, drift and history: one look at the cluster."""

from __future__ import annotations

import time
from collections.abc import Sequence

from steersman.api.modeldeployment import ModelDeployment
from steersman.cli.choices import Format
from steersman.cli.connection import Manifest, UserClient
from steersman.cli.errors import UserError
from steersman.cli.output import as_list, bare, print_data, print_note, print_view
from steersman.cli.reading import read_model
from steersman.cli.view.drift import drift_conditions, render_drift
from steersman.cli.view.events import EventLine, parse_events
from steersman.cli.view.explain import render_explanation
from steersman.cli.view.health import Health, health
from steersman.cli.view.history import render_history
from steersman.cli.view.status import render_status
from steersman.cli.view.table import render_table
from steersman.ports import ApiError, NotFound


async def get(client: UserClient, name: str | None, all_namespaces: bool, form: Format) -> int:
    """Print one ModelDeployment, those of a namespace, or all."""
    manifests = [await client.get(name)] if name else await client.list(all_namespaces)
    if form in (Format.JSON, Format.YAML):
        print_data(bare(manifests[0]) if name else as_list(manifests), form)
        return 0
    if not manifests:
        where = "in any namespace" if all_namespaces else f"in namespace {client.namespace}"
        print_note(f"No ModelDeployments {where}.")
        return 0
    models, failures = read_models(manifests)
    if models:
        print_view(render_table(models, time.time(), namespaces=all_namespaces, wide=form is Format.WIDE), table=True)
    for failure in failures:
        print_note(f"Warning: {failure} ({failure.hint})")
    return 1 if failures else 0


async def status(client: UserClient, name: str, form: Format, exit_code: bool) -> int:
    """Print everything about one ModelDeployment."""
    manifest = await client.get(name)
    md, left_out = read_model(manifest)
    if form in (Format.JSON, Format.YAML):
        print_data(bare(manifest), form)
    else:
        events, trouble = await read_events(client, name)
        print_view(render_status(md, time.time(), events))
        if trouble:
            print_note(f"Note: {trouble}")
    if left_out:
        print_note(f"Note: left out what this version of steersman does not understand: {', '.join(left_out)}")
    return int(health(md)) if exit_code else int(Health.HEALTHY)


async def explain(client: UserClient, name: str) -> int:
    """Print why the analyses of a ModelDeployment say what they say."""
    md, left_out = read_model(await client.get(name))
    explanation = render_explanation(md, time.time())
    if explanation is None:
        print_note(f"No rollout of {name} was analysed yet.")
    else:
        print_view(explanation)
    if left_out:
        print_note(f"Note: left out what this version of steersman does not understand: {', '.join(left_out)}")
    return 0


async def drift(client: UserClient, name: str, form: Format) -> int:
    """Print what is known of a ModelDeployment's drift."""
    md, _ = read_model(await client.get(name))
    if form in (Format.JSON, Format.YAML):
        conditions = [condition.to_wire() for condition in drift_conditions(md)]
        print_data({"drift": md.status.drift.to_wire() if md.status.drift else None, "conditions": conditions}, form)
    elif md.spec.drift is None and md.status.drift is None:
        print_note(f"{name} does not look for drift: set spec.drift ({{}} is enough).")
    else:
        for part in render_drift(md, time.time(), wide=form is Format.WIDE):
            print_view(part, table=True)
    return 0


async def history(client: UserClient, name: str, form: Format) -> int:
    """Print the rollouts of a ModelDeployment that ended."""
    md, _ = read_model(await client.get(name))
    if form in (Format.JSON, Format.YAML):
        print_data([entry.to_wire() for entry in md.status.history], form)
    elif md.status.history:
        print_view(render_history(md, time.time()), table=True)
    else:
        print_note(f"No rollout of {name} has ended yet.")
    return 0


def read_models(manifests: Sequence[Manifest]) -> tuple[list[ModelDeployment], list[UserError]]:
    """All that can be understood, and why the others cannot."""
    models: list[ModelDeployment] = []
    failures: list[UserError] = []
    for manifest in manifests:
        try:
            models.append(read_model(manifest)[0])
        except UserError as error:
            failures.append(error)
    return models, failures


async def read_events(client: UserClient, name: str) -> tuple[list[EventLine], str]:
    """The events, newest first; when they cannot be read, none and why: they are no reason to show nothing."""
    try:
        return parse_events(await client.events(name)), ""
    except (ApiError, NotFound) as error:
        return [], f"the events cannot be read: {error}"
