"""Where a metric's queries are sent, and what they say."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeVar

import jmespath

from steersman.api.analysis import PROVIDERS, Metric
from steersman.api.meta import ApiModel
from steersman.api.metric_access import Language, ProviderSettings, SecretRef
from steersman.api.metric_providers import JobProvider, MLflowProvider, NewRelicProvider, PluginProvider, WebProvider
from steersman.core.analysis import job
from steersman.core.analysis.languages import json_text, render
from steersman.core.analysis.model import AnalysisContext, Source
from steersman.core.analysis.placeholders import PlaceholderError

Model = TypeVar("Model", bound=ApiModel)
_NONE: Mapping[str, str] = {}
_ANY = "x"
"""Stands for a value that is not known yet when a template is checked."""


def values(context: AnalysisContext, args: Mapping[str, str] = _NONE, revision: str | None = None) -> dict[str, str]:
    """What the placeholders of a ModelDeployment's queries stand for; `revision` where a query is of one of both."""
    return {
        "namespace": context.namespace,
        "deployment": context.deployment,
        "candidate": context.candidate,
        "stable": context.stable,
        **({"revision": revision} if revision is not None else {}),
        "runId": context.run_id,
        **{f"args.{name}": value for name, value in args.items()},
    }


def unknown_values(args: Mapping[str, str], *, revision: bool = False) -> dict[str, str]:
    """The same names before anything but the arguments is known."""
    known = ["namespace", "deployment", "candidate", "stable", *(["revision"] if revision else []), "runId"]
    return {**dict.fromkeys(known, _ANY), **{f"args.{name}": value for name, value in args.items()}}


def source(
    metric: Metric,
    context: AnalysisContext | None = None,
    args: Mapping[str, str] = _NONE,
    window: int | None = None,
    revision: str | None = None,
) -> Source:
    """The source of a metric's queries, its settings filled. Raises PlaceholderError.

    Its namespace is set only where it matters, so that queries of several namespaces can be sent as one: Secrets and Jobs
    are those of the ModelDeployment's namespace.
    """
    if not any(getattr(metric, field) is not None for field in PROVIDERS):
        # Nothing to fill, and most metrics are such.
        return Source()
    name, settings = metric.provider
    if context is not None and isinstance(settings, MLflowProvider) and settings.url is None:
        secret = SecretRef(secret_name=context.registry_secret) if context.registry_secret else None
        settings = settings.model_copy(update={"url": context.registry_url or None, "credentials": secret})
    filled = _filled(settings, values(context, args, revision) if context is not None else _NONE, window)
    wire = filled.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)
    local = bool(filled.secret_names()) or isinstance(filled, JobProvider)
    namespace = context.namespace if context is not None and local else None
    return Source(name, json.dumps(wire, sort_keys=True, separators=(",", ":")), namespace)


def query_text(metric: Metric, text: str | None, strings: Mapping[str, str], window: int | None = None) -> str:
    """A judge's query in the language of the metric's provider; empty when its settings say everything. Raises PlaceholderError."""
    language = metric.provider[1].language
    return render(language, text, strings, window) if language is not None and text is not None else ""


def check(metric: Metric, args: Mapping[str, str], window: int | None = 1, *, revision: bool = False) -> None:
    """Raise PlaceholderError when the provider's settings cannot be used with these arguments."""
    _, settings = metric.provider
    if isinstance(settings, WebProvider):
        try:
            jmespath.compile(settings.jmes_path)
        except jmespath.exceptions.JMESPathError as error:
            hint = "; this is JMESPath, in which no $ stands before the path" if "$" in settings.jmes_path else ""
            raise PlaceholderError(f"jmesPath cannot be read: {' '.join(str(error).split())[:200]}{hint}") from None
    _filled(settings, unknown_values(args, revision=revision), window)


def _filled(settings: ProviderSettings, strings: Mapping[str, str], window: int | None) -> ProviderSettings:
    if isinstance(settings, JobProvider):
        return settings.model_copy(update={"spec": job.filled_spec(settings.spec, strings, window)})
    if isinstance(settings, PluginProvider):
        return settings.model_copy(update={"config": json_text.fill_strings(settings.config, strings, window)})
    if isinstance(settings, NewRelicProvider) and settings.lookback is None and window is not None:
        settings = settings.model_copy(update={"lookback": float(window)})
    return _with_texts(settings, strings, window)


def _with_texts(model: Model, strings: Mapping[str, str], window: int | None) -> Model:
    """The same settings with every field filled that is annotated with a language."""
    changed: dict[str, Any] = {}
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        language = next((each for each in field.metadata if isinstance(each, Language)), None)
        if isinstance(value, str) and language is not None:
            changed[name] = render(language, value, strings, window)
        elif isinstance(value, ApiModel):
            changed[name] = _with_texts(value, strings, window)
        elif isinstance(value, list):
            changed[name] = [
                _with_texts(each, strings, window) if isinstance(each, ApiModel) else each for each in value
            ]
    return model.model_copy(update=changed)
