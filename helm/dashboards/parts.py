"""What the panels have in common: one look, one data source, a description under each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from grafana_foundation_sdk.builders import bargauge, common, prometheus, stat, statetimeline, timeseries
from grafana_foundation_sdk.builders import dashboard as board
from grafana_foundation_sdk.models import common as common_model
from grafana_foundation_sdk.models import dashboard as model

SOURCE: Final = model.DataSourceRef(type_val="prometheus", uid="${datasource}")
Query = tuple[str, str]
"""PromQL and its legend."""
SERVED: Final = 'namespace=~"$namespace", steersman_dev_deployment=~"$deployment"'
"""Of the pods' series: the labels that the chart's PodMonitor adds."""
DECIDED: Final = 'namespace=~"$namespace", deployment=~"$deployment"'
"""Of the operator's series."""


def dashboard(title: str, uid: str, description: str) -> board.Dashboard:
    """An empty dashboard that asks which Prometheus."""
    return (
        board.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags(["steersman", "machine-learning"])
        .readonly()
        .refresh("30s")
        .time("now-3h", "now")
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .with_variable(board.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
    )


def choice(name: str, label: str, query: str) -> board.QueryVariable:
    """A variable whose values Prometheus knows; everything is chosen at first."""
    variable = (
        board.QueryVariable(name)
        .label(label)
        .datasource(SOURCE)
        .query(query)
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
    )
    everything = model.VariableOption(selected=True, text=["All"], value=["$__all"])
    return variable.multi(True).include_all(True).all_value(".*").current(everything)


def _targets(queries: Sequence[Query], *, instant: bool = False) -> list[prometheus.Dataquery]:
    made = []
    for number, (promql, legend) in enumerate(queries):
        target = prometheus.Dataquery().ref_id(chr(ord("A") + number)).expr(promql).legend_format(legend)
        made.append(target.instant() if instant else target.range())
    return made


def graph(
    title: str, description: str, unit: str, *queries: Query, width: int = 12, most: float | None = None
) -> timeseries.Panel:
    """Lines over time, from 0; the legend shows the last and the greatest value."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .unit(unit)
        .min(0)
        .span(width)
        .height(8)
        .line_width(1)
        .fill_opacity(8)
        .show_points(common_model.VisibilityMode.NEVER)
        .legend(
            common.VizLegendOptions()
            .display_mode(common_model.LegendDisplayMode.TABLE)
            .placement(common_model.LegendPlacement.BOTTOM)
            .show_legend(True)
            .calcs(["lastNotNull", "max"])
        )
        .tooltip(common.VizTooltipOptions().mode(common_model.TooltipDisplayMode.MULTI))
    )
    if most is not None:
        panel.max(most)
    for target in _targets(queries):
        panel.with_target(target)
    return panel


def number(
    title: str, description: str, unit: str, *queries: Query, width: int = 6, bad_from: float | None = None
) -> stat.Panel:
    """The latest value; red from `bad_from` on."""
    panel = (
        stat.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .unit(unit)
        .span(width)
        .height(4)
        .text_mode(common_model.BigValueTextMode.AUTO)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .no_value("0")
    )
    steps = [model.Threshold(value=None, color="green" if bad_from is not None else "text")]
    if bad_from is not None:
        steps.append(model.Threshold(value=bad_from, color="red"))
    panel.thresholds(board.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(steps))
    for target in _targets(queries, instant=True):
        panel.with_target(target)
    return panel


def bars(title: str, description: str, unit: str, *queries: Query, width: int = 12) -> bargauge.Panel:
    """One bar a series."""
    panel = (
        bargauge.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .unit(unit)
        .min(0)
        .span(width)
        .height(10)
        .orientation(common_model.VizOrientation.HORIZONTAL)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    )
    for target in _targets(queries, instant=True):
        panel.with_target(target)
    return panel


def states(title: str, description: str, words: dict[str, tuple[str, str]], *queries: Query) -> statetimeline.Panel:
    """What state something is in over time; `words` has text and colour of each value."""
    options = {
        value: model.ValueMappingResult(text=text, color=color, index=index)
        for index, (value, (text, color)) in enumerate(words.items())
    }
    panel = (
        statetimeline.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .span(24)
        .height(9)
        .mappings([model.ValueMap(options=options)])
        .show_value(common_model.VisibilityMode.NEVER)
        .legend(
            common.VizLegendOptions()
            .display_mode(common_model.LegendDisplayMode.LIST)
            .placement(common_model.LegendPlacement.BOTTOM)
            .show_legend(True)
        )
    )
    for target in _targets(queries):
        panel.with_target(target)
    return panel
