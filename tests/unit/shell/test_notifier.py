"""From what statuses have to tell to messages: rates, retries, restarts, and what is said of failures."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest

from steersman.api.conditions import Reason
from steersman.api.notification_status import PendingNotification
from steersman.api.notifications import Notification, SharedNotification
from steersman.core.notifications import Words
from steersman.core.snapshot import EventIntent
from steersman.ports import NotificationError
from steersman.shell.notification_targets import SharedTargets, TargetAddress, parse_targets
from steersman.shell.notifier import Notifier
from steersman.shell.queue import Key
from unit.shell.memory_cluster import MemoryCluster

MARK = "Mark3rOfTheSecret"
URL = f"json://hooks.example.org/{MARK}"
KEY = ("risk", "fraud")
MANIFEST: dict[str, Any] = {
    "apiVersion": "steersman.dev/v1alpha1",
    "kind": "ModelDeployment",
    "metadata": {"namespace": "risk", "name": "fraud", "uid": "u1"},
    "spec": {"model": {"name": "fraud-model"}},
}


class Bench:
    """A notifier whose clock runs as fast as it sleeps."""

    def __init__(self, shared: SharedTargets | None = None) -> None:
        self.cluster = MemoryCluster()
        self.now = 1000.0
        self.leader = True
        self.fails: list[NotificationError] = []
        """For the next messages, one each."""
        self.sent: list[tuple[str, Words]] = []
        self.events: list[EventIntent] = []
        self.woken: list[Key] = []
        self.outcomes: list[str] = []
        shared = shared or SharedTargets()
        self.notifier = Notifier(
            self,
            TargetAddress(self.cluster, shared.directory),
            shared,
            self.woken.append,
            lambda manifest, event: self.events.append(event),
            lambda: self.leader,
            lambda: self.now,
            self.outcomes.append,
            self.sleep,
        )

    def secret(self, value: str = URL) -> None:
        data = {"chat": base64.b64encode(value.encode()).decode()}
        self.cluster.put({"kind": "Secret", "metadata": {"namespace": "risk", "name": "notify"}, "data": data})

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)

    async def send(self, url: str, words: Words, owner: str) -> None:
        if self.fails:
            raise self.fails.pop(0)
        self.sent.append((url, words))

    async def close(self) -> None:
        pass

    def recorded(self, *pending: PendingNotification, target: Notification | None = None, **fields: Any) -> None:
        self.notifier.recorded(KEY, MANIFEST, [target or own(**fields)], pending)

    async def rest(self) -> None:
        while tasks := list(self.notifier._tasks.values()):
            await asyncio.gather(*tasks)


def own(**fields: Any) -> Notification:
    return Notification.model_validate({"name": "chat", "url": {"secretName": "notify", "key": "chat"}, **fields})


def pending(
    number: int, message: str = "", reason: Reason = Reason.PROMOTED, at: float = 1000.0
) -> PendingNotification:
    return PendingNotification(id=f"{number}", at=at, reason=reason, message=message or f"message {number}")


async def test_a_target_is_told_once_however_often_the_status_is_seen() -> None:
    bench = Bench()
    bench.secret()
    bench.recorded(pending(1))
    bench.recorded(pending(1))
    assert bench.notifier.sent(KEY) == frozenset()
    await bench.rest()
    bench.recorded(pending(1))
    await bench.rest()
    ((url, said),) = bench.sent
    assert url == URL
    assert said.title == "fraud: Promoted"
    assert said.body.startswith("message 1\n\nrisk/fraud (fraud-model)")
    assert bench.woken == [KEY], "so that it leaves the status"
    assert bench.notifier.sent(KEY) == {"1"}
    bench.recorded()
    assert bench.notifier.sent(KEY) == frozenset()
    assert bench.notifier._open == {} and bench.notifier._manifests == {}


async def test_only_what_a_target_wants_to_hear_is_sent_and_the_rest_leaves_the_status() -> None:
    bench = Bench()
    bench.secret()
    bench.recorded(pending(1), pending(2, reason=Reason.ROLLED_BACK), events=["RolledBack"])
    await bench.rest()
    assert [said.title for _, said in bench.sent] == ["fraud: RolledBack"]
    assert bench.notifier.sent(KEY) == {"1", "2"}


async def test_the_next_process_sends_what_is_still_in_the_status() -> None:
    first, second = Bench(), Bench()
    second.secret()
    first.leader = False
    first.secret()
    first.recorded(pending(1))
    await first.rest()
    assert first.sent == [] and first.notifier.sent(KEY) == frozenset(), "who does not lead sends nothing"
    second.recorded(pending(1))
    await second.rest()
    assert len(second.sent) == 1


async def test_a_failure_is_tried_again_with_pauses_that_grow_and_is_told_after_the_third() -> None:
    bench = Bench()
    bench.secret()
    bench.fails = [NotificationError("the service answered HTTP 500") for _ in range(4)]
    bench.recorded(pending(1), rate={"burst": 100, "interval": "1s"})
    await bench.rest()
    assert len(bench.sent) == 1
    assert 1000 + 2 + 4 + 8 + 16 <= bench.now < 1040
    assert [event.reason for event in bench.events] == [Reason.NOTIFICATION_FAILED] * 2
    assert bench.events[0].message == "notification target 'chat' was not told: the service answered HTTP 500"
    assert bench.outcomes.count("failed") == 4


async def test_after_an_hour_it_is_given_up_and_the_status_is_free_again() -> None:
    bench = Bench()
    bench.secret()
    bench.fails = [NotificationError("no") for _ in range(100)]
    bench.recorded(pending(1))
    await bench.rest()
    assert bench.sent == []
    assert bench.notifier.sent(KEY) == {"1"}
    assert bench.outcomes.count("given_up") == 1
    assert 4600 <= bench.now < 5300


@pytest.mark.parametrize(
    ("value", "said"),
    [(None, "there is no Secret 'notify' in namespace 'risk'"), ("other", "has no key 'chat'")],
)
async def test_a_missing_secret_is_told_at_once(value: str | None, said: str) -> None:
    bench = Bench()
    if value is not None:
        secret = {"kind": "Secret", "metadata": {"namespace": "risk", "name": "notify"}, "data": {value: "eA=="}}
        bench.cluster.put(secret)
    bench.recorded(pending(1))
    async with asyncio.timeout(5):
        while not bench.events:  # noqa: ASYNC110
            await asyncio.sleep(0)
    assert said in bench.events[0].message
    bench.secret()
    await bench.rest()
    assert len(bench.sent) == 1, "a Secret that is there now is found"


async def test_rates_hold_for_each_target_and_what_is_over_is_told_together() -> None:
    bench = Bench()
    bench.secret()
    bench.recorded(*[pending(number) for number in range(9)], rate={"burst": 2, "interval": "60s"})
    await bench.rest()
    assert [said.title for _, said in bench.sent] == ["fraud: Promoted", "8 more events"]
    assert bench.notifier.sent(KEY) == {str(number) for number in range(9)}


async def test_repeats_are_merged() -> None:
    bench = Bench()
    bench.secret()
    bench.recorded(pending(1, "same"))
    await bench.rest()
    bench.recorded(pending(2, "same"))
    await bench.rest()
    assert len(bench.sent) == 1
    assert bench.outcomes == ["sent", "merged"]
    assert bench.notifier.sent(KEY) == {"2"}


async def test_the_operators_targets_hear_of_every_deployment(tmp_path: Any) -> None:
    (tmp_path / "team").write_text(URL + "\n")
    targets = parse_targets(
        '[{"name": "team", "key": "team", "events": ["Promoted"], "title": "{{cluster}} {{reason}}"}]'
    )
    bench = Bench(SharedTargets(targets, tmp_path, "prod"))
    assert bench.notifier.told == {Reason.PROMOTED}
    bench.notifier.recorded(KEY, MANIFEST, [], [pending(1)])
    bench.notifier.recorded(
        ("shop", "offers"), {**MANIFEST, "metadata": {"namespace": "shop", "name": "offers"}}, [], [pending(1)]
    )
    await bench.rest()
    assert [said.title for _, said in bench.sent] == ["prod Promoted"] * 2
    assert {url for url, _ in bench.sent} == {URL}


async def test_a_secret_is_in_no_event_and_no_log(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    bench.secret("unknown-" + URL)
    bench.fails = [NotificationError("the service answered HTTP 403", hopeless=True)]
    bench.recorded(pending(1))
    await bench.rest()
    everything = caplog.text + repr(bench.events) + repr(vars(bench.notifier))
    assert bench.events
    assert MARK not in everything


async def test_nothing_is_sent_after_the_close() -> None:
    bench = Bench()
    bench.secret()
    bench.recorded(pending(1))
    await bench.notifier.close()
    assert bench.sent == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[{}]", "name: Field required"),
        ('[{"name": "a", "key": "k"}, {"name": "a", "key": "l"}]', "same name"),
        ('[{"name": "a", "key": "../x"}]', "key"),
        ("{", "JSON"),
    ],
)
def test_settings_that_cannot_be_used(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_targets(text)


def test_a_target_of_the_operator_needs_its_file(tmp_path: Any) -> None:
    target = SharedNotification.model_validate({"name": "a", "key": "k"})
    with pytest.raises(NotificationError, match="has no key 'k'"):
        asyncio.run(TargetAddress(MemoryCluster(), tmp_path).of("", target))


async def test_a_rate_that_changes_while_something_is_sent_loses_nothing() -> None:
    bench = Bench()
    bench.secret()
    bench.fails = [NotificationError("no")]
    bench.recorded(pending(1), target=own(rate={"burst": 1, "interval": "60s"}))
    while bench.fails:  # noqa: ASYNC110
        await asyncio.sleep(0)
    bench.recorded(pending(1), pending(2), target=own(rate={"burst": 5, "interval": "1s"}))
    await bench.rest()
    assert [said.title for _, said in bench.sent] == ["2 more events"]
    assert bench.notifier.sent(KEY) == {"1", "2"}


async def test_what_nobody_expected_is_a_failure_as_any_other() -> None:
    bench = Bench()
    bench.secret()
    bench.fails = [RuntimeError(MARK)] * 3  # type: ignore[list-item]
    bench.recorded(pending(1))
    await bench.rest()
    assert len(bench.sent) == 1
    assert MARK not in repr(bench.events)
    assert "RuntimeError" in bench.events[0].message
