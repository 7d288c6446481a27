"""Model quality and drift: what the model answers, how often it is right, and whether its data are still those that it knows."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard as board
from grafana_foundation_sdk.models import dashboard as model
from helm.dashboards.parts import DECIDED, SERVED, bars, choice, graph, number, states
from helm.dashboards.parts import dashboard as empty

RATE = "[$__rate_interval]"
WINDOW = "[$window]"
REVISION = "{{steersman_dev_revision}}"
COLUMN = f'{SERVED}, column=~"$column"'
SMALLEST_SHARE = 0.0001
"""Stands for an empty bin, whose logarithm there is none of."""


def _share(selector: str) -> str:
    """Share of a column's observations in each bin, in the window."""
    counted = f"increase(steersman_profile_observations_total{{{selector}}}{WINDOW})"
    by = "namespace, steersman_dev_revision, column, role"
    return f"(sum by ({by}, bin) ({counted}) / on ({by}) group_left sum by ({by}) ({counted}))"


def _reference(selector: str) -> str:
    by = "namespace, steersman_dev_revision, column, role, bin"
    return f"max by ({by}) (steersman_profile_reference_ratio{{{selector}}})"


def population_stability_index(selector: str) -> str:
    """PSI of each column: the sum over its bins of (p - q) ln(p / q)."""
    observed = f"clamp_min({_share(selector)}, {SMALLEST_SHARE})"
    expected = f"clamp_min({_reference(selector)}, {SMALLEST_SHARE})"
    return (
        f"sum by (namespace, steersman_dev_revision, column) (({observed} - {expected}) * ln({observed} / {expected}))"
    )


def dashboard() -> board.Dashboard:
    """The dashboard."""
    made = (
        empty(
            "Steersman: model quality and drift",
            "steersman-quality",
            "What the models answer, how often they are right, and whether their data are still those that they were trained on.",
        )
        .with_variable(choice("namespace", "Namespace", "label_values(steersman_model_info, namespace)"))
        .with_variable(
            choice(
                "deployment",
                "ModelDeployment",
                'label_values(steersman_model_info{namespace=~"$namespace"}, steersman_dev_deployment)',
            )
        )
        .with_variable(
            choice("column", "Column", f"label_values(steersman_profile_reference_ratio{{{SERVED}}}, column)")
        )
        .with_variable(
            board.CustomVariable("window")
            .label("Window")
            .description("Ground truth and distributions are counted over this time.")
            .values("15m,1h,6h,1d,7d")
            .current(model.VariableOption(selected=True, text="1h", value="1h"))
        )
    )
    _model(made)
    _truth(made)
    _drift(made)
    return made


def _model(made: board.Dashboard) -> None:
    made.with_row(board.Row("Model"))
    made.with_panel(
        number(
            "Models",
            "Pods by model and version.",
            "short",
            (
                f"count by (name, version, flavor) (steersman_model_info{{{SERVED}}})",
                "{{name}} {{version}} ({{flavor}})",
            ),
            width=12,
        )
    )
    made.with_panel(
        number(
            "Ready pods",
            "Pods whose model is loaded and whose smoke request passed.",
            "short",
            (f"sum by (steersman_dev_revision) (steersman_model_ready{{{SERVED}}})", REVISION),
        )
    )
    made.with_panel(
        number(
            "Time to load",
            "The longest that importing and loading a model took.",
            "s",
            (f"max by (steersman_dev_revision) (steersman_model_load_seconds{{{SERVED}}})", REVISION),
        )
    )
    made.with_panel(
        graph(
            "Predictions",
            "Rows predicted a second.",
            "short",
            (f"sum by (steersman_dev_revision) (rate(steersman_predictions_total{{{SERVED}}}{RATE}))", REVISION),
        )
    )
    made.with_panel(
        graph(
            "Exceptions",
            "Exceptions that the model raised a second, by type.",
            "short",
            (
                f"sum by (steersman_dev_revision, type) (rate(steersman_exceptions_total{{{SERVED}}}{RATE}))",
                f"{REVISION} {{{{type}}}}",
            ),
        )
    )


def _truth(made: board.Dashboard) -> None:
    by = "predicted_by"
    legend = "{{predicted_by}}"
    answers = f"sum by ({by}) (increase(steersman_feedback_total{{{SERVED}}}{WINDOW}))"
    right = f'sum by ({by}) (increase(steersman_feedback_total{{outcome="correct", {SERVED}}}{WINDOW}))'

    def counted(kind: str) -> str:
        return f'sum by ({by}, class) (increase(steersman_feedback_class_total{{count="{kind}", {SERVED}}}{WINDOW}))'

    hits, errors = counted("true_positive"), f"steersman_feedback_absolute_error_sum{{{SERVED}}}"
    count = f"sum by ({by}) (increase(steersman_feedback_absolute_error_count{{{SERVED}}}{WINDOW}))"
    squares = f"sum by ({by}) (increase(steersman_feedback_squared_error_total{{{SERVED}}}{WINDOW}))"
    made.with_row(board.Row("Ground truth, by the revision that made the prediction"))
    made.with_panel(
        graph(
            "Accuracy",
            "Share of the predictions that turned out right.",
            "percentunit",
            (f"{right} / {answers}", legend),
            most=1,
        )
    )
    made.with_panel(
        graph("Known truths", "Predictions whose truth came within the window.", "short", (answers, legend))
    )
    for title, description, wrong in (
        ("Precision", "Of what was taken for this class, the share that was.", "false_positive"),
        ("Recall", "Of what was of this class, the share that was found.", "false_negative"),
    ):
        query = f"{hits} / ({hits} + {counted(wrong)})"
        made.with_panel(graph(title, description, "percentunit", (query, f"{legend} {{{{class}}}}"), most=1))
    made.with_panel(
        graph(
            "Mean absolute error",
            "Of regressions, in the unit of the target.",
            "short",
            (f"sum by ({by}) (increase({errors}{WINDOW})) / {count}", legend),
        )
    )
    made.with_panel(
        graph(
            "Root mean squared error",
            "Of regressions, in the unit of the target.",
            "short",
            (f"sqrt({squares} / {count})", legend),
        )
    )


def _drift(made: board.Dashboard) -> None:
    fired = f"sum by (predicted_by, detector) (increase(steersman_concept_drift_total{{{SERVED}}}{WINDOW}))"
    drift = 'steersman_deployment_condition{type=~"DataDrift|ConceptDrift", '
    true = f'max by (namespace, deployment, type) ({drift}status="True", {DECIDED}}})'
    any_ = f"max by (namespace, deployment, type) ({drift}{DECIDED}}})"
    made.with_row(board.Row("Drift"))
    made.with_panel(
        states(
            "Drift, as the operator judges it",
            "The conditions DataDrift and ConceptDrift.",
            {"1": ("drift", "red"), "0": ("no drift, or unknown", "green")},
            (f"{true} or 0 * {any_}", "{{namespace}}/{{deployment}} {{type}}"),
        )
    )
    made.with_panel(
        graph(
            "Population stability index",
            "Distance of each column's distribution in the window from the model's reference: below 0.1 is little, above 0.25 much. "
            "With few observations chance alone makes it large.",
            "short",
            (population_stability_index(COLUMN), f"{REVISION} {{{{column}}}}"),
        )
    )
    made.with_panel(
        graph(
            "Detectors of concept drift",
            "How often a detector on the stream of errors fired in the window.",
            "short",
            (fired, "{{predicted_by}} {{detector}}"),
        )
    )
    made.with_panel(
        bars(
            "Distribution in the window",
            "Share of the observations in each bin of the chosen columns. A number is a bin's upper bound.",
            "percentunit",
            (_share(COLUMN), f"{REVISION} {{{{column}}}} {{{{bin}}}}"),
        )
    )
    made.with_panel(
        bars(
            "Distribution of the reference",
            "Share of the reference's rows in the same bins.",
            "percentunit",
            (_reference(COLUMN), f"{REVISION} {{{{column}}}} {{{{bin}}}}"),
        )
    )
    by = "namespace, steersman_dev_revision, column"
    missing = f'increase(steersman_profile_observations_total{{bin=~"[(]missing[)]", {COLUMN}}}{WINDOW})'
    all_ = f"increase(steersman_profile_observations_total{{{COLUMN}}}{WINDOW})"
    made.with_panel(
        graph(
            "Missing values",
            "Share of a column's observations in the window that had no value.",
            "percentunit",
            (f"sum by ({by}) ({missing}) / sum by ({by}) ({all_})", f"{REVISION} {{{{column}}}}"),
        )
    )
    made.with_panel(
        graph(
            "Observations",
            "How many observations of each column the window holds.",
            "short",
            (f"sum by ({by}) ({all_})", f"{REVISION} {{{{column}}}}"),
        )
    )
