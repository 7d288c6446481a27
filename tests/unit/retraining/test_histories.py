"""What must hold of retraining whatever happens: random histories with crashes, lost answers and clocks that jump."""

from __future__ import annotations

import os
import re
from typing import Any

from hypothesis import HealthCheck, Phase, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from steersman.api.retraining_status import KEPT, MANUAL
from steersman.core.retraining.model import RunState
from unit.retraining.laboratory import GITHUB, HOOK, Laboratory, spec

COOLDOWN = 1800.0
TIMEOUT = 4 * 3600.0
TRIGGERS: tuple[dict[str, Any], ...] = (
    {"name": "often", "schedule": {"cron": "*/20 * * * *", "startingDeadline": "30m"}},
    {"name": "nightly", "schedule": {"cron": "30 2 * * *", "timeZone": "Europe/Berlin"}},
    {"name": "data", "data": {"http": {"url": "https://data.example.com/x.dvc"}, "interval": "60s"}},
)


class Histories(RuleBasedStateMachine):
    """Anything may happen at any time."""

    @initialize(
        cooldown=st.sampled_from([0.0, COOLDOWN]),
        repeatable=st.booleans(),
        findable=st.booleans(),
        begin=st.sampled_from([0, 86 * 86400, 296 * 86400]),
    )
    def begin(self, cooldown: float, repeatable: bool, findable: bool, begin: int) -> None:
        wanted = spec(
            *TRIGGERS,
            action=HOOK if repeatable else GITHUB,
            cooldown=f"{cooldown:g}s",
            timeout=f"{TIMEOUT:g}s",
            retries={"limit": 2, "delay": "30s"},
            registration="60s",
        )
        # From a Thursday in January, or from the days before the clocks change.
        self.lab = Laboratory(wanted, 1_767_225_600.0 + begin)
        self.lab.target.repeatable, self.lab.target.findable = repeatable, findable
        self.lab.turn()

    # One rule for everything: hypothesis leaves whole rules out of most examples (swarm testing), and what is
    # interesting here needs many kinds of happenings in one.
    @rule(happening=st.deferred(lambda: HAPPENINGS))
    def something_happens(self, happening: tuple[str, dict[str, Any]]) -> None:
        name, arguments = happening
        getattr(self, name)(**arguments)

    def time_passes(self, seconds: int) -> None:
        self.lab.go(seconds, step=max(10.0, seconds / 10))

    def one_look(self, crash: str) -> None:
        self.lab.turn(crash=crash)

    def the_background_works(self, and_crash: bool) -> None:
        self.lab.work()
        if and_crash:
            self.lab.restart()

    def downtime(self, hours: int) -> None:
        self.lab.restart()
        self.lab.now += hours * 3600
        self.lab.true_time += hours * 3600

    def the_clock_steps(self, seconds: int) -> None:
        self.lab.now += seconds

    def the_target_answers(self, answers: str) -> None:
        self.lab.target.answers = answers

    def runs_end(self, state: RunState, registers: bool) -> None:
        if self.lab.target.running and state == RunState.SUCCEEDED and registers:
            self.lab.newest += 1
        self.lab.target.end(state, self.lab.true_time)

    def weather(self, registry: bool, busy: str) -> None:
        self.lab.registry_answers, self.lab.busy = registry, busy

    def data_changes(self, data: str) -> None:
        self.lab.data = data

    def somebody_asks(self, answers: str, crashes: list[str], ends: RunState | None, seconds: int) -> None:
        """The way into the middle of a retraining, which mere chance finds too seldom."""
        lab = self.lab
        lab.asked, lab.target.answers = True, answers
        for crash in crashes:
            lab.turn(crash=crash)
            lab.work()
            if crash == "later":
                lab.restart()
            lab.now += seconds
            lab.true_time += seconds
        if ends is not None:
            lab.target.end(ends, lab.true_time)
            lab.go(10, step=5)
        event(f"{answers}, {lab.status.current.phase if lab.status.current else 'over'}")

    @invariant()
    def never_two_at_once(self) -> None:
        if not hasattr(self, "lab"):
            return
        # One that was given up, because nobody knew of it or it took too long, may still run.
        given_up = {
            entry.keys[-1]
            for entry in self.lab.ended
            if "it is not known whether" in entry.message or "it did not end" in entry.message
        }
        assert len([each for each in self.lab.target.running if each.key not in given_up]) <= 1

    @invariant()
    def ids_are_told_once(self) -> None:
        if hasattr(self, "lab"):
            ids = [run.id for run in self.lab.begun]
            assert len(set(ids)) == len(ids)

    @invariant()
    def a_moment_is_met_once(self) -> None:
        if hasattr(self, "lab"):
            met = [(run.trigger, run.reason) for run in self.lab.begun if "schedule's moment" in run.reason]
            assert len(set(met)) == len(met)

    @invariant()
    def the_status_is_bounded(self) -> None:
        if hasattr(self, "lab"):
            assert len(self.lab.status.history) <= KEPT
            assert len(self.lab.status.model_dump_json()) < 12_000

    @invariant()
    def the_cooldown_is_kept(self) -> None:
        if not hasattr(self, "lab") or not self.lab.begun:
            return
        lab, latest = self.lab, self.lab.begun[-1]
        before = [entry for entry in lab.status.history if entry.id != latest.id]
        if latest.trigger != MANUAL and before:
            assert latest.started_at >= before[0].ended_at + lab.spec.cooldown

    @invariant()
    def nothing_new_decides_the_same(self) -> None:
        if hasattr(self, "lab"):
            first = self.lab.turn_only()
            assert first == self.lab.turn_only()

    def teardown(self) -> None:
        """In fine weather everything that is under way ends, and the next moment begins something."""
        if not hasattr(self, "lab"):
            return
        lab = self.lab
        lab.target.answers, lab.registry_answers, lab.busy = "yes", True, ""
        # A clock that was put forward and back makes nothing begin for as long as it was ahead.
        begun = len(lab.begun)
        for _ in range(20):
            lab.go(1200, step=240)
            lab.target.end(RunState.SUCCEEDED, lab.true_time)
        assert len(lab.begun) > begun
        for entry in lab.ended:
            event(f"{entry.outcome}: {re.sub(r'fraud-[-a-z0-9]*|[0-9].*', '', entry.message)[:60]}")
        event(f"retrainings: {min(len(lab.begun), 20)}")


def _happening(name: str, **arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    return st.tuples(st.just(name), st.fixed_dictionaries(arguments))


HAPPENINGS = st.one_of(
    *[_happening("time_passes", seconds=st.sampled_from([1, 20, 70, 600, 1500]))] * 3,
    _happening("one_look", crash=st.sampled_from(["", "before", "after"])),
    _happening("the_background_works", and_crash=st.booleans()),
    _happening("downtime", hours=st.sampled_from([1, 5, 30])),
    _happening("the_clock_steps", seconds=st.sampled_from([-7200, -600, -20, 20, 600, 7200])),
    _happening(
        "the_target_answers", answers=st.sampled_from(["yes", "yes", "yes", "lost", "late", "busy", "down", "refused"])
    ),
    _happening(
        "runs_end",
        state=st.sampled_from([RunState.SUCCEEDED, RunState.SUCCEEDED, RunState.FAILED]),
        registers=st.booleans(),
    ),
    _happening("weather", registry=st.booleans(), busy=st.sampled_from(["", "", "a rollout is under way"])),
    _happening("data_changes", data=st.sampled_from("123")),
    *[
        _happening(
            "somebody_asks",
            answers=st.sampled_from(["yes", "yes", "lost", "late", "late", "busy", "down", "refused"]),
            crashes=st.lists(st.sampled_from(["", "", "before", "after", "later", "later"]), min_size=2, max_size=5),
            ends=st.sampled_from([None, RunState.SUCCEEDED, RunState.FAILED]),
            seconds=st.sampled_from([0, 5, 60]),
        )
    ]
    * 4,
)


TestHistories = Histories.TestCase
TestHistories.settings = settings(
    max_examples=int(os.environ.get("STEERSMAN_EXAMPLES", "25")),
    stateful_step_count=25,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)
