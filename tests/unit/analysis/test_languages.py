"""No value can change what a text asks, in any language."""

from __future__ import annotations

import json
import re
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steersman.api.metric_access import Language
from steersman.core.analysis.languages import PlaceholderError, render

ANY = st.text(max_size=30) | st.text(alphabet="'\"\\${}/.%#?&=;\n\r{}() ", max_size=12)
VALUES = {"args.x": "v", "candidate": "fraud-v2"}


def filled(language: Language, text: str, value: str) -> str | None:
    """The rendered text; None when the value was refused."""
    try:
        return render(language, text, {"args.x": value}, 45)
    except PlaceholderError as error:
        assert len(str(error)) < 300 and str(error).isprintable()
        return None


@given(ANY)
def test_a_url_keeps_host_path_and_query(value: str) -> None:
    text = filled(Language.URL, "https://api.example/v1/{{args.x}}/stats?a={{args.x}}&b=1", value)
    if text is None:
        return
    parts = urlsplit(text)
    assert (parts.scheme, parts.netloc, parts.fragment) == ("https", "api.example", "")
    first, version, segment, last = parts.path.split("/")
    assert (first, version, last, unquote(segment)) == ("", "v1", "stats", value)
    assert segment not in ("", ".", "..")
    assert parse_qsl(parts.query, keep_blank_values=True) == [("a", value), ("b", "1")]


@given(ANY)
def test_json_keeps_its_structure(value: str) -> None:
    text = filled(Language.JSON, '{"a": "<{{args.x}}>", "n": 1}', value)
    assert text is None or json.loads(text) == {"a": f"<{value}>", "n": 1}


@given(ANY)
def test_a_header_stays_one_line_of_ascii(value: str) -> None:
    text = filled(Language.HEADER, "tenant {{args.x}}", value)
    assert text is None or (text.isascii() and text.isprintable() and text == f"tenant {value}")


@given(ANY)
def test_nrql_strings_hold_the_value_and_nothing_else(value: str) -> None:
    text = filled(Language.NRQL, "SELECT count(*) FROM T WHERE r = '{{args.x}}' AND s = 'a'", value)
    assert text is None or re.findall(r"'([^'\\]*)'", text) == [value, "a"]


@given(ANY)
def test_flux_strings_hold_the_value_and_nothing_else(value: str) -> None:
    text = filled(Language.FLUX, 'from(bucket: "b") |> filter(fn: (r) => r.v == "{{args.x}}{y}")', value)
    if text is None:
        return
    assert "${" not in text
    strings = re.findall(r'"((?:[^"\\]|\\.)*)"', text, re.DOTALL)
    assert [re.sub(r"\\(.)", r"\1", each, flags=re.DOTALL) for each in strings] == ["b", f"{value}{{y}}"]


@given(ANY)
@pytest.mark.parametrize("language", [Language.DATADOG, Language.GRAPHITE, Language.METRIC_MATH, Language.NAME])
def test_where_nothing_can_be_quoted_only_names_are_let_in(language: Language, value: str) -> None:
    text = filled(language, "avg:requests{revision:{{args.x}}}", value)
    assert (text is not None) == bool(re.fullmatch(r"[A-Za-z0-9_.:/@-]*", value))
    assert text is None or text == f"avg:requests{{revision:{value}}}"


@pytest.mark.parametrize(
    ("language", "text", "rendered"),
    [
        (Language.PROMQL, "rate(x[{{window}}])", "rate(x[45s])"),
        (Language.DATADOG, "avg:x{*}.rollup(avg, {{window}})", "avg:x{*}.rollup(avg, 45)"),
        (Language.NRQL, "SELECT rate(count(*), {{window}}) FROM T", "SELECT rate(count(*), 45 seconds) FROM T"),
        (Language.FLUX, "range(start: -{{window}})", "range(start: -45s)"),
        (Language.GRAPHITE, "summarize(a.{{candidate}}, '{{ window }}')", "summarize(a.fraud-v2, '45s')"),
        (Language.URL, "http://a/b?since={{window}}", "http://a/b?since=45s"),
        (Language.JSON, '{"since": "{{window}}"}', '{"since":"45s"}'),
        (Language.TEXT, "{{candidate}} {{args.x}}", "fraud-v2 v"),
        (Language.FLUX, 'r.a =~ /"x/ and r.b == "{{args.x}}" // "', 'r.a =~ /"x/ and r.b == "v" // "'),
        (Language.NRQL, "SELECT `a'b` FROM T WHERE x RLIKE r'\\d' -- {it's}", None),
    ],
)
def test_what_is_written(language: Language, text: str, rendered: str | None) -> None:
    assert render(language, text, VALUES, 45) == (text if rendered is None else rendered)


@pytest.mark.parametrize("language", [each for each in Language if each != Language.URL])
def test_an_unknown_placeholder_is_named_with_the_known_ones(language: Language) -> None:
    inside = {Language.JSON: '"{{args.y}}"', Language.NRQL: "'{{args.y}}'"}
    with pytest.raises(PlaceholderError, match=r"unknown placeholder \{\{args.y\}\}; known here: \{\{args.x\}\}"):
        render(language, inside.get(language, '"{{args.y}}"'), VALUES, 45)


@pytest.mark.parametrize(
    ("language", "text", "said"),
    [
        (Language.URL, "http://{{args.x}}/", "a host, in which no placeholder may stand"),
        (Language.URL, "{{args.x}}://a/", "a host, in which no placeholder may stand"),
        (Language.URL, "http://a:{{args.x}}/", "a host, in which no placeholder may stand"),
        (Language.URL, "ftp://a/", "begins with http"),
        (Language.URL, "http://a/#{{args.x}}", "no fragment"),
        (Language.JSON, '{"a": {{args.x}}}', "no JSON"),
        (Language.JSON, "[" * 100_000, "no JSON"),
        (Language.NRQL, "SELECT {{args.x}} FROM T", "only inside a single-quoted string"),
        (Language.NRQL, "SELECT x FROM T WHERE a = r'{{args.x}}'", "only inside a single-quoted string"),
        (Language.NRQL, "SELECT x FROM T SINCE 1 hour ago", "leave SINCE out"),
        (Language.NRQL, "SELECT x FROM T timeseries", "leave TIMESERIES out"),
        (Language.NRQL, "SELECT 'a", "not closed"),
        (Language.FLUX, "r.x == {{args.x}}", "only inside a double-quoted string"),
        (Language.FLUX, 'r.x == "${r.y}" and r.z == "{{args.x}}"', "may hold no placeholder"),
        (Language.FLUX, "r.x =~ /{{args.x}}/", "only inside a double-quoted string"),
        (Language.FLUX, 'r.x == "a', "not closed"),
        (Language.GRAPHITE, "a.{{args.x", "malformed"),
        (Language.HEADER, "a\nb", "visible ASCII"),
    ],
)
def test_what_is_refused(language: Language, text: str, said: str) -> None:
    with pytest.raises(PlaceholderError, match=said):
        render(language, text, VALUES, 45)


@pytest.mark.parametrize("value", ["..", "a/../../admin", "..\\x", "", "."])
def test_a_value_leads_to_no_other_path(value: str) -> None:
    with pytest.raises(PlaceholderError, match="another path"):
        render(Language.URL, "http://a/x/{{args.x}}/y", {"args.x": value})
