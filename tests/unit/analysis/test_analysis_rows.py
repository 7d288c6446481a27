"""Which series are a revision's: by default by the labels of a model's pods, else by a gateway's own."""

from __future__ import annotations

import math

import pytest
from pydantic import ValidationError
from tests.unit.analysis.builders import CANDIDATE, START, context

from steersman.api.analysis import AnalysisTemplateSpec, Argument, Metric, SequentialJudge
from steersman.core.analysis import BindingError, begin, bind, due
from steersman.core.analysis.model import BoundMetric, Sample
from steersman.core.analysis.sequential import NoCountsError, row

ENVOY = {"envoy_cluster_name": "{{namespace}}_{{revision}}_{{args.port}}"}


def envoy(by: dict[str, str], port: str = "8080") -> BoundMetric:
    judge = SequentialJudge(requests="envoy_rq_total", failures='envoy_rq_total{code="5"}', by=by, burst=1)
    template = AnalysisTemplateSpec(args=[Argument(name="port")], metrics=[Metric(name="errors", sequential=judge)])
    (made,) = bind([("envoy", template)], [Argument(name="port", value=port)], 15.0)
    return made


def value(made: BoundMetric, *samples: Sample) -> float | None:
    assert made.metric.sequential is not None
    return row(made, made.metric.sequential, context(), CANDIDATE).value(samples)


def test_a_gateways_label_names_the_revision() -> None:
    made = envoy(ENVOY)
    (requests, failures), _ = due([made], begin(context().stage, [made], START), context(), START + 17.0)
    assert requests.text.startswith("sum by (envoy_cluster_name) (")
    assert CANDIDATE not in requests.text + failures.text
    right = Sample({"envoy_cluster_name": f"risk_{CANDIDATE}_8080"}, 7.0)
    wrong = Sample({"envoy_cluster_name": f"risk_{CANDIDATE}_80"}, 9.0)
    assert value(made, wrong, right) == 7.0
    assert value(made, wrong) is None


def test_a_hostile_argument_selects_nothing_else() -> None:
    made = envoy(ENVOY, port='8080"} or vector(1) #')
    assert value(made, Sample({"envoy_cluster_name": f"risk_{CANDIDATE}_8080"}, 7.0)) is None


def test_all_labels_must_agree() -> None:
    made = envoy({"service": "{{revision}}", "ns": "{{namespace}}"})
    assert value(made, Sample({"service": CANDIDATE, "ns": "other"}, 7.0)) is None
    assert value(made, Sample({"service": CANDIDATE, "ns": "risk"}, 7.0)) == 7.0


@pytest.mark.parametrize("odd", [math.nan, math.inf])
def test_a_count_that_is_no_number_is_no_count(odd: float) -> None:
    with pytest.raises(NoCountsError, match=f"a count of {CANDIDATE} is"):
        value(envoy(ENVOY), Sample({"envoy_cluster_name": f"risk_{CANDIDATE}_8080"}, odd))


def test_an_unknown_placeholder_is_named() -> None:
    with pytest.raises(BindingError, match=r"envoy/errors: unknown placeholder \{\{role\}\}; known here: .*revision"):
        envoy({"service": "{{role}}"})


@pytest.mark.parametrize("label", ["", "a-b", "1a", "a) or vector(1", "é"])
def test_a_key_must_be_a_labels_name(label: str) -> None:
    with pytest.raises(ValidationError, match="by has a key that is no label's name"):
        envoy({label: "x"})
