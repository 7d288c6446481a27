"""A soak made up as it should go keeps all promises, and each thing that can go wrong breaks the one that is about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from soak.__main__ import conclude
from soak.kills import Kill, instants
from soak.machine import Busy
from soak.outcomes import Outcome
from soak.promises import check
from soak.release import Round
from soak.report import as_json, lost_lines
from soak.run import Result
from soak.settings import CANARIES, Kind, Settings, fails
from soak.tally import Lost, Tally
from soak.weights import WeightHistory, follows

BEGIN = 1_700_000_000.0
SECONDS = 10.0
ROWS = {Kind.PROMOTION: [0, 20, 50, 100], Kind.ABORT: [0, 20, 50, 0], Kind.ROLLBACK: [0, 20, 0], Kind.SWITCH: [0, 100]}


def made_up() -> Result:
    """Two rounds of each kind."""
    settings = Settings(rounds=2, switches=2, requests=4_000)
    result = Result(settings, kills=[Kill(BEGIN + 15, "steersman-0", ("Stepping 20", "idle"))])
    stable = {"canary": 1, "switch": 1}
    latest = dict(stable)
    for number, kind in enumerate(settings.planned(), 1):
        host = "switch" if kind is Kind.SWITCH else "canary"
        latest[host] += 1
        version, began = latest[host], BEGIN + SECONDS * (number - 1)
        row = ROWS[kind]
        played = Round(number, kind, host, str(version), str(stable[host]), began, began + SECONDS - 1, row=row)
        played.weights = [{"old": 100}, *({"old": 100 - weight, "new": weight} for weight in row)]
        result.rounds.append(played)
        for other in ("canary", "switch"):
            for second in range(int(began), int(began + SECONDS)):
                result.tally.counts[second, other, str(stable[other]), Outcome.OK] += 30
                if other == host:
                    result.tally.counts[second, other, str(version), Outcome.OK] += 10
                    if kind is Kind.ROLLBACK:
                        result.tally.counts[second, other, str(version), Outcome.MODEL] += 3
        if played.promoted:
            stable[host] = version
    result.tally.began, result.ended = BEGIN, BEGIN + SECONDS * len(result.rounds)
    sums = {"p50": 0.001, "p99": 0.01, "max": 0.02}
    result.tally.end = {
        "sent": result.tally.answered, "seconds": 80.0, "late": 0, "lag": sums, "latency": sums, "cpuSeconds": 1.0
    }  # fmt: skip
    return result


def broken(result: Result) -> list[str]:
    return [promise.name for promise in check(result) if not promise.kept]


def test_a_good_run_keeps_all_promises() -> None:
    result, output = made_up(), StringIO()
    assert broken(result) == []
    assert conclude(result, Console(file=output, width=160)) == 0
    assert "NOT KEPT" not in output.getvalue()
    assert "2 of 2" in output.getvalue()


def lose_one(result: Result) -> None:
    result.tally.counts[int(BEGIN) + 12, "canary", "", Outcome.GATEWAY] += 1
    result.tally.end["sent"] += 1  # type: ignore[index]


def forget_one(result: Result) -> None:
    result.tally.end["sent"] += 1  # type: ignore[index]


def no_sums(result: Result) -> None:
    result.tally.end = None


def too_few(result: Result) -> None:
    result.settings = replace(result.settings, requests=10_000_000)


def unfinished(result: Result) -> None:
    result.rounds[-1].ended = 0.0


def skipped_step(result: Result) -> None:
    result.rounds[0].row = [0, 50, 100]


def wrong_sum(result: Result) -> None:
    result.rounds[2].weights.append({"old": 50, "new": 20})


def unplanned_weight(result: Result) -> None:
    result.rounds[3].weights.append({"old": 70, "new": 30})


def never_seen(result: Result) -> None:
    result.rounds[6].weights = []


def stranger(result: Result) -> None:
    result.tally.counts[int(BEGIN) + 45, "canary", "1", Outcome.OK] += 1
    result.tally.end["sent"] += 1  # type: ignore[index]


def candidate_without_requests(result: Result) -> None:
    played = result.rounds[0]
    counts = {key: n for key, n in result.tally.counts.items() if key[0] >= BEGIN + SECONDS or key[2] != played.version}
    result.tally.counts = Counter(counts)
    result.tally.end["sent"] = result.tally.answered  # type: ignore[index]


def nobody_killed(result: Result) -> None:
    result.kills.clear()


def given_up(result: Result) -> None:
    result.problems.append("after 300 s still not: v3 has 20 %")


@pytest.mark.parametrize(
    ("harm", "promise"),
    [
        (lose_one, "no request failed but by the model itself"),
        (forget_one, "the end of every request is known"),
        (no_sums, "the end of every request is known"),
        (too_few, "at least 10,000,000 requests"),
        (unfinished, "all rounds reached their end"),
        (skipped_step, "weights sum to 100 and follow the plan"),
        (wrong_sum, "weights sum to 100 and follow the plan"),
        (unplanned_weight, "weights sum to 100 and follow the plan"),
        (never_seen, "weights sum to 100 and follow the plan"),
        (stranger, "the right versions answer"),
        (candidate_without_requests, "the right versions answer"),
        (nobody_killed, "the operator's leader was killed"),
        (given_up, "it ran to its end"),
    ],
)
def test_each_fault_breaks_its_promise(harm: Callable[[Result], None], promise: str) -> None:
    result = made_up()
    harm(result)
    assert broken(result) == [promise]
    assert conclude(result, Console(file=StringIO())) == 1


def test_nothing_at_all_keeps_few_promises() -> None:
    assert {"the end of every request is known", "the right versions answer"} <= set(broken(Result(Settings(rounds=0))))


def test_lost_requests_are_told_by_cause_and_round() -> None:
    result = made_up()
    for seconds in (12.5, 25.0, -1.0):
        result.tally.lost.append(
            Lost(BEGIN + seconds, "canary", "", Outcome.GATEWAY, "no healthy upstream", 503, 0.25, False, 31)
        )
    result.tally.lost.append(Lost(BEGIN + 1, "switch", "", Outcome.TIMEOUT, "", 0, 15.0, True, 1))
    first, second = lost_lines(result)
    assert first.startswith(
        "3 x gateway 503 no healthy upstream, from before the first round to round 3 (rollback) + 5.000 s"
    )
    assert second.startswith("1 x timeout, from round 1 (promotion) + 1.000 s")
    assert as_json(result, check(result))["lost"][0]["nth"] == 31


def test_requests_and_kills_belong_to_the_round_in_which_they_were() -> None:
    rounds = as_json(made_up(), [])["rounds"]
    assert [played["kills"] for played in rounds] == [0, 1, 0, 0, 0, 0, 0, 0]
    assert [played["outcomes"].get(Outcome.MODEL, 0) for played in rounds] == [0, 0, 30, 0, 0, 30, 0, 0]


def test_every_third_version_fails_as_the_rollbacks_come() -> None:
    kinds = Settings(rounds=3, switches=0).planned()
    assert [fails(version) for version in range(2, 11)] == [kind is Kind.ROLLBACK for kind in kinds]
    assert not fails(1)
    assert kinds[:3] == list(CANARIES)


def test_kills_are_one_in_each_window_and_the_seed_decides() -> None:
    def first(seed: int) -> list[float]:
        found = instants(seed, 30.0)
        return [next(found) for _ in range(200)]

    assert [int(at // 30) for at in first(5)] == list(range(200))
    assert first(5) == first(5) != first(6)
    assert {int(at % 30) for at in first(5)} == set(range(30)), "anywhere in the window"


@pytest.mark.parametrize(
    ("row", "promoted", "good"),
    [
        ([0, 20, 50, 100], True, True),
        ([0, 20, 100], True, False),
        ([0, 20, 50], True, False),
        ([0, 20, 50, 100, 0], True, False),
        ([0, 20, 0], False, True),
        ([0, 20, 50, 0], False, True),
        ([0, 50, 0], False, False),
        ([0, 20, 50], False, False),
        ([0, 20, 50, 20, 0], False, False),
        ([0, 20, 50, 100, 0], False, False),
        ([0], False, False),
        ([], True, False),
    ],
)
def test_the_plan_is_followed_or_not(row: list[int], promoted: bool, good: bool) -> None:
    assert follows(row, (0, 20, 50, 100), promoted=promoted) is good


def test_a_history_knows_what_was_in_force_before() -> None:
    history = WeightHistory()
    for weights in ({"a": 100}, {"a": 100}, {"a": 100, "b": 0}, {"a": 80, "b": 20}):
        history.note({"spec": {"rules": [{"backendRefs": [{"name": n, "weight": w} for n, w in weights.items()]}]}})
    assert history.since(0) == [{"a": 100}, {"a": 100, "b": 0}, {"a": 80, "b": 20}]
    assert history.since(float("inf")) == [history.latest] == [{"a": 80, "b": 20}]
    assert history.of("b", 0) == [0, 20]


def test_a_machine_is_as_busy_as_its_clock_ticks_say(tmp_path: Path) -> None:
    stat = tmp_path / "stat"
    stat.write_text("cpu  10 0 10 100 0 0 0 0 5 0\ncpu0 1 2 3 4 5 6 7 8 9 0\n")
    busy = Busy(stat)
    stat.write_text("cpu  40 0 20 110 10 0 0 0 9 0\n")
    assert busy.share == pytest.approx(2 / 3)


def test_a_tally_is_cut_by_whole_seconds() -> None:
    tally = Tally()
    tally.add({"counts": [[10, "h", "1", "ok", 3], [11, "h", "1", "gateway", 2]]})
    tally.add({"counts": [[10, "h", "1", "ok", 4]], "began": 10.2})
    assert tally.between(9.5, 10.5).total() == 7
    assert (tally.answered, tally.began) == (9, 10.2)
