import pytest
from tests.unit.analysis.builders import sequential_metric, threshold_metric

from steersman.api.analysis import AnalysisTemplateSpec, Argument, Metric, SequentialJudge, ThresholdJudge
from steersman.core.analysis import BindingError, bind


def template(*metrics: Metric, args: dict[str, str | None] | None = None) -> AnalysisTemplateSpec:
    arguments = [Argument(name=name, value=value) for name, value in (args or {}).items()]
    return AnalysisTemplateSpec(args=arguments, metrics=list(metrics))


def query(text: str) -> Metric:
    return threshold_metric(threshold=ThresholdJudge(query=text, max=1))


def test_metrics_are_named_by_template_and_get_their_arguments() -> None:
    first = template(sequential_metric(), args={"code": "5..", "path": None})
    second = template(threshold_metric(interval="1m"))
    one, two = bind([("a", first), ("b", second)], [Argument(name="path", value="/x")], 15.0)
    assert (one.name, one.interval, one.args) == ("a/errors", 15.0, {"code": "5..", "path": "/x"})
    assert (two.name, two.interval, two.args) == ("b/latency", 60.0, {})


def test_a_given_argument_replaces_the_default() -> None:
    (metric,) = bind([("a", template(query("x"), args={"v": "default"}))], [Argument(name="v", value="")], 15.0)
    assert metric.args == {"v": ""}


@pytest.mark.parametrize(("interval", "seconds"), [("1s", 1.0), ("1500ms", 2.0), ("1m", 60.0)])
def test_intervals_are_whole_seconds(interval: str, seconds: float) -> None:
    (metric,) = bind([("a", template(threshold_metric(interval=interval)))], [], 15.0)
    assert metric.interval == seconds


@pytest.mark.parametrize(
    ("templates", "args", "message"),
    [
        ([("a", template(query("x"), args={"v": None}))], {}, "template a: the argument v has no value"),
        ([("a", template(query("x"), args={"v": None}))], {"v": None}, "template a: the argument v has no value"),
        ([("a", template(query("x"))), ("a", template(query("x")))], {}, "template a is given 2 times"),
        ([("a", template(query("x"), query("y")))], {}, "metric of template a latency is given 2 times"),
        ([("a", template(query("x > {{args.v}}"), args={"v": "1"}))], {}, "a/latency: {{args.v}} may stand only"),
        ([("a", template(query('x{a="{{args.w}}"}'), args={"v": "1"}))], {}, "unknown placeholder {{args.w}}"),
        ([("a", template(query('x{a="{{weight}}"}')))], {}, "a/latency: unknown placeholder {{weight}}"),
    ],
)
def test_what_does_not_fit_is_refused(
    templates: list[tuple[str, AnalysisTemplateSpec]], args: dict[str, str | None], message: str
) -> None:
    with pytest.raises(BindingError, match=message.replace("{", "\\{")):
        bind(templates, [Argument(name=name, value=value) for name, value in args.items()], 15.0)


def test_of_an_argument_given_twice_the_later_value_counts_and_undeclared_ones_are_not_used() -> None:
    given = [("v", "general"), ("w", "of no template"), ("v", "of the stage"), ("v", None)]
    arguments = [Argument(name=name, value=value) for name, value in given]
    (metric,) = bind([("a", template(query("x"), args={"v": "default"}))], arguments, 15.0)
    assert metric.args == {"v": "of the stage"}


@pytest.mark.parametrize("where", ["requests", "failures", "successes"])
@pytest.mark.parametrize("selector", ["rate(x[5m])", "x offset 1m", "x[5m]", 'x{__name__="y"}', 'x{r="{{candidate}}"}'])
def test_sequential_selectors_must_be_plain(where: str, selector: str) -> None:
    texts = {"requests": "x", "failures": "y"} if where != "successes" else {"requests": "x"}
    judge = SequentialJudge.model_validate({**texts, where: selector})
    with pytest.raises(BindingError, match="template/errors: "):
        bind([("template", template(sequential_metric(sequential=judge)))], [], 15.0)


def test_a_selector_takes_an_argument_in_a_string() -> None:
    judge = SequentialJudge(requests="x", failures='x{code=~"{{args.code}}"}')
    (metric,) = bind([("a", template(sequential_metric(sequential=judge), args={"code": '5.."} or y{a="'}))], [], 15.0)
    assert metric.metric.sequential == judge


def test_every_known_placeholder_binds() -> None:
    text = 'x{n="{{namespace}}",d="{{deployment}}",c="{{candidate}}",s="{{stable}}",a="{{args.a}}"}[{{window}}]'
    assert len(bind([("a", template(query(text), args={"a": ""}))], [], 15.0)) == 1


def test_no_templates_are_no_metrics() -> None:
    assert bind([], [], 15.0) == ()
