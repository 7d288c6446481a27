from __future__ import annotations

from typing import Any

import pytest

from steersman.api.conditions import Reason
from steersman.api.status import ModelDeploymentStatus, RevisionStatus, RevisionWeight
from steersman.core.snapshot import EventIntent, ObjectRef, Plan
from steersman.shell.news import News

KEY = ("risk", "fraud")
BEFORE = ModelDeploymentStatus(stable=RevisionStatus(name="fraud-v1-a", version="1", replicas=2))
SEEN = BEFORE.model_copy(
    update={
        "message": "1 of 2 pods are available",
        "stable": RevisionStatus(name="fraud-v1-a", version="1", replicas=2, available_replicas=1),
    }
)


def test_news_waits_a_moment_from_when_it_was_first_there() -> None:
    news = News(patience=0.25)
    assert news.hold(KEY, Plan(BEFORE, SEEN), 10.0) == 10.25
    assert news.hold(KEY, Plan(BEFORE, SEEN), 10.2) == 10.25
    assert news.hold(KEY, Plan(BEFORE, SEEN), 10.25) is None
    assert news.hold(KEY, Plan(BEFORE, SEEN), 11.0) == 11.25, "the next news waits for itself"


@pytest.mark.parametrize(
    "changes",
    [
        {"delete": (ObjectRef("v1", "Service", "fraud-v1-a", "u"),)},
        {"apply": ({"kind": "Service"},)},
        {"events": (EventIntent(Reason.PROMOTED, "done"),)},
        {"clear_action": True},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_is_to_be_done_does_not_wait(changes: dict[str, Any]) -> None:
    assert News().hold(KEY, Plan(BEFORE, SEEN, **changes), 10.0) is None


@pytest.mark.parametrize(
    "decided",
    [
        {"observed_generation": 2},
        {"weights": [RevisionWeight(revision="fraud-v1-a", weight=100)]},
        {"stable": RevisionStatus(name="fraud-v1-a", version="1", replicas=3)},
        {"paused": True},
    ],
    ids=lambda decided: next(iter(decided)),
)
def test_what_was_decided_does_not_wait(decided: dict[str, Any]) -> None:
    assert News().hold(KEY, Plan(BEFORE, SEEN.model_copy(update=decided)), 10.0) is None


def test_nothing_new_is_nothing_to_hold_and_ends_a_wait() -> None:
    news = News(patience=0.25)
    assert news.hold(KEY, Plan(BEFORE, SEEN), 10.0) == 10.25
    assert news.hold(KEY, Plan(BEFORE, BEFORE), 10.1) is None
    assert news.hold(KEY, Plan(BEFORE, SEEN), 10.2) == 10.45
    news.drop(KEY)
    assert news.hold(KEY, Plan(BEFORE, SEEN), 10.3) == 10.55
