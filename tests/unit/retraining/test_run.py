"""From the request to begin to what came of it."""

from __future__ import annotations

import pytest

from steersman.api.conditions import Reason
from steersman.api.retraining_status import KEPT, RetrainingOutcome, RetrainingPhase
from steersman.core.retraining.model import Begin, Cancel, RunState
from unit.retraining.laboratory import HOOK, Laboratory, spec

HOUR = 3600.0


def asked(lab: Laboratory) -> Laboratory:
    lab.asked = True
    lab.turn()
    lab.work()
    lab.turn()
    return lab


def test_what_a_success_brought_is_remembered() -> None:
    lab = asked(Laboratory(spec()))
    assert lab.current.id == "fraud-retrain-1-" + lab.current.id[-5:]
    assert lab.current.phase == RetrainingPhase.RUNNING
    assert (lab.current.ref, lab.current.version_before) == (f"run of {lab.current.id}", "7")
    lab.go(HOUR)
    lab.target.end(RunState.SUCCEEDED, lab.true_time)
    lab.go(30)
    assert lab.current.phase == RetrainingPhase.REGISTERING
    lab.newest = 8
    lab.go(30)
    (entry,) = lab.status.history
    assert (entry.outcome, entry.version, entry.attempts) == (RetrainingOutcome.SUCCEEDED, "8", 1)
    assert entry.message == "version 8 was registered"
    assert lab.reasons == [Reason.RETRAINING_STARTED, Reason.RETRAINING_SUCCEEDED]


def test_a_success_without_a_version_ends_too() -> None:
    lab = asked(Laboratory(spec(registration="5m")))
    lab.target.end(RunState.SUCCEEDED, lab.true_time)
    lab.go(240)
    assert lab.status.current is not None
    lab.go(120)
    (entry,) = lab.status.history
    assert (entry.outcome, entry.version) == (RetrainingOutcome.SUCCEEDED, "")
    assert "no new version was registered within 300 s" in entry.message


def test_a_registry_that_does_not_answer_holds_nothing_up() -> None:
    lab = Laboratory(spec())
    lab.registry_answers = False
    asked(lab)
    lab.target.end(RunState.SUCCEEDED, lab.true_time)
    lab.go(60)
    assert "did not say what it had before" in lab.status.history[0].message


def test_failures_are_retried_with_a_growing_pause_up_to_a_limit() -> None:
    lab = asked(Laboratory(spec(retries={"limit": 2, "delay": "60s"})))
    first = lab.current.id
    pauses = []
    for _ in range(2):
        lab.target.end(RunState.FAILED, lab.true_time)
        lab.work()
        lab.turn()
        assert lab.current.phase == RetrainingPhase.BACK_OFF
        pauses.append(lab.current.attempt_at - lab.now)
        lab.go(pauses[-1] - 1, step=5)
        assert lab.target.running == []
        lab.go(5, step=1)
        assert len(lab.target.running) == 1
    lab.target.end(RunState.FAILED, lab.true_time)
    lab.go(60)
    assert pauses == [60, 120]
    assert list(lab.target.trainings) == [first, f"{first}-2", f"{first}-3"]
    (entry,) = lab.status.history
    assert (entry.outcome, entry.attempts, entry.message) == (
        RetrainingOutcome.FAILED,
        3,
        "it said so (attempt 3 of 3)",
    )


def test_a_refusal_is_a_failed_attempt() -> None:
    lab = Laboratory(spec(retries={"limit": 0}))
    lab.target.answers = "refused"
    asked(lab)
    assert lab.status.history[0].message == "refused (HTTP 401)"


def test_what_surely_did_not_begin_is_asked_again_after_the_time_that_the_target_names() -> None:
    lab = Laboratory(spec())
    lab.target.answers = "busy"
    asked(lab)
    assert lab.current.phase == RetrainingPhase.STARTING
    assert lab.current.send_at == lab.now + 7
    assert lab.current.message == "not now"
    lab.target.answers = "yes"
    lab.go(6, step=1)
    assert lab.target.trainings == {}
    lab.go(5, step=1)
    assert len(lab.target.running) == 1 and lab.current.attempt == 1


@pytest.mark.parametrize("crash", ["answer", "sent"])
@pytest.mark.parametrize("findable", [True, False])
def test_a_restart_never_begins_a_second_run(crash: str, findable: bool) -> None:
    lab = Laboratory(spec())
    lab.target.findable = findable
    lab.asked = True
    if crash == "sent":
        lab.turn(crash="after")
    else:
        lab.turn()
        lab.work()
        lab.restart()
    lab.go(60)
    if crash == "answer" and findable:
        assert lab.current.phase == RetrainingPhase.RUNNING
    else:
        message = lab.status.history[0].message
        assert message.startswith("it is not known whether github began")
    # The target's own assertion: no key was begun twice.
    assert len(lab.target.trainings) == (1 if crash == "answer" else 0)


def test_a_target_that_knows_the_key_is_asked_again() -> None:
    lab = Laboratory(spec(action=HOOK))
    lab.target.repeatable, lab.target.answers = True, "lost"
    asked(lab)
    lab.restart()
    lab.target.answers = "yes"
    lab.go(30, step=5)
    assert lab.current.phase == RetrainingPhase.RUNNING
    assert len(lab.target.trainings) == 1


def test_the_intent_is_recorded_before_anything_is_sent() -> None:
    lab = Laboratory(spec())
    lab.asked = True
    work = lab.turn(crash="before")
    (begin,) = [errand for errand in work.errands if isinstance(errand, Begin)]
    assert begin.fresh and lab.status.current is None
    assert lab.target.trainings == {}


def test_what_takes_too_long_is_cancelled_and_not_tried_again() -> None:
    lab = asked(Laboratory(spec(timeout="1h")))
    lab.go(HOUR + 60)
    (entry,) = lab.status.history
    assert entry.outcome == RetrainingOutcome.FAILED
    assert entry.message == "it did not end within 3600 s"
    assert lab.target.running == []
    assert lab.reasons[-1] == Reason.RETRAINING_FAILED


def test_another_target_ends_it() -> None:
    lab = asked(Laboratory(spec()))
    lab.spec = spec(action=HOOK)
    work = lab.turn()
    assert lab.status.history[0].outcome == RetrainingOutcome.CANCELLED
    assert not any(isinstance(errand, Cancel) for errand in work.errands)


def test_a_run_that_is_gone_was_cancelled() -> None:
    lab = asked(Laboratory(spec()))
    lab.target.end(RunState.GONE, lab.true_time)
    lab.go(60)
    assert lab.status.history[0].outcome == RetrainingOutcome.CANCELLED


def test_one_at_a_time_by_hand_too() -> None:
    lab = asked(Laboratory(spec()))
    lab.asked = True
    lab.go(60)
    assert len(lab.begun) == 1


def test_parameters_are_filled_replaced_and_left_out() -> None:
    wanted = spec(parameters={"base": "{{model}}/{{stableVersion}}", "reason": "", "trigger": "steersman"})
    lab = Laboratory(wanted)
    lab.asked = True
    (begin,) = [errand for errand in lab.turn().errands if isinstance(errand, Begin)]
    assert begin.order.parameters == {
        "retraining_id": lab.current.id,
        "deployment": "fraud",
        "namespace": "risk",
        "model": "fraud",
        "stable_version": "7",
        "trigger": "steersman",
        "base": "fraud/7",
    }


def test_a_placeholder_that_stands_for_nothing_is_a_problem() -> None:
    lab = Laboratory(spec(parameters={"x": "{{password}}"}))
    lab.go(60)
    assert lab.status.problem.startswith("unknown placeholder {{password}}")


def test_the_history_is_bounded_and_the_number_goes_on() -> None:
    lab = Laboratory(spec(registration="1s"))
    for _ in range(KEPT + 3):
        asked(lab)
        lab.target.end(RunState.SUCCEEDED, lab.true_time)
        lab.go(60)
    assert len(lab.status.history) == KEPT
    assert lab.status.number == KEPT + 3
    assert lab.status.history[0].id.startswith(f"fraud-retrain-{KEPT + 3}-")
