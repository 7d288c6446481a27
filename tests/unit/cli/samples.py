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


EVERY_STEP: list[Manifest] = [
    {
        "setHeaderRoute": {
            "name": "testers",
            "match": [
                {"headers": [{"name": "x-group", "exact": "beta"}]},
                {"cookies": [{"name": "plan", "value": "gold"}]},
            ],
        }
    },
    {"setMirrorRoute": {"percentage": 50}},
    {"setCanaryScale": {"replicas": 2}},
    {"setWeight": 10},
    {"experiment": {"weight": 20, "duration": "10m", "analysis": {"templates": [{"name": "latency"}]}}},
    {"analysis": {"templates": [{"name": "request-errors"}, {"name": "latency"}]}},
    {"setHeaderRoute": {"name": "testers"}},
    {"setMirrorRoute": {"percentage": 0}},
    {"setCanaryScale": {"matchTrafficWeight": True}},
    {"setWeight": 50},
]


def at_step(step: int, status: Manifest | None = None, **rollout: Any) -> Manifest:
    """Version 8 on its way by every kind of step, at this one; header route and mirror are in force."""
    return canary(
        spec={"strategy": {"canary": {"steps": EVERY_STEP, "sessionAffinity": {}}}},
        status={
            "step": f"{step}/{len(EVERY_STEP)}",
            "candidate": {"replicas": 2, "availableReplicas": 2},
            "rollout": {"step": step, "headerRoutes": [EVERY_STEP[0]["setHeaderRoute"]], "mirror": 50, **rollout},
            **(status or {}),
        },
    )


BASELINE: Manifest = {"name": "fraud-v7-0a1b2c3d", "version": "7", "replicas": 2, "availableReplicas": 2}


def experiment(**changes: Any) -> Manifest:
    """Version 8 and a fresh copy of version 7 with 20 % each for two minutes so far."""
    weights = {"fraud-v7-1a2b3c4d": 60, "fraud-v8-5e6f7a8b": 20, BASELINE["name"]: 20}
    judged = metric(
        "latency/slow",
        "Pass",
        passes=3,
        sequential={
            "evidence": 0.4,
            "candidateRequests": 480,
            "candidateFailures": 5,
            "stableRequests": 470,
            "stableFailures": 6,
        },
    )
    return at_step(
        4,
        status={
            "message": "The experiment runs for 10m at 20 % each",
            "candidateWeight": 20,
            "weights": [{"revision": revision, "weight": weight} for revision, weight in weights.items()],
        },
        experiment={"baseline": BASELINE, "weightBefore": 10, "runningSince": ago(120), **changes},
        stepAnalysis={"stage": "experiment", "startedAt": ago(120), "metrics": [judged]},
    )


def trouble(reason: str = "Unschedulable") -> Manifest:
    """The candidate's first pod finds no node."""
    message = (
        "0 of 1 pods of fraud-v8-5e6f7a8b are available: 1 of 1 pods cannot be scheduled: 0/3 nodes are available: "
        "3 Insufficient nvidia.com/gpu"
    )
    weights = [{"revision": "fraud-v7-1a2b3c4d", "weight": 100}, {"revision": "fraud-v8-5e6f7a8b", "weight": 0}]
    return canary(
        status={
            "message": message,
            "step": "",
            "weights": weights,
            "candidateWeight": 0,
            "candidate": {"availableReplicas": 0},
            "rollout": {"phase": "Starting", "step": 0, "analysis": None, "weightReachedAt": None},
            "conditions": [
                condition("Ready", "False", "RolloutProgressing", message),
                condition("Progressing", "True", reason, message),
                condition("Reconciling", "True", reason, message),
                condition("TrafficRouted", "True", "WeightsApplied"),
            ],
        }
    )


def first_revision() -> Manifest:
    """Version 8 is the first of all, and starts."""
    manifest = trouble("RolloutProgressing")
    for gone in ("stable", "history"):
        del manifest["status"][gone]
    manifest["status"] |= {"phase": "Initializing", "message": "0 of 3 pods of fraud-v8-5e6f7a8b are available"}
    manifest["status"]["rollout"]["strategy"] = "initial"
    manifest["status"]["weights"] = []
    return manifest


def waits_for_a_slot() -> Manifest:
    """Version 8 is wanted, but others are rolled out first."""
    message = "fraud-v8-5e6f7a8b is not started: 2 rollouts are under way in namespace risk: limit 2"
    return healthy(
        status={
            "phase": "Progressing",
            "message": message,
            "model": {"version": "8", "resolvedAt": ago(150)},
            "conditions": [
                condition("Ready", "False", "RolloutLimitReached", message),
                condition("Progressing", "Unknown", "RolloutLimitReached", message),
                condition("Reconciling", "True", "RolloutLimitReached", message),
            ],
        }
    )


def watched(**changes: Any) -> Manifest:
    """Version 8 was promoted eight minutes ago and is watched for an hour; version 7 is kept warm."""
    judged = metric(
        "request-errors/errors",
        "Pass",
        passes=30,
        message="candidate failed 30 of 24000 requests (0.12 %), stable 4 of 6000 requests (0.067 %) before the switch",
        sequential={
            "evidence": 0.02,
            "candidateRequests": 24000,
            "candidateFailures": 30,
            "referenceRequests": 6000,
            "referenceFailures": 4,
        },
    )
    return healthy(
        **merged(
            {
                "spec": {"watch": {"duration": "1h"}},
                "status": {
                    "message": "fraud-v8-5e6f7a8b has all traffic",
                    "model": {"version": "8", "resolvedAt": ago(1500)},
                    "stable": {"name": "fraud-v8-5e6f7a8b", "version": "8"},
                    "weights": [{"revision": "fraud-v8-5e6f7a8b", "weight": 100}],
                    "retiring": [
                        {
                            "revision": "fraud-v7-1a2b3c4d",
                            "version": "7",
                            "replicas": 3,
                            "scaleDownAt": format_timestamp(NOW + 3120),
                        }
                    ],
                    "watch": {
                        "revision": "fraud-v8-5e6f7a8b",
                        "previous": "fraud-v7-1a2b3c4d",
                        "previousVersion": "7",
                        "until": format_timestamp(NOW + 3120),
                        "analysis": {"stage": "watch", "startedAt": ago(480), "metrics": [judged]},
                    },
                    "history": [
                        {
                            "revision": "fraud-v8-5e6f7a8b",
                            "version": "8",
                            "strategy": "canary",
                            "outcome": "Promoted",
                            "reason": "Promoted",
                            "message": "fraud-v8-5e6f7a8b is stable, fraud-v7-1a2b3c4d was",
                            "startedAt": ago(1080),
                            "endedAt": ago(480),
                        },
                        *healthy()["status"]["history"],
                    ],
                },
            },
            changes,
        )
    )


def rolled_back(reason: str = "RollbackRequested") -> Manifest:
    """Version 7 serves instead of version 8, by hand or after a regression."""
    regression = reason == "RegressionAfterPromotion"
    message = "rollback from fraud-v8-5e6f7a8b was asked for"
    if regression:
        message = "fraud-v8-5e6f7a8b got worse after its promotion: request-errors/errors: candidate failed 240 of 6000"
    quarantine = {
        "revision": "fraud-v8-5e6f7a8b",
        "version": "8",
        "generation": 3,
        "reason": reason,
        "message": message,
        "since": ago(300),
    }
    history = [
        {
            "revision": "fraud-v7-1a2b3c4d",
            "version": "7",
            "strategy": "canary",
            "outcome": "Promoted",
            "reason": "Promoted",
            "message": "fraud-v7-1a2b3c4d is stable, fraud-v8-5e6f7a8b was",
            "startedAt": ago(300),
            "endedAt": ago(297),
        },
        *watched()["status"]["history"],
    ]
    return healthy(
        status={
            "phase": "Degraded",
            "message": f"fraud-v7-1a2b3c4d serves instead of fraud-v8-5e6f7a8b: {message}",
            "model": {"version": "8", "resolvedAt": ago(1500)},
            "rollback": {
                "revision": "fraud-v7-1a2b3c4d",
                "version": "7",
                "insteadOf": "fraud-v8-5e6f7a8b",
                "generation": 3,
                "reason": reason,
                "message": message,
                "since": ago(300),
            },
            "quarantine": quarantine if regression else None,
            "history": history,
            "conditions": [
                condition("Ready", "False", "RolledBack", message),
                condition("Available", "True", "MinimumReplicasAvailable"),
                condition("Progressing", "False", reason, message),
                condition("Stalled", "True", "RolledBack", message),
                condition("TrafficRouted", "True", "WeightsApplied"),
            ],
        }
    )


def rolling_back() -> Manifest:
    """On the way from version 8 to version 7, without steps."""
    manifest = rolled_back()
    manifest["status"] |= {
        "phase": "Progressing",
        "message": "2 of 3 pods of fraud-v7-1a2b3c4d are available",
        "stable": {"name": "fraud-v8-5e6f7a8b", "version": "8", "replicas": 3, "availableReplicas": 3},
        "candidate": {"name": "fraud-v7-1a2b3c4d", "version": "7", "replicas": 3, "availableReplicas": 2},
        "weights": [{"revision": "fraud-v8-5e6f7a8b", "weight": 100}, {"revision": "fraud-v7-1a2b3c4d", "weight": 0}],
        "rollout": {
            "revision": "fraud-v7-1a2b3c4d",
            "version": "7",
            "strategy": "canary",
            "phase": "Starting",
            "fast": True,
            "startedAt": ago(12),
            "stepStartedAt": ago(12),
        },
        "history": watched()["status"]["history"],
        "conditions": [
            condition("Ready", "False", "RolloutProgressing"),
            condition("Progressing", "True", "RolloutProgressing"),
        ],
    }
    return manifest


def giving_back() -> Manifest:
    """An abort at 50 % with dynamicStableScale: stable has half of its pods back."""
    return canary(
        spec={"strategy": {"canary": {"dynamicStableScale": True}}, "replicas": 8},
        status={
            "phase": "RollingBack",
            "message": "abort was asked for",
            "stable": {"replicas": 8, "availableReplicas": 6},
            "candidate": {"replicas": 4, "availableReplicas": 4},
            "weights": [
                {"revision": "fraud-v7-1a2b3c4d", "weight": 50},
                {"revision": "fraud-v8-5e6f7a8b", "weight": 50},
            ],
            "candidateWeight": 50,
            "step": "",
            "rollout": {
                "phase": "Aborting",
                "stepStartedAt": ago(20),
                "outcome": "Aborted",
                "reason": "AbortedByUser",
                "message": "abort was asked for",
                "analysis": None,
            },
            "conditions": [
                condition("Ready", "False", "RolloutProgressing", "abort was asked for"),
                condition("Progressing", "False", "RolloutAborted", "abort was asked for"),
                condition("TrafficRouted", "True", "WeightsApplied"),
            ],
        },
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


EVERY_STATE = (
    healthy,
    canary,
    blue_green,
    quarantined,
    unresolved,
    experiment,
    trouble,
    first_revision,
    waits_for_a_slot,
    watched,
    rolled_back,
    rolling_back,
    giving_back,
)
