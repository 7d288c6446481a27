"""ModelDeployments in the states that the command line has to show. Times count from NOW."""

from __future__ import annotations

import copy
from typing import Any

from steersman.api.meta import format_timestamp

NOW = 1_790_000_000.0
"""The moment at which every sample is looked at."""

Manifest = dict[str, Any]


def ago(seconds: float) -> str:
    return format_timestamp(NOW - seconds)


def merged(base: Manifest, changes: Manifest) -> Manifest:
    """A copy with changes merged in: dicts by key, all else replaced; None removes."""
    result = copy.deepcopy(base)
    for key, value in changes.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merged(result[key], value)
        else:
            result[key] = copy.deepcopy(value)
    return result


def condition(kind: str, status: str, reason: str, message: str = "") -> Manifest:
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": ago(100),
        "observedGeneration": 3,
    }


def healthy(**changes: Any) -> Manifest:
    """Version 7 serves everything; its rollout ended an hour ago."""
    base: Manifest = {
        "apiVersion": "steersman.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {
            "name": "fraud",
            "namespace": "risk",
            "generation": 3,
            "resourceVersion": "100",
            "uid": "u-1",
            "creationTimestamp": ago(86400 * 3),
            "managedFields": [{"manager": "kubectl"}],
        },
        "spec": {
            "model": {"name": "fraud-classifier", "alias": "champion"},
            "replicas": 3,
            "traffic": {
                "gatewayAPI": {
                    "parentRefs": [{"name": "steersman", "namespace": "projectcontour"}],
                    "hostnames": ["fraud.example.com"],
                }
            },
            "strategy": {
                "canary": {
                    "steps": [
                        {"setWeight": 10},
                        {"pause": {"duration": "5m"}},
                        {"setWeight": 50},
                        {"pause": {}},
                    ]
                }
            },
            "analysis": {"templates": [{"name": "request-errors"}, {"name": "latency"}]},
        },
        "status": {
            "observedGeneration": 3,
            "phase": "Healthy",
            "message": "",
            "model": {
                "registry": "mlflow",
                "name": "fraud-classifier",
                "selector": "alias champion",
                "version": "7",
                "modelId": "m-0123456789abcdef",
                "runId": "4f0c2e9ad1",
                "resolvedAt": ago(3700),
            },
            "stable": {"name": "fraud-v7-1a2b3c4d", "version": "7", "replicas": 3, "availableReplicas": 3},
            "weights": [{"revision": "fraud-v7-1a2b3c4d", "weight": 100}],
            "candidateWeight": 0,
            "ready": "3/3",
            "history": [
                {
                    "revision": "fraud-v7-1a2b3c4d",
                    "version": "7",
                    "strategy": "canary",
                    "outcome": "Promoted",
                    "reason": "Promoted",
                    "message": "fraud-v7-1a2b3c4d is stable, fraud-v6-99887766 was",
                    "startedAt": ago(4200),
                    "endedAt": ago(3600),
                },
                {
                    "revision": "fraud-v6-99887766",
                    "version": "6",
                    "strategy": "initial",
                    "outcome": "Promoted",
                    "reason": "Promoted",
                    "message": "fraud-v6-99887766 is stable",
                    "startedAt": ago(86400),
                    "endedAt": ago(86355),
                },
            ],
            "conditions": [
                condition("Ready", "True", "RolloutComplete"),
                condition("Available", "True", "MinimumReplicasAvailable"),
                condition("Progressing", "False", "RolloutComplete"),
                condition("Accepted", "True", "Accepted"),
                condition("ModelResolved", "True", "Resolved"),
                condition("AnalysisPassing", "Unknown", "NoAnalysis"),
                condition("TrafficRouted", "True", "WeightsApplied"),
            ],
        },
    }
    return merged(base, changes)


def metric(name: str, phase: str, **more: Any) -> Manifest:
    return {
        "name": name,
        "phase": phase,
        "firstLookAt": ago(120),
        "lastLookAt": ago(4),
        "lastAttemptAt": ago(4),
        "measurements": [],
        **more,
    }


def canary(**changes: Any) -> Manifest:
    """Version 8 at 10 %, in a pause of five minutes of which 75 s have gone by."""
    return merged(
        healthy(),
        merged(
            {
                "status": {
                    "phase": "Progressing",
                    "message": "Pausing for 5m at 10 %",
                    "model": {"version": "8", "resolvedAt": ago(150)},
                    "candidate": {
                        "name": "fraud-v8-5e6f7a8b",
                        "version": "8",
                        "replicas": 1,
                        "availableReplicas": 1,
                    },
                    "weights": [
                        {"revision": "fraud-v7-1a2b3c4d", "weight": 90},
                        {"revision": "fraud-v8-5e6f7a8b", "weight": 10},
                    ],
                    "candidateWeight": 10,
                    "step": "2/4",
                    "rollout": {
                        "revision": "fraud-v8-5e6f7a8b",
                        "version": "8",
                        "strategy": "canary",
                        "phase": "Stepping",
                        "startedAt": ago(140),
                        "generation": 3,
                        "step": 1,
                        "stepStartedAt": ago(75),
                        "weightReachedAt": ago(75),
                        "analysis": {
                            "stage": "background",
                            "startedAt": ago(80),
                            "metrics": [
                                metric(
                                    "request-errors/errors",
                                    "Pass",
                                    passes=5,
                                    message="the candidate fails no more often than stable",
                                    sequential={
                                        "logLikelihoodRatios": [-0.1],
                                        "evidence": 0.82,
                                        "candidateRequests": 240,
                                        "candidateFailures": 3,
                                        "stableRequests": 2160,
                                        "stableFailures": 22,
                                        "requestsSinceWeight": 240,
                                    },
                                ),
                                metric(
                                    "latency/p99",
                                    "Pass",
                                    passes=4,
                                    inconclusive=1,
                                    measurements=[
                                        {"at": ago(19), "phase": "Inconclusive", "message": "no data"},
                                        {"at": ago(4), "phase": "Pass", "value": 0.1834},
                                    ],
                                ),
                            ],
                        },
                    },
                    "conditions": [
                        condition("Ready", "False", "RolloutProgressing"),
                        condition("Available", "True", "MinimumReplicasAvailable"),
                        condition("Progressing", "True", "RolloutProgressing"),
                        condition("AnalysisPassing", "True", "AnalysisPassing"),
                        condition("TrafficRouted", "True", "WeightsApplied"),
                    ],
                }
            },
            changes,
        ),
    )


def in_rollout(**rollout: Any) -> Manifest:
    """The canary with changes to status.rollout."""
    return canary(status={"rollout": rollout})


BLUE_GREEN_SPEC: Manifest = {
    "strategy": {
        "canary": None,
        "blueGreen": {
            "prePromotionAnalysis": {"templates": [{"name": "smoke"}]},
            "postPromotionAnalysis": {"templates": [{"name": "request-errors"}]},
            "autoPromotion": False,
        },
    }
}


def blue_green(**rollout: Any) -> Manifest:
    """Version 8 as a preview whose analysis has passed; waits for promote."""
    weights = [
        {"revision": "fraud-v7-1a2b3c4d", "weight": 100},
        {"revision": "fraud-v8-5e6f7a8b", "weight": 0},
    ]
    return canary(
        spec=BLUE_GREEN_SPEC,
        status={
            "phase": "Paused",
            "message": "The preview is ready: waiting for promote",
            "step": "",
            "weights": weights,
            "candidateWeight": 0,
            "candidate": {"replicas": 3, "availableReplicas": 3},
            "rollout": {
                "strategy": "blueGreen",
                "phase": "PrePromotion",
                "step": 0,
                "gateOpen": True,
                "analysis": {"stage": "prePromotion", "metrics": [metric("smoke/answers", "Pass", passes=1)]},
                **rollout,
            },
        },
    )


def quarantined(**changes: Any) -> Manifest:
    """Version 8 was aborted by the analysis 40 s ago; version 7 serves."""
    message = "request-errors/errors: 12 of 240 requests failed, evidence 156 exceeds 100"
    return healthy(
        **merged(
            {
                "status": {
                    "phase": "Degraded",
                    "message": "Version 8 failed and is quarantined; version 7 serves all traffic",
                    "model": {"version": "8", "resolvedAt": ago(150)},
                    "retiring": [
                        {
                            "revision": "fraud-v8-5e6f7a8b",
                            "version": "8",
                            "replicas": 1,
                            "scaleDownAt": format_timestamp(NOW + 12),
                        }
                    ],
                    "quarantine": {
                        "revision": "fraud-v8-5e6f7a8b",
                        "version": "8",
                        "generation": 3,
                        "reason": "AnalysisFailed",
                        "message": message,
                        "since": ago(40),
                    },
                    "lastAnalysis": {
                        "stage": "background",
                        "startedAt": ago(100),
                        "metrics": [
                            metric(
                                "request-errors/errors",
                                "Fail",
                                passes=3,
                                failures=1,
                                message="12 of 240 requests failed",
                                sequential={
                                    "evidence": 156.0,
                                    "candidateRequests": 240,
                                    "candidateFailures": 12,
                                    "stableRequests": 2160,
                                    "stableFailures": 20,
                                },
                            )
                        ],
                    },
                    "history": [
                        {
                            "revision": "fraud-v8-5e6f7a8b",
                            "version": "8",
                            "strategy": "canary",
                            "outcome": "Aborted",
                            "reason": "AnalysisFailed",
                            "message": message,
                            "startedAt": ago(140),
                            "endedAt": ago(40),
                        },
                        *healthy()["status"]["history"],
                    ],
                    "conditions": [
                        condition("Ready", "False", "Quarantined", "version 8 is quarantined"),
                        condition("Progressing", "False", "RolloutAborted", message),
                        condition("AnalysisPassing", "False", "AnalysisFailed", message),
                    ],
                }
            },
            changes,
        )
    )


def unresolved() -> Manifest:
    """The registry does not answer, and nothing has ever served."""
    return healthy(
        status={
            "phase": "Pending",
            "message": "",
            "model": None,
            "stable": None,
            "weights": [],
            "ready": "",
            "history": [],
            "conditions": [
                condition("Ready", "False", "RegistryUnreachable"),
                condition("ModelResolved", "False", "RegistryUnreachable", "mlflow: connection refused"),
            ],
        }
    )


EVENTS: list[Manifest] = [
    {
        "type": "Normal",
        "reason": "RolloutStarted",
        "message": "Canary of version 8 (fraud-v8-5e6f7a8b)",
        "lastTimestamp": ago(140),
        "count": 1,
    },
    {
        "type": "Warning",
        "reason": "AnalysisInconclusive",
        "message": "latency/p99: no data",
        "eventTime": ago(110),
        "series": {"count": 4, "lastObservedTime": ago(19)},
    },
    {
        "type": "Normal",
        "reason": "WeightSet",
        "message": "fraud-v8-5e6f7a8b from 0 % to 10 %",
        "lastTimestamp": ago(80),
        "count": 1,
    },
]
