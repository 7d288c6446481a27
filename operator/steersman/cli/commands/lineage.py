"""steersman lineage: where a version comes from, and what was decided about it. Asks the cluster and the registry."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

from steersman.adapters.registries.mlflow import MLflowRegistry
from steersman.api.modeldeployment import ModelDeployment
from steersman.api.registry import ModelRegistrySpec
from steersman.cli.choices import Format
from steersman.cli.connection import UserClient
from steersman.cli.errors import UserError
from steersman.cli.files import spec_of
from steersman.cli.output import print_data, print_note, print_view
from steersman.cli.reading import read_model
from steersman.cli.registry_access import credentials_of_environment, hint
from steersman.cli.story import Story, story_of
from steersman.core.gates import Needs, Unknown, VersionFacts
from steersman.ports import ApiError, NotFound, RegistryError

TRACKING_URI = "MLFLOW_TRACKING_URI"


@dataclass(frozen=True)
class Asked:
    """What was asked on the command line."""

    name: str
    version: str | None = None
    registry_url: str | None = None


async def lineage(client: UserClient, asked: Asked, output: Format) -> int:
    """Print where the versions come from; 1 when the registry could not be asked for all."""
    md, _ = read_model(await client.get(asked.name))
    versions = [asked.version] if asked.version else _present(md)
    if not versions:
        raise UserError(
            f"nothing serves of {asked.name} yet, and nothing is under way", "say which version with --version"
        )
    url = await _url(client, md, asked)
    stories, failed = [], False
    access, registry = credentials_of_environment(), MLflowRegistry(timeout=30.0)
    try:
        for version in versions:
            facts: VersionFacts | Unknown = Unknown("the registry's address is not known: give --registry-url")
            name = md.spec.model.name
            if name is None:
                facts = Unknown("the model is given by its uri: no registry knows of it")
            elif url is not None:
                try:
                    facts = await registry.facts(url, access, name, version, Needs(run=True))
                except RegistryError as error:
                    failed, facts = True, Unknown(str(error))
                    print_note(f"Warning: {error}" + (f" ({hint(error)})" if hint(error) else ""))
            stories.append(story_of(md, version, facts))
    finally:
        await registry.close()
    _print(stories, output)
    return int(failed)


def _print(stories: list[Story], output: Format) -> None:
    if output in (Format.JSON, Format.YAML):
        print_data([story.as_data() for story in stories], output)
        return
    from steersman.cli.view.lineage import render_story

    for number, story in enumerate(stories):
        if number:
            print()
        print_view(render_story(story, time.time()), table=True)


def _present(md: ModelDeployment) -> list[str]:
    """The versions of candidate and stable, without one that is both."""
    present = [revision.version for revision in (md.status.candidate, md.status.stable) if revision is not None]
    return list(dict.fromkeys(present))


async def _url(client: UserClient, md: ModelDeployment, asked: Asked) -> str | None:
    """From the command line, or of the ModelRegistry that the spec names, or else as MLflow's own client has it."""
    if asked.registry_url:
        return asked.registry_url
    if md.spec.model.registry is None:
        return os.environ.get(TRACKING_URI) or None
    try:
        return spec_of(ModelRegistrySpec, await client.registry(md.spec.model.registry)).mlflow.url
    except (ApiError, NotFound) as error:
        print_note(f"Warning: ModelRegistry {md.spec.model.registry} cannot be read: {error} (give --registry-url)")
        return None
