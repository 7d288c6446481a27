"""Metric gaps, NaN, restarts, late scrapes, wrong clocks, no traffic: with a real Prometheus, none of them decides anything by itself.

All scenarios run at once, in about half a minute; each test looks at what one of them came to. Counts are compared with what the pods really served.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.component.metric_trouble.pods import Pods
from tests.component.metric_trouble.scenarios import SCENARIOS, Ground, Outcome, failed
from tests.component.metric_trouble.server import Prometheus

from cluster.binaries import Binaries
from steersman.api.status import MeasurementPhase

PASS, INCONCLUSIVE, ERROR = MeasurementPhase.PASS, MeasurementPhase.INCONCLUSIVE, MeasurementPhase.ERROR
Outcomes = dict[str, Outcome | BaseException]


@pytest.fixture(scope="module")
def outcomes(prometheus_binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcomes]:
    """What every scenario came to."""
    folder = tmp_path_factory.mktemp("trouble")
    with Pods() as pods:
        shared = Prometheus(prometheus_binaries["prometheus"], _made(folder / "shared"), pods.address)
        shared.start()
        try:
            yield asyncio.run(_play(Ground(pods, shared, prometheus_binaries["prometheus"], folder)))
        finally:
            shared.stop()


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


async def _play(ground: Ground) -> Outcomes:
    tasks = {name: asyncio.create_task(play(ground)) for name, play in SCENARIOS.items()}  # type: ignore[arg-type]
    await asyncio.sleep(0.1)  # by now each has made its pods
    ground.publish()
    ended = await asyncio.gather(*tasks.values(), return_exceptions=True)
    return dict(zip(tasks, ended, strict=True))


@pytest.fixture
def outcome(outcomes: Outcomes, request: pytest.FixtureRequest) -> Outcome:
    """Of the scenario that the test is named after, or that its parameter names."""
    name = getattr(request, "param", None) or request.node.name.removeprefix("test_")
    found = outcomes[name]
    if isinstance(found, BaseException):
        raise found
    return found


EXACT = [
    "gap",
    "late_scrape",
    "nan_counter",
    "quiet_restart",
    "no_traffic",
    "no_traffic_to_the_candidate",
    "clock_ahead",
    "clock_behind",
    "clock_slightly_ahead",
    "clock_slightly_behind",
    "unreachable",
    "server_restarted",
    "pods_replaced",
]


@pytest.mark.parametrize("outcome", EXACT, indirect=True)
def test_every_request_counts_once(outcome: Outcome) -> None:
    """Nothing is lost, nothing counts twice, and no history counts, whatever happened in between."""
    assert outcome.counted == outcome.served
    assert min(outcome.served) > 0


@pytest.mark.parametrize(
    "outcome",
    [name for name in SCENARIOS if name not in ("gap_of_a_bad_candidate", "threshold_without_series")],
    indirect=True,
)
def test_no_trouble_is_a_failure(outcome: Outcome) -> None:
    assert not failed(outcome), outcome.rollout.messages(MeasurementPhase.FAIL)


@pytest.mark.parametrize(
    "outcome",
    [name for name in EXACT if name not in ("no_traffic_to_the_candidate",)],
    indirect=True,
)
def test_afterwards_looks_pass_again(outcome: Outcome) -> None:
    assert PASS in outcome.rollout.phases()
    assert outcome.rollout.counted.evidence is not None and outcome.rollout.counted.evidence < 100


def test_gap_of_a_bad_candidate(outcome: Outcome) -> None:
    """A gap delays the judgement, and does not prevent it."""
    assert outcome.counted == outcome.served
    assert failed(outcome)


def test_nan_counter(outcome: Outcome) -> None:
    assert any("is nan" in message for message in outcome.rollout.messages(INCONCLUSIVE))


def test_nan_threshold(outcome: Outcome) -> None:
    idle = outcome.notes["idle"]
    assert idle and {each.phase for each in idle} == {INCONCLUSIVE}
    assert any("nan" in each.message for each in idle)
    assert outcome.rollout.measurements[-1].phase is PASS


def test_threshold_without_series(outcome: Outcome) -> None:
    phases = {value: measurement.phase for value, measurement in outcome.notes.items()}
    assert phases == {"NaN": INCONCLUSIVE, "+Inf": INCONCLUSIVE, "3": PASS, "9": MeasurementPhase.FAIL}


def test_crash_loop(outcome: Outcome) -> None:
    """What a process counted after its last scrape, or in the window in which it died, is lost with it; counts never fall and never double."""
    requests, failures, stable_requests, stable_failures = outcome.counted
    served, failing, stable_served, stable_failing = outcome.served
    assert (stable_requests, stable_failures) == (stable_served, stable_failing)
    assert requests <= served and failures <= failing
    # At most two intervals' worth (20 requests a second) with each of the four restarts.
    assert requests >= served - 4 * 40
    seen = outcome.notes["seen"]
    assert seen == sorted(seen)


@pytest.mark.parametrize("outcome", ["no_traffic", "no_traffic_to_the_candidate"], indirect=True)
def test_without_requests_nothing_is_concluded(outcome: Outcome) -> None:
    idle = outcome.notes["idle"]
    assert len(idle) >= 2
    assert {each.phase for each in idle} == {INCONCLUSIVE}
    assert all(each.message.startswith("InsufficientData: 0 of 10 requests") for each in idle)


def test_no_traffic_to_stable(outcome: Outcome) -> None:
    assert outcome.rollout.phases() == {INCONCLUSIVE}
    assert "InsufficientData: stable answered 0 of 10 requests" in outcome.rollout.messages(INCONCLUSIVE)


@pytest.mark.parametrize(
    ("outcome", "said"),
    [("clock_ahead", "s ahead of that of Prometheus"), ("clock_behind", "s behind that of Prometheus")],
    indirect=["outcome"],
)
def test_a_wrong_clock_is_an_error_that_says_so(outcome: Outcome, said: str) -> None:
    errors = outcome.rollout.messages(ERROR)
    assert errors and all(said in message for message in errors)


def test_clock_set_back(outcome: Outcome) -> None:
    """What was looked at is not looked at again under another time."""
    assert len(outcome.rollout.measurements) == outcome.notes["looks"]


def test_clock_far_ahead_from_the_start(outcome: Outcome) -> None:
    """Its answers would be nothing but zeros: they are refused, and the reason stands in the status."""
    assert outcome.rollout.phases() == {ERROR}
    assert "the operator's clock is 59 s ahead" in outcome.rollout.measurements[-1].message
    assert outcome.counted == (0, 0, 0, 0)


@pytest.mark.parametrize("outcome", ["clock_slightly_ahead", "clock_slightly_behind"], indirect=True)
def test_clocks_that_nearly_agree_are_good_enough(outcome: Outcome) -> None:
    assert ERROR not in outcome.rollout.phases()


@pytest.mark.parametrize("outcome", ["unreachable", "server_restarted"], indirect=True)
def test_a_server_that_is_away_is_an_error(outcome: Outcome) -> None:
    errors = outcome.rollout.messages(ERROR)
    assert errors and all("cannot reach Prometheus" in message for message in errors)


def test_server_lost_its_data(outcome: Outcome) -> None:
    """Pods' whole lives are not counted; counting begins again, and the outage that nobody saw in full is nobody's fault."""
    assert any("counting begins again here" in message for message in outcome.rollout.messages(INCONCLUSIVE))
    before, forgotten = outcome.notes["before"], outcome.notes["forgotten"]
    # What was served while nobody knew is lost; 20 requests a second for 4 s were served in all.
    assert all(0 <= later - earlier <= 80 for earlier, later in zip(before, forgotten, strict=True))
    assert tuple(now - then for now, then in zip(outcome.counted, forgotten, strict=True)) == outcome.served


def test_scrape_later_than_a_look(outcome: Outcome) -> None:
    """Then some of stable's requests are missed, never counted twice, and the candidate is not blamed."""
    requests, failures, stable_requests, stable_failures = outcome.counted
    served, failing, stable_served, stable_failing = outcome.served
    assert requests <= served and failures <= failing
    assert stable_requests <= stable_served and stable_failures <= stable_failing
