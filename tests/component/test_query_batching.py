"""How many queries a thousand rollouts send: as many as their template has counters, not as many as there are rollouts.

Counted at an HTTP server; nothing depends on how fast anything is.
"""

from __future__ import annotations

import pytest

from simulation.fleet import INTERVAL, RATE, START, Fleet
from steersman.api.status import MeasurementPhase

SETTLED = 2.0
COUNTERS = 6
"""Three metrics of two counters each."""


@pytest.mark.parametrize("spread", [0.0, 60.0])
async def test_a_thousand_rollouts_of_three_metrics_send_six_queries_an_interval(spread: float) -> None:
    """Also when they started at different moments of the last minute: looks lie on one grid, and a first look covers one interval."""
    async with Fleet.of(1000, spread=spread) as fleet:
        pasts = 0
        for turn in range(1, 6):
            cost = await fleet.turn(START + turn * INTERVAL + SETTLED)
            assert cost.queries == COUNTERS
            pasts += cost.pasts
        # Once a rollout each metric asks for the past of its own stable.
        assert pasts == 3 * 1000 and (spread > 0.0 or cost.pasts == 0)
        assert set(fleet.server.asked.values()) == {5}
        for rollout in fleet.rollouts:
            assert rollout.status is not None
            for metric in rollout.status.metrics:
                assert metric.phase is MeasurementPhase.PASS
                assert (
                    metric.sequential is not None
                    and metric.last_look_at is not None
                    and metric.first_look_at is not None
                )
                covered = metric.last_look_at - metric.first_look_at
                assert metric.sequential.candidate_requests == metric.sequential.stable_requests == RATE * covered


async def test_rollouts_that_hold_a_look_open_send_a_few_more() -> None:
    """A rollout without requests on one side covers a longer time; there are as many such times as intervals in the minute that it is held."""
    async with Fleet.of(300) as fleet:
        for number, rollout in enumerate(fleet.rollouts):
            # A third each is silent from the start, from 15 s and from 30 s on.
            if number < 100:
                fleet.server.silent.add(rollout.context.candidate)
        queries = []
        for turn in range(1, 9):
            if turn in (2, 3):
                fleet.server.silent.update(r.context.candidate for r in fleet.rollouts[(turn - 1) * 100 : turn * 100])
            queries.append((await fleet.turn(START + turn * INTERVAL + SETTLED)).queries)
        # One window; then 15 s and 30 s; then up to 60 s, after which the look is taken.
        assert queries == [6, 12, 18, 18, 18, 18, 18, 18]
        assert max(queries) <= COUNTERS * 4


async def test_missed_looks_do_not_make_queries_differ_for_good() -> None:
    """After an outage all cover the same time, or soon do."""
    async with Fleet.of(200, spread=30.0) as fleet:
        for turn in (1, 2, 3):
            await fleet.turn(START + turn * INTERVAL + SETTLED)
        late = START + 20 * INTERVAL + SETTLED
        assert (await fleet.turn(late)).queries == COUNTERS
        assert (await fleet.turn(late + INTERVAL)).queries == COUNTERS
