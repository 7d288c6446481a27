"""Rollouts: what is under way, how the candidate does beside stable, and how the operator is."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard as board
from helm.dashboards.parts import DECIDED, SERVED, choice, graph, number, states
from helm.dashboards.parts import dashboard as empty

RATE = "[$__rate_interval]"


def _by_revision(expression: str) -> str:
    return f"sum by (namespace, steersman_dev_revision) ({expression})"


def _quantile(share: float) -> str:
    buckets = f"rate(steersman_request_duration_seconds_bucket{{{SERVED}}}{RATE})"
    return f"histogram_quantile({share}, sum by (namespace, steersman_dev_revision, le) ({buckets}))"


def dashboard() -> board.Dashboard:
    """The dashboard."""
    made = (
        empty(
            "Steersman: rollouts",
            "steersman-rollouts",
            "What is rolled out, how the candidate does beside stable, and how the operator is.",
        )
        .with_variable(choice("namespace", "Namespace", "label_values(steersman_deployment_condition, namespace)"))
        .with_variable(
            choice(
                "deployment",
                "ModelDeployment",
                'label_values(steersman_deployment_condition{namespace=~"$namespace"}, deployment)',
            )
        )
    )
    _overview(made)
    _rollouts(made)
    _revisions(made)
    _operator(made)
    return made


def _overview(made: board.Dashboard) -> None:
    chosen = f'steersman_deployment_condition{{type="Ready", status!="True", {DECIDED}}}'
    failed = f'steersman_deployment_condition{{type="Ready", status="False", reason=~"RolloutAborted|RolledBack", {DECIDED}}}'
    made.with_row(board.Row("Overview"))
    made.with_panel(
        number(
            "By phase",
            "ModelDeployments of the whole installation by phase.",
            "short",
            ("sum by (phase) (steersman_modeldeployments) > 0", "{{phase}}"),
            width=9,
        )
    )
    made.with_panel(
        number(
            "Rollouts that ended",
            "In the time shown, of the whole installation, by outcome.",
            "short",
            ("sum by (outcome) (round(increase(steersman_rollouts_total[$__range])))", "{{outcome}}"),
            width=6,
        )
    )
    made.with_panel(
        number(
            "Not ready",
            "ModelDeployments that do not serve what their spec asks for, with those in the middle of a rollout.",
            "short",
            (f"count(max by (namespace, deployment) ({chosen})) or vector(0)", "not ready"),
            width=3,
        )
    )
    made.with_panel(
        number(
            "Rolled back",
            "ModelDeployments whose revision failed: an earlier one serves until somebody acts.",
            "short",
            (f"count(max by (namespace, deployment) ({failed})) or vector(0)", "rolled back"),
            width=3,
            bad_from=1,
        )
    )
    made.with_panel(
        number(
            "Leaders",
            "Replicas of the operator that act. There should be one.",
            "short",
            ("sum(steersman_leader)", "leaders"),
            width=3,
        )
    )


def _rollouts(made: board.Dashboard) -> None:
    true = f'max by (namespace, deployment, type) (steersman_deployment_condition{{status="True", {DECIDED}}})'
    any_ = f"max by (namespace, deployment, type) (steersman_deployment_condition{{{DECIDED}}})"
    made.with_row(board.Row("Rollouts"))
    made.with_panel(
        graph(
            "Candidate's weight",
            "Share of the traffic that is intended for the candidate while a rollout is under way.",
            "percent",
            (
                f"max by (namespace, deployment) (steersman_candidate_weight_percent{{{DECIDED}}})",
                "{{namespace}}/{{deployment}}",
            ),
            most=100,
        )
    )
    made.with_panel(
        graph(
            "Ends of rollouts",
            "In each hour, of the whole installation. The reason is empty for those that were promoted.",
            "short",
            ("sum by (outcome, reason) (increase(steersman_rollouts_total[1h]))", "{{outcome}} {{reason}}"),
        )
    )
    made.with_panel(
        states(
            "Conditions",
            "Which conditions are True. Stalled means that somebody has to act; docs/reference/conditions.md explains each.",
            {"1": ("True", "green"), "0": ("not True", "orange")},
            (f"{true} or 0 * {any_}", "{{namespace}}/{{deployment}} {{type}}"),
        )
    )


def _revisions(made: board.Dashboard) -> None:
    legend = "{{steersman_dev_revision}}"
    requests = _by_revision(f"rate(steersman_requests_total{{{SERVED}}}{RATE})")
    errors = _by_revision(f'rate(steersman_requests_total{{code=~"5..", {SERVED}}}{RATE})')
    made.with_row(board.Row("Revisions: stable and candidate"))
    made.with_panel(graph("Requests", "Requests for predictions a second, by revision.", "reqps", (requests, legend)))
    made.with_panel(
        graph(
            "Errors",
            "Share of the requests that were answered with HTTP 5xx.",
            "percentunit",
            (f"{errors} / {requests}", legend),
        )
    )
    made.with_panel(
        graph(
            "Latency",
            "Time that half of the requests, and 99 of 100, take at most.",
            "s",
            (_quantile(0.5), f"{legend} median"),
            (_quantile(0.99), f"{legend} 99 %"),
        )
    )
    made.with_panel(
        graph(
            "Being answered",
            "Requests in the pods at a moment, by revision.",
            "short",
            (_by_revision(f"steersman_requests_in_progress{{{SERVED}}}"), legend),
        )
    )


def _operator(made: board.Dashboard) -> None:
    seconds = "histogram_quantile(0.99, sum by (le) (rate(steersman_{}_duration_seconds_bucket[$__rate_interval])))"
    made.with_row(board.Row("Operator"))
    for title, description, metric, label in (
        ("Reconciles", "Looks at ModelDeployments, by result.", "steersman_reconciles_total", "result"),
        ("Metric queries", "Questions to metric servers, by result.", "steersman_metric_queries_total", "result"),
        ("Registry", "Answers of registries: Resolved, or the reason.", "steersman_registry_polls_total", "result"),
        ("API server", "Requests to the API server, watches excepted.", "steersman_kube_requests_total", "verb"),
        ("Notifications", "Notifications by what became of them.", "steersman_notifications_total", "outcome"),
        ("Events", "Kubernetes events by what became of them.", "steersman_events_total", "outcome"),
    ):
        query = f"sum by ({label}) (rate({metric}[$__rate_interval]))"
        made.with_panel(graph(title, description, "ops", (query, f"{{{{{label}}}}}"), width=8))
    made.with_panel(
        graph(
            "Time",
            "99 of 100 take at most so long.",
            "s",
            (seconds.format("reconcile"), "reconcile"),
            (seconds.format("metric_query"), "metric query"),
            width=12,
        )
    )
    made.with_panel(
        graph(
            "Queue",
            "ModelDeployments that wait to be reconciled.",
            "short",
            ("sum(steersman_queue_depth)", "waiting"),
            width=12,
        )
    )
