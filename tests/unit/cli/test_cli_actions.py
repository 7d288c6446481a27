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
        ("promote", samples.at_step(5, stepAnalysis={"startedAt": samples.ago(5)})),
        ("promote", samples.experiment()),
        ("promote", samples.in_rollout(step=2, promoteRequested=True)),
        ("retry", samples.quarantined()),
        ("retry", samples.rolled_back()),
        ("rollback", samples.healthy()),
        ("rollback", samples.canary()),
        ("rollback", samples.rolled_back()),
        ("pause", samples.canary()),
        ("pause", samples.canary(spec={"paused": True})),
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
        ("promote", samples.in_rollout(step=2, fast=True), "is being promoted already", "watch"),
        ("promote", samples.rolled_back(), "version 7 serves by a rollback", "steersman retry fraud -n risk"),
        ("abort", samples.healthy(), "nothing to abort", "steersman rollback fraud -n risk"),
        ("abort", samples.in_rollout(phase="Aborting"), "is being aborted already", "watch"),
        ("abort", samples.first_revision(), "no stable revision to go back to", "delete"),
        ("rollback", samples.first_revision(), "no revision has served yet", "delete"),
        ("rollback", samples.healthy(status={"history": []}), "no earlier revision", "steersman history fraud -n risk"),
        ("retry", samples.healthy(), "nothing to retry", "steersman history fraud -n risk"),
        ("pause", samples.healthy(), "nothing to pause", "spec.paused"),
        ("pause", PAUSED, "paused already", "steersman resume fraud -n risk"),
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


@pytest.mark.parametrize(
    ("words", "annotation"),
    [
        (["promote", "fraud", "--full"], "promote-full"),
        (["rollback", "fraud"], "rollback"),
        (["rollback", "fraud", "--to", "6"], "rollback:6"),
        (["rollback", "fraud", "--to", "fraud-v6-99887766"], "rollback:fraud-v6-99887766"),
    ],
)
def test_what_is_written_says_how_far_or_where_to(run: Run, words: list[str], annotation: str) -> None:
    client = InMemoryClient(samples.canary())
    client.answers[annotation] = "done: so be it"
    assert run(client, *words).out == f"fraud: {annotation} done: so be it\n"
    assert asked(client) == [annotation]


@pytest.mark.parametrize(
    ("to", "message", "hint"),
    [
        ("9", "no earlier revision 9 to roll back to", "--to takes one of: 6"),
        ("7", "version 7 serves already", "--to takes one of: 6"),
        ("fraud-v7-1a2b3c4d", "version 7 serves already", "--to takes one of: 6"),
    ],
)
def test_a_rollback_to_what_never_served_says_what_did(run: Run, to: str, message: str, hint: str) -> None:
    client = InMemoryClient(samples.healthy())
    result = run(client, "rollback", "fraud", "--to", to)
    assert result.code == 1
    assert message in result.err
    assert hint in result.err
    assert asked(client) == []


def test_promote_full_of_a_rollout_that_leaves_its_steps_out_already(run: Run) -> None:
    client = InMemoryClient(samples.rolling_back())
    assert "version 7 is promoted without steps already" in run(client, "promote", "fraud", "--full").err


def test_what_the_operator_lists_as_possible_is_not_refused(run: Run) -> None:
    client = InMemoryClient(samples.healthy(status={"actions": ["pause"]}))
    client.answers["pause"] = "done: a newer operator can"
    assert run(client, "pause", "fraud").code == 0


def test_the_operator_records_the_beginning_of_a_long_word(run: Run) -> None:
    client = InMemoryClient(samples.healthy())
    client.answers["rollback:" + "9" * 71] = "ignored: no earlier revision"
    assert "was ignored: no earlier revision" in run(client, "rollback", "fraud", "--force", "--to", "9" * 200).err


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
