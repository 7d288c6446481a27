"""What to do next: one line for each reason that needs somebody to act."""

from __future__ import annotations

from steersman.api.conditions import Reason
from steersman.api.meta import LABEL_DEPLOYMENT, LABEL_REVISION
from steersman.api.modeldeployment import ModelDeployment
from steersman.cli.view.route import route_object
from steersman.cli.view.text import clean

_ADVICE: dict[Reason, str] = {
    Reason.INVALID_SPEC: "correct the spec: kubectl edit md {name} -n {namespace}",
    Reason.RUNTIME_NOT_FOUND: "see which runtimes there are: kubectl get servingruntimes,clusterservingruntimes -n {namespace}",
    Reason.RUNTIME_INVALID: "correct the runtime's template: it needs a container `model`, a port `http` and a readiness probe",
    Reason.POD_SECURITY_VIOLATION: "take what the message names out of spec.podTemplate or of the runtime: model pods must meet the restricted Pod Security Standard",
    Reason.TEMPLATE_NOT_FOUND: "see which templates there are: kubectl get analysistemplates,clusteranalysistemplates -n {namespace}",
    Reason.TEMPLATE_INVALID: "correct the analysis template or give the arguments that it asks for in spec.analysis.args",
    Reason.REGISTRY_NOT_FOUND: "create the ModelRegistry, or name another one in spec.model.registry: kubectl get modelregistries -n {namespace}",
    Reason.NAME_CONFLICT: "an object of that name belongs to somebody else: rename or delete it, or name the ModelDeployment otherwise",
    Reason.UNSUPPORTED: "leave it out of the strategy, or choose a traffic provider that can do it in spec.traffic",
    Reason.APPLY_FAILED: "correct what the API server refuses; the operator tries again by itself",
    Reason.NOTIFICATION_FAILED: "see that the Secret holds the target's apprise URL and that the operator may reach it; docs/reference/notifications.md says what is allowed",
    Reason.REGISTRY_UNREACHABLE: "see that the registry's server runs and that the operator may reach it; what serves now stays as it is",
    Reason.REGISTRY_UNAUTHORIZED: "correct the credentials in the Secret that the ModelRegistry names",
    Reason.REGISTRY_ERROR: "look into the registry's own log; Steersman asks again by itself",
    Reason.CREDENTIALS_NOT_FOUND: "create the Secret that the ModelRegistry names, in namespace {namespace}",
    Reason.MODEL_NOT_FOUND: "register the model {model}, or correct spec.model.name",
    Reason.VERSION_NOT_FOUND: "correct spec.model.version: the registry has no such version of {model}",
    Reason.ALIAS_NOT_FOUND: "set the alias in the registry, or correct spec.model.alias",
    Reason.NO_MATCHING_VERSION: "tag a version of {model} in the registry, or correct spec.model.tags",
    Reason.WRITE_BACK_FAILED: "allow the registry's user to edit the model {model}; it is tried again by itself",
    Reason.ROLLOUT_LIMIT_REACHED: "wait: it begins by itself when another rollout ends (or raise maxRollouts in the operator's Helm values)",
    Reason.UNSCHEDULABLE: "make room for the pods or ask for less in spec.runtime.resources: kubectl describe pods -n {namespace} -l {candidate}",
    Reason.QUOTA_EXCEEDED: "raise the namespace's quota, or ask for fewer or smaller pods: kubectl describe resourcequota -n {namespace}",
    Reason.PODS_FAILING: "look at what they say: kubectl logs -n {namespace} -l {candidate} --all-containers --tail=50",
    Reason.PAUSED: "go on: steersman resume {name} -n {namespace} (or set spec.paused to false when it is set there)",
    Reason.AWAITING_PROMOTION: "decide: steersman promote {name} -n {namespace}, or steersman abort {name} -n {namespace}",
    Reason.INCONCLUSIVE_LIMIT_EXCEEDED: "decide: steersman promote {name} -n {namespace}, or steersman abort {name} -n {namespace}",
    Reason.PROGRESS_DEADLINE_EXCEEDED: "see why the pods did not become ready: kubectl describe pods -n {namespace} -l steersman.dev/deployment={name}",
    Reason.CANDIDATE_UNAVAILABLE: "see why its pods are not ready: kubectl describe pods -n {namespace} -l steersman.dev/deployment={name}",
    Reason.ROLLOUT_ABORTED: "correct the cause, then: steersman retry {name} -n {namespace}",
    Reason.QUARANTINED: "name another version, change the spec, or try it again: steersman retry {name} -n {namespace}",
    Reason.ABORTED_BY_USER: "name another version, change the spec, or try it again: steersman retry {name} -n {namespace}",
    Reason.ROLLBACK_REQUESTED: "to go forward again: steersman retry {name} -n {namespace}",
    Reason.REGRESSION: "look at the errors of the version that got worse; to go forward again: steersman retry {name} -n {namespace}",
    Reason.GATE_FAILED: "register a version that meets the gate, or set what it misses in the registry: it is judged again by itself (docs/reference/gates.md)",
    Reason.GATE_ERROR: "see why it could not be judged; it is tried again by itself",
    Reason.ANALYSIS_FAILED: "look at the candidate's errors; the metrics that decided are listed under Analysis",
    Reason.ANALYSIS_INCONCLUSIVE: "see that the candidate gets requests and that its metrics are scraped (kubectl get pods -n {namespace} -l steersman.dev/deployment={name})",
    Reason.ANALYSIS_ERROR: "see that the metric server answers and that the template's query is right",
    Reason.MINIMUM_REPLICAS_UNAVAILABLE: "look at the pods: kubectl get pods -n {namespace} -l steersman.dev/deployment={name}",
    Reason.ROUTE_NOT_ACCEPTED: "see why the gateway refuses it: kubectl describe {route} -n {namespace}",
    Reason.DRIFT_DETECTED: "see what drifted: steersman drift {name} -n {namespace}; then train on newer data, or find what feeds the model wrong values",
    Reason.NO_REFERENCE: "store a reference with the model by steersman.profile.log_reference, or take spec.drift away",
    Reason.DRIFT_UNKNOWN: "see that the metric server of spec.drift.prometheus, or the operator's own, answers",
    Reason.RETRAINING_INVALID: "correct spec.retraining, or what it refers to, as the message says",
    Reason.RETRAINING_FAILED: "look into the pipeline's own log, correct the cause, then: steersman retrain {name} -n {namespace}",
    Reason.WEIGHTS_PENDING: "if this lasts, see the route: kubectl describe {route} -n {namespace}",
}


def advice(reason: Reason, md: ModelDeployment) -> str:
    """What a person can do about a reason, with the object's names filled in; empty when nothing needs doing."""
    template = _ADVICE.get(reason, "")
    kind, route = route_object(md)
    candidate = md.status.candidate
    pods = f"{LABEL_REVISION}={clean(candidate.name)}" if candidate is not None else _of(md)
    return template.format(
        name=clean(md.metadata.get("name", "")),
        namespace=clean(md.metadata.get("namespace", "")),
        model=clean(md.spec.model.title),
        route=f"{kind.lower()} {route}",
        candidate=pods,
    )


def _of(md: ModelDeployment) -> str:
    return f"{LABEL_DEPLOYMENT}={clean(md.metadata.get('name', ''))}"
