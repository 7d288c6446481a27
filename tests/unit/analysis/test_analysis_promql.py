import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from steersman.core.analysis.promql import PromQLError, check_selector, count_since, quote, render

HOSTILE = [
    '"',
    "\\",
    '\\"',
    '"} or vector(1) or x{a="',
    "\n",
    "{{args.b}}",
    "}}",
    "`",
    "'",
    "#",
    "\x00",
    "\ud800",
    "ü",
    "",
]


def tokens(query: str) -> list[str]:
    """A lexer of its own: double-quoted strings as their Go-escaped inside, all else character by character."""
    found, position = [], 0
    while position < len(query):
        if query[position] != '"':
            found.append(query[position])
            position += 1
            continue
        end = position + 1
        while query[end] != '"':
            assert query[end] != "\n", "a newline would end the query here"
            end += 2 if query[end] == "\\" else 1
        found.append(query[position : end + 1])
        position = end + 1
    return found


def meaning(string: str) -> str:
    """The value of a double-quoted Go string."""
    escapes = {"n": "\n", "\\": "\\", '"': '"'}
    pattern = re.compile(r'\\u([0-9a-f]{4})|\\U([0-9a-f]{8})|\\([n\\"])')
    return pattern.sub(lambda m: chr(int(m[1] or m[2], 16)) if m[1] or m[2] else escapes[m[3]], string[1:-1])


@given(st.text(st.characters(exclude_categories=())) | st.sampled_from(HOSTILE))
@example("\\")
@example('x"} or on() vector(1) #')
def test_no_value_changes_the_structure_of_a_query(value: str) -> None:
    query = 'sum(rate(x{a="{{args.a}}",b=~"^{{ args.a }}$"}[{{window}}])) / y{c="{{args.b}}"}'
    hostile = tokens(render(query, {"args.a": value, "args.b": "b"}, window="30s"))
    harmless = tokens(render(query, {"args.a": "a", "args.b": "b"}, window="30s"))
    assert len(hostile) == len(harmless)
    strings = [(one, other) for one, other in zip(hostile, harmless, strict=True) if one != other]
    assert all(one.startswith('"') for one, _ in strings)
    carried = re.sub("[\ud800-\udfff]", "\ufffd", value)
    assert meaning(next(token for token in hostile if token.startswith('"'))) == carried
    "".join(hostile).encode()


@given(st.text())
def test_a_selector_with_a_hostile_argument_stays_a_plain_selector(value: str) -> None:
    rendered = render('x_total{a="{{args.a}}"}', {"args.a": value})
    assert check_selector(rendered) == rendered


def test_window_may_stand_anywhere_and_is_not_quoted() -> None:
    assert render('rate(x{w="{{window}}"}[{{window}}])', {}, window="45s") == 'rate(x{w="45s"}[45s])'


def test_a_value_is_not_searched_for_placeholders_again() -> None:
    assert render('x{a="{{args.a}}"}', {"args.a": "{{args.b}}", "args.b": "no"}) == 'x{a="{{args.b}}"}'


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("x{a={{args.a}}}", "only inside a double-quoted string"),
        ("x{a='{{args.a}}'}", "only inside a double-quoted string"),
        ("x{a=`{{args.a}}`}", "only inside a double-quoted string"),
        ("x # {{args.a}}", "only inside a double-quoted string"),
        ('x{a="{{args.c}}"}', "unknown placeholder {{args.c}}; known here: {{args.a}}"),
        ('x{a="{{nonsense}}"}', "unknown placeholder"),
        ('x{a="{{args a}}"}', "malformed"),
        ('x{a="{{}}"}', "malformed"),
        (r'x{a="\{{args.a}}"}', "malformed"),
        ('x{a="{{args.a}}}', "not closed"),
        ('x{a="one\ntwo"}', "not closed"),
        ("x{a='open}", "not closed"),
        ("x[{{window}}]", "unknown placeholder {{window}}"),
    ],
)
def test_misplaced_and_unknown_placeholders_are_refused(query: str, message: str) -> None:
    with pytest.raises(PromQLError, match=re.escape(message)):
        render(query, {"args.a": "v"})


def test_a_backslash_before_a_placeholder_cannot_eat_the_quote() -> None:
    assert render(r'x{a="\\{{args.a}}"}', {"args.a": '"'}) == r'x{a="\\\""}'


@pytest.mark.parametrize(
    "selector",
    [
        "x",
        "job:x:rate5m",
        " x ",
        "x{}",
        'x{a="b"}',
        'x { a = "b", c!~"d\\"}" , }',
        'x{a=~"5..",b!="[5m] offset 1m @ 3"}',
    ],
)
def test_plain_selectors_are_accepted(selector: str) -> None:
    assert check_selector(selector) == selector.strip()


@pytest.mark.parametrize(
    "selector",
    [
        "",
        "1",
        '{a="b"}',
        "x[5m]",
        "x offset 5m",
        "x @ 5",
        "x{a='b'}",
        "x{a=b}",
        'x{a="b" c="d"}',
        'x{,a="b"}',
        'x{__name__="y"}',
        'x{a="b",__name__=~".+"}',
        "rate(x)",
        "x + y",
        "x or y",
        'x{a="b"} or y',
        'x{a="b"}}',
        'x{"a"="b"}',
        "x # comment",
        'x{a="b\n"}',
        "-x",
    ],
)
def test_everything_else_is_refused(selector: str) -> None:
    with pytest.raises(PromQLError):
        check_selector(selector)


def test_a_long_hostile_selector_is_refused_quickly() -> None:
    with pytest.raises(PromQLError):
        check_selector("x{" + " " * 1000 + 'a="b",' * 100 + " " * 1000 + "!")


def test_the_counting_expression_names_no_deployment() -> None:
    text = count_since('x{a="b"}', 30)
    assert text == (
        "sum by (namespace, steersman_dev_revision) "
        '((last_over_time(x{a="b"}[900s]) - last_over_time(x{a="b"}[900s] offset 30s) >= 0) '
        'or last_over_time(x{a="b"}[900s]))'
    )


def test_printable_text_is_left_as_it_is() -> None:
    assert quote("größe 5.. 日本") == "größe 5.. 日本"
    assert quote("\u2028\ufffd\U000e0001") == "\\u2028\\ufffd\\U000e0001"
