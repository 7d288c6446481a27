import io
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console, RenderableType

from steersman.api.conditions import Reason
from steersman.api.traffic import PROVIDERS
from steersman.cli.reading import read_model
from steersman.cli.view import parse_events, render_status
from steersman.cli.view.advice import advice
from steersman.cli.view.change import change_line, summary
from steersman.cli.view.health import Health, health
from steersman.cli.view.history import render_history
from steersman.cli.view.table import render_table
from steersman.cli.view.traffic import weight_bar
from unit.cli import samples
from unit.cli.samples import NOW, ago, condition


def text(renderable: RenderableType, width: int = 100) -> str:
    console = Console(width=width, file=io.StringIO(), record=True, highlight=False, color_system=None)
    console.print(renderable)
    return "\n".join(line.rstrip() for line in console.export_text().splitlines())


def status(manifest: samples.Manifest, width: int = 100, events: list[samples.Manifest] | None = None) -> str:
    return text(render_status(read_model(manifest)[0], NOW, parse_events(events or [])), width)


def test_the_status_of_a_canary() -> None:
    assert status(samples.canary(), events=samples.EVENTS) == CANARY.strip("\n")


CANARY = """
fraud  in risk  ● Progressing  step 2/4
Pausing for 5m at 10 %

Model     fraud-classifier version 8, by alias champion, resolved 2m30s ago
Registry  mlflow, model id m-0123456789abcdef, run 4f0c2e9ad1
Route     HTTPRoute fraud on Gateway projectcontour/steersman for fraud.example.com

Traffic
  stable     fraud-v7-1a2b3c4d  3/3 pods  ██████████████████░░   90 %
  candidate  fraud-v8-5e6f7a8b  1/1 pods  ██░░░░░░░░░░░░░░░░░░   10 %

Rollout  Canary to version 8, for 2m20s
  ✓ start the candidate
  ✓ set weight 10 %
  ▶ pause 5m  3m45s left
  ○ set weight 50 %
  ○ pause until promoted
  ○ promote: weight 100 %

Analysis  in the background
  ✓ request-errors/errors  Pass         evidence 0.82   5 passed, last 4s ago
    failed: candidate 3/240 (1.25 %), stable 22/2160 (1.02 %)
  ✓ latency/p99            Pass         value 0.183     4 passed, 1 inconclusive, last 4s ago

Events
    19s  AnalysisInconclusive  latency/p99: no data (x4)
    80s  WeightSet             fraud-v8-5e6f7a8b from 0 % to 10 %
  2m20s  RolloutStarted        Canary of version 8 (fraud-v8-5e6f7a8b)
"""


def test_the_status_after_a_failure_says_what_failed_once_and_how_to_lift_the_quarantine() -> None:
    assert status(samples.quarantined()) == QUARANTINED.strip("\n")


QUARANTINED = """
fraud  in risk  ● Degraded
Version 8 failed and is quarantined; version 7 serves all traffic

Model     fraud-classifier version 8, by alias champion, resolved 2m30s ago
Registry  mlflow, model id m-0123456789abcdef, run 4f0c2e9ad1
Route     HTTPRoute fraud on Gateway projectcontour/steersman for fraud.example.com

Traffic
  stable    fraud-v7-1a2b3c4d  3/3 pods  ████████████████████  100 %
  retiring  fraud-v8-5e6f7a8b            pods go in 12s          0 %

Quarantine  for 40s
  version 8 (fraud-v8-5e6f7a8b): AnalysisFailed
  request-errors/errors: 12 of 240 requests failed, evidence 156 exceeds 100
  → look at the candidate's errors; the metrics that decided are listed under Analysis
  → it is not tried again until the alias names another version, the spec changes, or you say:
  steersman retry fraud -n risk

Analysis  of the last rollout
  ✗ request-errors/errors  Fail         evidence 156    3 passed, 1 failed, last 4s ago
    failed: candidate 12/240 (5 %), stable 20/2160 (0.926 %)
    12 of 240 requests failed

Last rollout
  version 8 aborted 40s ago, took 100s
"""


def test_a_healthy_model_needs_no_attention() -> None:
    shown = status(samples.healthy())
    assert "● Healthy" in shown
    assert "Needs attention" not in shown
    assert "version 7 promoted 60m ago, took 10m" in shown


def test_a_model_given_by_uri_is_shown_by_it() -> None:
    manifest = samples.healthy(
        spec={"model": {"name": None, "alias": None, "uri": "s3://models/fraud/7", "version": "7"}}
    )
    shown = status(manifest)
    assert "version 7 from s3://models/fraud/7" in shown
    assert "None" not in shown


def test_an_unresolved_model_says_why_and_what_to_do() -> None:
    shown = status(samples.unresolved())
    assert "fraud-classifier, alias champion: not resolved yet" in shown
    assert "nothing serves yet" in shown
    assert "✗ ModelResolved is False: RegistryUnreachable  for 100s" in shown
    assert "mlflow: connection refused" in shown
    assert "→ see that the registry's server runs" in shown
    assert "Ready is" not in shown


def section(shown: str, title: str) -> list[str]:
    """The lines of one section, its head first."""
    after = shown.split("\n" + title, 1)[1]
    return [title + after.splitlines()[0], *after.split("\n\n")[0].splitlines()[1:]]


def test_an_experiment_shows_the_baseline_and_both_analyses() -> None:
    shown = status(samples.experiment(), 90)
    assert section(shown, "Traffic") == [
        "Traffic",
        "  stable     fraud-v7-1a2b3c4d  3/3 pods  ████████████░░░░░░░░   60 %",
        "  candidate  fraud-v8-5e6f7a8b  2/2 pods  ████░░░░░░░░░░░░░░░░   20 %",
        "  baseline   fraud-v7-0a1b2c3d  2/2 pods  ████░░░░░░░░░░░░░░░░   20 %",
        "  header route testers  x-group = beta or cookie plan = gold: to the candidate",
        "  mirror                the candidate gets a copy of 50 % of the requests",
        "  affinity              clients stay with the candidate by the cookie steersman-candidate",
    ]
    assert section(shown, "Analysis  of the experiment") == [
        "Analysis  of the experiment",
        "  ✓ latency/slow  Pass         evidence 0.4    3 passed, last 4s ago",
        "    failed: candidate 5/480 (1.04 %), baseline 6/470 (1.28 %)",
    ]
    assert "Analysis  in the background" in shown


def test_trouble_of_the_pods_needs_attention_although_the_rollout_goes_on() -> None:
    shown = status(samples.trouble(), 300)
    assert section(shown, "Needs attention") == [
        "Needs attention",
        "  ! Unschedulable",
        "    → make room for the pods or ask for less in spec.runtime.resources: "
        "kubectl describe pods -n risk -l steersman.dev/revision=fraud-v8-5e6f7a8b",
    ]
    assert shown.count("3 Insufficient nvidia.com/gpu") == 1


def test_a_rollout_that_is_not_its_turn_says_what_it_waits_for() -> None:
    shown = status(samples.waits_for_a_slot(), 200)
    assert shown.splitlines()[1].endswith("2 rollouts are under way in namespace risk: limit 2")
    assert "? Progressing is Unknown: RolloutLimitReached" in shown
    assert "→ wait: it begins by itself when another rollout ends" in shown


def test_the_watch_after_a_promotion_says_how_long_and_who_would_come_back() -> None:
    shown = status(samples.watched())
    assert "warm    fraud-v7-1a2b3c4d            kept for 52m00s         0 %" in shown
    assert section(shown, "Watch")[0] == "Watch  for another 52m00s; version 7 comes back if it gets worse"
    assert "failed: since the promotion 30/24000 (0.125 %), the old revision before 4/6000 (0.0667 %)" in shown
    assert "Needs attention" not in shown


def test_a_rollback_says_what_serves_instead_of_what_and_the_way_forward() -> None:
    shown = status(samples.rolled_back(), 200)
    assert section(shown, "Rollback") == [
        "Rollback  for 5m",
        "  version 7 (fraud-v7-1a2b3c4d) serves instead of fraud-v8-5e6f7a8b: RollbackRequested",
        "  → it stays so until the alias names another version or the spec changes; "
        "to go forward again: steersman retry fraud -n risk",
    ]
    assert "Needs attention" not in shown


def test_a_regression_is_one_section_of_rollback_and_quarantine() -> None:
    shown = status(samples.rolled_back("RegressionAfterPromotion"), 200)
    assert "Quarantine" not in shown
    assert "  fraud-v8-5e6f7a8b is quarantined" in section(shown, "Rollback")
    assert shown.count("got worse after its promotion") == 1


def test_a_rollback_on_its_way_has_no_steps() -> None:
    shown = status(samples.rolling_back(), 200)
    assert "Rollout  Rollback to version 7, without steps, for 12s" in shown
    assert "version 7 (fraud-v7-1a2b3c4d) is to serve instead of fraud-v8-5e6f7a8b: RollbackRequested" in shown
    assert "Analysis" not in shown


def test_an_abort_under_way_needs_no_advice_yet() -> None:
    assert "Needs attention" not in status(samples.giving_back())


@pytest.mark.parametrize(
    ("rollout", "note"),
    [
        ({"fast": True, "step": 0}, "Canary to version 8, without steps, for 2m20s"),
        ({"fast": True, "step": 2}, "Canary to version 8, without the remaining steps, for 2m20s"),
        ({"fast": True, "strategy": "initial"}, "First rollout to version 8, for 2m20s"),
    ],
)
def test_what_leaves_steps_out_says_so(rollout: dict[str, Any], note: str) -> None:
    assert f"Rollout  {note}" in status(samples.in_rollout(**rollout))


@pytest.mark.parametrize(
    ("traffic", "route", "described"),
    [
        ({"service": {}}, "Service fraud", "service fraud"),
        (
            {"istio": {"hosts": ["a.example", "b.example"]}},
            "VirtualService fraud for a.example, b.example",
            "virtualservice",
        ),
        ({"nginx": {"hosts": ["a.example"]}}, "Ingress fraud of class nginx for a.example", "ingress fraud"),
        ({"traefik": {"hosts": ["a.example"]}}, "IngressRoute fraud for a.example", "ingressroute fraud"),
        ({"contour": {"fqdn": "a.example"}}, "HTTPProxy fraud for a.example", "httpproxy fraud"),
        ({"linkerd": {}}, "HTTPRoute fraud in Linkerd's mesh", "httproute fraud"),
        ({"alb": {}}, "Ingress fraud of class alb", "ingress fraud"),
        ({"apisix": {"hosts": ["a.example"]}}, "ApisixRoute fraud of class apisix for a.example", "apisixroute fraud"),
        ({"kong": {"parentRefs": [{"name": "kong"}]}}, "HTTPRoute fraud on Gateway kong", "httproute fraud"),
        ({"gatewayAPI": {"adopt": {"name": "shop"}}}, "HTTPRoute shop, adopted", "httproute shop"),
        (
            {"gatewayAPI": {"kind": "GRPCRoute", "parentRefs": [{"name": "gw"}]}},
            "GRPCRoute fraud on Gateway gw",
            "grpcroute fraud",
        ),
    ],
)
def test_the_route_of_each_provider(traffic: dict[str, Any], route: str, described: str) -> None:
    manifest = samples.canary()
    manifest["spec"]["traffic"] = traffic
    manifest["status"]["conditions"] = [condition("TrafficRouted", "False", "RouteNotAccepted", "no")]
    shown = status(manifest, 120)
    assert f"Route     {route}\n" in shown
    assert f"kubectl describe {described}" in shown


def test_every_provider_has_a_route_in_words() -> None:
    named = {"istio", "nginx", "traefik", "contour", "linkerd", "alb", "apisix", "kong", "gatewayAPI", "service"}
    assert set(PROVIDERS) == named


FINE = {
    "Accepted", "Resolved", "Resolving", "RolloutStarted", "RolloutProgressing", "WeightSet", "Resumed",
    "AwaitingAnalysis", "Promoted", "RolloutComplete", "RolloutCancelled", "RolloutSuperseded", "RolledBack", "ScaledDown",
    "Retried", "ActionIgnored", "AnalysisPassing", "NoAnalysis", "MinimumReplicasAvailable", "WeightsApplied",
    "NoStableRevision", "Reachable", "HeaderRouteSet", "MirrorSet", "ScaleSet", "ExperimentStarted", "ExperimentEnded",
    "PrePulling", "WatchStarted", "WatchEnded", "GatesPassed", "AwaitingGates",
    "DriftEnded", "NoDrift", "NotEnoughData",
    "RetrainingStarted", "RetrainingRetrying", "RetrainingSucceeded",
    "RetrainingCancelled", "RetrainingSkipped", "RetrainingWaiting", "RetrainingSuspended", "NotRetrained",
}  # fmt: skip


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason.value not in FINE])
def test_every_reason_that_needs_somebody_says_what_to_do(reason: Reason) -> None:
    hint = advice(reason, read_model(samples.canary())[0])
    assert hint
    assert "{" not in hint


def test_blue_green_speaks_of_active_and_preview() -> None:
    shown = status(samples.blue_green())
    assert "active   fraud-v7-1a2b3c4d  3/3 pods  ████████████████████  100 %" in shown
    assert "preview  fraud-v8-5e6f7a8b  3/3 pods  ░░░░░░░░░░░░░░░░░░░░    0 %" in shown
    assert "Analysis  before promotion" in shown


def test_a_spec_that_the_operator_has_not_seen_is_said() -> None:
    assert "has not seen the latest spec yet (generation 4, it acts on 3)" in status(
        samples.healthy(metadata={"generation": 4})
    )
    assert "The operator has not looked at it yet." in status(samples.healthy(status=None))
    unseen = samples.healthy(status=None) | {"status": {"observedGeneration": -1}}
    assert "The operator has not looked at it yet." in status(unseen)


def test_the_last_manual_action_is_shown_for_an_hour() -> None:
    action = {"action": "promote", "at": ago(30), "result": "done: the rollout goes on"}
    assert "Action    promote, 30s ago: done: the rollout goes on" in status(samples.canary(status={"action": action}))
    assert "Action" not in status(samples.canary(status={"action": {**action, "at": ago(3601)}}))


def test_a_route_that_lags_behind_is_said() -> None:
    manifest = samples.canary()
    manifest["status"]["conditions"] = [condition("TrafficRouted", "False", "RouteNotAccepted", "no such Gateway")]
    shown = status(manifest)
    assert "the route does not carry these weights yet" in shown
    assert "→ see why the gateway refuses it: kubectl describe httproute fraud -n risk" in shown


def test_a_route_on_its_way_needs_no_attention_before_half_a_minute() -> None:
    manifest = samples.canary()
    pending = condition("TrafficRouted", "False", "WeightsPending", "not there yet")
    manifest["status"]["conditions"] = [pending | {"lastTransitionTime": ago(29)}]
    assert "Needs attention" not in status(manifest)
    manifest["status"]["conditions"] = [pending | {"lastTransitionTime": ago(31)}]
    assert "✗ TrafficRouted is False: WeightsPending" in status(manifest)


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("sample", samples.EVERY_STATE)
def test_nothing_is_wider_than_the_terminal(sample: Callable[[], samples.Manifest], width: int) -> None:
    shown = status(sample(), width, samples.EVENTS)
    assert max(map(len, shown.splitlines())) <= width
    assert "…" not in shown


HOSTILE = "\x1b[2J\x1b]0;title\x07[red]evil[/red]\u202e\r\nline"


def _hostile(rollback: samples.Manifest) -> samples.Manifest:
    return rollback | {"revision": HOSTILE, "version": HOSTILE, "insteadOf": HOSTILE, "message": HOSTILE + "!"}


@pytest.mark.parametrize("width", [80, 1000])
def test_hostile_strings_reach_the_terminal_as_plain_text(width: int) -> None:
    manifest = samples.quarantined(metadata={"name": HOSTILE, "namespace": HOSTILE})
    manifest["status"] |= {
        "message": HOSTILE,
        "step": HOSTILE,
        "candidate": {"name": HOSTILE, "version": HOSTILE},
        "action": {"action": HOSTILE, "at": ago(5), "result": HOSTILE},
    }
    manifest["status"]["model"] |= {"name": HOSTILE, "registry": HOSTILE, "runId": HOSTILE, "selector": HOSTILE}
    manifest["status"]["stable"] |= {"name": HOSTILE, "version": HOSTILE}
    manifest["status"]["quarantine"] |= {"message": HOSTILE, "reason": HOSTILE, "version": HOSTILE}
    manifest["status"]["history"][0] |= {"message": HOSTILE, "reason": HOSTILE, "revision": HOSTILE}
    manifest["status"]["lastAnalysis"]["metrics"][0] |= {"name": HOSTILE, "message": HOSTILE}
    manifest["status"]["conditions"] = [condition("Available", "False", "MinimumReplicasUnavailable", HOSTILE)]
    md, left_out = read_model(manifest)
    assert not left_out
    events = parse_events([{"type": "Warning", "reason": HOSTILE, "message": HOSTILE, "count": 2}])
    shown = text(render_status(md, NOW, events), width)
    shown += text(render_table([md], NOW, namespaces=True, wide=True), width) + text(render_history(md, NOW), width)
    shown += change_line(md, NOW)
    beside = samples.experiment()
    beside["status"]["rollout"]["experiment"]["baseline"]["name"] = HOSTILE
    beside["status"]["rollout"]["headerRoutes"][0]["match"][0]["headers"][0]["exact"] = "\u202eevil"
    beside["status"]["rollback"] = _hostile(samples.rolled_back()["status"]["rollback"])
    beside["status"]["watch"] = samples.watched()["status"]["watch"] | {"previousVersion": HOSTILE}
    shown += text(render_status(read_model(beside)[0], NOW), width) + change_line(read_model(beside)[0], NOW)
    assert not any(character in shown for character in "\x1b\x07\r\u202e")
    assert "title" not in shown
    if width == 1000:
        assert shown.count("[red]evil[/red] line") >= 20


def test_the_table() -> None:
    models = [read_model(manifest)[0] for manifest in (samples.canary(), samples.healthy(), samples.unresolved())]
    assert text(render_table(models, NOW)).splitlines() == [
        "NAME   MODEL             VERSION  CANDIDATE  PHASE        WEIGHT  STEP  READY  AGE",
        "fraud  fraud-classifier  7        8          Progressing  10 %    2/4   3/3    3d",
        "fraud  fraud-classifier  7        -          Healthy      -       -     3/3    3d",
        "fraud  fraud-classifier  -        -          Pending      -       -     -      3d",
    ]


def test_wide_and_namespaces_add_columns() -> None:
    table = render_table([read_model(samples.canary())[0]], NOW, namespaces=True, wide=True)
    head, line = text(table, 300).splitlines()
    assert head.split("  ")[0] == "NAMESPACE"
    assert line.startswith("risk       fraud")
    assert "canary    mlflow   fraud-v7-1a2b3c4d  fraud-v8-5e6f7a8b   Pausing for 5m at 10 %" in line


def test_a_narrow_table_cuts_the_model_never_the_name() -> None:
    shown = text(render_table([read_model(samples.canary())[0]], NOW), 80)
    assert "fraud  fraud-classif…  7" in shown
    assert "3d" in shown


def test_history_lists_each_rollout() -> None:
    lines = text(render_history(read_model(samples.quarantined())[0], NOW), 300).splitlines()
    assert lines[0].split() == [
        "REVISION",
        "VERSION",
        "STRATEGY",
        "OUTCOME",
        "REASON",
        "STARTED",
        "DURATION",
        "ROLLBACK",
        "MESSAGE",
    ]
    assert len(lines) == 4
    assert lines[1].split("  ")[0] == "fraud-v8-5e6f7a8b"
    assert "Aborted   AnalysisFailed  2m20s ago  100s      -           request-errors" in lines[1]


def test_history_says_what_each_revision_takes_to_be_rolled_back_to() -> None:
    manifest = samples.rolled_back()
    history = manifest["status"]["history"]
    history.append(history[3] | {"revision": "fraud-v6-00112233"})  # another configuration of version 6
    lines = text(render_history(read_model(manifest)[0], NOW), 300).splitlines()[1:]
    assert [line.split()[0] for line in lines] == [
        "fraud-v7-1a2b3c4d",
        "fraud-v8-5e6f7a8b",
        "fraud-v7-1a2b3c4d",
        "fraud-v6-99887766",
        "fraud-v6-00112233",
    ]
    assert "serves now" in lines[0]
    assert "--to" not in lines[1]  # it was rolled back from
    assert "--to" not in lines[2] and "serves now" not in lines[2]
    assert lines[3].endswith("--to 6")
    assert lines[4].endswith("--to fraud-v6-00112233")


@pytest.mark.parametrize(("weight", "filled"), [(0, 0), (1, 1), (10, 2), (50, 10), (99, 19), (100, 20)])
def test_a_bar_is_empty_only_at_0_and_full_only_at_100(weight: int, filled: int) -> None:
    assert weight_bar(weight, "green").plain == "█" * filled + "░" * (20 - filled)


@pytest.mark.parametrize(
    ("manifest", "expected"),
    [
        (samples.healthy(), Health.HEALTHY),
        (samples.canary(), Health.PROGRESSING),
        (samples.blue_green(), Health.PROGRESSING),
        (samples.quarantined(), Health.DEGRADED),
        (samples.unresolved(), Health.DEGRADED),
        (samples.healthy(status={"observedGeneration": 2}), Health.PROGRESSING),
        (samples.quarantined(status={"observedGeneration": 2}), Health.PROGRESSING),
        (samples.healthy(status=None), Health.PROGRESSING),
    ],
)
def test_health(manifest: samples.Manifest, expected: Health) -> None:
    assert health(read_model(manifest)[0]) is expected


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"metadata": None, "series": None, "count": "x", "lastTimestamp": "yesterday"},
        {"series": [], "count": -1, "eventTime": None},
    ],
)
def test_malformed_events_are_shown_empty(event: dict[str, Any]) -> None:
    (line,) = parse_events([event])
    assert (line.at, line.count, line.reason) == (None, 1, "")
    assert "Events" in status(samples.healthy(), events=[event])


def test_a_change_is_one_line_and_measurements_alone_are_none() -> None:
    md = read_model(samples.canary())[0]
    assert change_line(md, NOW) == (
        "2026-09-21T14:13:20.000Z risk/fraud Progressing stable=7 candidate=8 weight=10% step=2/4 ready=3/3 "
        "rollout=Stepping - Pausing for 5m at 10 %"
    )
    measured = samples.canary()
    measured["status"]["rollout"]["analysis"]["metrics"][0]["passes"] = 6
    assert summary(read_model(measured)[0]) == summary(md)
    measured["status"]["rollout"]["analysis"]["metrics"][0]["phase"] = "Fail"
    assert "request-errors/errors=Fail" in summary(read_model(measured)[0])


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        (samples.experiment(), "rollout=Stepping header-routes=testers mirror=50% baseline=fraud-v7-0a1b2c3d -"),
        (samples.rolling_back(), "rollout=Starting fast rollback=7 instead-of=fraud-v8-5e6f7a8b -"),
        (samples.watched(), "ready=3/3 watching=fraud-v8-5e6f7a8b -"),
    ],
)
def test_a_change_tells_what_is_apart_from_the_weights(manifest: samples.Manifest, words: str) -> None:
    assert words in summary(read_model(manifest)[0])


def test_retraining_is_shown_with_what_is_under_way_and_what_ended() -> None:
    manifest = samples.healthy()
    hook = {"url": "https://train.example.com", "secret": {"secretName": "hook", "key": "secret"}}
    manifest["spec"]["retraining"] = {"action": {"webhook": hook}, "suspend": True}
    entry = {
        "id": "fraud-retrain-2-abcde",
        "trigger": "nightly",
        "reason": "the schedule's moment",
        "target": "webhook",
        "outcome": "Failed",
        "message": "out of \x1b[31mmemory",
        "startedAt": ago(7200),
        "endedAt": ago(3600),
    }
    run = {
        "id": "fraud-retrain-3-abcde",
        "trigger": "drift",
        "reason": "DataDrift: PSI of amount is 0.4",
        "target": "webhook",
        "phase": "Running",
        "startedAt": ago(90),
        "attemptAt": ago(90),
        "attempt": 2,
        "url": "https://train.example.com/runs/3",
    }
    memory = [{"name": "rows", "value": 1100.0, "baseline": 1000.0}, {"name": "data", "seen": "b", "trained": "a"}]
    manifest["status"]["retraining"] = {"number": 3, "current": run, "triggers": memory, "history": [entry]}
    shown = status(manifest)
    for line in (
        "fraud-retrain-3-abcde  webhook, attempt 2  Running  for 90s",
        "drift: DataDrift: PSI of amount is 0.4",
        "https://train.example.com/runs/3",
        "suspended: only a person can begin one",
        "trigger rows: 1.1e+03, 1e+03 at the last training",
        "trigger data: b is new",
        "out of memory",
    ):
        assert line in shown, shown
    assert "Retraining" not in status(samples.healthy())
    manifest["status"]["retraining"] = {"current": run | {"phase": "BackOff", "attemptAt": ago(-30)}}
    assert "BackOff, again in 30s" in status(manifest)
    manifest["status"]["retraining"] = {"problem": "job.template needs a spec"}
    assert "nothing can begin: job.template needs a spec" in status(manifest)
    manifest["status"]["retraining"] = {"waiting": "drift (x) waits: a rollout is under way"}
    assert "drift (x) waits: a rollout is under way" in status(manifest)


def test_gates_are_shown_while_they_decide_something() -> None:
    manifest = samples.canary()
    gate = {"name": "accuracy", "metric": {"name": "accuracy", "min": 0.9}}
    result = {
        "name": "accuracy",
        "phase": "Fail",
        "expected": "accuracy at least 0.9",
        "found": "0.5",
        "message": "too low",
    }
    manifest["spec"]["gates"] = [gate]
    manifest["status"]["gates"] = {
        "revision": "fraud-v8-0a1b2c3d",
        "version": "8",
        "phase": "Fail",
        "since": "2026-01-01T00:00:00Z",
        "results": [result],
    }
    shown = " ".join(status(manifest, 60).split())
    assert "Gates of version 8" in shown
    assert "accuracy ✗ Fail" in shown and "too low" in shown
    manifest["status"]["gates"]["phase"] = "Pass"
    manifest["status"].pop("rollout")
    assert "Gates" not in status(manifest, 120), "what has passed and is over is no news"
