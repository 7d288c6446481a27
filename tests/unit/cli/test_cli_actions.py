from typing import Any

import pytest

from steersman.api.meta import ANNOTATION_ACTION
from steersman.cli import acting
from steersman.ports import ApiError
from unit.cli import samples
from unit.cli.conftest import Run
from unit.cli.in_memory import InMemoryClient


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acting, "POLL_INTERVAL", 0.005)
    monkeypatch.setattr(acting, "ANSWER_WITHIN", 0.05)


def asked(client: InMemoryClient) -> list[str | None]:
    return [annotations[ANNOTATION_ACTION] for annotations in client.annotated]


PAUSED = samples.canary(status={"paused": True})


@pytest.mark.parametrize(
    ("action", "manifest"),
    [
        ("promote", samples.canary()),
        ("promote", samples.in_rollout(step=2)),
        ("promote", samples.in_rollout(step=2, held=True)),
        ("promote", samples.in_rollout(phase="Promoting", step=4)),
        ("promote", samples.blue_green()),
        ("promote", samples.blue_green(phase="PostPromotion")),
        ("promote", PAUSED),
        ("abort", samples.canary()),
        ("retry", samples.quarantined()),
        ("pause", samples.canary()),
        ("resume", PAUSED),
    ],
)
def test_an_action_that_makes_sense_is_asked_for_and_its_result_printed(
    run: Run, action: str, manifest: samples.Manifest
) -> None:
    client = InMemoryClient(manifest)
    client.answers[action] = "done: so be it"
    result = run(client, action, "fraud")
    assert (result.code, result.out, result.err) == (0, f"fraud: {action} done: so be it\n", "")
    assert asked(client) == [action]


@pytest.mark.parametrize(
    ("action", "manifest", "message", "hint"),
    [
        ("promote", samples.healthy(), "nothing to promote: no rollout is under way", "a rollout starts when"),
        ("promote", samples.quarantined(), "version 8 was aborted", "steersman retry fraud -n risk"),
        ("promote", samples.in_rollout(phase="Aborting"), "is being aborted", "steersman retry fraud -n risk"),
        ("promote", samples.in_rollout(phase="Starting"), "does not wait for anybody", "steersman watch fraud"),
        ("promote", samples.in_rollout(step=0), "does not wait for anybody", "steersman watch fraud"),
        ("promote", samples.in_rollout(step=2, gateOpen=True), "does not wait for anybody", "watch"),
        ("promote", samples.in_rollout(phase="Promoting", gateOpen=True), "is being promoted already", "watch"),
        ("promote", samples.in_rollout(promoteRequested=True), "was asked for already", "watch"),
        ("abort", samples.healthy(), "nothing to abort", "spec.model"),
        ("abort", samples.in_rollout(phase="Aborting"), "is being aborted already", "watch"),
        ("abort", samples.in_rollout(strategy="initial"), "no stable revision to go back to", "delete"),
        ("retry", samples.healthy(), "nothing to retry", "steersman history fraud -n risk"),
        ("pause", samples.healthy(), "nothing to pause", "spec.paused"),
        ("pause", PAUSED, "paused already", "steersman resume fraud -n risk"),
        ("pause", samples.canary(spec={"paused": True}), "paused by spec.paused already", "false"),
        ("resume", samples.healthy(), "nothing to resume", "steersman status fraud -n risk"),
        ("resume", samples.canary(), "the rollout is at a step that waits", "steersman promote fraud -n risk"),
        ("resume", samples.canary(spec={"paused": True}), "paused by spec.paused, not by hand", "set spec.paused"),
    ],
)
def test_an_action_that_makes_no_sense_is_refused_unless_forced(
    run: Run, action: str, manifest: samples.Manifest, message: str, hint: str
) -> None:
    client = InMemoryClient(manifest)
    client.answers[action] = "done: anyway"
    result = run(client, action, "fraud")
    assert result.code == 1
    assert asked(client) == []
    first, second = result.err.splitlines()
    assert first.startswith("Error: fraud: ")
    assert message in first
    assert hint in second
    assert "--force" in second
    assert run(client, action, "fraud", "--force").out == f"fraud: {action} done: anyway\n"
    assert asked(client) == [action]


def test_what_the_operator_ignored_is_an_error(run: Run) -> None:
    client = InMemoryClient(samples.canary())
    client.answers["promote"] = "ignored: the rollout does not wait for anybody"
    result = run(client, "promote", "fraud")
    assert result.code == 1
    assert "fraud: promote was ignored: the rollout does not wait for anybody" in result.err


def test_without_an_operator_it_says_so_and_how_to_take_the_request_back(run: Run) -> None:
    client = InMemoryClient(samples.canary())
    result = run(client, "promote", "fraud")
    assert result.code == 1
    assert asked(client) == ["promote"]
    first, second = result.err.splitlines()
    assert "the operator has not handled promote within 0.05 s" in first
    assert "is the operator running?" in second
    assert "kubectl annotate md fraud -n risk steersman.dev/action-" in second


def test_no_wait_returns_at_once(run: Run) -> None:
    client = InMemoryClient(samples.canary())
    result = run(client, "abort", "fraud", "--no-wait")
    assert (result.code, result.out) == (0, "fraud: abort asked for\n")
    assert asked(client) == ["abort"]


def answered(action: str, **more: Any) -> dict[str, Any]:
    return {"action": action, "at": samples.ago(5), "result": "done: earlier", **more}


def test_the_answer_to_an_earlier_request_is_not_taken_for_ours(run: Run) -> None:
    client = InMemoryClient(samples.canary(status={"action": answered("promote", cleared=True)}))
    assert "has not handled promote" in run(client, "promote", "fraud").err


@pytest.mark.parametrize(
    ("annotation", "last"),
    [("abort", None), ("promote", None), ("promote", answered("promote")), (None, answered("promote"))],
)
def test_a_request_on_top_of_one_that_is_not_done_is_refused(
    run: Run, annotation: str | None, last: dict[str, Any] | None
) -> None:
    client = InMemoryClient(samples.canary(status={"action": last} if last else {}))
    if annotation:
        client.objects["risk", "fraud"]["metadata"]["annotations"] = {ANNOTATION_ACTION: annotation}
    result = run(client, "promote", "fraud")
    assert result.code == 1
    assert f"an earlier request, {annotation or 'promote'}, has not been handled yet" in result.err
    assert asked(client) == []


def test_another_word_replaces_a_request_that_was_handled(run: Run) -> None:
    client = InMemoryClient(samples.canary(status={"action": answered("pause")}))
    client.objects["risk", "fraud"]["metadata"]["annotations"] = {ANNOTATION_ACTION: "pause"}
    client.answers["abort"] = "done: traffic returns to stable"
    assert run(client, "abort", "fraud").code == 0


def test_without_permission(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    client = InMemoryClient(samples.canary())

    async def refuse(name: str, annotations: object) -> None:
        raise ApiError(403, "cannot patch resource modeldeployments")

    monkeypatch.setattr(client, "annotate", refuse)
    result = run(client, "abort", "fraud")
    assert result.code == 1
    assert "edit (to act)" in result.err
    assert client.closed
