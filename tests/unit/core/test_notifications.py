"""Which events are told, when, and in which words."""

from __future__ import annotations

import re
from typing import Any

import pytest
from pydantic import ValidationError

from steersman.api.conditions import Reason
from steersman.api.notification_status import MAX_PENDING, MESSAGE_LENGTH
from steersman.api.notifications import DEFAULT, NOTABLE, PLACEHOLDERS, Notification, NotificationRate
from steersman.core.notifications import Lane, Note, notes, summary, words
from steersman.core.snapshot import Problem, RegistryAnswer
from unit.core.world import World, gateway_spec

URL = {"secretName": "chat", "key": "slack"}


def target(**fields: Any) -> Notification:
    return Notification.model_validate({"name": "chat", "url": URL, **fields})


def note(message: str = "x", *, at: float = 0.0, id_: str = "", **fields: Any) -> Note:
    return Note(
        (id_ or message,), "risk", "fraud", "fraud-model", "fraud-v2-a", "Promoted", message, "info", at, **fields
    )


# ---------------------------------------------------------------- what the spec may say


def test_defaults_are_documented_and_notable() -> None:
    assert set(DEFAULT) <= set(NOTABLE)
    assert target().events == list(DEFAULT)


@pytest.mark.parametrize("reason", ["Accepted", "AwaitingAnalysis", "NoSuchReason", "NotificationFailed"])
def test_only_events_of_decisions_can_be_told(reason: str) -> None:
    with pytest.raises(ValidationError):
        target(events=[reason])


@pytest.mark.parametrize("text", ["{{message}}", "{{ message }}!", "a {b} {c", "{{deployment}}{{reason}}", "}} {"])
def test_texts_that_are_taken(text: str) -> None:
    assert target(body=text).body == text


@pytest.mark.parametrize("text", ["{{secret}}", "{{message", "{{message.__class__}}", "{{ 7*7 }}", "{% x %}{{}}"])
def test_texts_with_anything_but_known_placeholders_are_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        target(body=text)


# ---------------------------------------------------------------- the outbox


def fraud(**fields: Any) -> World:
    spec = gateway_spec(notifications=[{"name": "chat", "url": URL, **fields}], strategy={"canary": {"steps": STEPS}})
    world = World(spec)
    world.delivers = False
    world.run(30)
    return world


STEPS = [{"setWeight": 20}, {"pause": {}}]


def test_what_is_decided_waits_in_the_status_of_the_same_write_until_it_was_sent() -> None:
    world = fraud(events=["RolloutStarted", "AwaitingPromotion", "Promoted"])
    world.sent = frozenset(each.id for each in world.status.notifications)
    world.answer = RegistryAnswer("2")
    world.run(60)
    told = [(each.reason, each.revision) for each in world.status.notifications]
    assert told == [("RolloutStarted", world.candidate), ("AwaitingPromotion", world.candidate)]
    assert world.plan_only().status == world.status, "what waits changes nothing by itself"
    world.sent = frozenset({world.status.notifications[0].id})
    decided = world.plan_only()
    assert [each.reason for each in decided.status.notifications] == ["AwaitingPromotion"]
    assert decided.only_tells


def test_nobody_who_wants_to_know_means_nothing_is_kept() -> None:
    world = World(gateway_spec(strategy={"canary": {"steps": STEPS}}))
    world.answer = RegistryAnswer("2")
    world.run(60)
    assert Reason.ROLLOUT_STARTED in world.reasons()
    assert world.status.notifications == []


def test_the_operators_own_targets_hear_of_a_spec_that_is_not_valid() -> None:
    world = World()
    world.told = frozenset({Reason.INVALID_SPEC})
    world.manifest["spec"]["replicas"] = 0
    world.reconcile()
    assert [each.reason for each in world.status.notifications] == ["InvalidSpec"]


def test_the_outbox_is_bounded_and_says_what_is_missing() -> None:
    world = fraud(events=["RegistryUnreachable", "AliasNotFound"])
    for number in range(14):
        reason = Reason.REGISTRY_UNREACHABLE if number % 2 else Reason.ALIAS_NOT_FOUND
        world.answer = Problem(reason, f"trouble {number} " + "x" * 2000)
        world.now += 1
        world.reconcile()
    pending = world.status.notifications
    assert len(pending) == MAX_PENDING
    assert pending[0].left_out == 4
    assert all(len(each.message) <= MESSAGE_LENGTH for each in pending)
    assert len({each.id for each in pending}) == MAX_PENDING
    first = next(notes(world.manifest, pending))
    assert first.message.endswith("(4 earlier notifications had to be left out)")


def test_a_wait_for_promotion_is_an_event_once() -> None:
    world = fraud()
    world.answer = RegistryAnswer("2")
    world.run(300)
    assert world.reasons().count(Reason.AWAITING_PROMOTION) == 1


# ---------------------------------------------------------------- the lane: rates and repeats


def messages(lane: Lane, now: float) -> list[list[str]]:
    """What may be sent at this moment, message by message."""
    taken = []
    while (batch := lane.take(now)) is not None:
        lane.told(batch, now)
        taken.append([each.message for each in batch.notes])
    return taken


def test_a_burst_is_told_one_by_one_and_the_rest_together_when_it_is_time() -> None:
    lane = Lane(NotificationRate(burst=3, interval=60.0))
    for number in range(8):
        assert lane.offer(note(str(number)), 0.0)
    assert messages(lane, 0.0) == [["0"], ["1"], ["2", "3", "4", "5", "6", "7"]]
    lane.offer(note("8"), 1.0)
    assert lane.ready_at(1.0) == pytest.approx(60.0)
    assert messages(lane, 59.9) == []
    assert messages(lane, 60.0) == [["8"]]
    assert lane.ready_at(60.0) is None


def test_tokens_come_back_up_to_the_burst_and_a_clock_that_goes_back_gives_none() -> None:
    lane = Lane(NotificationRate(burst=2, interval=10.0))
    lane.offer(note("a"), 100.0)
    assert messages(lane, 100.0) == [["a"]]
    for number in range(3):
        lane.offer(note(str(number)), 1000.0)
    assert messages(lane, 1000.0) == [["0"], ["1", "2"]]
    lane.offer(note("late"), 900.0)
    assert messages(lane, 900.0) == []


def test_a_repeat_is_counted_while_it_waits_and_for_ten_minutes_after_it_was_told() -> None:
    lane = Lane(NotificationRate(burst=1, interval=60.0))
    assert lane.offer(note("same", id_="1"), 0.0)
    assert lane.offer(note("same", id_="2"), 0.0)
    batch = lane.take(0.0)
    assert batch is not None and batch.notes[0].times == 2 and batch.notes[0].ids == ("1", "2")
    lane.told(batch, 0.0)
    assert not lane.offer(note("same", id_="3"), 10.0)
    assert not lane.offer(note("same", id_="4"), 599.0)
    assert lane.offer(note("same", id_="5"), 600.0)
    again = lane.take(600.0)
    assert again is not None and again.notes[0].times == 3


def test_what_could_not_be_sent_comes_first_the_next_time_with_what_came_meanwhile() -> None:
    lane = Lane(NotificationRate(burst=1, interval=60.0))
    lane.offer(note("first"), 0.0)
    batch = lane.take(0.0)
    assert batch is not None
    lane.offer(note("second"), 1.0)
    lane.put_back(batch)
    assert messages(lane, 60.0) == [["first", "second"]]


def test_a_lane_is_bounded() -> None:
    lane = Lane(NotificationRate(burst=1, interval=60.0))
    for number in range(250):
        lane.offer(note(str(number)), 0.0)
    batch = lane.take(0.0)
    assert batch is not None
    assert (len(batch.notes), len(batch.counted)) == (100, 150)
    said = summary(batch.notes, batch.counted, "prod")
    assert said.title == "250 more events in prod"
    assert len(said.body.splitlines()) == 21
    assert said.body.endswith("and 230 more")


# ---------------------------------------------------------------- the words


def test_every_placeholder_is_filled_once_and_values_stay_what_they_are() -> None:
    text = " ".join(f"{{{{{name}}}}}" for name in PLACEHOLDERS)
    evil = note("say {{cluster}} {{ 7*7 }} <!channel>\x1b[31m\r\nSubject: x", at=1_800_000_000.0)
    said = words(evil, target(title="{{message}}", body=text), "prod")
    assert "say {{cluster}} {{ 7*7 }} <!channel>" in said.body, "a value is no template"
    assert "2027-01-15 08:00:00 UTC" in said.body
    assert not re.search(r"[\x00-\x08\x0b-\x1f]", said.body)
    assert "\n" not in said.title and "\r" not in said.title
    assert said.body.endswith("prod")
