"""The languages in which texts with placeholders are written: one small module for each, and one function for all."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from steersman.api.metric_access import Language
from steersman.core.analysis import promql
from steersman.core.analysis.languages import flux, header, json_text, nrql, plain, url
from steersman.core.analysis.placeholders import PlaceholderError

__all__ = ["PlaceholderError", "render"]

Renderer = Callable[[str, Mapping[str, str], int | None], str]


def _promql(text: str, values: Mapping[str, str], window: int | None) -> str:
    return promql.render(text, values, None if window is None else f"{window}s")


_RENDERERS: dict[Language, Renderer] = {
    Language.PROMQL: _promql,
    Language.DATADOG: plain.names,
    Language.NRQL: nrql.render,
    Language.FLUX: flux.render,
    Language.GRAPHITE: plain.graphite,
    Language.METRIC_MATH: plain.names,
    Language.URL: url.render,
    Language.HEADER: header.render,
    Language.JSON: json_text.render,
    Language.NAME: plain.names,
    Language.TEXT: plain.text,
}


def render(language: Language, text: str, values: Mapping[str, str], window: int | None = None) -> str:
    """Fill a text's placeholders with values that cannot change what it asks.

    `window` is in whole seconds; how `{{window}}` is written depends on the language. None: it is not known here. Raises
    PlaceholderError for an unknown or misplaced placeholder, and for a value that cannot be made safe.
    """
    return _RENDERERS[language](text, values, window)
