"""The load generator against a server in the same process."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from demo.load import LoadGenerator, LoadSettings, Picture
from demo.names import VERSION_HEADER
from demo.records import Cause, parse_lines

PICTURES = [Picture(json.dumps({"digit": digit}).encode(), digit) for digit in range(10)]


async def answer(request: web.Request) -> web.Response:
    """Right for most digits; 2 raises, 3 finds no model, 4 is garbled, 5 is wrong, 6 hangs up, 7 takes too long."""
    assert request.headers["Host"] == "digits.demo.test"
    digit = (await request.json())["digit"]
    version = {VERSION_HEADER: "3"}
    match digit:
        case 2:
            return web.Response(status=500, headers=version)
        case 3:
            return web.Response(status=503)
        case 4:
            return web.Response(text="not JSON", headers=version)
        case 5:
            return web.json_response({"predictions": [0]}, headers=version)
        case 6:
            assert request.transport is not None
            request.transport.abort()
        case 7:
            await asyncio.sleep(2)
    return web.json_response({"predictions": [digit]}, headers=version)


@pytest.fixture
async def url() -> AsyncIterator[str]:
    application = web.Application()
    application.router.add_post("/invocations", answer)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert site._server is not None
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
    yield f"http://127.0.0.1:{port}"
    await runner.cleanup()


async def send(url: str, pictures: list[Picture], seconds: float, rate: float = 200) -> tuple[LoadGenerator, str]:
    output = io.StringIO()
    generator = LoadGenerator(LoadSettings(url, rate=rate, timeout=0.5), pictures, output)
    running = asyncio.create_task(generator.run())
    await asyncio.sleep(seconds)
    generator.stop()
    await running
    return generator, output.getvalue()


async def test_every_request_sent_is_recorded_with_its_cause(url: str) -> None:
    generator, text = await send(url, PICTURES, 1.0)
    records = list(parse_lines(text.splitlines(keepends=True)))
    assert len(records) == generator.sent == generator.recorded > 100
    causes = {record.cause for record in records}
    assert causes == {Cause.NONE, Cause.MODEL, Cause.GATEWAY, Cause.GARBLED, Cause.CONNECTION, Cause.TIMEOUT}
    assert any(not record.correct and record.cause is Cause.NONE for record in records)
    assert {record.version for record in records if record.cause is Cause.MODEL} == {"3"}


async def test_the_rate_is_constant_whatever_the_answers(url: str) -> None:
    slow, _ = await send(url, [PICTURES[7]], 1.0, rate=50)
    assert slow.sent == pytest.approx(50, abs=4)


async def test_nobody_listening_is_a_connection_failure() -> None:
    _, text = await send("http://127.0.0.1:9", [PICTURES[1]], 0.2, rate=50)
    assert {record.cause for record in parse_lines(text.splitlines(keepends=True))} == {Cause.CONNECTION}
