"""Which Secrets the settings of pipelines and data sources name, and runs without what is in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from steersman.api.metric_access import ProviderSettings
from steersman.api.retraining import GitTag, HttpResource
from steersman.api.retraining_actions import RetrainingAction, Target
from steersman.core.retraining.model import Look, Order, Run
from steersman.ports import Secrets
from steersman.shell.secret_reader import censored

_SETTINGS: Final = {
    Target(field.alias or name): next(each for each in field.annotation.__args__ if each is not type(None))
    for name, field in RetrainingAction.model_fields.items()
    if field.annotation is not None
}
"""The settings' model of each target."""
_SOURCES: Final[Mapping[str, type[ProviderSettings]]] = {"gitTag": GitTag, "http": HttpResource}


def secrets_of_order(order: Order) -> frozenset[str]:
    """Names of the Secrets that a pipeline's settings name."""
    return _secrets_of(_SETTINGS[order.target], order.settings)


def secrets_of_look(look: Look) -> frozenset[str]:
    """Names of the Secrets that a data source's settings name."""
    return _secrets_of(_SOURCES[look.kind], look.settings)


def _secrets_of(model: type[ProviderSettings], settings: str) -> frozenset[str]:
    return model.model_validate_json(settings).secret_names()


def quiet(run: Run, secrets: Secrets) -> Run:
    """What a target says, without what it was sent."""
    return replace(run, message=censored(run.message, secrets), url=censored(run.url, secrets))
