from __future__ import annotations

from typing import Any

import pytest

from steersman.ports import Manifest
from steersman.shell.echoes import Echoes


def thing(kind: str, generation: int, status: dict[str, Any] | None = None, **metadata: Any) -> Manifest:
    about = {"name": "a", "namespace": "ns", "uid": "u", "generation": generation, **metadata}
    return {"kind": kind, "metadata": about, "status": status or {}}


def test_the_status_that_is_being_written_is_an_echo_only_meanwhile() -> None:
    echoes, sent = Echoes(), thing("ModelDeployment", 1, {"phase": "Healthy"})
    with echoes.recording(sent):
        assert echoes.is_echo(thing("ModelDeployment", 1, {"phase": "Healthy"}, resourceVersion="2"))
    assert not echoes.is_echo(sent)


@pytest.mark.parametrize(
    "news",
    [
        thing("ModelDeployment", 2, {"phase": "Healthy"}),
        thing("ModelDeployment", 1, {"phase": "Paused"}),
        thing("ModelDeployment", 1, {"phase": "Healthy"}, annotations={"steersman.dev/action": "abort"}),
        thing("ModelDeployment", 1, {"phase": "Healthy"}, deletionTimestamp="now"),
        thing("ModelDeployment", 1, {"phase": "Healthy"}, uid="another"),
        thing("ModelDeployment", 1, {"phase": "Healthy"}, name="b"),
    ],
)
def test_whatever_a_user_changed_is_news(news: Manifest) -> None:
    echoes = Echoes()
    with echoes.recording(thing("ModelDeployment", 1, {"phase": "Healthy"})):
        assert not echoes.is_echo(news)


PARENTS = {"parents": [{"conditions": []}]}


def test_a_new_generation_that_its_controller_has_not_answered_is_an_echo() -> None:
    echoes = Echoes()
    with echoes.applying(thing("HTTPRoute", 0), thing("HTTPRoute", 1, PARENTS)):
        assert echoes.is_echo(thing("HTTPRoute", 2, PARENTS))
        assert not echoes.is_echo(thing("HTTPRoute", 2, {"parents": []})), "the controller was quicker"
        assert not echoes.is_echo(thing("HTTPRoute", 1, PARENTS)), "no controller will answer the same generation again"
        assert not echoes.is_echo(thing("HTTPRoute", 2, PARENTS, uid="another"))
        assert not echoes.is_echo(thing("HTTPRoute", 2, PARENTS, deletionTimestamp="now"))
    assert not echoes.is_echo(thing("HTTPRoute", 2, PARENTS))


def test_what_is_made_is_an_echo_until_its_controller_answers() -> None:
    echoes = Echoes()
    with echoes.applying(thing("Deployment", 0), None):
        assert echoes.is_echo(thing("Deployment", 1))
        assert not echoes.is_echo(thing("Deployment", 1, {"observedGeneration": 1}))


@pytest.mark.parametrize("kind", ["Service", "VirtualService", "Ingress", "HTTPProxy", "ControllerRevision"])
def test_what_no_controller_answers_is_planned_by_at_once(kind: str) -> None:
    echoes = Echoes()
    with echoes.applying(thing(kind, 0), thing(kind, 1)):
        assert not echoes.is_echo(thing(kind, 2))
