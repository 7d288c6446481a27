"""The soak's load generator against a server in the same process: every kind of loss is seen, and nothing is lost from sight."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from io import StringIO

import pytest
from aiohttp import web

from soak.connection import GarbledError, read_response
from soak.load import LoadGenerator, LoadSettings, quantiles
from soak.outcomes import LOST, Outcome, Response, outcome_of
from soak.tally import Tally, lost_in

GOOD = {"x-steersman-model-version": "7"}
SEEN: list[tuple[object, str]] = []
"""Connection and its header field `Connection`, of each request."""


async def answer(request: web.Request) -> web.Response:
    """By host: what the name says."""
    assert await request.json() == {}
    SEEN.append((request.transport, request.headers["Connection"]))
    match request.headers["Host"]:
        case "model":
            return web.Response(status=500, text="7", headers={**GOOD, "x-injected": "1"})
        case "server":
            return web.Response(status=503, text="7", headers={**GOOD, "x-injected": "1"})
        case "crash":
            return web.Response(status=500, text="7", headers=GOOD)
        case "gateway":
            return web.Response(status=503, text="no healthy upstream")
        case "refused":
            return web.Response(status=404)
        case "closed":
            assert request.transport is not None
            request.transport.abort()
        case "timeout":
            await asyncio.sleep(5)
        case "other version":
            return web.Response(text="6", headers=GOOD)
        case "no model":
            return web.Response(text="7")
    return web.Response(text="7", headers=GOOD)


@pytest.fixture
async def port() -> AsyncIterator[int]:
    application = web.Application()
    application.router.add_post("/invocations", answer)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    SEEN.clear()
    yield site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
    await runner.cleanup()


async def send(port: int, *hosts: str, seconds: float = 0.5, **settings: float) -> Tally:
    output = StringIO()
    generator = LoadGenerator(LoadSettings("127.0.0.1", port, hosts, timeout=0.4, **settings), output)  # type: ignore[arg-type]
    running = asyncio.create_task(generator.run())
    await asyncio.sleep(seconds)
    generator.stop()
    await running
    tally = Tally()
    for line in output.getvalue().splitlines():
        tally.add(json.loads(line))
    assert tally.end is not None
    assert tally.end["sent"] == generator.sent == tally.answered > 0
    return tally


@pytest.mark.parametrize(
    ("host", "outcome"),
    [
        ("good", Outcome.OK),
        ("model", Outcome.MODEL),
        ("server", Outcome.SERVER),
        ("crash", Outcome.SERVER),
        ("gateway", Outcome.GATEWAY),
        ("refused", Outcome.REFUSED),
        ("closed", Outcome.CLOSED),
        ("timeout", Outcome.TIMEOUT),
        ("other version", Outcome.GARBLED),
        ("no model", Outcome.GARBLED),
    ],
)
async def test_each_end_of_a_request_has_its_name(port: int, host: str, outcome: Outcome) -> None:
    tally = await send(port, host)
    assert {key[3] for key in tally.counts} == {outcome}
    assert len(tally.lost) == lost_in(tally.counts) == (tally.answered if outcome in LOST else 0)
    assert {lost.outcome for lost in tally.lost} <= {outcome}


async def test_hosts_are_taken_in_turn_and_the_rate_does_not_wait_for_answers(port: int) -> None:
    tally = await send(port, "good", "timeout", seconds=1.0, rate=100)
    by_host = {host: sum(n for key, n in tally.counts.items() if key[1] == host) for host in ("good", "timeout")}
    assert abs(by_host["good"] - by_host["timeout"]) <= 1
    assert tally.end is not None
    assert tally.answered == int(tally.end["seconds"] * 100) + 1


async def test_connections_are_kept_and_some_are_fresh(port: int) -> None:
    tally = await send(port, "good", seconds=1.0, kept=4, fresh_every=10)
    uses = Counter(connection for connection, _ in SEEN)
    fresh = [connection for connection, field in SEEN if field == "close"]
    assert len(SEEN) == tally.answered
    assert len(fresh) == (tally.answered + 9) // 10, "the first, the eleventh, ..."
    assert all(uses[connection] == 1 for connection in fresh)
    assert max(uses.values()) > 1


async def test_nobody_listening_is_a_closed_connection() -> None:
    tally = await send(9, "good", seconds=0.2)
    assert {(lost.outcome, lost.nth) for lost in tally.lost} == {(Outcome.CLOSED, 0)}


async def test_what_is_due_at_the_stop_is_sent_however_late() -> None:
    output = StringIO()
    generator = LoadGenerator(LoadSettings("127.0.0.1", 9, ("good",), rate=1000), output)
    running = asyncio.create_task(generator.run())
    while not generator.sent:  # noqa: ASYNC110  it has no event for that
        await asyncio.sleep(0.01)
    began = asyncio.get_running_loop().time()
    while asyncio.get_running_loop().time() < began + 0.4:
        pass  # the loop stands still, as on a busy machine
    generator.stop()
    await running
    assert generator.sent >= 400
    end = json.loads(output.getvalue().splitlines()[-1])["end"]
    assert end["late"] > 0
    assert end["lag"]["max"] >= 0.35


def test_an_answer_is_read_however_it_is_cut() -> None:
    whole = b"HTTP/1.1 200 OK\r\nX-Steersman-Model-Version: 7\r\nContent-Length: 1\r\n\r\n7"
    assert all(read_response(whole[:cut]) is None for cut in range(len(whole)))
    found = read_response(whole + b"HTTP")
    assert found is not None
    response, length = found
    assert (response.version, response.body, length) == ("7", b"7", len(whole))
    assert outcome_of(response) is Outcome.OK


@pytest.mark.parametrize(
    "head", [b"HTTP/1.1 200 OK\r\n\r\n", b"SSH-2.0\r\n\r\n", b"HTTP/1.1 abc\r\nContent-Length: 0\r\n\r\n"]
)
def test_what_is_no_answer_with_a_length_is_garbled(head: bytes) -> None:
    with pytest.raises(GarbledError):
        read_response(head)


def test_a_proxy_cannot_excuse_a_failure() -> None:
    assert outcome_of(Response(500, {"x-injected": "1"})) is Outcome.GATEWAY


def test_quantiles() -> None:
    assert quantiles([]) == {"p50": 0.0, "p99": 0.0, "max": 0.0}
    assert quantiles(range(1, 101)) == {"p50": 51, "p99": 100, "max": 100}
