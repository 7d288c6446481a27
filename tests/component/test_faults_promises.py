"""The check itself: a good story passes, and each kind of broken promise is noticed."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from faults.promises import Promise, broken, weights_in_a_row
from faults.witness import Happening

PROMISE = Promise("fraud", replicas=2, weights=(25,), generations=2)
OLD, NEW = "fraud-v1-aaaaaaaa", "fraud-v2-bbbbbbbb"
Story = list[Happening]


def _object(kind: str, name: str, body: dict[str, Any], revision: str = "", generation: int = 1) -> dict[str, Any]:
    labels = {"steersman.dev/deployment": "fraud", **({"steersman.dev/revision": revision} if revision else {})}
    return {"kind": kind, "metadata": {"name": name, "labels": labels, "generation": generation}, **body}


def _status(stable: str, candidate: str | None, weights: dict[str, int], generation: int) -> dict[str, Any]:
    status = {
        "stable": {"name": stable},
        "weights": [{"revision": name, "weight": weight} for name, weight in weights.items()],
        "history": [{"revision": OLD}],
        **({"candidate": {"name": candidate}} if candidate else {}),
    }
    spec = {"strategy": {"canary": {}}}
    return _object("ModelDeployment", "fraud", {"spec": spec, "status": status}, generation=generation)


def _route(weights: dict[str, int]) -> dict[str, Any]:
    refs = [{"name": name, "weight": weight} for name, weight in weights.items()]
    return _object("HTTPRoute", "fraud", {"spec": {"rules": [{"backendRefs": refs}]}})


def _pods(revision: str, available: int) -> dict[str, Any]:
    return _object("Deployment", revision, {"status": {"availableReplicas": available}}, revision)


def _service(revision: str) -> dict[str, Any]:
    return _object("Service", revision, {"spec": {"selector": {"revision": revision}}}, revision)


def _snapshot(revision: str) -> dict[str, Any]:
    return _object("ControllerRevision", revision, {}, revision)


def good() -> Story:
    happened: list[tuple[str, dict[str, Any]]] = [
        ("ADDED", _status(OLD, None, {OLD: 100}, 1)),
        *(("ADDED", made(OLD)) for made in (_snapshot, _service)),
        ("ADDED", _pods(OLD, 2)),
        ("ADDED", _route({OLD: 100})),
        ("MODIFIED", _status(OLD, NEW, {OLD: 100}, 2)),
        *(("ADDED", made(NEW)) for made in (_snapshot, _service)),
        ("ADDED", _pods(NEW, 0)),
        ("MODIFIED", _pods(NEW, 1)),
        ("MODIFIED", _route({OLD: 100, NEW: 0})),
        ("MODIFIED", _status(OLD, NEW, {OLD: 75, NEW: 25}, 2)),
        ("MODIFIED", _route({OLD: 75, NEW: 25})),
        ("MODIFIED", _status(OLD, None, {OLD: 100}, 2)),
        ("MODIFIED", _route({OLD: 100})),
        ("DELETED", _pods(NEW, 1)),
        ("DELETED", _service(NEW)),
        ("DELETED", _snapshot(NEW)),
    ]
    return [Happening(number, what, manifest) for number, (what, manifest) in enumerate(happened, 1)]


def test_a_good_story_breaks_nothing() -> None:
    assert broken(good(), PROMISE) == []
    assert weights_in_a_row(good(), "fraud", "2") == [0, 25]


def _route_at_25(story: Story) -> dict[str, Any]:
    return next(h.manifest for h in story if h.key[0] == "HTTPRoute" and "25" in str(h.manifest))


def _without(kind: str, name: str, what: str) -> Callable[[Story], None]:
    def change(story: Story) -> None:
        story.remove(next(h for h in story if h.key == (kind, name) and h.what == what))

    return change


def _weights(**changed: int) -> Callable[[Story], None]:
    def change(story: Story) -> None:
        for ref in _route_at_25(story)["spec"]["rules"][0]["backendRefs"]:
            ref["weight"] = changed.get("new" if ref["name"] == NEW else "old", ref["weight"])

    return change


def _swap(first: int, second: int) -> Callable[[Story], None]:
    def change(story: Story) -> None:
        story[first], story[second] = story[second], story[first]

    return change


def _more_writes_of_the_spec(story: Story) -> None:
    story[13].manifest["metadata"]["generation"] = 3


def _another_selector(story: Story) -> None:
    moved = copy.deepcopy(_service(OLD))
    moved["spec"]["selector"] = {"revision": NEW}
    story.insert(8, Happening(8, "MODIFIED", moved))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_weights(new=20), "weights sum to 95"),
        (_weights(old=70, new=30), "are not planned"),
        (_swap(11, 12), "while the status said"),
        (_swap(5, 6), "before the status knew it"),
        (_without("Service", NEW, "ADDED"), f"there is no Service {NEW}"),
        (_without("Deployment", NEW, "MODIFIED"), "with 0 of 2 pods"),
        (_swap(14, 15), f"the pods of {NEW} were deleted while it has traffic"),
        (_swap(14, 16), f"Service {NEW} was deleted while the route names it"),
        (_without("Service", NEW, "DELETED"), "too much"),
        (_without("ControllerRevision", NEW, "DELETED"), "but the history knows"),
        (_more_writes_of_the_spec, "the spec was written 3 times"),
        (_another_selector, "the selector of Service"),
    ],
)
def test_every_broken_promise_is_noticed(change: Callable[[Story], None], said: str) -> None:
    story = good()
    change(story)
    assert any(said in wrong for wrong in broken(story, PROMISE)), broken(story, PROMISE)
