from __future__ import annotations

import asyncio

import pytest

from steersman.shell.queue import FIRST_BACKOFF, LAST_BACKOFF, MOMENT, WorkQueue

A, B = ("ns", "a"), ("ns", "b")


async def test_repeats_merge_and_order_is_kept() -> None:
    queue = WorkQueue()
    for key in (A, B, A, A):
        queue.add(key)
    assert len(queue) == 2
    assert [await queue.get(), await queue.get()] == [A, B]


async def test_key_is_never_handed_out_twice_at_once() -> None:
    queue = WorkQueue()
    queue.add(A)
    assert await queue.get() == A
    queue.add(A)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(queue.get(), 0.02)
    queue.done(A)
    assert await asyncio.wait_for(queue.get(), 1) == A


async def test_failures_back_off_with_a_limit_and_success_forgets_them() -> None:
    queue = WorkQueue()
    delays = []
    for _ in range(12):
        queue.add(A)
        await queue.get()
        delays.append(queue.failed(A))
        queue.schedule(A, None)
    assert FIRST_BACKOFF * 0.75 <= delays[0] <= FIRST_BACKOFF * 1.25
    assert delays[3] > delays[0] * 3
    assert LAST_BACKOFF * 0.75 <= delays[-1] <= LAST_BACKOFF * 1.25
    queue.add(A)
    await queue.get()
    queue.done(A)
    queue.add(A)
    await queue.get()
    assert queue.failed(A) <= FIRST_BACKOFF * 1.25


async def test_a_key_that_changed_while_it_failed_comes_back_at_once_and_begins_anew() -> None:
    queue = WorkQueue()
    for _ in range(6):
        queue.add(A)
        await queue.get()
        queue.failed(A)
    queue.add(A)
    await queue.get()
    queue.add(A)
    assert queue.failed(A) <= FIRST_BACKOFF * 1.25
    assert len(queue) == 1
    queue.close()


async def test_failed_key_comes_back_by_itself() -> None:
    queue = WorkQueue()
    queue.add(A)
    await queue.get()
    queue.failed(A)
    assert await asyncio.wait_for(queue.get(), 2) == A


async def test_only_the_latest_schedule_counts() -> None:
    queue = WorkQueue()
    queue.schedule(A, 0.01)
    queue.schedule(A, 30)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(queue.get(), 0.05)
    queue.schedule(A, -5)
    assert await asyncio.wait_for(queue.get(), 1) == A
    queue.close()


async def test_age_of_the_oldest() -> None:
    now = [100.0]
    queue = WorkQueue(clock=lambda: now[0])
    assert queue.oldest_age == 0
    queue.add(A)
    now[0] = 107.0
    queue.add(B)
    assert queue.oldest_age == 7


async def test_what_happens_within_a_moment_is_one_turn() -> None:
    queue = WorkQueue()
    for key in (A, A, B, A):
        queue.add_soon(key)
    assert len(queue) == 0
    assert [await asyncio.wait_for(queue.get(), 1), await asyncio.wait_for(queue.get(), 1)] == [A, B]
    queue.done(A)
    queue.add_soon(B)
    await asyncio.sleep(MOMENT * 2)
    assert len(queue) == 0, "B is worked on still"
    queue.done(B)
    assert await asyncio.wait_for(queue.get(), 1) == B


async def test_a_moment_does_not_put_off_a_key_that_waits_already_nor_a_scheduled_look() -> None:
    queue = WorkQueue()
    queue.schedule(A, MOMENT / 3)
    queue.add_soon(A)
    assert await asyncio.wait_for(queue.get(), MOMENT) == A
    queue.done(A)
    queue.add(B)
    queue.add_soon(B)
    assert await queue.get() == B
    queue.done(B)
    queue.add_soon(A)
    queue.close()
    await asyncio.sleep(MOMENT * 2)
    assert len(queue) == 0, "closed"
